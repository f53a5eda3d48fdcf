//! `POST /api/v1/events/{topic}`: enrich, append, answer when every event is durable.

use std::sync::Arc;

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use homeostat_actors::ports::log::{Appended, ErrorClass, LogError, NewRecord};
use homeostat_logic::enrich::{Stamp, enrich_for};
use homeostat_logic::topic::{self, NotPublishable};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use uuid::Uuid;

use super::problem::{Kind, Problem};
use super::{ApiState, body, decisions};
use crate::metrics::Published;

/// Longest key in bytes; keys name a model, a service or a user.
const KEY_BYTES_MAX: usize = 1_024;
/// Records per append: after a time limit, the appends before are known to be durable, and their events are told.
const APPEND_RECORDS: usize = 1_000;
/// Requests that hold a body at once: sixteen times 8 MiB, several times over while it is split, fit any machine.
const BODIES_MAX: usize = 16;

/// Bounds the memory of bodies; requests beyond it wait before theirs is read.
pub(super) struct Admission(Arc<Semaphore>);

impl Admission {
    pub(super) fn shared() -> Data<Self> {
        Data::new(Self(Arc::new(Semaphore::new(BODIES_MAX))))
    }
}

/// The handler.
pub(super) async fn publish(
    state: Data<ApiState>,
    admission: Data<Admission>,
    topic: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let waiting = tokio::time::timeout(state.acknowledge_limit, admission.0.acquire());
    let Ok(Ok(_permit)) = waiting.await else {
        let detail =
            "too many events are being published at once; try again; nothing was published";
        return Err(Problem::new(Kind::Busy, detail));
    };
    let prepared = prepare(&state, &topic, &request, payload).await;
    let records =
        prepared.inspect_err(|_| state.metrics.published(&topic, Published::Refused, 0))?;
    let outcome = append(&state, records).await;
    let published = if outcome.fault.is_none() {
        Published::Accepted
    } else {
        Published::Unacknowledged
    };
    state
        .metrics
        .published(&topic, published, outcome.acknowledged.len() as u64);
    outcome.answer()
}

/// A record and the id of its event.
type Prepared = (String, NewRecord);

async fn prepare(
    state: &ApiState,
    topic: &str,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Vec<Prepared>, Problem> {
    let topic = topic::publishable(topic).map_err(not_publishable)?;
    let key = key(request)?;
    let body = body::read(payload).await?;
    let time = state.clock.now();
    let mut records = Vec::new();
    for incoming in body::split(request.headers(), &body)? {
        let event_id = Uuid::new_v4().to_string();
        let stamp = Stamp {
            event_id: &event_id,
            time,
        };
        let enriched = enrich_for(topic, incoming.event.text.as_bytes(), stamp)
            .map_err(|error| incoming.problem(&error))?;
        let record = NewRecord {
            topic: topic.name.to_owned(),
            key: key
                .clone()
                .or(incoming.event.key)
                .or(enriched.key)
                .map(String::into_bytes),
            value: Some(enriched.text.into_bytes()),
            ..NewRecord::default()
        };
        records.push((enriched.event_id, record));
    }
    Ok(records)
}

fn not_publishable(reason: NotPublishable) -> Problem {
    let kind = match reason {
        NotPublishable::Unknown => Kind::UnknownTopic,
        NotPublishable::Internal => Kind::InternalTopic,
    };
    let names: Vec<&str> = topic::TOPICS.iter().map(|topic| topic.name).collect();
    Problem::new(kind, reason.to_string()).with("topics", names)
}

/// `?key=`; an empty one is none.
fn key(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let parameters = decisions::parameters(request, &["key"])?;
    let key = parameters
        .into_iter()
        .map(|(_, key)| key)
        .find(|key| !key.is_empty());
    if key.as_ref().is_some_and(|key| key.len() > KEY_BYTES_MAX) {
        let detail = format!("parameter `key`: at most {KEY_BYTES_MAX} bytes are allowed");
        return Err(Problem::new(Kind::BadParameter, detail).with("parameter", "key"));
    }
    Ok(key)
}

/// What became of the records of a request.
#[derive(Default)]
struct Outcome {
    acknowledged: Vec<(String, Appended)>,
    unacknowledged: Vec<String>,
    fault: Option<Fault>,
}

enum Fault {
    Log(LogError),
    Timeout,
}

/// Appends in order, within the time limit. After the first fault nothing more is appended, so that no event overtakes
/// one that the publisher has to send again.
async fn append(state: &ApiState, records: Vec<Prepared>) -> Outcome {
    let deadline = Instant::now() + state.acknowledge_limit;
    let mut outcome = Outcome::default();
    let mut records = records.into_iter().peekable();
    while records.peek().is_some() {
        let (ids, chunk): (Vec<String>, Vec<NewRecord>) =
            records.by_ref().take(APPEND_RECORDS).unzip();
        if outcome.fault.is_some() {
            outcome.unacknowledged.extend(ids);
            continue;
        }
        let Ok(answers) = tokio::time::timeout_at(deadline, state.log.append(chunk)).await else {
            outcome.unacknowledged.extend(ids);
            outcome.fault = Some(Fault::Timeout);
            continue;
        };
        // A log that answers fewer records than it was given has not acknowledged the others.
        let silent = || Err(LogError::Unavailable("no answer for the record".to_owned()));
        let answers = answers.into_iter().chain(std::iter::repeat_with(silent));
        for (id, answer) in ids.into_iter().zip(answers) {
            match answer {
                Ok(appended) => outcome.acknowledged.push((id, appended)),
                Err(error) => {
                    outcome.unacknowledged.push(id);
                    outcome.fault.get_or_insert(Fault::Log(error));
                }
            }
        }
    }
    outcome
}

impl Outcome {
    fn answer(self) -> Result<HttpResponse, Problem> {
        let ids: Vec<&String> = self.acknowledged.iter().map(|(id, _)| id).collect();
        let ids = json!(ids);
        let events: Vec<Value> = self
            .acknowledged
            .iter()
            .map(|(id, at)| json!({"event_id": id, "partition": at.partition, "offset": at.offset}))
            .collect();
        let Some(fault) = self.fault else {
            return Ok(HttpResponse::Accepted().json(json!({"events": events, "event_ids": ids})));
        };
        let (kind, reason) = match fault {
            Fault::Timeout => (
                Kind::LogTimeout,
                "the event log did not acknowledge in time".to_owned(),
            ),
            Fault::Log(error) if error.class() == ErrorClass::Reject => {
                (Kind::RefusedByLog, error.to_string())
            }
            Fault::Log(error) => (Kind::LogUnavailable, error.to_string()),
        };
        let (durable, others) = (self.acknowledged.len(), self.unacknowledged.len());
        let detail = format!(
            "{reason}; {durable} events are durable, {others} are not known to be: send those again with the same event_id"
        );
        Err(Problem::new(kind, detail)
            .with("events", events)
            .with("event_ids", ids)
            .with("unacknowledged", self.unacknowledged))
    }
}
