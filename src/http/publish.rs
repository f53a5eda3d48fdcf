//! `POST /api/v1/events/{topic}`: enrich, append, answer when every event is durable.

use std::sync::Arc;

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use homeostat_actors::ports::log::{Appended, ErrorClass, LogError, NewRecord};
use homeostat_logic::enrich::{Stamp, enrich_for};
use homeostat_logic::topic::{self, NotPublishable};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use uuid::Uuid;

use super::problem::{Kind, Problem};
use super::{ApiState, body, decisions};
use crate::addressed_event::KEY_CHARS_MAX;
use crate::metrics::Published;

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

    /// Waits for its turn, as long as a publisher waits for the log.
    pub(super) async fn enter(&self, state: &ApiState) -> Result<SemaphorePermit<'_>, Problem> {
        let waiting = tokio::time::timeout(state.acknowledge_limit, self.0.acquire());
        let Ok(Ok(permit)) = waiting.await else {
            let detail =
                "too many events are being published at once; try again; nothing was published";
            return Err(Problem::new(Kind::Busy, detail));
        };
        Ok(permit)
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
    let _permit = admission.enter(&state).await?;
    let prepared = prepare(&state, &topic, &request, payload).await;
    let prepared =
        prepared.inspect_err(|_| state.metrics.published(&topic, Published::Refused, 0))?;
    let (ids, records): (Vec<String>, Vec<NewRecord>) = prepared.into_iter().unzip();
    let outcome = Outcome::of(ids.into_iter().zip(append(&state, records).await));
    let published = if outcome.is_complete() {
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

pub(super) fn not_publishable(reason: NotPublishable) -> Problem {
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
    if key
        .as_ref()
        .is_some_and(|key| key.chars().count() > KEY_CHARS_MAX)
    {
        let detail = format!("parameter `key`: at most {KEY_CHARS_MAX} characters are allowed");
        return Err(Problem::new(Kind::BadParameter, detail).with("parameter", "key"));
    }
    Ok(key)
}

/// Why a record is not known to be durable.
#[derive(Clone)]
pub(super) enum Fault {
    /// The log said so.
    Log(LogError),
    /// The log did not answer in time.
    Timeout,
    /// A record before it was not acknowledged and has to be sent again, so this one must not overtake it.
    Behind,
}

impl Fault {
    /// Whether the same record may be taken another time.
    pub(super) fn may_pass(&self) -> bool {
        !matches!(self, Self::Log(error) if error.class() == ErrorClass::Reject)
    }

    /// As a problem.
    pub(super) fn problem(&self) -> Problem {
        match self {
            Self::Log(error) if self.may_pass() => {
                Problem::new(Kind::LogUnavailable, error.to_string())
            }
            Self::Log(error) => Problem::new(Kind::RefusedByLog, error.to_string()),
            Self::Timeout => Problem::new(
                Kind::LogTimeout,
                "the event log did not acknowledge in time",
            ),
            Self::Behind => Problem::new(
                Kind::LogUnavailable,
                "not tried: an event before it was not acknowledged, and must not be overtaken",
            ),
        }
    }
}

/// Appends in order, within the time limit, and says of each record what became of it. After a fault that may pass nothing more
/// is appended, so that no event overtakes one that the publisher has to send again.
pub(super) async fn append(
    state: &ApiState,
    records: Vec<NewRecord>,
) -> Vec<Result<Appended, Fault>> {
    let deadline = Instant::now() + state.acknowledge_limit;
    let mut outcomes: Vec<Result<Appended, Fault>> = Vec::with_capacity(records.len());
    let mut records = records.into_iter().peekable();
    let mut goes_on = true;
    while records.peek().is_some() {
        let chunk: Vec<NewRecord> = records.by_ref().take(APPEND_RECORDS).collect();
        let count = chunk.len();
        if !goes_on {
            outcomes.extend(std::iter::repeat_n(Err(Fault::Behind), count));
            continue;
        }
        let Ok(answers) = tokio::time::timeout_at(deadline, state.log.append(chunk)).await else {
            outcomes.extend(std::iter::repeat_n(Err(Fault::Timeout), count));
            goes_on = false;
            continue;
        };
        // A log that answers fewer records than it was given has not acknowledged the others.
        let silent = || Err(LogError::Unavailable("no answer for the record".to_owned()));
        let answers = answers.into_iter().chain(std::iter::repeat_with(silent));
        for answer in answers.take(count) {
            let outcome = answer.map_err(Fault::Log);
            goes_on &= !matches!(&outcome, Err(fault) if fault.may_pass());
            outcomes.push(outcome);
        }
    }
    outcomes
}

/// What became of the events of a request.
#[derive(Default)]
struct Outcome {
    acknowledged: Vec<(String, Appended)>,
    unacknowledged: Vec<String>,
    /// How many of them may be taken another time.
    may_pass: usize,
    /// The first one; one that may pass goes before one that will not.
    fault: Option<Fault>,
}

impl Outcome {
    fn of(answers: impl Iterator<Item = (String, Result<Appended, Fault>)>) -> Self {
        let mut outcome = Self::default();
        for (id, answer) in answers {
            match answer {
                Ok(appended) => outcome.acknowledged.push((id, appended)),
                Err(fault) => {
                    outcome.unacknowledged.push(id);
                    if fault.may_pass() {
                        outcome.may_pass += 1;
                    }
                    if outcome.fault.is_none() || (outcome.may_pass == 1 && fault.may_pass()) {
                        outcome.fault = Some(fault);
                    }
                }
            }
        }
        outcome
    }

    const fn is_complete(&self) -> bool {
        self.fault.is_none()
    }

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
        let refused = self.unacknowledged.len() - self.may_pass;
        let mut parts = vec![format!("durable: {}", self.acknowledged.len())];
        if self.may_pass > 0 {
            parts.push(format!(
                "not known to be, to be sent again with the same event_id: {}",
                self.may_pass
            ));
        }
        if refused > 0 {
            parts.push(format!("refused, also when sent again: {refused}"));
        }
        let problem = fault.problem();
        Err(
            Problem::new(problem.kind(), format!("{problem}; {}", parts.join(", ")))
                .with("events", events)
                .with("event_ids", ids)
                .with("unacknowledged", self.unacknowledged),
        )
    }
}
