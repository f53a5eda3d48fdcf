//! What actions and alerts are given of their event: its own bytes, whatever it holds (issue 13, row 8).

use crate::support::{noon, proposed, rules};
use homeostat_logic::ledger::codec;
use homeostat_logic::ledger::record::Record;
use proptest::prelude::*;

const DRIFT: &str = "data.drift.detected";

#[test]
fn an_event_travels_with_what_no_value_can_hold() {
    for (field, path) in [
        (r#""x": "\ud800""#, "x"),
        (r#""x": "\udc00\ud800""#, "x"),
        (r#""x": 1e999"#, "x"),
        (r#""x": [{"y": -1e999}]"#, "x.0.y"),
        (r#""x": 123456789012345678901234567890"#, "x"),
        (r#""x": 1, "x": 2"#, "x"),
        (r#""\ud800": 1"#, "\\ud800"),
    ] {
        let raw =
            format!(r#"{{"severity": "HIGH", "model_version": "churn@7", {field}, "z": 1.0}}"#);
        let propose = proposed(DRIFT, &raw, &rules(""), noon()).propose;
        // Through the ledger and back.
        let bytes = codec::encode(&Record::Propose(Box::new(propose))).unwrap();
        let Record::Propose(propose) = codec::decode(&bytes).unwrap() else {
            panic!("another record");
        };
        let decision = &propose.decisions[0];
        let retrain = decision.ladder[0].params.to_string();
        assert!(
            retrain.contains(&format!(r#""metadata":{raw}"#)),
            "{retrain}"
        );
        let alert = decision.escalation.params.to_string();
        assert!(
            alert.contains(&format!(r#""source_event":{raw}"#)),
            "{alert}"
        );
        let told = decision
            .reasons
            .iter()
            .find(|reason| reason.contains("of the event"));
        assert!(told.unwrap().contains(path), "{path}: {told:?}");
    }
}

#[test]
fn an_ordinary_event_is_told_of_nothing() {
    let raw = r#"{"severity":"HIGH","model_version":"churn@7","e":1e3,"n":-0,"u":18446744073709551615,"t":"\ud83d\ude00"}"#;
    let decision = proposed(DRIFT, raw, &rules(""), noon())
        .propose
        .decisions
        .remove(0);
    assert!(
        decision
            .reasons
            .iter()
            .all(|reason| !reason.contains("of the event")),
        "{:?}",
        decision.reasons
    );
    assert_eq!(decision.ladder[0].params.value()["metadata"]["t"], "😀");
}

#[test]
fn an_event_too_large_for_parameters_is_named_there_and_told() {
    let raw = format!(
        r#"{{"event_id":"big","severity":"HIGH","pad":"{}"}}"#,
        "x".repeat(20_000)
    );
    let decision = proposed(DRIFT, &raw, &rules(""), noon())
        .propose
        .decisions
        .remove(0);
    let metadata = &decision.ladder[0].params.value()["metadata"];
    assert_eq!(
        (&metadata["event_id"], &metadata["omitted_bytes"]),
        (&"big".into(), &raw.len().into())
    );
    assert!(
        decision
            .reasons
            .iter()
            .any(|reason| reason.contains("more than the 16384")),
        "{:?}",
        decision.reasons
    );
}

#[test]
fn context_is_read_beside_what_no_value_can_hold() {
    let rules = rules(
        "[rules.disk_full]\nlow = \"alert\"\nmedium = \"alert\"\nhigh = \"alert\"\ncritical = \"alert\"\nraise.critical.used = 0.9\n",
    );
    let raw =
        r#"{"event_type":"disk_full","severity":"low","\ud800":"\udfff","x":1e999,"used":0.95}"#;
    let decision = proposed("system.alerts", raw, &rules, noon())
        .propose
        .decisions
        .remove(0);
    assert_eq!(decision.severity.name(), "critical");
}

proptest! {
    #[test]
    fn whatever_an_event_holds_it_arrives_byte_for_byte(
        value in r#"("(\\\\u[d-d][0-9a-f]{3}|[a-z]){0,4}"|-?[1-9][0-9]{0,40}(e[0-9]{1,4})?|\[("\\\\ud800")?\]|null)"#,
        name in r"(\\\\ud[89a-f][0-9a-f]{2}|[b-d]){0,3}",
    ) {
        let raw = format!(r#"{{"severity":"HIGH","model_version":"m@1","a{name}":{value}}}"#);
        let propose = proposed(DRIFT, &raw, &rules(""), noon()).propose;
        let bytes = codec::encode(&Record::Propose(Box::new(propose))).unwrap();
        let Ok(Record::Propose(propose)) = codec::decode(&bytes) else {
            panic!("{raw}");
        };
        let params = propose.decisions[0].ladder[0].params.to_string();
        let quoted = format!(r#""metadata":{raw}"#);
        prop_assert!(params.contains(&quoted), "{}", params);
    }
}
