//! `kill -9` at any moment: what was acknowledged is answered exactly once, and what was promised still holds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::load::Load;
use crate::support::service::Launch;
use crate::support::target::Target;

const ROUNDS: usize = 4;

#[test]
fn each_acknowledged_event_is_answered_exactly_once_through_kills_under_load() {
    let target = Target::willing();
    let launch = Launch::new()
        .overlay(&target.overlay("retrain", 5))
        .overlay(&target.overlay("scale_up", 5));
    let mut service = launch.start();
    let load = Load::start("crash", &[&service]);
    for _ in 0..ROUNDS {
        load.more(60);
        service.kill();
        service = launch.start();
        load.moved(&service);
    }
    load.more(60);
    let acknowledged = load.end();
    let decisions = service.decided(&acknowledged);
    for id in &acknowledged {
        assert_eq!(decisions[id]["outcome"], "executed", "{:#}", decisions[id]);
    }
    let mut requests = BTreeMap::<(String, String), u32>::new();
    for request in target.received() {
        *requests.entry(request.attempt()).or_default() += 1;
    }
    for (attempt, count) in &requests {
        assert_eq!(*count, 1, "{attempt:?} was sent twice");
    }
    let sent: BTreeSet<&str> = requests.keys().map(|(action, _)| action.as_str()).collect();
    let mut by_webhook = 0;
    for decision in decisions.values() {
        let over_webhook = ["retrain", "scale_up"].contains(&decision["action"].as_str().unwrap());
        if over_webhook && decision["outcome"] == "executed" {
            by_webhook += 1;
            assert!(
                sent.contains(decision["id"].as_str().unwrap()),
                "never sent: {decision:#}"
            );
        }
    }
    assert!(
        by_webhook > 100,
        "{by_webhook} are too few to show anything"
    );
    service.stop();
}

#[test]
fn a_large_request_that_was_acknowledged_just_before_a_kill_is_answered() {
    let launch = Launch::new();
    let service = launch.start();
    let event = |number: usize| json!({"event_id": format!("event-{number}"), "model_version": format!("m{number}@1"), "severity": "HIGH"});
    let events: Vec<Value> = (0..600).map(event).collect();
    let ids = service.publish("data.drift.detected", &Value::from(events));
    service.kill();
    let service = launch.start();
    let decisions = service.decided(&ids);
    assert_eq!(decisions.len(), ids.len());
    for decision in decisions.values() {
        assert_eq!(decision["outcome"], "executed", "{decision:#}");
    }
}

#[test]
fn cooldowns_and_budgets_hold_through_a_kill() {
    let launch = Launch::new().overlay("[targets.busy.cooldown]\nretrain_minutes = 0\n");
    let drift = |model: &str| json!({"model_version": format!("{model}@1"), "severity": "HIGH"});
    let topic = "data.drift.detected";
    let mut actions = Vec::new();
    for round in 0..3 {
        let service = launch.start();
        for _ in 0..2 {
            let decision = service.decide(topic, &drift("busy"));
            assert_eq!(decision["outcome"], "executed", "{decision:#}");
            actions.push(decision["action"].as_str().unwrap().to_owned());
            if round == 2 {
                break;
            }
        }
        let outcome = if round == 0 { "executed" } else { "suppressed" };
        assert_eq!(
            service.decide(topic, &drift("quiet"))["outcome"],
            outcome,
            "round {round}"
        );
        service.kill();
    }
    assert_eq!(
        actions,
        ["retrain", "retrain", "retrain", "retrain", "monitor"]
    );
}
