//! Dead letters over HTTP: listed, shown, replayed once; and partitions that stopped because of them, resumed.

mod letter;
mod reader;
mod reading;
mod replay;

use actix_web::web::{Data, Json, Path};
use homeostat_logic::dead_letters::LetterId;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::body::{Body, Content};
use super::describe::Operation;
use super::log::Log;
use super::parameters::{self, LIMIT_MAX, Parameters};
use super::problem::{Kind, Problem};
use super::route::Route;
use super::token::OperatorIfConfigured;
use letter::{Replay, Summary, Whole};
use reader::{Filter, Page};
use reading::{ID_PATTERN, bad_body, log_problem, time};

pub(super) use reading::Reading;
pub(super) use replay::{Ingested, route as replay};

/// Partitions that stopped for too many dead letters. Called on the HTTP worker: answers at once.
pub trait Stopped: Send + Sync + 'static {
    /// Lets partitions go on, all or those of a topic; which did, as `topic/partition`.
    fn resume_stopped(&self, topic: Option<&str>) -> Vec<String>;
}

/// `GET /api/v1/dead-letters`.
pub(super) fn listing() -> Route {
    Route::get("/api/v1/dead-letters", "dead_letters", list)
        .summary("Dead letters, newest first")
        .details("A request reads at most 10,000 records or 5 s: a page may be short or empty; continue with `next`.")
        .problems(&[Kind::RefusedByLog, Kind::LogUnavailable])
}

/// `GET /api/v1/dead-letters/{id}`.
pub(super) fn one() -> Route {
    Route::get("/api/v1/dead-letters/{id}", "dead_letter", show)
        .summary("A dead letter whole, with the original bytes")
        .problems(&[
            Kind::UnknownDeadLetter,
            Kind::RefusedByLog,
            Kind::LogUnavailable,
        ])
}

/// `POST /api/v1/dead-letters/resume`.
pub(super) fn resumption() -> Route {
    Route::post("/api/v1/dead-letters/resume", "resume_stopped", resume)
        .summary("Resume partitions of this instance that stopped for too many dead letters")
}

/// Which letters are asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Listing {
    /// Topic of origin.
    topic: Option<String>,
    /// Kind of fault.
    reason: Option<String>,
    /// Written then or later.
    #[serde(default, deserialize_with = "read_time")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    since: Option<i64>,
    /// Written before.
    #[serde(default, deserialize_with = "read_time")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    until: Option<i64>,
    /// Letters on a page.
    #[serde(
        default = "parameters::default_limit",
        deserialize_with = "parameters::limit"
    )]
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: usize,
    /// `next` of an earlier page.
    #[serde(default, deserialize_with = "read_cursor")]
    #[schemars(with = "Option<String>", extend("pattern" = ID_PATTERN))]
    cursor: Option<LetterId>,
}

/// A page.
#[derive(Serialize, JsonSchema)]
struct Letters {
    items: Vec<Summary>,
    /// Where the next page begins, if there is more.
    next: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Named {
    id: String,
}

async fn list(
    log: Data<Log>,
    reading: Data<Reading>,
    listing: Parameters<Listing>,
) -> Result<Json<Letters>, Problem> {
    let listing = listing.read()?;
    let filter = Filter {
        topic: listing.topic,
        reason: listing.reason,
        since: listing.since,
        until: listing.until,
    };
    let mut reader = reading.reader(log.limit).await?;
    let page = reader.newest(&filter, listing.cursor, listing.limit, |letter| {
        (letter.id, letter.summary(&Replay::NotYetKnown))
    });
    let Page { mut items, next } = page.await.map_err(log_problem)?;
    // The last one of a partition is farthest from its end.
    let mut oldest: Vec<LetterId> = items.iter().map(|(id, _)| *id).collect();
    oldest.reverse();
    oldest.dedup_by_key(|id| id.partition);
    for id in oldest {
        reader.see(id).await.map_err(log_problem)?;
    }
    for (id, summary) in &mut items {
        summary.replayed(&reader.replay(*id));
    }
    drop(reader);
    Ok(Json(Letters {
        items: items.into_iter().map(|(_, summary)| summary).collect(),
        next: next.map(|next| next.to_string()),
    }))
}

async fn show(
    log: Data<Log>,
    reading: Data<Reading>,
    wanted: Path<Named>,
) -> Result<Json<Whole>, Problem> {
    let unknown = || {
        let detail = "unknown dead letter; GET /api/v1/dead-letters lists those that are kept";
        Problem::new(Kind::UnknownDeadLetter, detail)
    };
    let id = LetterId::parse(&wanted.id).ok_or_else(unknown)?;
    let mut reader = reading.reader(log.limit).await?;
    let letter = reader.letter(id).await.map_err(log_problem)?;
    let letter = letter.ok_or_else(unknown)?;
    reader.see(id).await.map_err(log_problem)?;
    let replay = reader.replay(id);
    drop(reader);
    Ok(Json(letter.whole(&replay)))
}

/// What a resumption asks for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Resumption {
    topic: Option<String>,
}

/// A body that may be empty, for the document.
struct OptionalResumption;

impl Content for OptionalResumption {
    const REQUIRED: bool = false;

    fn content(operation: &mut Operation<'_>) -> Value {
        Resumption::content(operation)
    }
}

/// Those that had stopped.
#[derive(Serialize, JsonSchema)]
struct Resumed {
    resumed: Vec<String>,
}

/// Partitions of this instance.
async fn resume(
    _: OperatorIfConfigured,
    stopped: Data<dyn Stopped>,
    body: Body<OptionalResumption>,
) -> Result<Json<Resumed>, Problem> {
    let bytes = body.read().await?;
    let wanted: Resumption = if bytes.trim_ascii().is_empty() {
        Resumption::default()
    } else {
        serde_json::from_slice(&bytes).map_err(|error| bad_body(error.to_string()))?
    };
    let resumed = stopped.resume_stopped(wanted.topic.as_deref());
    Ok(Json(Resumed { resumed }))
}

fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let wanted = "a time of RFC 3339, such as 2026-01-31T08:00:00Z";
    parameters::text(deserializer, wanted, time).map(Some)
}

fn read_cursor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<LetterId>, D::Error> {
    parameters::text(
        deserializer,
        "the `next` of an earlier page",
        LetterId::parse,
    )
    .map(Some)
}
