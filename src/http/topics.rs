//! `GET /api/v1/topics[/{name}]`: the platform's topics with their partitions and offsets, as the event log describes them.

use actix_web::web::{Data, Json, Path};
use homeostat_actors::ports::log::TopicDescription;
use homeostat_logic::topic::{DEAD_LETTERS, LEDGER, TOPICS, Use};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::log::Log;
use super::problem::{Kind, Problem};
use super::route::Route;

const PROBLEMS: &[Kind] = &[Kind::LogTimeout, Kind::LogUnavailable];

/// `GET /api/v1/topics`.
pub(super) fn listing() -> Route {
    Route::get("/api/v1/topics", "topics", list)
        .summary("The platform's topics with their partitions and offsets")
        .problems(PROBLEMS)
}

/// `GET /api/v1/topics/{name}`.
pub(super) fn one() -> Route {
    Route::get("/api/v1/topics/{name}", "topic", show)
        .summary("One topic with its partitions and offsets")
        .problems(&[Kind::UnknownTopic, Kind::LogTimeout, Kind::LogUnavailable])
}

/// Those of the platform, then the service's own. One that is missing in the event log has no partitions.
#[derive(Serialize, JsonSchema)]
struct Topics {
    items: Vec<TopicShown>,
}

/// A topic with its partitions.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TopicDescription")]
struct TopicShown {
    name: String,
    /// What the service does with it.
    #[serde(rename = "use")]
    usage: String,
    partitions: Vec<PartitionShown>,
}

/// One partition and its offsets.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TopicPartition")]
struct PartitionShown {
    #[schemars(range(min = 0))]
    partition: i32,
    /// Offset of the first record that is kept.
    #[schemars(range(min = 0))]
    first: i64,
    /// Offset that the next record gets.
    #[schemars(range(min = 0))]
    next: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Named {
    /// As `GET /api/v1/topics` lists it.
    #[schemars(length(min = 1))]
    name: String,
}

async fn list(log: Data<Log>) -> Result<Json<Topics>, Problem> {
    let described = log.describe(names().map(str::to_owned).collect()).await?;
    let items = names().map(|name| shown(name, described.get(name)));
    Ok(Json(Topics {
        items: items.collect(),
    }))
}

/// Other topics are not asked for, because a name that is asked for can be created by it.
async fn show(log: Data<Log>, wanted: Path<Named>) -> Result<Json<TopicShown>, Problem> {
    let name = wanted.into_inner().name;
    let unknown = |detail: &str| Problem::new(Kind::UnknownTopic, detail);
    if !names().any(|known| known == name) {
        return Err(unknown(
            "not a topic of the platform; GET /api/v1/topics lists them",
        ));
    }
    let described = log.describe(vec![name.clone()]).await?;
    match described.get(&name) {
        Some(found) => Ok(Json(shown(&name, Some(found)))),
        None => Err(unknown(
            "the topic is missing in the event log; `homeostat topics create` creates it",
        )),
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    let specified = TOPICS.iter().map(|topic| topic.name);
    specified.chain([LEDGER, DEAD_LETTERS])
}

fn shown(name: &str, found: Option<&TopicDescription>) -> TopicShown {
    let partitions = found.map_or(&[][..], |topic| &topic.partitions);
    let partitions = (0..)
        .zip(partitions)
        .map(|(partition, marks)| PartitionShown {
            partition,
            first: marks.low,
            next: marks.high,
        });
    TopicShown {
        name: name.to_owned(),
        usage: usage(name),
        partitions: partitions.collect(),
    }
}

/// What a topic is for, in words.
pub fn usage(name: &str) -> String {
    match homeostat_logic::topic::find(name).map(|topic| topic.usage) {
        Some(Use::Decide(role)) => format!("decided by {}", role.name()),
        Some(Use::DecideByType) => "decided by event type".to_owned(),
        Some(Use::Observe) => "observed".to_owned(),
        Some(Use::Hold) => "held by every instance".to_owned(),
        Some(Use::Users) => "about users".to_owned(),
        Some(Use::Ingest) => "read by [ingest]".to_owned(),
        Some(Use::Produce) => "produced".to_owned(),
        Some(Use::Own) | None => "the service's own".to_owned(),
    }
}
