//! Operators' orders over HTTP: who may give them, what is refused and with which state, and what a repetition gets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the verdict; clippy's own exemption does not reach helper functions"
)]

mod outside;

use std::time::Duration;

use homeostat_actors::ledger_view::Progress;
use homeostat_actors::ports::log::{LogError, NewRecord};
use homeostat_logic::action::Action;
use homeostat_logic::decide::force::{Forced, force};
use homeostat_logic::ledger::codec::{decode, encode};
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::identity;
use homeostat_logic::ledger::record::*;
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;
use homeostat_logic::topic::LEDGER;
use outside::{NOW, Order, Outside, TOKEN, letter};
use serde_json::{Value, json};

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
    let defaults = outside::control(Vec::new(), LIMIT);
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
    let id = identity::action_id(outside::INSTALLATION, propose.event_key, &propose.target, 0);
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

/// Log time goes on beyond every lease.
fn later(outside: &Outside, partition: i32) {
    let ledger = outside.log.ledger.lock().unwrap();
    let mut state = ledger[usize::try_from(partition).unwrap()].write();
    let offset = state.fold.offset() + 1;
    state.fold.apply(offset, NOW + 600_000, Ok(Record::Tick));
}

fn state(outside: &Outside, partition: i32, id: Id) -> (&'static str, i64) {
    let ledger = outside.log.ledger.lock().unwrap();
    let state = ledger[usize::try_from(partition).unwrap()].read();
    let action = state.fold.action(id).unwrap();
    (action.phase.name(), action.changed)
}

#[tokio::test]
async fn without_the_operator_token_nothing_is_ordered() {
    let outside = Outside::start();
    let (status, problem) = order(&outside, "pause", "k", json!({"reason": "x"})).await;
    assert_eq!((status, slug(&problem)), (403, "no-operator-token"));

    let outside = Outside::with_operator(LIMIT);
    outside
        .log
        .store(letter("data.ingested", "handler", b"{}", &[]));
    for path in [
        "control/pause",
        "control/nonsense",
        "dead-letters/replay",
        "dead-letters/resume",
    ] {
        let request = || {
            let url = outside.url(&format!("/api/v1/{path}"));
            outside
                .client
                .post(url)
                .header("idempotency-key", "k")
                .body("{}")
        };
        let header = |value: String| request().header("authorization", value);
        let invalid = r#"Bearer error="invalid_token""#;
        for (request, kind, challenge, word) in [
            (request(), "unauthorized", "Bearer", "has none"),
            (
                header(format!("Basic {TOKEN}")),
                "unauthorized",
                "Bearer",
                "in another way",
            ),
            (
                request().bearer_auth("open sesam"),
                "wrong-token",
                invalid,
                "is wrong",
            ),
            (
                header(format!("Bearer {TOKEN}x")),
                "wrong-token",
                invalid,
                "is wrong",
            ),
            (header("bearer ".to_owned()), "unauthorized", "Bearer", ""),
        ] {
            let response = request.send().await.unwrap();
            assert_eq!(response.headers()["www-authenticate"], challenge, "{path}");
            let status = response.status().as_u16();
            let problem: Value = response.json().await.unwrap();
            assert_eq!((status, slug(&problem)), (401, kind), "{path}");
            assert!(problem["detail"].as_str().unwrap().contains(word));
            assert!(!problem.to_string().contains(TOKEN));
        }
    }
    assert_eq!(outside.log.total(), 1);
}

#[tokio::test]
async fn what_is_no_order_is_refused_before_anything_is_written() {
    let outside = Outside::with_operator(LIMIT);
    let id = Id([3; 16]).to_string();
    let bad = [
        ("pause", json!({})),
        ("pause", json!({"reason": " "})),
        ("pause", json!({"reason": "x", "who": 3})),
        ("pause", json!({"reason": "x", "minutes": 3})),
        ("pause", json!(["reason"])),
        ("cancel", json!({"reason": "x", "action_id": id})),
        (
            "cancel",
            json!({"reason": "x", "action_id": "no", "expect": 1}),
        ),
        (
            "resolve",
            json!({"reason": "x", "action_id": id, "expect": 1, "outcome": "maybe"}),
        ),
        ("silence", json!({"reason": "x"})),
        ("silence", json!({"reason": "x", "minutes": 0})),
        ("silence", json!({"reason": "x", "minutes": 11_521})),
        ("silence", json!({"reason": "x", "minutes": 1e-7})),
        (
            "silence",
            json!({"reason": "x", "minutes": 1, "until": "2026-01-01T01:00:00Z"}),
        ),
        ("silence", json!({"reason": "x", "until": "tomorrow"})),
        (
            "silence",
            json!({"reason": "x", "minutes": 1, "partition": 2}),
        ),
        (
            "silence",
            json!({"reason": "x", "minutes": 1, "partition": 0, "target": "model/m"}),
        ),
        ("force", json!({"reason": "x", "action": "retrain"})),
        // These would be carried out on the default model or service.
        (
            "force",
            json!({"reason": "x", "action": "retrain", "target": "service/s"}),
        ),
        (
            "force",
            json!({"reason": "x", "action": "scale_up", "target": "model/m"}),
        ),
        (
            "force",
            json!({"reason": "x", "action": "ignore", "target": "model/m"}),
        ),
        (
            "force",
            json!({"reason": "x", "action": "dance", "target": "model/m"}),
        ),
        (
            "force",
            json!({"reason": "x", "action": "retrain", "target": "m"}),
        ),
        (
            "force",
            json!({"reason": "x", "action": "retrain", "target": "model/m", "severity": "odd"}),
        ),
        (
            "force",
            json!({"reason": "x", "action": "retrain", "target": "model/m", "event": 1}),
        ),
    ];
    for (name, body) in bad {
        let told = body.to_string();
        let (status, problem) = order(&outside, name, "k", body).await;
        assert_eq!(
            (status, slug(&problem)),
            (400, "malformed-order"),
            "{name} {told}"
        );
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.ends_with("; nothing was ordered"), "{name} {detail}");
    }
    let (status, problem) = order(&outside, "dance", "k", json!({"reason": "x"})).await;
    assert_eq!((status, slug(&problem)), (404, "not-found"));
    let body = json!({"reason": "x", "action_id": id, "expect": 1});
    let (status, problem) = order(&outside, "cancel", "k", body).await;
    assert_eq!((status, slug(&problem)), (404, "unknown-action"));
    for key in ["", " ", "two words", &"k".repeat(129)] {
        let (status, problem) = order(&outside, "pause", key, json!({"reason": "x"})).await;
        assert_eq!(
            (status, slug(&problem)),
            (400, "bad-idempotency-key"),
            "{key}"
        );
    }
    assert_eq!(outside.log.total(), 0);
}

#[tokio::test]
async fn a_hold_is_written_to_every_partition_and_a_repetition_gets_the_first_result() {
    let outside = Outside::with_operator(LIMIT);
    let body = json!({"reason": "release", "who": "ada"});
    let (status, first) = order(&outside, "pause", "k1", body.clone()).await;
    assert_eq!(status, 200, "{first}");
    assert_eq!(first["order"], "pause");
    assert_eq!(
        (&first["holds"]["paused"], &first["holds"]["silenced_until"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(
        first["records"],
        json!([{"partition": 0, "offset": 0}, {"partition": 1, "offset": 0}])
    );
    let orders = written(&outside);
    assert_eq!(
        (
            orders.len(),
            orders[0].who.as_str(),
            orders[0].reason.as_str()
        ),
        (2, "ada", "release")
    );

    let (status, resumed) = order(&outside, "resume", "k2", json!({"reason": "done"})).await;
    assert_eq!((status, &resumed["holds"]["paused"]), (200, &json!(false)));
    assert_eq!(written(&outside)[2].who, "operator");
    let (status, again) = order(&outside, "pause", "k1", body).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&again["records"], &again["time"]),
        (&first["records"], &first["time"])
    );
    assert_eq!(
        again["holds"]["paused"], false,
        "the hold of now, not of then"
    );
    assert_eq!(written(&outside).len(), 4);
}

#[tokio::test]
async fn an_answer_about_all_partitions_tells_the_holds_of_each() {
    let outside = Outside::with_operator(LIMIT);
    let one =
        json!({"until": "2026-01-01T01:00:00Z", "partition": 1, "reason": "one", "who": "ada"});
    assert_eq!(order(&outside, "silence", "one", one).await.0, 200);
    // Refused in every partition, of which only the second is held.
    let past = json!({"until": "2025-12-31T23:00:00Z", "reason": "all"});
    let (status, refused) = order(&outside, "silence", "past", past).await;
    assert_eq!((status, &refused["reason"]), (409, &json!("time")));
    let holds = &refused["holds"];
    assert_eq!(
        (&holds["silenced_until"], &holds["orders"][0]["partitions"]),
        (&json!("2026-01-01T01:00:00.000Z"), &json!([1]))
    );
    // Applied in both: told once.
    let (status, paused) = order(&outside, "pause", "all", json!({"reason": "all"})).await;
    assert_eq!(status, 200);
    let held: Vec<_> = paused["holds"]["orders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|order| (order["order"].clone(), order["partitions"].clone()))
        .collect();
    assert_eq!(
        held,
        [
            (json!("pause"), json!([0, 1])),
            (json!("silence"), json!([1]))
        ]
    );
    assert_eq!(paused["holds"]["paused"], true);
}

#[tokio::test]
async fn a_key_that_was_used_for_another_order_is_recognised() {
    let outside = Outside::with_operator(LIMIT);
    let at = place(&outside).await;
    let silence = |until: &str| json!({"reason": "x", "until": until, "partition": at});
    let (status, _) = order(&outside, "silence", "s", silence("2026-01-01T01:00:00Z")).await;
    assert_eq!(status, 200);
    let forced = |action: &str, model: &str| json!({"reason": "x", "action": action, "target": format!("model/{model}")});
    let (status, told) = order(&outside, "force", "f", forced("retrain", "m")).await;
    assert_eq!(status, 200, "{told}");
    let before = outside.log.total();
    let mut params = forced("retrain", "m");
    params["params"] = json!({"epochs": 3});
    let mut severity = forced("retrain", "m");
    severity["severity"] = json!("low");
    // A model that lives in the other partition.
    let other = (0..64)
        .map(|number| format!("m{number}"))
        .map(|name| forced("retrain", &name));
    let mut reused = vec![
        ("silence", "s", silence("2026-01-01T02:00:00Z")),
        (
            "silence",
            "s",
            json!({"reason": "x", "until": "2026-01-01T01:00:00Z", "partition": 1 - at}),
        ),
        ("pause", "s", json!({"reason": "x"})),
        ("pause", "f", json!({"reason": "x"})),
        ("force", "f", forced("rollback", "m")),
        ("force", "f", params),
        ("force", "f", severity),
    ];
    reused.extend(other.map(|body| ("force", "f", body)));
    for (name, key, body) in reused {
        let told = body.to_string();
        let (status, problem) = order(&outside, name, key, body).await;
        assert_eq!(
            (status, slug(&problem)),
            (422, "idempotency-key-reused"),
            "{name} {told}: {problem}"
        );
    }
    for (name, key, body) in [
        ("silence", "s", silence("2026-01-01T01:00:00Z")),
        ("force", "f", forced("retrain", "m")),
    ] {
        assert_eq!(order(&outside, name, key, body).await.0, 200, "{name}");
    }
    assert_eq!(outside.log.total(), before);
}

#[tokio::test]
async fn an_action_is_forced_once_and_cancelled_only_as_it_was_seen() {
    let outside = Outside::with_operator(LIMIT);
    let body = json!({
        "action": "retrain", "target": "model/m", "reason": "it drifts", "who": "ada",
        "severity": "CRITICAL", "params": {"epochs": 3}, "event": {"ticket": 7, "event_type": "x"},
    });
    let (status, first) = order(&outside, "force", "f", body.clone()).await;
    assert_eq!(status, 200, "{first}");
    let action = &first["action"];
    assert_eq!(
        (&action["phase"], &action["target"]),
        (&json!("ready"), &json!("model/m"))
    );
    let OverrideOrder::Force(propose) = &written(&outside)[0].order else {
        panic!("no forced action");
    };
    let decision = &propose.decisions[0];
    assert_eq!(decision.severity, Severity::Critical);
    assert_eq!(decision.ladder[0].params, json!({"epochs": 3}));
    let EventBody::Inline(event) = &propose.event else {
        panic!("no event");
    };
    let event: Value = serde_json::from_str(event.0.get()).unwrap();
    assert_eq!(
        (&event["ticket"], &event["event_type"]),
        (&json!(7), &json!("operator_forced"))
    );

    let (_, again) = order(&outside, "force", "f", body).await;
    assert_eq!(again["action"]["id"], action["id"]);
    assert_eq!(written(&outside).len(), 1);
    // Another one of the key is told which is in the way.
    let second = json!({"action": "retrain", "target": "model/m", "reason": "more"});
    let (status, problem) = order(&outside, "force", "f2", second).await;
    assert_eq!((status, &problem["reason"]), (409, &json!("key_busy")));
    assert_eq!(&problem["action"], action);

    let cancel = |expect: i64| json!({"action_id": action["id"], "expect": expect, "reason": "no"});
    let changed = action["changed"].as_i64().unwrap();
    let (status, problem) = order(&outside, "cancel", "c1", cancel(changed - 1)).await;
    assert_eq!(
        (status, slug(&problem), &problem["reason"]),
        (409, "order-refused", &json!("stale"))
    );
    assert_eq!(
        (&problem["action"]["phase"], &problem["action"]["changed"]),
        (&json!("ready"), &action["changed"])
    );
    assert_eq!(problem["holds"]["paused"], false);
    let (status, told) = order(&outside, "cancel", "c2", cancel(changed)).await;
    assert_eq!(
        (status, &told["action"]["phase"]),
        (200, &json!("cancelled"))
    );
    // The first answer stays: of a refusal, too.
    assert_eq!(
        order(&outside, "cancel", "c1", cancel(changed - 1)).await.1["reason"],
        "stale"
    );
}

#[tokio::test]
async fn a_key_that_is_used_again_after_the_memory_forces_another_action_and_the_answer_tells_which()
 {
    let outside = Outside::with_operator(LIMIT);
    let body = json!({"action": "retrain", "target": "model/m", "reason": "it drifts"});
    let (_, first) = order(&outside, "force", "f", body.clone()).await;
    let first = &first["action"];
    let cancel = json!({"action_id": first["id"], "expect": first["changed"], "reason": "no"});
    assert_eq!(order(&outside, "cancel", "c", cancel).await.0, 200);
    // As it is eight days later: the order is forgotten.
    let views = outside.log.ledger.lock().unwrap().clone();
    for view in views {
        let mut state = view.write();
        let mut kept = state.fold.state().clone();
        kept.overrides.clear();
        state.fold = Fold::resume(kept, state.fold.memory().clone());
    }
    let (status, second) = order(&outside, "force", "f", body).await;
    let second = &second["action"];
    assert_eq!((status, &second["phase"]), (200, &json!("ready")));
    assert_ne!(second["id"], first["id"]);
    let place = place(&outside).await;
    let id = serde_json::from_value(second["id"].clone()).unwrap();
    assert_eq!(state(&outside, place, id).0, "ready");
}

#[tokio::test]
async fn an_unknown_outcome_is_fired_again_after_its_lease_or_resolved() {
    let outside = Outside::with_operator(LIMIT);
    let at = place(&outside).await;
    let id = proposed(&outside, at, |step| step.policy = Policy::AtMostOnce);
    let body = |outside: &Outside| json!({"action_id": id, "expect": state(outside, at, id).1, "reason": "x"});
    let (status, problem) = order(&outside, "refire", "r0", body(&outside)).await;
    assert_eq!(
        (status, &problem["reason"], &problem["action"]["phase"]),
        (409, &json!("wrong_phase"), &json!("ready"))
    );
    sent(&outside, at, id);
    for name in ["cancel", "refire"] {
        let (status, problem) =
            order(&outside, name, &format!("sent-{name}"), body(&outside)).await;
        assert_eq!(
            (status, &problem["reason"]),
            (409, &json!("being_sent")),
            "{problem}"
        );
        assert_eq!(problem["action"]["phase"], "started");
    }
    finished(&outside, at, id, FinishOutcome::Unknown);
    let (status, problem) = order(&outside, "refire", "r1", body(&outside)).await;
    assert_eq!((status, &problem["reason"]), (409, &json!("lease_running")));
    later(&outside, at);
    let (status, told) = order(&outside, "refire", "r2", body(&outside)).await;
    assert_eq!(
        (status, &told["action"]["phase"]),
        (200, &json!("ready")),
        "{told}"
    );

    let outside = Outside::with_operator(LIMIT);
    let id = proposed(&outside, at, |step| step.policy = Policy::AtMostOnce);
    sent(&outside, at, id);
    finished(&outside, at, id, FinishOutcome::Unknown);
    let mut resolve =
        json!({"action_id": id, "expect": state(&outside, at, id).1, "reason": "seen"});
    resolve["outcome"] = json!("done");
    let (status, told) = order(&outside, "resolve", "r", resolve.clone()).await;
    assert_eq!(
        (status, &told["action"]["phase"]),
        (200, &json!("done")),
        "{told}"
    );
    // The same key with the other word is another order.
    resolve["outcome"] = json!("failed");
    assert_eq!(order(&outside, "resolve", "r", resolve).await.0, 422);
}

#[tokio::test]
async fn a_cooldown_is_cleared_and_a_waiting_step_approved() {
    let outside = Outside::with_operator(LIMIT);
    let at = place(&outside).await;
    let id = proposed(&outside, at, |_| ());
    sent(&outside, at, id);
    finished(&outside, at, id, FinishOutcome::Done);
    let body = json!({"action_id": id, "expect": state(&outside, at, id).1, "reason": "x"});
    let (status, told) = order(&outside, "clear-cooldown", "c1", body.clone()).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["order"], "clear_cooldown");
    let (status, problem) = order(&outside, "clear-cooldown", "c2", body).await;
    assert_eq!((status, &problem["reason"]), (409, &json!("not_cooling")));

    let outside = Outside::with_operator(LIMIT);
    let id = proposed(&outside, at, |step| step.approval = true);
    assert_eq!(state(&outside, at, id).0, "approval");
    let body = json!({"action_id": id, "expect": state(&outside, at, id).1, "reason": "x"});
    let (status, told) = order(&outside, "approve", "a1", body.clone()).await;
    assert_eq!(
        (status, &told["action"]["phase"]),
        (200, &json!("ready")),
        "{told}"
    );
    let (status, problem) = order(&outside, "approve", "a2", body).await;
    assert_eq!((status, &problem["reason"]), (409, &json!("stale")));
}

#[tokio::test]
async fn a_silence_has_an_end_and_may_concern_one_partition() {
    let outside = Outside::with_operator(LIMIT);
    let body = json!({"minutes": 30, "partition": 1, "target": null, "reason": "x"});
    let (status, told) = order(&outside, "silence", "s1", body.clone()).await;
    assert_eq!(
        (status, told["records"].as_array().unwrap().len()),
        (200, 1),
        "{told}"
    );
    assert_eq!(told["holds"]["silenced_until"], "2026-01-01T00:30:00.000Z");
    assert_eq!(told["records"][0]["partition"], 1);
    assert_eq!(order(&outside, "silence", "s1", body).await.0, 200);
    assert_eq!(written(&outside).len(), 1);
    let past = json!({"until": "2025-12-31T23:00:00Z", "reason": "x"});
    let (status, problem) = order(&outside, "silence", "s2", past).await;
    assert_eq!(
        (status, &problem["reason"], &problem["action"]),
        (409, &json!("time"), &Value::Null)
    );
    assert_eq!(
        problem["holds"]["orders"][0]["partitions"],
        json!([1]),
        "{problem}"
    );
}

#[tokio::test]
async fn an_order_that_is_not_read_back_in_time_is_found_by_its_key_later() {
    let outside = Outside::with_operator(SHORT);
    let views = std::mem::take(&mut *outside.log.ledger.lock().unwrap());
    let body = || json!({"reason": "x"});
    let response = request(&outside, "pause", "k", &body())
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    let (status, problem) = (
        response.status().as_u16(),
        response.json::<Value>().await.unwrap(),
    );
    assert_eq!(
        (status, slug(&problem)),
        (503, "not-read-back"),
        "{problem}"
    );
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("same Idempotency-Key")
    );
    // The fold gets there in the end.
    *outside.log.ledger.lock().unwrap() = views;
    let records = outside.log.records.lock().unwrap()[LEDGER].clone();
    assert_eq!(records.len(), 2);
    for record in &records {
        outside.log.fold(record).unwrap();
    }
    let (status, told) = order(&outside, "pause", "k", body()).await;
    assert_eq!((status, &told["holds"]["paused"]), (200, &json!(true)));
    assert_eq!(written(&outside).len(), 2, "nothing is written twice");
}

#[tokio::test]
async fn a_log_that_does_not_take_the_order_and_a_ledger_that_is_not_folded_are_told() {
    let outside = Outside::with_operator(SHORT);
    for (fault, expected) in [
        (Order::Hang, (504, "log-timeout")),
        (
            Order::Fail(0, LogError::Unavailable("away".to_owned())),
            (503, "log-unavailable"),
        ),
        (
            Order::Fail(0, LogError::Refused("no".to_owned())),
            (422, "refused-by-log"),
        ),
    ] {
        outside.log.order(fault);
        let (status, problem) = order(&outside, "pause", "k", json!({"reason": "x"})).await;
        assert_eq!((status, slug(&problem)), expected, "{problem}");
    }
    for progress in [
        Progress::Restoring,
        Progress::Refused("it is truncated".to_owned()),
    ] {
        outside.log.ledger.lock().unwrap()[1].write().progress = progress;
        let (status, problem) = order(&outside, "pause", "k2", json!({"reason": "x"})).await;
        assert_eq!(
            (status, slug(&problem)),
            (503, "not-read-back"),
            "{problem}"
        );
        let body = json!({"reason": "x", "action_id": Id([3; 16]), "expect": 1});
        let (status, problem) = order(&outside, "cancel", "k3", body).await;
        assert_eq!(
            (status, slug(&problem)),
            (503, "not-read-back"),
            "it may be there: {problem}"
        );
    }
    assert_eq!(outside.log.total(), 0);
}

#[tokio::test]
async fn the_ledger_shows_how_far_each_partition_is_and_what_is_held() {
    let outside = Outside::with_operator(LIMIT);
    let body = json!({"minutes": 30, "partition": 1, "reason": "x"});
    assert_eq!(order(&outside, "silence", "s", body).await.0, 200);
    outside.log.ledger.lock().unwrap()[0].write().progress = Progress::Refused("cut".to_owned());
    let (status, ledger) = answer(outside.client.get(outside.url("/api/v1/ledger"))).await;
    assert_eq!(status, 200);
    let [first, second] = ledger["partitions"].as_array().unwrap().as_slice() else {
        panic!("{ledger}");
    };
    assert_eq!(
        (&first["progress"], &first["problem"], &first["offset"]),
        (&json!("refused"), &json!("cut"), &json!(-1))
    );
    assert_eq!(
        (&second["progress"], &second["offset"]),
        (&json!("live"), &json!(0))
    );
    assert_eq!(
        (&first["owned"], &second["owned"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(
        second["holds"]["silenced_until"],
        "2026-01-01T00:30:00.000Z"
    );
    assert_ne!(first["hash"], second["hash"]);
}

#[tokio::test]
async fn an_order_that_the_ledger_could_not_read_back_is_refused_before_it_is_written() {
    let outside = Outside::with_operator(LIMIT);
    for (depth, expected) in [(60, 200), (70, 400), (119, 400), (100_000, 400)] {
        let (open, close) = ("{\"a\":".repeat(depth), "}".repeat(depth));
        let body = format!(
            r#"{{"reason":"x","action":"retrain","target":"model/m{depth}","event":{open}1{close}}}"#
        );
        let url = outside.url("/api/v1/control/force");
        let asked = outside.client.post(url).bearer_auth(TOKEN);
        let key = format!("deep-{depth}");
        let (status, told) = answer(asked.header("idempotency-key", key).body(body)).await;
        assert_eq!(status, expected, "{depth}: {told}");
    }
    assert_eq!(written(&outside).len(), 1);
}

/// An alert about the failed action, lost through its connector.
fn alert_lost(outside: &Outside, partition: i32, parent: Id) -> Id {
    let alert = {
        let ledger = outside.log.ledger.lock().unwrap();
        let state = ledger[usize::try_from(partition).unwrap()].read();
        let derived = &state.fold.action(parent).unwrap().derived;
        *derived.values().last().unwrap()
    };
    sent(outside, partition, alert);
    let finish = Finish {
        action_id: alert,
        attempt: 1,
        start_id: Id([9; 16]),
        outcome: FinishOutcome::Failed,
        via: Via::Response,
        detail: "no such channel".to_owned(),
        retry_after_ms: None,
        permanent: true,
    };
    elsewhere(outside, partition, &Record::Finish(finish));
    alert
}

async fn ledger(outside: &Outside, query: &str) -> Value {
    let url = outside.url(&format!("/api/v1/ledger{query}"));
    let (status, ledger) = answer(outside.client.get(url)).await;
    assert_eq!(status, 200, "{ledger}");
    ledger
}

#[tokio::test]
async fn an_alert_that_reached_nobody_is_listed_until_somebody_acknowledges_it() {
    let outside = Outside::with_operator(LIMIT);
    let at = place(&outside).await;
    let id = proposed(&outside, at, |step| step.max_attempts = 1);
    sent(&outside, at, id);
    finished(&outside, at, id, FinishOutcome::Failed);
    let alert = alert_lost(&outside, at, id);
    let listed = ledger(&outside, "?target=model/m").await;
    let partition = &listed["partitions"][0];
    assert_eq!(listed["partitions"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&partition["partition"], &partition["undelivered"]),
        (&json!(at), &json!(1))
    );
    let lost = &partition["undelivered_alerts"][0];
    assert_eq!(
        (
            &lost["id"],
            &lost["escalation_of"],
            &lost["target"],
            &lost["phase"]
        ),
        (
            &json!(alert),
            &json!(id),
            &json!("model/m"),
            &json!("failed")
        )
    );
    let changed = state(&outside, at, alert).1;
    let body =
        |expect: i64| json!({"action_id": alert, "expect": expect, "reason": "seen", "who": "ada"});
    let (status, problem) = order(&outside, "acknowledge", "a0", body(changed - 1)).await;
    assert_eq!((status, &problem["reason"]), (409, &json!("stale")));
    let (status, told) = order(&outside, "acknowledge", "a1", body(changed)).await;
    assert_eq!(
        (status, &told["order"], &told["action"]["phase"]),
        (200, &json!("acknowledge"), &json!("failed")),
        "{told}"
    );
    let after = ledger(&outside, "?target=model/m").await;
    assert_eq!(after["partitions"][0]["undelivered"], 0);
    assert_eq!(after["partitions"][0]["undelivered_alerts"], json!([]));
    assert_eq!(state(&outside, at, alert), ("failed", changed));
    // Twice, and with the same key.
    assert_eq!(
        order(&outside, "acknowledge", "a2", body(changed)).await.0,
        200
    );
    assert_eq!(
        order(&outside, "acknowledge", "a1", body(changed)).await.1["records"],
        told["records"]
    );
}

#[tokio::test]
async fn a_failed_action_is_fired_again_and_a_refusal_says_when_it_would_be() {
    let outside = Outside::with_operator(LIMIT);
    let at = place(&outside).await;
    let id = proposed(&outside, at, |step| step.max_attempts = 1);
    let body = |outside: &Outside, id: Id| json!({"action_id": id, "expect": state(outside, at, id).1, "reason": "x"});
    let detail = |problem: &Value| problem["detail"].as_str().unwrap().to_owned();
    let (_, problem) = order(&outside, "refire", "r0", body(&outside, id)).await;
    assert_eq!(
        detail(&problem),
        format!(
            "retrain of model/m ({id}): cannot refire: the action is ready; refire needs outcome failed or unknown, and a free key"
        )
    );
    sent(&outside, at, id);
    let (_, problem) = order(&outside, "cancel", "c0", body(&outside, id)).await;
    assert!(
        detail(&problem)
            .contains("the order is valid once its outcome is known, which is at 2026-01-01T"),
        "{problem}"
    );
    finished(&outside, at, id, FinishOutcome::Failed);
    let (status, told) = order(&outside, "refire", "r1", body(&outside, id)).await;
    assert_eq!(
        (status, &told["action"]["phase"]),
        (200, &json!("ready")),
        "{told}"
    );
    // An outcome in doubt: the lease first.
    let outside = Outside::with_operator(LIMIT);
    let id = proposed(&outside, at, |step| step.policy = Policy::AtMostOnce);
    sent(&outside, at, id);
    finished(&outside, at, id, FinishOutcome::Unknown);
    let (status, problem) = order(&outside, "refire", "r2", body(&outside, id)).await;
    assert_eq!((status, &problem["reason"]), (409, &json!("lease_running")));
    let from = problem["valid_from"].as_str().unwrap();
    assert!(
        detail(&problem).contains(&format!("the order is valid from {from} on")),
        "{problem}"
    );
    // As it was seen before: the command that fits now.
    let changed = state(&outside, at, id).1;
    let stale = json!({"action_id": id, "expect": 0, "outcome": "failed", "reason": "x"});
    let (_, problem) = order(&outside, "resolve", "s", stale).await;
    let command = format!(
        "`homeostat override resolve {id} --outcome failed --expect {changed} --reason WHY`"
    );
    assert!(detail(&problem).contains(&command), "{problem}");
}

#[tokio::test]
async fn holds_are_listed_with_who_when_why_and_until_also_while_paused() {
    let outside = Outside::with_operator(LIMIT);
    let silence =
        json!({"minutes": 30, "target": "model/m", "reason": "known drift", "who": "ada"});
    let (status, silenced) = order(&outside, "silence", "s", silence).await;
    assert_eq!(status, 200, "{silenced}");
    let at = silenced["records"][0]["partition"].as_i64().unwrap();
    assert_eq!(
        silenced["note"],
        format!(
            "model/m lives in ledger partition {at}, and a silence holds every target of its partition: no other target has anything in use there now"
        )
    );
    let pause = json!({"reason": "release", "who": "bob"});
    assert_eq!(order(&outside, "pause", "p", pause).await.0, 200);
    let shown = ledger(&outside, "?target=model/m").await;
    let holds = &shown["partitions"][0]["holds"];
    assert_eq!(
        holds,
        &json!({
            "paused": true,
            "silenced_until": "2026-01-01T00:30:00.000Z",
            "orders": [
                {"order": "silence", "who": "ada", "time": silenced["time"], "reason": "known drift",
                 "until": "2026-01-01T00:30:00.000Z", "target": "model/m"},
                {"order": "pause", "who": "bob", "time": holds["orders"][1]["time"], "reason": "release",
                 "until": null, "target": null},
            ],
        })
    );
    // Said before as well, with the targets that are held with it.
    let other = (0..64).map(|number| Target::model(format!("m{number}")));
    let partition = usize::try_from(at).unwrap();
    let beside = |target: &Target| {
        homeostat_logic::ledger::placement::partition_of_target(target, 2)
            == i32::try_from(partition).unwrap()
    };
    let other = other.into_iter().find(beside).unwrap();
    let body = json!({"reason": "x", "action": "retrain", "target": other.to_string()});
    assert_eq!(order(&outside, "force", "f", body).await.0, 200);
    let note = ledger(&outside, "?target=model/m").await["note"].to_string();
    assert!(note.contains(&format!("now also {other}")), "{note}");
    let url = outside.url("/api/v1/ledger?target=m");
    let (status, problem) = answer(outside.client.get(url)).await;
    assert_eq!((status, slug(&problem)), (400, "bad-parameter"));
}

#[tokio::test]
async fn an_order_waits_for_the_partition_to_have_its_installation() {
    let outside = Outside::with_operator(SHORT);
    let views = outside.log.ledger.lock().unwrap().clone();
    for view in &views {
        view.write().fold = Fold::new();
    }
    let (status, problem) = order(&outside, "pause", "k", json!({"reason": "x"})).await;
    assert_eq!(
        (status, slug(&problem)),
        (503, "not-read-back"),
        "{problem}"
    );
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("no Genesis record yet"),
        "{problem}"
    );
    assert_eq!(written(&outside).len(), 0);
}
