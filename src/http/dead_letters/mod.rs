//! Dead letters over HTTP: listed, shown, replayed once; and partitions that stopped because of them, resumed.

mod letter;
mod reader;
mod replay;

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use homeostat_actors::ports::log::{ErrorClass, EventLog, LogError};
use homeostat_logic::dead_letters::LetterId;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

use super::control::token;
use super::decisions::{bad, parameters};
use super::problem::{Kind, Problem};
use super::{ApiState, body};
use letter::Replay;
use reader::{Filter, Page, Reader};

pub(super) use replay::replay;

/// Letters on a page, or replayed by a request, unless told otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;
/// Parameters of a listing.
const PARAMETERS: [&str; 6] = ["topic", "reason", "since", "until", "limit", "cursor"];

/// The reader, for one request at a time: that bounds its memory, and no letter is replayed twice at once by one process.
pub(super) struct Reading(Mutex<Reader>);

impl Reading {
    pub(super) fn shared(log: &Arc<dyn EventLog>) -> Data<Self> {
        Data::new(Self(Mutex::new(Reader::new(Arc::clone(log)))))
    }

    async fn reader(&self, state: &ApiState) -> Result<MutexGuard<'_, Reader>, Problem> {
        let waiting = tokio::time::timeout(state.acknowledge_limit, self.0.lock());
        waiting.await.map_err(|_| {
            let detail = "dead letters are being read for others; try again";
            Problem::new(Kind::Busy, detail)
        })
    }
}

/// `GET /api/v1/dead-letters`.
pub(super) async fn list(
    state: Data<ApiState>,
    reading: Data<Reading>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (filter, before, limit) = query(&parameters(&request, &PARAMETERS)?)?;
    let mut reader = reading.reader(&state).await?;
    let page = reader.newest(&filter, before, limit, |letter| {
        (letter.id, letter.summary(&Replay::NotYetKnown))
    });
    let Page { mut items, next } = page.await.map_err(log_problem)?;
    // The last one of a partition stands farthest from its end.
    let mut oldest: Vec<LetterId> = items.iter().map(|(id, _)| *id).collect();
    oldest.reverse();
    oldest.dedup_by_key(|id| id.partition);
    for id in oldest {
        reader.see(id).await.map_err(log_problem)?;
    }
    for (id, summary) in &mut items {
        tell_replay(summary, &reader.replay(*id));
    }
    drop(reader);
    let items: Vec<Value> = items.into_iter().map(|(_, summary)| summary).collect();
    let next = next.map(|next| next.to_string());
    Ok(HttpResponse::Ok().json(json!({"items": items, "next": next})))
}

fn tell_replay(summary: &mut Value, replay: &Replay) {
    let (replayed, to) = replay.told();
    if let Value::Object(fields) = summary {
        fields.insert("replayed".to_owned(), replayed);
        fields.insert("replayed_to".to_owned(), to);
    }
}

/// `GET /api/v1/dead-letters/{id}`.
pub(super) async fn show(
    state: Data<ApiState>,
    reading: Data<Reading>,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let unknown = || {
        let detail = "there is no dead letter of this id; GET /api/v1/dead-letters lists those that are kept";
        Problem::new(Kind::UnknownDeadLetter, detail)
    };
    let id = LetterId::parse(&id).ok_or_else(unknown)?;
    let mut reader = reading.reader(&state).await?;
    let letter = reader.letter(id).await.map_err(log_problem)?;
    let letter = letter.ok_or_else(unknown)?;
    reader.see(id).await.map_err(log_problem)?;
    let replay = reader.replay(id);
    drop(reader);
    Ok(HttpResponse::Ok().json(letter.whole(&replay)))
}

/// What a resumption asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resumption {
    topic: Option<String>,
}

/// `POST /api/v1/dead-letters/resume`: partitions of this instance.
pub(super) async fn resume(
    state: Data<ApiState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    token::check_if_configured(state.control.operator_token.as_ref(), request.headers())?;
    let bytes = body::read(payload).await?;
    let wanted: Resumption = if bytes.trim_ascii().is_empty() {
        Resumption::default()
    } else {
        serde_json::from_slice(&bytes).map_err(|error| bad_body(error.to_string()))?
    };
    let resumed = state.queries.resume_stopped(wanted.topic.as_deref());
    Ok(HttpResponse::Ok().json(json!({"resumed": resumed})))
}

type Query = (Filter, Option<LetterId>, usize);

fn query(parameters: &[(String, String)]) -> Result<Query, Problem> {
    let (mut filter, mut before, mut limit) = (Filter::default(), None, LIMIT);
    for (name, value) in parameters {
        let read_time = || {
            let wanted = "a time of RFC 3339, such as 2026-01-31T08:00:00Z";
            time(value).ok_or_else(|| bad(name, value, wanted))
        };
        match name.as_str() {
            "topic" => filter.topic = Some(value.clone()),
            "reason" => filter.reason = Some(value.clone()),
            "since" => filter.since = Some(read_time()?),
            "until" => filter.until = Some(read_time()?),
            "cursor" => {
                let cursor = LetterId::parse(value);
                let wanted = "the `next` of an earlier page";
                before = Some(cursor.ok_or_else(|| bad(name, value, wanted))?);
            }
            _ => {
                let number = value.parse().ok();
                limit = number
                    .filter(|limit| (1..=LIMIT_MAX).contains(limit))
                    .ok_or_else(|| bad(name, value, "a whole number from 1 to 1000"))?;
            }
        }
    }
    Ok((filter, before, limit))
}

/// Milliseconds of an RFC 3339 time.
fn time(text: &str) -> Option<i64> {
    let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    Some(time.timestamp_millis())
}

fn bad_body(problem: impl std::fmt::Display) -> Problem {
    Problem::new(Kind::BadRequest, format!("the body: {problem}"))
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "used as a function for map_err"
)]
fn log_problem(error: LogError) -> Problem {
    let kind = match error.class() {
        ErrorClass::Reject => Kind::RefusedByLog,
        ErrorClass::Retry | ErrorClass::Stop => Kind::LogUnavailable,
    };
    Problem::new(kind, error.to_string())
}
