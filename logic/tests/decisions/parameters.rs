//! What actions ask their connectors for: the JSON of each intent, byte for byte, and the parameters that are configuration.

use crate::support::{noon, proposed, rules, settings};
use homeostat_logic::actions::Action;
use homeostat_logic::rules::Rules;

/// The parameters of the first step.
fn params(topic: &str, raw: &str, rules: &Rules) -> String {
    let propose = proposed(topic, raw, rules, noon()).propose;
    propose.decisions[0].ladder[0].params.to_string()
}

#[test]
fn each_intent_is_written_as_connectors_know_it() {
    let rules = rules("");
    let drift = r#"{"severity":"HIGH","model_version":"fraud@7","x":1.0,"big":1e999}"#;
    let retrain = r#"{"metadata":{"severity":"HIGH","model_version":"fraud@7","x":1.0,"big":1e999},"model_name":"fraud","model_version":"7","priority":"high","reason":"data_drift_critical"}"#;
    assert_eq!(params("data.drift.detected", drift, &rules), retrain);
    let degraded = r#"{"severity":"HIGH","model_name":"fraud","model_version":"7"}"#;
    let rollback = r#"{"current_version":"7","model_name":"fraud","reason":"auto_response_rollback","service":null,"to":"previous_stable"}"#;
    assert_eq!(
        params("model.performance.degraded", degraded, &rules),
        rollback
    );
    // The version to go back to, where the event names one.
    for (named, to) in [
        ("\"5\"", "5"),
        ("5", "5"),
        ("\" v5 \"", "v5"),
        ("\" \"", "previous_stable"),
        ("null", "previous_stable"),
        ("[5]", "previous_stable"),
    ] {
        let named = degraded.replace('}', &format!(",\"to_version\":{named}}}"));
        let expected = rollback.replace("previous_stable", to);
        assert_eq!(
            params("model.performance.degraded", &named, &rules),
            expected
        );
    }
    let overload = r#"{"event_type":"system_overload","severity":"HIGH","service":"api","current_instances":3}"#;
    let scale_up = r#"{"change":2,"instances":5,"service":"api"}"#;
    assert_eq!(params("system.alerts", overload, &rules), scale_up);
    let mild = r#"{"severity":"LOW","model_version":"fraud@7"}"#;
    let monitor = r#"{"duration_minutes":120,"interval_seconds":30,"model_name":"fraud","model_version":"7","target":"fraud"}"#;
    assert_eq!(params("data.drift.detected", mild, &rules), monitor);
    let full = r#"{"event_type":"disk_full","service":"db","severity":"HIGH"}"#;
    let alert = r#"{"message":"disk full on service db, severity high","severity":"high","source_event":{"event_type":"disk_full","service":"db","severity":"HIGH"},"timestamp":"2026-03-02T12:00:00.000Z","title":"disk full: db"}"#;
    assert_eq!(params("system.alerts", full, &rules), alert);
    let sample = params("data.ingested", "{}", &rules);
    assert_eq!(sample, "{}");
}

#[test]
fn the_parameters_of_actions_are_configuration() {
    let rules = rules(
        r#"
        [rules.system_overload]
        critical = "scale_down"
        [actions.retrain.parameters]
        priority = "normal"
        [actions.scale_up.parameters]
        change = 3
        [actions.scale_down.parameters]
        change = -4
        [actions.monitor.parameters]
        interval_seconds = 5
        duration_minutes = 10
        "#,
    );
    let overload = |severity: &str| {
        let raw = format!(
            r#"{{"event_type":"system_overload","severity":"{severity}","current_instances":3}}"#
        );
        params("system.alerts", &raw, &rules)
    };
    let scaled = |change, instances| {
        format!(r#"{{"change":{change},"instances":{instances},"service":"mlops-api"}}"#)
    };
    assert_eq!(overload("HIGH"), scaled(3, 6));
    // One instance always remains.
    assert_eq!(overload("CRITICAL"), scaled(-4, 1));
    let retrain = params("data.drift.detected", r#"{"severity":"HIGH"}"#, &rules);
    assert!(retrain.contains(r#""priority":"normal""#), "{retrain}");
    let monitor = params("data.drift.detected", r#"{"severity":"LOW"}"#, &rules);
    assert!(
        monitor.starts_with(r#"{"duration_minutes":10,"interval_seconds":5,"#),
        "{monitor}"
    );
}

#[test]
fn parameters_that_an_action_does_not_have_or_lacks_are_refused_by_their_key() {
    let refused = |parameters: &str| {
        let mut settings = settings("");
        let table = settings.actions.get_mut(&Action::ScaleUp).unwrap();
        table.parameters = serde_json::from_str(parameters).unwrap();
        let errors = Rules::new(&settings).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors[0].to_string()
    };
    for (parameters, problem) in [
        ("{}", "missing field `change`"),
        (r#"{"change":"2"}"#, "expected i64"),
        (r#"{"change":2,"chnage":3}"#, "unknown field `chnage`"),
    ] {
        let error = refused(parameters);
        assert!(
            error.starts_with("actions.scale_up.parameters: ") && error.contains(problem),
            "{error}"
        );
    }
}

#[test]
fn every_action_that_is_carried_out_has_a_cooldown() {
    let mut settings = settings("");
    settings.cooldown = toml::from_str("alert_minutes = 1").unwrap();
    let errors = Rules::new(&settings).unwrap_err();
    let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
    let missing = [
        "cooldown.retrain_minutes",
        "cooldown.rollback_minutes",
        "cooldown.scale_up_minutes",
        "cooldown.scale_down_minutes",
        "cooldown.monitor_minutes",
    ];
    assert_eq!(keys, missing);
}
