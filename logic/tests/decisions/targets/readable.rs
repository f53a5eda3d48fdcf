//! Every usual form of a name, defaults where there is none, and names that contradict.

use homeostat_logic::actions::Action::{Alert, Ignore, Retrain, Rollback, ScaleUp};
use homeostat_logic::rules::Rules;
use serde_json::json;

use super::{DRIFT, PERFORMANCE, decided, says};
use crate::support::{rules, settings};

#[test]
fn each_form_of_a_model_reference_is_one_target_with_its_version() {
    let rules = rules("[targets.churn.rules.data_drift_detected]\ncooldown.retrain_minutes = 7");
    let table = [
        (r#""model_name":"churn""#, None),
        (r#""model_version":"churn@7""#, Some("7")),
        (r#""model_version":" churn@7 ""#, Some("7")),
        (r#""model_version":"churn@champion""#, Some("champion")),
        (r#""model_version":"models:/churn/7""#, Some("7")),
        (r#""model_name":"models:/churn/7""#, Some("7")),
        (r#""model_name":"models:/churn@champion""#, Some("champion")),
        (r#""model_name":"models:/churn""#, None),
        (r#""model_name":"churn:7""#, Some("7")),
        (r#""model_version":"churn:7""#, Some("7")),
        (r#""model_version":"churn/7""#, Some("7")),
        (r#""model_name":"churn/7""#, Some("7")),
        (r#""model_name":"churn","model_version":7"#, Some("7")),
        (r#""model_name":"churn","model_version":1.10"#, Some("1.10")),
        (r#""model_name":"churn","model_version":"v3""#, Some("v3")),
        (
            r#""model_name":"churn","model_version":"churn@7""#,
            Some("7"),
        ),
        (r#""model_name":"churn@7","model_version":null"#, Some("7")),
        (r#""model":"churn@7""#, Some("7")),
        (r#""model":{"name":"churn","version":7}"#, Some("7")),
        (
            r#""model":{"name":"churn","version":"v7","stage":"x"}"#,
            Some("v7"),
        ),
        (
            r#""model":{"name":"churn","alias":"champion"}"#,
            Some("champion"),
        ),
        (r#""model":{"name":"models:/churn/7"}"#, Some("7")),
        (
            r#""model_name":{"name":"churn"},"model_version":"7""#,
            Some("7"),
        ),
        (r#""model_version":{"name":"churn","version":7}"#, Some("7")),
        (r#""model_uri":"models:/churn/7""#, Some("7")),
        (r#""model_id":"churn""#, None),
        (r#""model_name":"churn","model_id":"m-0a1b""#, None),
        (r#""model_name":"churn","model_id":17"#, None),
        (
            r#""model_name":"ch\u0075rn","model_version":"chur\u006e@7""#,
            Some("7"),
        ),
    ];
    for topic in [DRIFT, PERFORMANCE] {
        for (fields, version) in table {
            let raw = format!(r#"{{"severity":"MEDIUM",{fields}}}"#);
            let (target, action, decision) = decided(topic, &raw, &rules);
            assert_eq!((target.as_str(), action), ("model/churn", Retrain), "{raw}");
            let params = decision.ladder[0].params.value();
            assert_eq!(params["model_name"], "churn", "{raw}");
            assert_eq!(params["model_version"], json!(version), "{raw}");
            if topic == DRIFT {
                assert_eq!(
                    decision.ladder[0].cooldown_ms, 420_000,
                    "the overlay, {raw}"
                );
            }
            assert!(!says(&decision, "default "), "{:?}", decision.reasons);
        }
    }
}

#[test]
fn fields_that_contradict_are_told_and_the_event_type_says_which_counts() {
    let rules = rules("");
    let raw = r#"{"severity":"HIGH","model_name":"churn","model_version":"fraud@3"}"#;
    let (target, _, decision) = decided(DRIFT, raw, &rules);
    assert_eq!(target, "model/fraud", "SPEC §3: what stands before the @");
    assert!(says(
        &decision,
        "model_name names another model, churn; fraud counts"
    ));
    assert_eq!(decision.ladder[0].params.value()["model_version"], "3");
    let (target, action, decision) = decided(PERFORMANCE, raw, &rules);
    assert_eq!((target.as_str(), action), ("model/churn", Rollback));
    assert!(says(
        &decision,
        "model_version names another model, fraud; churn counts"
    ));
    let params = decision.ladder[0].params.value();
    assert_eq!(
        params["current_version"],
        json!(null),
        "3 is a version of fraud"
    );

    let raw = r#"{"model_name":"churn@3","model_version":"churn@7"}"#;
    for topic in [DRIFT, PERFORMANCE] {
        let (_, _, decision) = decided(topic, raw, &rules);
        assert_eq!(decision.ladder[0].params.value()["model_version"], "7");
        assert!(
            says(&decision, "model_name says version 3; version 7 counts"),
            "{:?}",
            decision.reasons
        );
    }
    let raw = r#"{"event_type":"system_overload","service":"a","service_name":"b"}"#;
    let (target, action, decision) = decided("system.alerts", raw, &rules);
    assert_eq!((target.as_str(), action), ("service/a", ScaleUp));
    assert!(says(
        &decision,
        "service_name names another service, b; a counts"
    ));
}

#[test]
fn an_absent_name_takes_the_default_which_is_named() {
    let rules = rules("");
    let named = "the event names no model; the default movie_recommender is taken (defaults.model)";
    for fields in [
        "",
        r#","model_name":null"#,
        r#","model_name":null,"model_version":null,"model":null"#,
    ] {
        for topic in [DRIFT, PERFORMANCE] {
            let raw = format!(r#"{{"severity":"medium"{fields}}}"#);
            let (target, action, decision) = decided(topic, &raw, &rules);
            assert_eq!(
                (target.as_str(), action),
                ("model/movie_recommender", Retrain),
                "{raw}"
            );
            assert!(says(&decision, named), "{:?}", decision.reasons);
        }
    }
    // SPEC §3: with no @, the default.
    for version in ["v3", "7", "1.2.0"] {
        let raw = format!(r#"{{"severity":"high","model_version":"{version}"}}"#);
        let (target, action, decision) = decided(DRIFT, &raw, &rules);
        assert_eq!(
            (target.as_str(), action),
            ("model/movie_recommender", Retrain),
            "{raw}"
        );
        let why =
            format!("model_version has nothing before an @ and does not name a model: {version}");
        assert!(
            says(&decision, &why) && says(&decision, named),
            "{:?}",
            decision.reasons
        );
    }
    let raw = r#"{"event_type":"system_overload"}"#;
    let (target, action, decision) = decided("system.alerts", raw, &rules);
    assert_eq!((target.as_str(), action), ("service/mlops-api", ScaleUp));
    assert!(says(
        &decision,
        "the event names no service; the default mlops-api is taken (defaults.service)"
    ));
    let raw = r#"{"event_type":"service_health_check_failed","severity":"high"}"#;
    let (target, action, decision) = decided("system.health", raw, &rules);
    assert_eq!((target.as_str(), action), ("service/mlops-api", Rollback));
    assert!(says(&decision, "default mlops-api") && says(&decision, "default movie_recommender"));
}

#[test]
fn a_default_can_be_switched_off_and_people_are_alerted_instead() {
    let off = rules("defaults.model = \"\"\ndefaults.service = \"\"");
    let failed = r#"{"event_type":"service_health_check_failed","severity":"high"}"#;
    for (topic, raw, expected, off_key) in [
        (
            DRIFT,
            r#"{"severity":"high"}"#,
            "model/unnamed:",
            "defaults.model",
        ),
        (
            DRIFT,
            r#"{"severity":"medium","model_version":"v3"}"#,
            "model/unnamed:",
            "defaults.model",
        ),
        (
            PERFORMANCE,
            r#"{"action_required":"ROLLBACK"}"#,
            "model/unnamed:",
            "defaults.model",
        ),
        (
            "system.alerts",
            r#"{"event_type":"system_overload"}"#,
            "service/unnamed:",
            "defaults.service",
        ),
        (
            "system.health",
            failed,
            "service/unnamed:",
            "defaults.service",
        ),
    ] {
        let (target, action, decision) = decided(topic, raw, &off);
        assert_eq!((target.as_str(), action), (expected, Alert), "{raw}");
        assert!(
            says(&decision, &format!("{off_key} is switched off")),
            "{:?}",
            decision.reasons
        );
        assert!(
            says(&decision, "people are alerted instead of"),
            "{:?}",
            decision.reasons
        );
    }
    // What is named is acted on, and what asks for nothing stays without answer.
    let (target, action, _) = decided(DRIFT, r#"{"severity":"high","model_name":"churn"}"#, &off);
    assert_eq!((target.as_str(), action), ("model/churn", Retrain));
    assert_eq!(decided("data.ingested", "{}", &off).1, Ignore);
    // The default service serves a model that is not known without the default model.
    let no_model = rules("defaults.model = \"\"");
    let (target, action, decision) = decided("system.health", failed, &no_model);
    assert_eq!((target.as_str(), action), ("service/mlops-api", Alert));
    assert!(
        says(&decision, "defaults.model is switched off"),
        "{:?}",
        decision.reasons
    );
    let named = r#"{"event_type":"service_health_check_failed","severity":"high","service":"api"}"#;
    let (_, action, decision) = decided("system.health", named, &no_model);
    assert_eq!(
        (action, &decision.ladder[0].params.value()["service"]),
        (Rollback, &json!("api"))
    );
    assert_eq!(decision.ladder[0].params.value()["model_name"], json!(null));
}

#[test]
fn a_service_is_text_or_an_object_with_a_name_and_anything_else_alerts_people() {
    let rules = rules("");
    let overload =
        |fields: &str| format!(r#"{{"event_type":"system_overload","severity":"high",{fields}}}"#);
    for fields in [
        r#""service":"api-2""#,
        r#""service":" api-2 ""#,
        r#""service_name":"api-2""#,
        r#""service":{"name":"api-2","port":80}"#,
        r#""service":42,"service_name":"api-2""#,
    ] {
        let (target, action, decision) = decided("system.alerts", &overload(fields), &rules);
        assert_eq!(
            (target.as_str(), action),
            ("service/api-2", ScaleUp),
            "{fields}"
        );
        assert_eq!(
            decision.ladder[0].params.value()["service"],
            "api-2",
            "{fields}"
        );
    }
    for (fields, name) in [
        (r#""service":42"#, "42"),
        (r#""service":"""#, r#""""#),
        (r#""service":{"id":1}"#, r#"{"id":1}"#),
        (r#""service":["a"]"#, r#"["a"]"#),
        (r#""service":"a\u0000b""#, "a\\u{0}b"),
    ] {
        let (target, action, decision) = decided("system.alerts", &overload(fields), &rules);
        assert_eq!(
            (target, action),
            (format!("service/unreadable:{name}"), Alert),
            "{fields}"
        );
        assert!(says(&decision, "no field names the service that is meant"));
    }
    // The model that a failed service serves cannot be read: nothing is rolled back on its behalf.
    for (fields, expected) in [
        (r#""service":"api","model_name":42"#, "model/unreadable:42"),
        (r#""service":{"id":1}"#, "service/unreadable:{\"id\":1}"),
    ] {
        let raw =
            format!(r#"{{"event_type":"service_health_check_failed","severity":"high",{fields}}}"#);
        let (target, action, _) = decided("system.health", &raw, &rules);
        assert_eq!((target.as_str(), action), (expected, Alert), "{raw}");
    }
    // An unknown type is about what can be read.
    let raw = r#"{"event_type":"disk_full","model":{"size":7},"service":"api"}"#;
    assert_eq!(decided("system.alerts", raw, &rules).0, "service/api");
}

#[test]
fn defaults_are_names_or_nothing() {
    for (overlay, key) in [
        ("defaults.model = \"churn@7\"", "defaults.model"),
        ("defaults.model = \"models:/churn\"", "defaults.model"),
        ("defaults.model = \" \"", "defaults.model"),
        ("defaults.service = \" api\"", "defaults.service"),
        ("defaults.service = \"a\\nb\"", "defaults.service"),
    ] {
        let errors = Rules::new(&settings(overlay)).unwrap_err();
        let keys: Vec<_> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(keys, [key], "{overlay}");
    }
    rules("defaults.model = \"org/churn\"\ndefaults.service = \"team/api:8080\"");
}
