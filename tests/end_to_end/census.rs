//! Real events: 36 months of the Massachusetts census model, each of the 65 answered as the example's overlay says.
//!
//! The expectation is computed here, from the events' own fields and the overlay's text as a person reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::support::service::{Launch, Service, hour};
use crate::support::wait_for;

pub(crate) const EVENTS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/census-ma/events.jsonl"
);
const OVERLAY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/config/examples/census-ma.toml"
);

pub(crate) fn launch() -> Launch {
    Launch::new().file(Path::new(OVERLAY))
}

/// What has to become of one event.
#[derive(Debug, PartialEq)]
struct Expected {
    event_type: String,
    target: &'static str,
    severity: &'static str,
    action: &'static str,
    outcome: &'static str,
}

fn expected(event: &Value, answered: &mut BTreeSet<(String, &'static str)>) -> Expected {
    let value = &event["value"];
    let number = |field: &str| value[field].as_f64().unwrap_or_default();
    let event_type = value["event_type"].as_str().unwrap().to_owned();
    let (target, severity, action) = match event_type.as_str() {
        "data_drift_detected" => {
            assert_eq!(value["severity"], "HIGH", "the table below knows no other");
            let features = value["affected_features"].as_array().unwrap().len();
            let critical = number("drift_score") > 0.8 || features > 5;
            let (severity, action) = if critical {
                ("critical", "alert")
            } else {
                ("high", "monitor")
            };
            ("employment_ma", severity, action)
        }
        "model_performance_degraded" => {
            assert!(
                number("performance_drop") <= 0.10,
                "the table below knows no larger drop"
            );
            let worse = number("performance_drop") > 0.05;
            let (severity, action) = if worse {
                ("medium", "retrain")
            } else {
                ("low", "monitor")
            };
            ("employment_ma", severity, action)
        }
        // Names no model, so it is about the default one.
        "data_ingested" => ("movie_recommender", "medium", "ignore"),
        other => panic!("unexpected {other}"),
    };
    let outcome = match action {
        "ignore" => "ignored",
        // All within seconds: the first answer of a kind is carried out, the others meet its cooldown.
        _ if answered.insert((event_type.clone(), action)) => "executed",
        _ => "suppressed",
    };
    Expected {
        event_type,
        target,
        severity,
        action,
        outcome,
    }
}

/// Waits for the decisions and compares each one.
pub(crate) fn check(service: &Service) {
    let text = std::fs::read_to_string(EVENTS).unwrap();
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len(), 65);
    let decisions = wait_for("every event is decided", || {
        let decisions = service.decisions();
        let pending = decisions
            .iter()
            .any(|decision| decision["outcome"] == "pending");
        (decisions.len() >= events.len() && !pending).then_some(decisions)
    });
    assert_eq!(decisions.len(), events.len(), "one decision on each event");
    let mut by_place = BTreeMap::new();
    for decision in &decisions {
        let place = (
            decision["topic"].as_str().unwrap(),
            decision["offset"].as_u64().unwrap(),
        );
        // One key, so one partition of each topic, and offsets count the events of a topic.
        assert!(
            by_place.insert(place, decision).is_none(),
            "{place:?} is decided twice"
        );
    }
    let (mut answered, mut next) = (BTreeSet::new(), BTreeMap::<&str, u64>::new());
    for event in &events {
        let topic = event["topic"].as_str().unwrap();
        let offset = next.entry(topic).or_default();
        let decision = by_place[&(topic, *offset)];
        *offset += 1;
        let expected = expected(event, &mut answered);
        let context = format!("{event}\n{decision:#}");
        assert_eq!(decision["event_type"], expected.event_type, "{context}");
        assert_eq!(decision["target"], expected.target, "{context}");
        assert_eq!(decision["severity"], expected.severity, "{context}");
        assert_eq!(decision["proposed_action"], expected.action, "{context}");
        assert_eq!(decision["action"], expected.action, "{context}");
        assert_eq!(decision["outcome"], expected.outcome, "{context}");
        let story = service.story(decision);
        assert_eq!(
            story["event"]["window"], event["value"]["window"],
            "{story:#}"
        );
    }
}

/// Publishes the file with the command that the README shows.
pub(crate) fn publish(launch: &Launch, to: [&str; 2]) {
    let output = launch
        .command(&["publish", "--file", EVENTS, to[0], to[1]])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn each_of_65_real_events_is_answered_as_the_example_says() {
    let launch = launch();
    let service = launch.start();
    publish(&launch, ["--url", &service.url]);
    check(&service);
    // The same after a restart: it was all in the log.
    service.kill();
    let again = launch.start();
    check(&again);
    again.stop();
}

/// The README's first trial, by somebody who sits there at night (issue 13, row 27): working hours as shipped would turn
/// retrainings into alerts.
#[test]
fn the_example_answers_the_same_outside_working_hours() {
    let (start, end) = (hour(6).to_string(), hour(8).to_string());
    let night = launch()
        .with("WORKING_HOURS__ENABLED", "true")
        .with("WORKING_HOURS__START", &start)
        .with("WORKING_HOURS__END", &end);
    let service = night.start();
    publish(&night, ["--url", &service.url]);
    check(&service);
    service.stop();
}

/// The README's comparison: what the shipped rules make of the same events, by the variables that it names.
#[test]
fn the_shipped_rules_retrain_once_for_drift_and_once_for_performance() {
    let launch = Launch::new().with("BUDGET__TRUST_EVENT_TIME", "false");
    let service = launch.start();
    publish(&launch, ["--url", &service.url]);
    let count = |decisions: &[Value], event_type: &str, outcome: &str| {
        let of = |one: &&Value| one["event_type"] == event_type && one["outcome"] == outcome;
        decisions
            .iter()
            .filter(of)
            .filter(|one| one["action"] == "retrain")
            .count()
    };
    wait_for("every event is decided", || {
        let decisions = service.decisions();
        let drift = "data_drift_detected";
        let drop = "model_performance_degraded";
        let counts = [
            (drift, "executed"),
            (drift, "suppressed"),
            (drop, "executed"),
            (drop, "suppressed"),
        ]
        .map(|(event_type, outcome)| count(&decisions, event_type, outcome));
        (counts == [1, 23, 1, 4]).then_some(())
    });
    service.stop();
}
