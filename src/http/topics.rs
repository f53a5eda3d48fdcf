//! `GET /api/v1/topics[/{name}]`: the platform's topics with their partitions and offsets, as the event log describes them.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use homeostat_actors::ports::log::{ErrorClass, TopicDescription};
use homeostat_logic::topic::{DEAD_LETTERS, LEDGER, TOPICS, Use};
use serde_json::{Value, json};

use super::ApiState;
use super::problem::{Kind, Problem};

/// `GET /api/v1/topics`: those of the platform, then the service's own; one that is missing has no partitions.
pub(super) async fn list(state: Data<ApiState>) -> Result<HttpResponse, Problem> {
    let described = describe(&state, names().map(str::to_owned).collect()).await?;
    let items: Vec<Value> = names()
        .map(|name| document(name, described.get(name)))
        .collect();
    Ok(HttpResponse::Ok().json(json!({"items": items})))
}

/// `GET /api/v1/topics/{name}`: one of those. Others are not asked for, because a name that is asked for can be created by it.
pub(super) async fn show(
    state: Data<ApiState>,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    let name = name.into_inner();
    let unknown = |detail: &str| Problem::new(Kind::UnknownTopic, detail);
    if !names().any(|known| known == name) {
        return Err(unknown(
            "this is no topic of the platform; GET /api/v1/topics lists them",
        ));
    }
    let described = describe(&state, vec![name.clone()]).await?;
    match described.get(&name) {
        Some(found) => Ok(HttpResponse::Ok().json(document(&name, Some(found)))),
        None => Err(unknown(
            "the topic is missing in the event log; `homeostat topics create` creates it",
        )),
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    let specified = TOPICS.iter().map(|topic| topic.name);
    specified.chain([LEDGER, DEAD_LETTERS])
}

async fn describe(
    state: &ApiState,
    names: Vec<String>,
) -> Result<BTreeMap<String, TopicDescription>, Problem> {
    let described = state.log.describe_topics(names);
    let described = tokio::time::timeout(state.acknowledge_limit, described).await;
    let described = described.map_err(|_| {
        let detail = "the event log did not describe its topics in time; try again";
        Problem::new(Kind::LogTimeout, detail)
    })?;
    let described = described.map_err(|error| {
        let kind = match error.class() {
            ErrorClass::Reject => Kind::RefusedByLog,
            ErrorClass::Retry | ErrorClass::Stop => Kind::LogUnavailable,
        };
        Problem::new(kind, error.to_string())
    })?;
    Ok(described
        .into_iter()
        .map(|topic| (topic.name.clone(), topic))
        .collect())
}

fn document(name: &str, found: Option<&TopicDescription>) -> Value {
    let partitions = found.map_or(&[][..], |topic| &topic.partitions);
    let partitions: Vec<Value> = (0..)
        .zip(partitions)
        .map(|(partition, marks): (i32, _)| {
            json!({"partition": partition, "first": marks.low, "next": marks.high})
        })
        .collect();
    json!({"name": name, "use": usage(name), "partitions": partitions})
}

/// What a topic is for, in words.
pub fn usage(name: &str) -> String {
    match homeostat_logic::topic::find(name).map(|topic| topic.usage) {
        Some(Use::Decide(role)) => format!("decided by {}", role.name()),
        Some(Use::DecideByType) => "decided by event type".to_owned(),
        Some(Use::Observe) => "observed".to_owned(),
        Some(Use::Produce) => "produced".to_owned(),
        None => "the service's own".to_owned(),
    }
}
