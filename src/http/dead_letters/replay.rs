//! `POST /api/v1/dead-letters/replay`: events whose letters are named, or found by a filter, are published again, each once.
//!
//! First the event, then the marker. A crash in between leaves a replayed letter without a marker; a second replay then
//! publishes the event again, and the ledger suppresses it, because both have the identity of the event's first position.

use std::time::Duration;

use actix_web::web::{Data, Json};
use homeostat_actors::ports::log::{EventLog, LogError, NewRecord};
use homeostat_logic::dead_letters::LetterId;
use homeostat_logic::topic;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::letter::{Letter, Replay, marker_record};
use super::reader::{Filter, Page, Reader};
use super::reading::{ID_PATTERN, Reading, bad_body, log_problem, time};
use crate::http::body::{Body, optional_whole};
use crate::http::exclusive::{at_most_one, one_of};
use crate::http::log::Log;
use crate::http::parameters::{LIMIT, LIMIT_MAX};
use crate::http::problem::{Kind, Problem};
use crate::http::route::Route;
use crate::http::token::OperatorIfConfigured;

/// Replays of one request begin within this time; what is not reached is refused and may be asked for again.
const REPLAY_TIME: Duration = Duration::from_secs(15);

/// Topics of other tools that the service reads: what stood on one is published there again.
pub(in crate::http) struct Ingested(pub(in crate::http) Vec<&'static str>);

/// The route.
pub(in crate::http) fn route() -> Route {
    Route::post("/api/v1/dead-letters/replay", "replay_dead_letters", replay)
        .summary("Publish their events again, each once")
        .details("Either `ids`, or `filter` with `limit` and `cursor`.")
        .problems(&[Kind::RefusedByLog, Kind::LogUnavailable])
}

/// What is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Replay", transform = one_of(&["ids", "filter"]), transform = at_most_one(&["ids", "cursor"]))]
struct Request {
    #[schemars(length(min = 1, max = LIMIT_MAX))]
    ids: Option<Vec<String>>,
    filter: Option<RequestFilter>,
    #[serde(default, deserialize_with = "optional_whole")]
    #[schemars(range(min = 1, max = LIMIT_MAX), extend("default" = LIMIT))]
    limit: Option<usize>,
    /// `next` of an earlier answer.
    #[schemars(extend("pattern" = ID_PATTERN))]
    cursor: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReplayFilter")]
struct RequestFilter {
    topic: Option<String>,
    reason: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    since: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    until: Option<String>,
}

/// A page.
#[derive(Serialize, JsonSchema)]
struct Replayed {
    results: Vec<ReplayedLetter>,
    /// Where to go on, if there is more.
    next: Option<String>,
}

/// What became of a letter.
#[derive(Serialize, JsonSchema)]
struct ReplayedLetter {
    id: String,
    #[schemars(extend("enum" = ["replayed", "would_replay", "already_replayed", "refused"]))]
    outcome: &'static str,
    replayed_to: Option<String>,
    detail: Option<String>,
}

async fn replay(
    _: OperatorIfConfigured,
    log: Data<Log>,
    reading: Data<Reading>,
    ingested: Data<Ingested>,
    body: Body<Request>,
) -> Result<Json<Replayed>, Problem> {
    let bytes = body.read().await?;
    let request: Request =
        serde_json::from_slice(&bytes).map_err(|error| bad_body(error.to_string()))?;
    let deadline = Instant::now() + REPLAY_TIME;
    let mut reader = reading.reader(log.limit).await?;
    let Page { items: ids, next } = wanted(&request, &reader).await?;
    let replayer = Replayer {
        log: &*log.log,
        ingested: &ingested.0,
        limit: log.limit,
        dry_run: request.dry_run,
    };
    let mut results = Vec::new();
    for id in ids {
        let outcome = if Instant::now() >= deadline {
            Outcome::Refused("the time limit was reached before it; repeat the request".to_owned())
        } else {
            match LetterId::parse(&id) {
                Some(letter) => replayer.replay(&mut reader, letter).await,
                None => Outcome::Refused("no dead letter has an id of this form".to_owned()),
            }
        };
        results.push(outcome.shown(id));
    }
    drop(reader);
    let next = next.map(|next| next.to_string());
    Ok(Json(Replayed { results, next }))
}

async fn wanted(request: &Request, reader: &Reader) -> Result<Page<String>, Problem> {
    let limit = request.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(bad_body(format!(
            "limit: a whole number from 1 to {LIMIT_MAX}"
        )));
    }
    match (&request.ids, &request.filter) {
        (Some(ids), None) if request.cursor.is_none() && (1..=LIMIT_MAX).contains(&ids.len()) => {
            let (items, next) = (ids.clone(), None);
            Ok(Page { items, next })
        }
        (None, Some(filter)) => {
            let filter = filter.read()?;
            let cursor = request.cursor.as_deref().map(|cursor| {
                LetterId::parse(cursor)
                    .ok_or_else(|| bad_body("cursor: the `next` of an earlier answer".to_owned()))
            });
            let found = reader.newest(&filter, cursor.transpose()?, limit, |letter| {
                letter.id.to_string()
            });
            found.await.map_err(log_problem)
        }
        _ => Err(bad_body(format!(
            "name the letters by ids (1 to {LIMIT_MAX}), or by filter with limit and cursor, not both"
        ))),
    }
}

impl RequestFilter {
    fn read(&self) -> Result<Filter, Problem> {
        let time = |name: &str, text: &Option<String>| {
            let read = text.as_deref().map(|text| {
                time(text).ok_or_else(|| bad_body(format!("filter.{name}: a time of RFC 3339")))
            });
            read.transpose()
        };
        Ok(Filter {
            topic: self.topic.clone(),
            reason: self.reason.clone(),
            since: time("since", &self.since)?,
            until: time("until", &self.until)?,
        })
    }
}

/// What became of one letter.
enum Outcome {
    Replayed {
        to: String,
        marked: bool,
        left_out: Vec<String>,
    },
    WouldReplay {
        left_out: Vec<String>,
    },
    AlreadyReplayed(String),
    Refused(String),
}

impl Outcome {
    fn shown(self, id: String) -> ReplayedLetter {
        let (outcome, to, detail) = match self {
            Self::Replayed {
                to,
                marked,
                left_out,
            } => {
                let unmarked = "published, but the marker was not written: lists do not show the replay, and only the ledger suppresses a second one";
                let unmarked = (!marked).then(|| unmarked.to_owned());
                let details: Vec<_> = unmarked.into_iter().chain(without(&left_out)).collect();
                let detail = (!details.is_empty()).then(|| details.join("; "));
                ("replayed", Some(to), detail)
            }
            Self::WouldReplay { left_out } => ("would_replay", None, without(&left_out)),
            Self::AlreadyReplayed(to) => ("already_replayed", Some(to), None),
            Self::Refused(reason) => ("refused", None, Some(reason)),
        };
        ReplayedLetter {
            id,
            outcome,
            replayed_to: to,
            detail,
        }
    }
}

/// One request's replays.
struct Replayer<'a> {
    log: &'a dyn EventLog,
    ingested: &'a [&'static str],
    limit: Duration,
    dry_run: bool,
}

impl Replayer<'_> {
    async fn replay(&self, reader: &mut Reader, id: LetterId) -> Outcome {
        match self.try_replay(reader, id).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Refused(error.to_string()),
        }
    }

    async fn try_replay(&self, reader: &mut Reader, id: LetterId) -> Result<Outcome, LogError> {
        let Some(letter) = reader.letter(id).await? else {
            return Ok(Outcome::Refused("unknown dead letter".to_owned()));
        };
        reader.see(id).await?;
        match reader.replay(id) {
            Replay::Yes(to) => return Ok(Outcome::AlreadyReplayed(to)),
            Replay::NotYetKnown => {
                let why = "too many records follow it to see in one request whether it was replayed; repeat the request, each one reads on";
                return Ok(Outcome::Refused(why.to_owned()));
            }
            Replay::No => {}
        }
        if let Some(why) = impossible(&letter, self.ingested) {
            return Ok(Outcome::Refused(why));
        }
        let left_out = letter.unreadable_headers();
        if self.dry_run {
            return Ok(Outcome::WouldReplay { left_out });
        }
        let topic = letter.topic().to_owned();
        let to = self.append(letter.replay()).await?;
        let to = format!("{topic}/{to}");
        reader.replayed(id, &to);
        let marked = match self.append(marker_record(id, &to)).await {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(%id, %error, "a replayed dead letter was not marked");
                false
            }
        };
        tracing::info!(%id, to, "a dead letter was replayed");
        Ok(Outcome::Replayed {
            to,
            marked,
            left_out,
        })
    }

    /// Partition and offset of the record once it is durable.
    async fn append(&self, record: NewRecord) -> Result<String, LogError> {
        let silent = || LogError::Unavailable("it did not acknowledge in time".to_owned());
        let answers = tokio::time::timeout(self.limit, self.log.append(vec![record]));
        let answer = answers.await.map_err(|_| silent())?.pop();
        let appended = answer.unwrap_or_else(|| Err(silent()))?;
        Ok(format!("{}/{}", appended.partition, appended.offset))
    }
}

/// Says which headers a replay leaves out; the first ten by name.
fn without(left_out: &[String]) -> Option<String> {
    let count = left_out.len();
    let named = left_out.get(..10).unwrap_or(left_out).join(", ");
    (count > 0).then(|| {
        format!(
            "without {count} of its headers, whose names are not text, so that the event would be a dead letter again: {named}"
        )
    })
}

fn impossible(letter: &Letter, ingested: &[&str]) -> Option<String> {
    if let Some(part) = letter.omitted() {
        return Some(format!(
            "the letter does not hold the {part} of the record, which was too large; publish it again from its source position"
        ));
    }
    if ingested.contains(&letter.topic()) {
        return None;
    }
    let refused = topic::publishable(letter.topic()).err()?;
    Some(format!("{}: {refused}", letter.topic()))
}
