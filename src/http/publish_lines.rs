//! `POST /api/v1/events`: JSON Lines of `{topic, key, value}`, each answered for itself, in order.
//!
//! One request carries events of many topics and keys, so that interleaved keys cost no request each. A line that is refused
//! fails no other. Bounds are those of the endpoint of one topic.

use std::collections::BTreeMap;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use homeostat_actors::ports::log::NewRecord;
use homeostat_logic::enrich::{Stamp, enrich_for};
use serde_json::{Value, json};
use uuid::Uuid;

use super::problem::{Kind, Problem};
use super::publish::{Admission, append};
use super::{ApiState, EVENTS_MAX, body, decisions, publish};
use crate::addressed_event::{self, AddressError};
use crate::metrics::Published;

/// A line of the request.
struct Line {
    /// Counted from 1, blank ones too.
    number: usize,
    /// Id and topic of its event; nothing if it was refused before that was known.
    event: Option<(String, &'static str)>,
    refused: Option<Problem>,
}

/// The handler.
pub(super) async fn publish(
    state: Data<ApiState>,
    admission: Data<Admission>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let _permit = admission.enter(&state).await?;
    let prepared = prepare(&state, &request, payload).await;
    let (lines, records) =
        prepared.inspect_err(|_| state.metrics.published("", Published::Refused, 0))?;
    let mut outcomes = append(&state, records).await.into_iter();
    let (mut results, mut counts) = (Vec::with_capacity(lines.len()), BTreeMap::new());
    let mut worst = Published::Accepted;
    for line in lines {
        let (id, topic) = line.event.unzip();
        let outcome = match line.refused {
            Some(problem) => Err((problem, Published::Refused)),
            None => match outcomes.next() {
                Some(Ok(appended)) => Ok(appended),
                Some(Err(fault)) if fault.may_pass() => {
                    Err((fault.problem(), Published::Unacknowledged))
                }
                Some(Err(fault)) => Err((fault.problem(), Published::Refused)),
                None => continue,
            },
        };
        results.push(match outcome {
            Ok(at) => {
                *counts.entry(topic.unwrap_or_default()).or_insert(0) += 1;
                json!({"line": line.number, "status": 202, "event_id": id,
                       "topic": topic, "partition": at.partition, "offset": at.offset})
            }
            Err((problem, published)) => {
                if !matches!(worst, Published::Unacknowledged) {
                    worst = published;
                }
                failed(line.number, id.as_deref(), &problem)
            }
        });
    }
    let errors = !matches!(worst, Published::Accepted);
    state.metrics.published("", worst, 0);
    for (topic, count) in counts {
        state.metrics.published_events(topic, count);
    }
    let mut answer = if errors {
        HttpResponse::MultiStatus()
    } else {
        HttpResponse::Accepted()
    };
    Ok(answer.json(json!({"errors": errors, "results": results})))
}

fn failed(number: usize, id: Option<&str>, problem: &Problem) -> Value {
    let status = problem.status_code().as_u16();
    json!({"line": number, "status": status, "event_id": id, "error": problem.document()})
}

/// Every line, and the records of those that are to be appended, in the same order.
async fn prepare(
    state: &ApiState,
    request: &HttpRequest,
    payload: Payload,
) -> Result<(Vec<Line>, Vec<NewRecord>), Problem> {
    decisions::parameters(request, &[])?;
    body::check_encoding(request.headers())?;
    let media = request.headers().get(CONTENT_TYPE);
    if media.is_some_and(|media| media.as_bytes().starts_with(b"application/cloudevents")) {
        let detail = "lines of {topic, key, value} are read here; send CloudEvents to /api/v1/events/{topic}";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    let body = body::read(payload).await?;
    let (mut lines, mut records) = (Vec::new(), Vec::new());
    for (number, text) in (1..).zip(body.split(|byte| *byte == b'\n')) {
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        if lines.len() == EVENTS_MAX {
            return Err(body::too_many());
        }
        let (event, refused) = match record(state, text) {
            Ok((id, topic, record)) => {
                records.push(record);
                (Some((id, topic)), None)
            }
            Err(problem) => (None, Some(problem)),
        };
        lines.push(Line {
            number,
            event,
            refused,
        });
    }
    if lines.is_empty() {
        let detail = "there is no line in the body; a line is {\"topic\": …, \"key\": …, \"value\": {the event}}";
        return Err(Problem::new(Kind::MalformedEvent, detail));
    }
    Ok((lines, records))
}

fn record(state: &ApiState, line: &[u8]) -> Result<(String, &'static str, NewRecord), Problem> {
    let addressed = addressed_event::read(line).map_err(|error| match error {
        AddressError::Topic { reason, .. } => {
            Problem::new(publish::not_publishable(reason).kind(), error.to_string())
        }
        _ => Problem::new(Kind::MalformedEvent, error.to_string()),
    })?;
    let event_id = Uuid::new_v4().to_string();
    let stamp = Stamp {
        event_id: &event_id,
        time: state.clock.now(),
    };
    let event = enrich_for(addressed.topic, addressed.value.as_bytes(), stamp);
    let event =
        event.map_err(|error| Problem::new(body::kind_of(&error), format!("value: {error}")))?;
    let topic = addressed.topic.name;
    let record = NewRecord {
        topic: topic.to_owned(),
        key: addressed.key.or(event.key).map(String::into_bytes),
        value: Some(event.text.into_bytes()),
        ..NewRecord::default()
    };
    Ok((event.event_id, topic, record))
}
