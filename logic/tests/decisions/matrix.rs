//! The matrix and the thresholds of SPEC §4: every cell, one below, at and above each boundary; severity and target.

use homeostat_logic::actions::Action::{self, Alert, Ignore, Monitor, Retrain, Rollback, ScaleUp};
use homeostat_logic::severity::Severity::{self, Critical, High, Low, Medium};

use crate::support::{judged, noon, proposed, rules};

/// The matrix of SPEC §4, typed in again on purpose.
#[test]
fn every_cell_of_the_matrix_is_the_specs() {
    let rows: [(&str, &str, [Action; 4]); 8] = [
        (
            "data.drift.detected",
            "data_drift_detected",
            [Monitor, Retrain, Retrain, Retrain],
        ),
        (
            "model.performance.degraded",
            "model_performance_degraded",
            [Monitor, Retrain, Rollback, Rollback],
        ),
        (
            "system.metrics",
            "system_overload",
            [Monitor, ScaleUp, ScaleUp, ScaleUp],
        ),
        (
            "system.alerts",
            "prediction_latency_high",
            [Monitor, ScaleUp, ScaleUp, ScaleUp],
        ),
        (
            "system.health",
            "service_health_check_failed",
            [Alert, Rollback, Rollback, Rollback],
        ),
        (
            "system.alerts",
            "disk_on_fire",
            [Alert, Alert, Alert, Alert],
        ),
        (
            "system.metrics",
            "queue_backlog",
            [Alert, Alert, Alert, Alert],
        ),
        (
            "data.ingested",
            "data_ingested",
            [Ignore, Ignore, Ignore, Ignore],
        ),
    ];
    let rules = rules("");
    for (topic, event_type, actions) in rows {
        for (severity, action) in Severity::ALL.into_iter().zip(actions) {
            let raw = format!(r#"{{"event_type":"{event_type}","severity":"{severity}"}}"#);
            let verdict = judged(topic, &raw, &rules, noon());
            assert_eq!(
                (verdict.severity, verdict.proposed, verdict.action),
                (severity, action, action),
                "{raw}"
            );
        }
    }
}

#[test]
fn severity_is_read_in_any_case_and_otherwise_medium() {
    let rules = rules("");
    let cases = [
        (r#""HIGH""#, High),
        (r#""High""#, High),
        (r#"" critical ""#, Critical),
        (r#""lOw""#, Low),
        (r#""severe""#, Medium),
        (r#""""#, Medium),
        ("null", Medium),
        ("3", Medium),
        (r#"["HIGH"]"#, Medium),
        (r#"{"level":"HIGH"}"#, Medium),
    ];
    for (severity, expected) in cases {
        let raw = format!(r#"{{"severity":{severity}}}"#);
        assert_eq!(
            judged("data.drift.detected", &raw, &rules, noon()).severity,
            expected,
            "{raw}"
        );
    }
    assert_eq!(
        judged("data.drift.detected", "{}", &rules, noon()).severity,
        Medium
    );
}

#[test]
fn context_raises_at_each_boundary_and_never_lowers() {
    let rules = rules("");
    let drift = "data.drift.detected";
    let performance = "model.performance.degraded";
    let cases = [
        (drift, r#"{"severity":"LOW","drift_score":0.6}"#, Low),
        (drift, r#"{"severity":"LOW","drift_score":0.6000001}"#, High),
        (drift, r#"{"severity":"LOW","drift_score":0.8}"#, High),
        (
            drift,
            r#"{"severity":"LOW","drift_score":0.8000001}"#,
            Critical,
        ),
        (
            drift,
            r#"{"severity":"LOW","affected_features":["a","b","c"]}"#,
            Low,
        ),
        (
            drift,
            r#"{"severity":"LOW","affected_features":["a","b","c","d"]}"#,
            High,
        ),
        (
            drift,
            r#"{"severity":"LOW","affected_features":["a","b","c","d","e"]}"#,
            High,
        ),
        (
            drift,
            r#"{"severity":"LOW","affected_features":["a","b","c","d","e","f"]}"#,
            Critical,
        ),
        (
            drift,
            r#"{"severity":"CRITICAL","drift_score":0.7}"#,
            Critical,
        ),
        (
            drift,
            r#"{"severity":"CRITICAL","drift_score":0.01,"affected_features":[]}"#,
            Critical,
        ),
        (drift, r#"{"severity":"HIGH","drift_score":0.1}"#, High),
        (
            drift,
            r#"{"severity":"MEDIUM","drift_score":"0.99"}"#,
            Medium,
        ),
        (
            drift,
            r#"{"severity":"MEDIUM","drift_score":null,"affected_features":9}"#,
            Medium,
        ),
        (drift, r#"{"severity":"MEDIUM","drift_score":-3}"#, Medium),
        (drift, r#"{"severity":"MEDIUM","drift_score":1}"#, Critical),
        (
            performance,
            r#"{"severity":"LOW","performance_drop":0.1}"#,
            Low,
        ),
        (
            performance,
            r#"{"severity":"LOW","performance_drop":0.1000001}"#,
            High,
        ),
        (
            performance,
            r#"{"severity":"LOW","performance_drop":0.15}"#,
            High,
        ),
        (
            performance,
            r#"{"severity":"LOW","performance_drop":0.1500001}"#,
            Critical,
        ),
        (
            performance,
            r#"{"severity":"HIGH","performance_drop":0.01}"#,
            High,
        ),
        // The thresholds of one event type say nothing about another.
        (performance, r#"{"severity":"LOW","drift_score":0.99}"#, Low),
    ];
    for (topic, raw, expected) in cases {
        assert_eq!(
            judged(topic, raw, &rules, noon()).severity,
            expected,
            "{raw}"
        );
    }
}

#[test]
fn an_event_of_a_degraded_model_may_name_its_action() {
    let rules = rules("");
    let cases = [
        (r#""RETRAIN""#, Retrain, "action_required"),
        (r#""rollback""#, Rollback, "action_required"),
        (
            r#""NONE""#,
            Monitor,
            "matrix.model_performance_degraded.low",
        ),
        ("null", Monitor, "matrix.model_performance_degraded.low"),
        (
            r#""REBOOT""#,
            Monitor,
            "matrix.model_performance_degraded.low",
        ),
        ("1", Monitor, "matrix.model_performance_degraded.low"),
    ];
    for (required, action, rule) in cases {
        let raw = format!(r#"{{"severity":"LOW","action_required":{required}}}"#);
        let decision = &proposed("model.performance.degraded", &raw, &rules, noon())
            .propose
            .decisions[0];
        assert_eq!(
            (decision.proposed_action, decision.rule.as_str()),
            (action, rule),
            "{raw}"
        );
    }
    // Only a degraded model's event may.
    let raw = r#"{"severity":"LOW","action_required":"ROLLBACK"}"#;
    assert_eq!(
        judged("data.drift.detected", raw, &rules, noon()).action,
        Monitor
    );
}

#[test]
fn the_target_is_the_model_or_service_the_event_names() {
    let rules = rules("");
    let cases = [
        (
            "data.drift.detected",
            r#"{"model_version":"fraud@7"}"#,
            "model/fraud",
        ),
        (
            "data.drift.detected",
            r#"{"model_version":"fraud@v@7"}"#,
            "model/fraud",
        ),
        (
            "data.drift.detected",
            r#"{"model_version":"7"}"#,
            "model/movie_recommender",
        ),
        (
            "data.drift.detected",
            r#"{"model_version":"@7"}"#,
            "model/unreadable:@7",
        ),
        (
            "data.drift.detected",
            r#"{"model_version":7}"#,
            "model/unreadable:7",
        ),
        ("data.drift.detected", "{}", "model/movie_recommender"),
        (
            "data.drift.detected",
            r#"{"model_version":"7","model_name":"fraud"}"#,
            "model/fraud",
        ),
        (
            "model.performance.degraded",
            r#"{"model_name":"fraud"}"#,
            "model/fraud",
        ),
        (
            "model.performance.degraded",
            "{}",
            "model/movie_recommender",
        ),
        (
            "system.alerts",
            r#"{"event_type":"system_overload","service":"api-2"}"#,
            "service/api-2",
        ),
        (
            "system.alerts",
            r#"{"event_type":"system_overload"}"#,
            "service/mlops-api",
        ),
        (
            "system.health",
            r#"{"event_type":"service_health_check_failed","service":"api-2","model_name":"m"}"#,
            "model/m",
        ),
        (
            "model.performance.degraded",
            r#"{"model_name":"p","model_version":"q@2"}"#,
            "model/p",
        ),
        (
            "data.drift.detected",
            r#"{"model_name":"p","model_version":"q@2"}"#,
            "model/q",
        ),
        (
            "system.alerts",
            r#"{"event_type":"odd","model_name":"m"}"#,
            "model/m",
        ),
        (
            "system.alerts",
            r#"{"event_type":"odd"}"#,
            "service/mlops-api",
        ),
    ];
    for (topic, raw, expected) in cases {
        assert_eq!(
            judged(topic, raw, &rules, noon()).target().to_string(),
            expected,
            "{raw}"
        );
    }
}
