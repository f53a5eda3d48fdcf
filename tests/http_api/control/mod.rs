//! Operators' orders over HTTP, and a ledger to give them to.

mod actions;
mod refused;
mod repeated;
mod shown;

use std::time::Duration;

use homeostat_actors::ports::log::NewRecord;
use homeostat_logic::actions::Action;
use homeostat_logic::decide::force::{Forced, force};
use homeostat_logic::ledger::codec::{decode, encode};
use homeostat_logic::ledger::identity;
use homeostat_logic::ledger::record::*;
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;
use homeostat_logic::topic::LEDGER;
use serde_json::{Value, json};

use crate::outside::{NOW, Outside, TOKEN};

const LIMIT: Duration = Duration::from_secs(10);

const SHORT: Duration = Duration::from_millis(200);

fn request(outside: &Outside, order: &str, key: &str, body: &Value) -> reqwest::RequestBuilder {
    let url = outside.url(&format!("/api/v1/control/{order}"));
    let request = outside.client.post(url).bearer_auth(TOKEN);
    request
        .header("idempotency-key", key)
        .body(body.to_string())
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

async fn order(outside: &Outside, order: &str, key: &str, body: Value) -> (u16, Value) {
    answer(request(outside, order, key, &body)).await
}

/// The problem's slug.
fn slug(problem: &Value) -> &str {
    problem["type"]
        .as_str()
        .unwrap()
        .trim_start_matches("urn:homeostat:problem:")
}

/// Orders in the ledger, as written.
fn written(outside: &Outside) -> Vec<Override> {
    let records = outside.log.records.lock().unwrap();
    let records = records.get(LEDGER).into_iter().flatten();
    records
        .filter_map(|record| match decode(record.value.as_deref().unwrap()) {
            Ok(Record::Override(order)) => Some(*order),
            _ => None,
        })
        .collect()
}

/// Where the ledger keeps model `m`; found by asking, so that it is the partition that the service takes.
async fn place(outside: &Outside) -> i32 {
    let body = json!({"minutes": 1, "target": "model/m", "reason": "where is it"});
    let (status, told) = order(outside, "silence", "place", body).await;
    assert_eq!(status, 200, "{told}");
    let (status, _) = order(outside, "resume", "place-again", json!({"reason": "x"})).await;
    assert_eq!(status, 200);
    i32::try_from(told["records"][0]["partition"].as_i64().unwrap()).unwrap()
}

/// A ledger record from elsewhere.
fn elsewhere(outside: &Outside, partition: i32, record: &Record) {
    outside.log.store(NewRecord {
        topic: LEDGER.to_owned(),
        partition: Some(partition),
        value: Some(encode(record).unwrap()),
        ..NewRecord::default()
    });
}

/// A proposal of a retraining of model `m`, accepted.
fn proposed(outside: &Outside, partition: i32, change: impl FnOnce(&mut Step)) -> Id {
    let defaults = crate::outside::control(Vec::new(), LIMIT);
    let mut propose = force(&Forced {
        override_id: Id([7; 16]),
        action: Action::Retrain,
        target: Target::model("m"),
        params: None,
        severity: Severity::High,
        event: None,
        who: "w",
        reason: "r",
        partition,
        now: NOW,
        rules: &defaults.live.load().rules,
    });
    change(&mut propose.decisions[0].ladder[0]);
    let id = identity::action_id(
        crate::outside::INSTALLATION,
        propose.event_key,
        &propose.target,
        0,
    );
    elsewhere(outside, partition, &Record::Propose(Box::new(propose)));
    id
}

fn sent(outside: &Outside, partition: i32, action_id: Id) {
    let start = Start {
        action_id,
        attempt: 1,
        start_id: Id([9; 16]),
        owner: "o".to_owned(),
        resolved_params: None,
        probe: None,
    };
    elsewhere(outside, partition, &Record::Start(start));
}

fn finished(outside: &Outside, partition: i32, action_id: Id, outcome: FinishOutcome) {
    let finish = Finish {
        action_id,
        attempt: 1,
        start_id: Id([9; 16]),
        outcome,
        via: Via::Response,
        detail: String::new(),
        retry_after_ms: None,
        permanent: false,
    };
    elsewhere(outside, partition, &Record::Finish(finish));
}

fn state(outside: &Outside, partition: i32, id: Id) -> (&'static str, i64) {
    let ledger = outside.log.ledger.lock().unwrap();
    let state = ledger[usize::try_from(partition).unwrap()].read();
    let action = state.fold.action(id).unwrap();
    (action.phase.name(), action.changed)
}

async fn ledger(outside: &Outside, query: &str) -> Value {
    let url = outside.url(&format!("/api/v1/ledger{query}"));
    let (status, ledger) = answer(outside.client.get(url)).await;
    assert_eq!(status, 200, "{ledger}");
    ledger
}
