//! Fields that cannot be read alert people and touch no default.

use homeostat_logic::actions::Action::{Alert, Ignore, Monitor, Retrain};
use proptest::prelude::*;
use serde_json::json;

use super::{DRIFT, PERFORMANCE, decided, says};
use crate::support::rules;

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn a_field_that_cannot_be_read_alerts_people_and_touches_no_default() {
    let rules = rules("");
    let table = [
        (
            r#""model_name":42"#,
            "unreadable:42",
            "model_name is a number and does not name a model: 42",
        ),
        (
            r#""model_version":7"#,
            "unreadable:7",
            "model_version is a number and does not name a model: 7",
        ),
        (
            r#""model_name":"""#,
            r#"unreadable:"""#,
            "model_name is empty",
        ),
        (
            r#""model_name":"  ""#,
            r#"unreadable:"  ""#,
            "model_name is empty",
        ),
        (
            r#""model_name":true"#,
            "unreadable:true",
            "model_name is a boolean",
        ),
        (
            r#""model_name":["churn"]"#,
            r#"unreadable:["churn"]"#,
            "model_name is a list",
        ),
        (
            r#""model":{"name":"churn","version":[1]}"#,
            r#"unreadable:{"name":"churn","version":[1]}"#,
            "a version or alias that cannot be read",
        ),
        (
            r#""model":{"name":"churn","version":true}"#,
            r#"unreadable:{"name":"churn","version":true}"#,
            "a version or alias that cannot be read",
        ),
        (
            r#""model":{"name":"churn","version":""}"#,
            r#"unreadable:{"name":"churn","version":""}"#,
            "a version or alias that cannot be read",
        ),
        (
            r#""model":{"name":"churn","alias":{}}"#,
            r#"unreadable:{"name":"churn","alias":{}}"#,
            "a version or alias that cannot be read",
        ),
        (
            r#""model_name":{"id":7}"#,
            r#"unreadable:{"id":7}"#,
            "an object without a readable name",
        ),
        (
            r#""model":{"name":42}"#,
            r#"unreadable:{"name":42}"#,
            "model is an object without a readable name",
        ),
        (r#""model_id":42"#, "unreadable:42", "model_id is a number"),
        (
            r#""model_version":"@7""#,
            "unreadable:@7",
            "text in no form of a model reference",
        ),
        (
            r#""model_uri":"runs:/0a1b/model""#,
            "unreadable:runs:/0a1b/model",
            "text in no form",
        ),
        (
            r#""model_name":"s3://bucket/model.pkl""#,
            "unreadable:s3://bucket/model.pkl",
            "text in no form",
        ),
        (
            r#""model_name":"chu\nrn""#,
            "unreadable:chu\\u{a}rn",
            "text in no form",
        ),
        (
            r#""model_name":"\ud800""#,
            r#"unreadable:"\ud800""#,
            "text that cannot be read",
        ),
        (
            r#""model_name":42,"model_version":"v3""#,
            "unreadable:42",
            "model_name is a number",
        ),
    ];
    for (topic, required) in [
        (DRIFT, ""),
        (PERFORMANCE, ""),
        (PERFORMANCE, r#""action_required":"ROLLBACK","#),
    ] {
        for (fields, name, why) in table {
            for severity in ["low", "high", "critical"] {
                let raw = format!(r#"{{"severity":"{severity}",{required}{fields}}}"#);
                let (target, action, decision) = decided(topic, &raw, &rules);
                assert_eq!((target, action), (format!("model/{name}"), Alert), "{raw}");
                assert!(says(&decision, why), "{raw}: {:?}", decision.reasons);
                assert!(
                    says(&decision, "people are alerted instead of"),
                    "{:?}",
                    decision.reasons
                );
                assert_eq!(
                    decision.ladder.len(),
                    1,
                    "what is not known is not watched either"
                );
                let message = decision.ladder[0].params.text("message").unwrap();
                assert!(message.contains(why), "{message}");
                let whole = serde_json::to_string(&decision.ladder).unwrap();
                assert!(!whole.contains("movie_recommender"), "{whole}");
                assert!(
                    decision.ladder[0].charges.is_empty(),
                    "an alert instead takes no slot"
                );
            }
        }
    }
}

#[test]
fn a_readable_field_names_the_target_and_an_unreadable_one_beside_it_is_named() {
    let rules = rules("");
    for (fields, part) in [
        (
            r#""model_name":42,"model_version":"churn@7""#,
            "model_name is a number",
        ),
        (r#""model_name":"","model":"churn""#, "model_name is empty"),
        (
            r#""model_version":[],"model_name":"churn""#,
            "model_version is a list",
        ),
        (
            r#""model_id":7.5,"model_name":"churn""#,
            "model_id is a number",
        ),
        (
            r#""model_version":7.50,"model_name":"churn""#,
            "model_version is the fractional number 7.50, taken as the version",
        ),
    ] {
        for topic in [DRIFT, PERFORMANCE] {
            let raw = format!(r#"{{"severity":"medium",{fields}}}"#);
            let (target, action, decision) = decided(topic, &raw, &rules);
            assert_eq!((target.as_str(), action), ("model/churn", Retrain), "{raw}");
            assert!(says(&decision, part), "{raw}: {:?}", decision.reasons);
        }
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn every_field_of_a_wrong_type_that_is_read_is_named() {
    let rules = rules(
        r#"
        [rules.gpu_fault]
        low = "scale_up"
        medium = "scale_up"
        high = "scale_up"
        critical = "scale_up"
        raise.critical.temperature = 90
        raise.high.errors = 3
        "#,
    );
    let table = [
        (
            DRIFT,
            r#"{"severity":["HIGH"]}"#,
            "severity is a list, not a word or a number; the rule's default",
        ),
        (
            DRIFT,
            r#"{"severity":{"level":"HIGH"}}"#,
            "severity is an object",
        ),
        (DRIFT, r#"{"severity":true}"#, "severity is a boolean"),
        (
            DRIFT,
            r#"{"drift_score":"0.9"}"#,
            "drift_score is a string, not a number; it was not considered",
        ),
        (
            DRIFT,
            r#"{"drift_score":1e999}"#,
            "drift_score is out of range or not readable",
        ),
        (
            DRIFT,
            r#"{"affected_features":9}"#,
            "affected_features is a number, not a list",
        ),
        (DRIFT, r#"{"event_id":7}"#, "event_id is a number, not text"),
        (
            DRIFT,
            r#"{"timestamp":{}}"#,
            "timestamp is an object, not a time",
        ),
        (
            PERFORMANCE,
            r#"{"performance_drop":"5 %"}"#,
            "performance_drop is a string, not a number",
        ),
        (
            PERFORMANCE,
            r#"{"current_performance":"0.8"}"#,
            "current_performance is a string, not a number",
        ),
        (
            PERFORMANCE,
            r#"{"baseline_performance":[0.9]}"#,
            "baseline_performance is a list, not a number",
        ),
        (
            PERFORMANCE,
            r#"{"action_required":1}"#,
            "action_required is a number, not RETRAIN, ROLLBACK or NONE",
        ),
        (
            PERFORMANCE,
            r#"{"action_required":"REBOOT"}"#,
            "action_required is REBOOT, not RETRAIN, ROLLBACK or NONE",
        ),
        (
            "system.alerts",
            r#"{"event_type":"gpu_fault","temperature":"91"}"#,
            "temperature is a string, not a number or a list",
        ),
        (
            "system.alerts",
            r#"{"event_type":"gpu_fault","errors":{}}"#,
            "errors is an object, not a number or a list",
        ),
        (
            "system.alerts",
            r#"{"event_type":"gpu_fault","errors":1e999}"#,
            "errors is out of range or not readable",
        ),
        (
            "system.alerts",
            r#"{"event_type":"gpu_fault","current_instances":"3"}"#,
            "current_instances is a string, not a number",
        ),
        (
            "system.alerts",
            r#"{"event_type":"gpu_fault","current_instances":2.5}"#,
            "current_instances is 2.5, not a whole number",
        ),
        (
            "system.alerts",
            r#"{"event_type":"disk_full","message":{}}"#,
            "message is an object, not text",
        ),
        (
            "system.alerts",
            r#"{"event_type":7}"#,
            "event_type is a number, not text",
        ),
        (
            "system.alerts",
            r#"{"event_type":"x","service":7}"#,
            "service is a number and does not name a service: 7",
        ),
        // Another field that cannot be held spoils none of these.
        (
            "system.alerts",
            r#"{"event_type":"gpu_fault","temperature":"91","x":1e999,"y":"\ud800"}"#,
            "temperature is a string",
        ),
    ];
    for (topic, raw, part) in table {
        let (_, _, decision) = decided(topic, raw, &rules);
        assert!(says(&decision, part), "{raw}: {:?}", decision.reasons);
    }
    // What is not read is not named.
    let (_, _, decision) = decided(
        DRIFT,
        r#"{"model_name":"m","message":{},"temperature":"91"}"#,
        &rules,
    );
    assert_eq!(decision.reasons.len(), 2, "{:?}", decision.reasons);
}

#[test]
fn a_type_that_the_topic_overrules_is_named() {
    let rules = rules("");
    for (topic, own, part) in [
        (
            DRIFT,
            r#""other_type""#,
            Some("event_type is other_type; the topic fixes it as data_drift_detected"),
        ),
        (
            DRIFT,
            r#""model_performance_degraded""#,
            Some("event_type is model_performance_degraded; the topic fixes"),
        ),
        (
            DRIFT,
            "7",
            Some("event_type is a number, not text; the topic fixes"),
        ),
        (DRIFT, r#""""#, Some("event_type is empty; the topic fixes")),
        (DRIFT, r#""data_drift_detected""#, None),
        (DRIFT, r#"" DATA_DRIFT_DETECTED ""#, None),
        (DRIFT, r#""data.drift.detected""#, None),
        (DRIFT, "null", None),
        (
            "data.ingested",
            r#""other_type""#,
            Some("event_type is other_type; the topic fixes it as data_ingested"),
        ),
        ("system.alerts", r#""other_type""#, None),
    ] {
        let raw = format!(r#"{{"model_name":"m","severity":"low","event_type":{own}}}"#);
        let (_, _, decision) = decided(topic, &raw, &rules);
        match part {
            Some(part) => assert!(says(&decision, part), "{raw}: {:?}", decision.reasons),
            None => assert!(
                !says(&decision, "event_type is"),
                "{raw}: {:?}",
                decision.reasons
            ),
        }
    }
}

#[test]
fn an_event_whose_type_cannot_be_read_alerts_people_where_the_topic_does_not_say_it() {
    let rules = rules("");
    for topic in ["system.metrics", "system.health", "system.alerts"] {
        for own in ["7", r#""""#, "[]", r#""\ud800""#] {
            let raw = format!(r#"{{"event_type":{own},"severity":"critical"}}"#);
            let (_, action, decision) = decided(topic, &raw, &rules);
            assert_eq!(action, Alert, "{topic} {raw}");
            assert!(says(&decision, "event_type is"), "{:?}", decision.reasons);
        }
    }
    assert_eq!(
        decided("system.metrics", "{}", &rules).1,
        Ignore,
        "a sample"
    );
    assert_eq!(
        decided(DRIFT, r#"{"severity":"low","model_name":"m"}"#, &rules).1,
        Monitor
    );
}

proptest! {
    /// Whatever stands in the fields for the name, nothing is done to a default that an unreadable field hides.
    #[test]
    fn no_value_of_a_target_field_is_passed_over(
        field in prop::sample::select(vec!["model_name", "model_version", "model", "model_uri", "model_id"]),
        value in prop_oneof![
            any::<i64>().prop_map(|number| json!(number)),
            any::<bool>().prop_map(|flag| json!(flag)),
            "\\PC{0,20}|[a-c7@:/ ]{0,8}".prop_map(|text| json!(text)),
            prop::collection::vec("[a-c]{0,3}", 0..3).prop_map(|list| json!(list)),
            "[a-c@:/]{0,4}".prop_map(|name| json!({ "name": name })),
        ],
        topic in prop::sample::select(vec![DRIFT, PERFORMANCE]),
    ) {
        let raw = json!({ "severity": "high", field: value }).to_string();
        let (target, action, decision) = decided(topic, &raw, &rules(""));
        let bare_version = field == "model_version"
            && value.as_str().is_some_and(|text| !text.trim().is_empty() && !text.contains(['@', ':', '/']));
        if target == "model/movie_recommender" {
            prop_assert!(bare_version, "{raw}");
            prop_assert!(says(&decision, "default movie_recommender"));
        } else if target.starts_with("model/unreadable:") {
            prop_assert_eq!(action, Alert);
        }
    }
}
