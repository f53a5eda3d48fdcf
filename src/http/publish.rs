//! `POST /api/v1/events/{topic}`: enrich, append, answer when every event is durable.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::{Data, Path};
use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::log::{Appended, ErrorClass, LogError, NewRecord};
use homeostat_logic::enrich::{Stamp, enrich_for};
use homeostat_logic::topic::{self, NotPublishable};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use uuid::Uuid;

use super::answers::Accepted;
use super::body::Body;
use super::incoming::{self, Events};
use super::log::{self, Log};
use super::parameters::Parameters;
use super::problem::{Kind, Problem};
use super::route::Route;
use crate::addressed_event::{KEY_CHARS_MAX, TopicName};
use crate::metrics::{Metrics, Published};

/// Records per append: after a time limit, the appends before are known to be durable, and their events are reported.
const APPEND_RECORDS: usize = 1_000;
/// Requests that hold a body at once: sixteen times 8 MiB, several times over while it is split, fit any machine.
const BODIES_MAX: usize = 16;

/// Bounds the memory of bodies; requests beyond it wait before theirs is read.
pub(super) struct Admission(Semaphore);

impl Admission {
    pub(super) fn new() -> Self {
        Self(Semaphore::new(BODIES_MAX))
    }

    /// Waits for its turn, as long as a publisher waits for the log.
    pub(super) async fn enter(&self, limit: Duration) -> Result<SemaphorePermit<'_>, Problem> {
        let Ok(Ok(permit)) = tokio::time::timeout(limit, self.0.acquire()).await else {
            let detail =
                "too many events are being published at once; try again; nothing was published";
            return Err(Problem::new(Kind::Busy, detail));
        };
        Ok(permit)
    }
}

/// Name of the route.
pub(super) const NAME: &str = "publish";

/// The route.
pub(super) fn route() -> Route {
    Route::post("/api/v1/events/{topic}", NAME, publish)
        .summary("Publish events; answered when each of them is durable")
        .details("One JSON object, an array, or JSON Lines; CloudEvents 1.0 structured, batch or binary (ce-* headers). CloudEvents, Kafka Connect and Debezium envelopes and Confluent's prefix before JSON are recognised in any body and published bare; an envelope or another form that cannot be read is a 422 that names it. At most 1 MiB an event, 8 MiB a body, 10,000 events a request. If one event is malformed, none is published. Answered within 10 s of the last byte; a 503 or 504 names the events that are durable in `events` and the others in `unacknowledged`.")
        .problems(&[
            Kind::UnknownTopic,
            Kind::InternalTopic,
            Kind::UnsupportedMediaType,
            Kind::UnreadableForm,
            Kind::LogUnavailable,
            Kind::LogTimeout,
        ])
}

#[derive(Deserialize, JsonSchema)]
struct Wanted {
    #[schemars(with = "TopicName")]
    topic: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Keyed {
    /// Key of every record of the request; events of one key keep their order. Wins over the `partitionkey` of a `CloudEvent`. At most 1,024 characters; an empty one is none.
    #[schemars(length(max = KEY_CHARS_MAX))]
    key: Option<String>,
}

/// Every event is durable.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Published")]
struct Durable {
    events: Vec<Placed>,
    event_ids: Vec<String>,
}

/// An event, and where it is in the log.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PublishedEvent")]
struct Placed {
    event_id: String,
    partition: i32,
    offset: i64,
}

/// What publishing needs, beside the request.
pub(super) struct Publishing {
    pub(super) log: Data<Log>,
    pub(super) clock: Data<dyn Clock>,
    pub(super) metrics: Data<Metrics>,
    pub(super) admission: Data<Admission>,
}

async fn publish(
    publishing: Data<Publishing>,
    wanted: Path<Wanted>,
    keyed: Parameters<Keyed>,
    request: HttpRequest,
    body: Body<Events>,
) -> Result<Accepted<Durable>, Problem> {
    let Publishing {
        log,
        clock,
        metrics,
        admission,
    } = &**publishing;
    let topic = wanted.into_inner().topic;
    let _permit = admission.enter(log.limit).await?;
    let prepared = prepare(&***clock, &topic, &keyed, &request, body).await;
    let prepared = prepared.inspect_err(|_| metrics.published(&topic, Published::Refused, 0))?;
    let (ids, records): (Vec<String>, Vec<NewRecord>) = prepared.into_iter().unzip();
    let outcome = Outcome::of(ids.into_iter().zip(append(log, records).await));
    let acknowledged = outcome.acknowledged.len() as u64;
    metrics.published(&topic, outcome.counted(), acknowledged);
    let events = outcome.events(|event_id, at| Placed {
        event_id,
        partition: at.partition,
        offset: at.offset,
    })?;
    let ids = events.iter().map(|event| event.event_id.clone());
    let event_ids = ids.collect();
    Ok(Accepted(Durable { events, event_ids }))
}

/// A record and the id of its event.
type Prepared = (String, NewRecord);

async fn prepare(
    clock: &dyn Clock,
    topic: &str,
    keyed: &Parameters<Keyed>,
    request: &HttpRequest,
    body: Body<Events>,
) -> Result<Vec<Prepared>, Problem> {
    let topic = topic::publishable(topic).map_err(not_publishable)?;
    let key = key(keyed)?;
    let body = body.read().await?;
    let time = clock.now();
    let mut records = Vec::new();
    for incoming in incoming::split(request.headers(), &body)? {
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
fn key(keyed: &Parameters<Keyed>) -> Result<Option<String>, Problem> {
    let key = keyed.read()?.key.filter(|key| !key.is_empty());
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
            Self::Log(error) => log::problem(error),
            Self::Timeout => Problem::new(
                Kind::LogTimeout,
                "the event log did not acknowledge in time",
            ),
            Self::Behind => Problem::new(
                Kind::LogUnavailable,
                "not sent: an event before it was not acknowledged, and must not be overtaken",
            ),
        }
    }
}

/// Appends in order, within the time limit, and says of each record what became of it. After a fault that may pass nothing more
/// is appended, so that no event overtakes one that the publisher has to send again.
pub(super) async fn append(log: &Log, records: Vec<NewRecord>) -> Vec<Result<Appended, Fault>> {
    let deadline = Instant::now() + log.limit;
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
        let Ok(answers) = tokio::time::timeout_at(deadline, log.log.append(chunk)).await else {
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
pub(super) struct Outcome<K> {
    acknowledged: Vec<(K, Appended)>,
    unacknowledged: Vec<K>,
    /// How many of them may be taken another time.
    may_pass: usize,
    /// The first one; one that may pass goes before one that will not.
    fault: Option<Fault>,
}

/// What names an event in an answer.
pub(super) trait Named {
    /// Its id.
    fn event_id(&self) -> &str;
}

impl Named for String {
    fn event_id(&self) -> &str {
        self
    }
}

impl Named for (String, &'static str) {
    fn event_id(&self) -> &str {
        &self.0
    }
}

impl<K: Named> Outcome<K> {
    pub(super) fn of(answers: impl Iterator<Item = (K, Result<Appended, Fault>)>) -> Self {
        let mut outcome = Self {
            acknowledged: Vec::new(),
            unacknowledged: Vec::new(),
            may_pass: 0,
            fault: None,
        };
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

    /// As the metrics count it.
    pub(super) const fn counted(&self) -> Published {
        if self.fault.is_none() {
            Published::Accepted
        } else {
            Published::Unacknowledged
        }
    }

    /// The durable events; a problem that lists them if some are not.
    pub(super) fn events<T: Serialize>(
        self,
        place: impl Fn(K, Appended) -> T,
    ) -> Result<Vec<T>, Problem> {
        let ids = self.acknowledged.iter();
        let event_ids: Vec<String> = ids.map(|(key, _)| key.event_id().to_owned()).collect();
        let events = self.acknowledged.into_iter();
        let events: Vec<T> = events.map(|(key, at)| place(key, at)).collect();
        let Some(fault) = self.fault else {
            return Ok(events);
        };
        let unacknowledged = self.unacknowledged.iter();
        let unacknowledged: Vec<&str> = unacknowledged.map(Named::event_id).collect();
        let refused = self.unacknowledged.len() - self.may_pass;
        let mut parts = vec![format!("durable: {}", events.len())];
        if self.may_pass > 0 {
            parts.push(format!(
                "not acknowledged, send them again with the same event_id: {}",
                self.may_pass
            ));
        }
        if refused > 0 {
            parts.push(format!("refused, also when sent again: {refused}"));
        }
        let problem = fault.problem();
        Err(
            Problem::new(problem.kind(), format!("{problem}; {}", parts.join(", ")))
                .with("events", json!(events))
                .with("event_ids", event_ids)
                .with("unacknowledged", unacknowledged),
        )
    }
}
