//! `POST /api/v1/events`: JSON Lines of `{topic, key, value}`, each answered for itself, in order.
//!
//! One request carries events of many topics and keys, so that interleaved keys cost no request each. A line that is refused
//! fails no other. Bounds are those of the endpoint of one topic.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actix_web::body::BoxBody;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::log::NewRecord;
use homeostat_logic::enrich::{Stamp, enrich_for};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::body::{Body, Content};
use super::describe::{Describe, Operation};
use super::incoming::{self, EVENTS_MAX};
use super::parameters::{NoParameters, Parameters};
use super::problem::{Document, Kind, Problem};
use super::publish::{Publishing, append, not_publishable};
use super::route::Route;
use crate::addressed_event::{self, AddressError};
use crate::metrics::Published;

/// The route.
pub(super) fn route() -> Route {
    Route::post("/api/v1/events", "publish_lines", publish)
        .summary("Publish events of many topics and keys; each line is answered for itself")
        .details("JSON Lines: each line is an AddressedEvent, blank lines are left out. At most 1 MiB an event, 8 MiB a body, 10,000 lines a request. `results` has one entry for each line, in order. A line that is refused fails no other. 202: every event is durable; 207: at least one is not. A line of status 408, 429, 502, 503 or 504 may be sent again with the same event_id; any other is refused for good. Behind a line that may be sent again nothing more is appended, so none of the same key overtakes it.")
        .problems(&[Kind::UnsupportedMediaType])
}

/// A body of lines, for the document.
struct Lines;

impl Content for Lines {
    fn content(operation: &mut Operation<'_>) -> Value {
        let line = operation.read::<addressed_event::Fields<'_>>();
        let schema = incoming::lines_of(&line);
        let example = json!([{"topic": "data.ingested", "key": "census", "value": {"rows": 7}}]);
        json!({
            "application/x-ndjson": {"schema": schema, "example": example},
            "application/jsonl": {"schema": schema},
        })
    }
}

/// What became of each line.
#[derive(Serialize, JsonSchema)]
struct PublishedLines {
    /// Whether at least one event is not durable.
    errors: bool,
    results: Vec<PublishedLine>,
}

/// What became of a line.
#[derive(Serialize, JsonSchema)]
struct PublishedLine {
    /// Counted from 1, blank lines too.
    #[schemars(range(min = 1))]
    line: usize,
    /// 202 if it is durable, otherwise that of `error`.
    status: u16,
    event_id: Option<String>,
    #[serde(flatten)]
    outcome: LineOutcome,
}

/// Where its event is, or why it is not durable.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum LineOutcome {
    Durable {
        topic: Cow<'static, str>,
        partition: i32,
        offset: i64,
    },
    Failed {
        /// A problem without `instance`.
        error: Document,
    },
}

impl Responder for PublishedLines {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut answer = if self.errors {
            HttpResponse::MultiStatus()
        } else {
            HttpResponse::Accepted()
        };
        answer.json(self)
    }
}

impl Describe for PublishedLines {
    fn describe(operation: &mut Operation<'_>) {
        operation.json_answer::<Self>(202);
        operation.json_answer::<Self>(207);
    }
}

/// A line of the request.
struct Line {
    /// Counted from 1, blank ones too.
    number: usize,
    /// Id and topic of its event; nothing if it was refused before that was known.
    event: Option<(String, &'static str)>,
    refused: Option<Problem>,
}

async fn publish(
    publishing: Data<Publishing>,
    parameters: Parameters<NoParameters>,
    request: HttpRequest,
    body: Body<Lines>,
) -> Result<PublishedLines, Problem> {
    let Publishing {
        log,
        clock,
        metrics,
        admission,
    } = &**publishing;
    let _permit = admission.enter(log.limit).await?;
    let prepared = prepare(&***clock, &parameters, &request, body).await;
    let (lines, records) =
        prepared.inspect_err(|_| metrics.published("", Published::Refused, 0))?;
    let mut outcomes = append(log, records).await.into_iter();
    let (mut results, mut counts) = (Vec::with_capacity(lines.len()), BTreeMap::new());
    let mut worst = Published::Accepted;
    for line in lines {
        let (event_id, topic) = line.event.unzip();
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
        let (status, outcome) = match outcome {
            Ok(at) => {
                let topic = topic.unwrap_or_default();
                *counts.entry(topic).or_insert(0) += 1;
                let durable = LineOutcome::Durable {
                    topic: topic.into(),
                    partition: at.partition,
                    offset: at.offset,
                };
                (202, durable)
            }
            Err((problem, published)) => {
                if !matches!(worst, Published::Unacknowledged) {
                    worst = published;
                }
                let error = problem.document();
                (
                    problem.kind().status().as_u16(),
                    LineOutcome::Failed { error },
                )
            }
        };
        results.push(PublishedLine {
            line: line.number,
            status,
            event_id,
            outcome,
        });
    }
    metrics.published("", worst, 0);
    for (topic, count) in counts {
        metrics.published_events(topic, count);
    }
    let errors = !matches!(worst, Published::Accepted);
    Ok(PublishedLines { errors, results })
}

/// Every line, and the records of those that are to be appended, in the same order.
async fn prepare(
    clock: &dyn Clock,
    parameters: &Parameters<NoParameters>,
    request: &HttpRequest,
    body: Body<Lines>,
) -> Result<(Vec<Line>, Vec<NewRecord>), Problem> {
    parameters.read()?;
    incoming::check_encoding(request.headers())?;
    let media = request.headers().get(CONTENT_TYPE);
    if media.is_some_and(|media| media.as_bytes().starts_with(b"application/cloudevents")) {
        let detail = "lines of {topic, key, value} are read here; send CloudEvents to /api/v1/events/{topic}";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    let body = body.read().await?;
    let (mut lines, mut records) = (Vec::new(), Vec::new());
    for (number, text) in (1..).zip(body.split(|byte| *byte == b'\n')) {
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        if lines.len() == EVENTS_MAX {
            return Err(incoming::too_many());
        }
        let (event, refused) = match record(clock, text) {
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
        let detail = "the body contains no line; a line is {\"topic\": …, \"key\": …, \"value\": {the event}}";
        return Err(Problem::new(Kind::MalformedEvent, detail));
    }
    Ok((lines, records))
}

fn record(clock: &dyn Clock, line: &[u8]) -> Result<(String, &'static str, NewRecord), Problem> {
    let addressed = addressed_event::read(line).map_err(|error| match error {
        AddressError::Topic { reason, .. } => {
            Problem::new(not_publishable(reason).kind(), error.to_string())
        }
        _ => Problem::new(Kind::MalformedEvent, error.to_string()),
    })?;
    let event_id = Uuid::new_v4().to_string();
    let stamp = Stamp {
        event_id: &event_id,
        time: clock.now(),
    };
    let event = enrich_for(addressed.topic, addressed.value.as_bytes(), stamp);
    let event = event
        .map_err(|error| Problem::new(incoming::kind_of(&error), format!("value: {error}")))?;
    let topic = addressed.topic.name;
    let record = NewRecord {
        topic: topic.to_owned(),
        key: addressed.key.or(event.key).map(String::into_bytes),
        value: Some(event.text.into_bytes()),
        ..NewRecord::default()
    };
    Ok((event.event_id, topic, record))
}
