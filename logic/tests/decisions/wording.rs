//! What a decision says and hands over, and which setting it follows.

use homeostat_logic::actions::Action::{Alert, Rollback, ScaleUp};
use homeostat_logic::severity::Severity::{Critical, High, Medium};

use crate::support::{noon, proposed, rules};

#[test]
fn parameters_say_what_the_spec_says() {
    let rules = rules("");
    let step = |topic, raw| {
        proposed(topic, raw, &rules, noon()).propose.decisions[0].ladder[0]
            .params
            .value()
    };
    let rollback = step(
        "model.performance.degraded",
        r#"{"severity":"HIGH","model_name":"fraud","model_version":"fraud@7"}"#,
    );
    assert_eq!(rollback["model_name"], "fraud");
    assert_eq!(rollback["reason"], "auto_response_rollback");
    assert_eq!(rollback["current_version"], "7");
    let retrain = step("model.performance.degraded", r#"{"severity":"MEDIUM"}"#);
    assert_eq!(
        (&retrain["model_name"], &retrain["reason"]),
        (
            &"movie_recommender".into(),
            &"model_performance_degraded".into()
        )
    );
    let scale = step(
        "system.alerts",
        r#"{"event_type":"system_overload","current_instances":3}"#,
    );
    assert_eq!(
        (&scale["service"], &scale["change"], &scale["instances"]),
        (&"mlops-api".into(), &2.into(), &5.into())
    );
    let monitor = step(
        "data.drift.detected",
        r#"{"severity":"LOW","model_version":"fraud@7"}"#,
    );
    assert_eq!(
        (&monitor["interval_seconds"], &monitor["duration_minutes"]),
        (&30.into(), &120.into())
    );
    let alert = step(
        "system.alerts",
        r#"{"event_type":"disk_full","message":"97 %"}"#,
    );
    assert_eq!(alert["title"], "disk full: mlops-api");
    assert_eq!(
        alert["message"],
        "disk full on service mlops-api, severity medium: 97 %"
    );
    assert_eq!(alert["source_event"]["message"], "97 %");
}

#[test]
fn a_service_never_has_the_default_model_rolled_back_on_its_behalf() {
    let rules = rules("");
    let rollback = |raw: &str| {
        let proposal = proposed("system.health", raw, &rules, noon()).propose;
        let step = proposal.decisions[0].ladder[0].clone();
        assert_eq!(step.action, Rollback);
        (
            proposal.target.to_string(),
            step.params.value()["model_name"].clone(),
            step.cooldown_key,
        )
    };
    let failed =
        |fields: &str| format!(r#"{{"event_type":"service_health_check_failed"{fields}}}"#);
    let (target, model, _) = rollback(&failed(r#","service":"svc-a""#));
    assert_eq!(
        (target.as_str(), model),
        ("service/svc-a", serde_json::Value::Null)
    );
    let (target, model, _) = rollback(&failed(""));
    assert_eq!(
        (target.as_str(), model),
        ("service/mlops-api", "movie_recommender".into())
    );
    // Two services, one model: one cooldown.
    let first = rollback(&failed(r#","service":"svc-a","model_name":"m""#));
    assert_eq!(
        first,
        rollback(&failed(r#","service":"svc-b","model_name":"m""#))
    );
    assert_eq!((first.0.as_str(), first.1), ("model/m", "m".into()));
}

#[test]
fn only_a_cloud_event_promises_that_its_id_names_one_event() {
    let rules = rules("");
    let identity = |topic, raw| proposed(topic, raw, &rules, noon()).propose.event_identity;
    assert_eq!(
        identity("data.drift.detected", r#"{"event_id":"1","source":"s"}"#),
        None
    );
    let cloud = r#"{"event_id":"1","source":"s","cloudevents":{"specversion":"1.0"}}"#;
    let named = identity("data.drift.detected", cloud);
    assert!(named.is_some());
    assert_ne!(named, identity("model.performance.degraded", cloud));
}

#[test]
fn performance_alerts_name_the_numbers() {
    let rules = rules("");
    let raw = r#"{"severity":"HIGH","model_name":"fraud","performance_drop":0.0862,"current_performance":0.8254,"baseline_performance":0.9034}"#;
    let decision = &proposed("model.performance.degraded", raw, &rules, noon())
        .propose
        .decisions[0];
    assert_eq!(
        decision.escalation.params.value()["message"],
        "model fraud lost 8.6 %: now 0.825, baseline 0.903, severity high"
    );
}

#[test]
fn wrong_types_are_named_in_the_reasons() {
    let rules = rules("");
    let raw = r#"{"drift_score":"0.9","affected_features":3}"#;
    let reasons = &proposed("data.drift.detected", raw, &rules, noon())
        .propose
        .decisions[0]
        .reasons;
    assert_eq!(
        reasons[0],
        "drift_score is a string, not a number; it was not considered"
    );
    assert_eq!(
        reasons[1],
        "affected_features is a number, not a list; it was not considered"
    );
}

#[test]
fn the_more_specific_setting_wins() {
    let rules = rules(
        r#"
        [rules.data_drift_detected]
        high = "alert"
        cooldown.alert_minutes = 7
        [targets.fraud]
        responses_per_hour = 2
        [targets.fraud.rules.data_drift_detected]
        high = "rollback"
        raise.high.drift_score = 0.3
        [targets.fraud.rules.gpu_fault]
        medium = "scale_up"
        raise.critical.temperature = 90
        "#,
    );
    let decision = |topic, raw| proposed(topic, raw, &rules, noon()).propose.decisions[0].clone();
    let other = decision(
        "data.drift.detected",
        r#"{"severity":"high","model_version":"a@1"}"#,
    );
    assert_eq!(
        (
            other.ladder[0].action,
            other.ladder[0].cooldown_ms,
            other.ladder[0].gates[0].cap
        ),
        (Alert, 420_000, 4)
    );
    let fraud = decision(
        "data.drift.detected",
        r#"{"severity":"low","drift_score":0.31,"model_version":"fraud@1"}"#,
    );
    assert_eq!(
        (
            fraud.severity,
            fraud.ladder[0].action,
            fraud.ladder[0].gates[0].cap
        ),
        (High, Rollback, 2)
    );
    // A type of the operator's own, with a threshold on a field nobody decodes; cells left out are those of `other`.
    let fault = r#"{"event_type":"gpu_fault","model_name":"fraud","temperature":91.5}"#;
    let fault = decision("system.alerts", fault);
    assert_eq!((fault.severity, fault.ladder[0].action), (Critical, Alert));
    assert_eq!(
        fault.severity_reason,
        "raised from medium: temperature 91.5 is above 90"
    );
    let mild = decision(
        "system.alerts",
        r#"{"event_type":"gpu_fault","model_name":"fraud","temperature":90}"#,
    );
    assert_eq!((mild.severity, mild.ladder[0].action), (Medium, ScaleUp));
}

#[test]
fn equal_settings_have_equal_revisions_and_others_differ() {
    assert_eq!(rules("").revision, rules("").revision);
    assert_ne!(
        rules("").revision,
        rules("cooldown.alert_minutes = 6").revision
    );
}
