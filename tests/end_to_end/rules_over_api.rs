//! Severity, matrix and targets of SPEC §3 and §4, asked through the API of the running service.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::support::service::{Launch, Service};

const DRIFT: &str = "data.drift.detected";
const PERFORMANCE: &str = "model.performance.degraded";
const ALERTS: &str = "system.alerts";
const HEALTH: &str = "system.health";
const METRICS: &str = "system.metrics";

/// Severity, proposed action, outcome.
type Answer = (&'static str, &'static str, &'static str);

const RETRAINED: Answer = ("high", "retrain", "executed");
const RETRAINED_AT_ONCE: Answer = ("critical", "retrain", "executed");
const SCHEDULED: Answer = ("medium", "retrain", "scheduled");
const WATCHED: Answer = ("low", "monitor", "executed");
const ROLLED_BACK: Answer = ("high", "rollback", "executed");
const ROLLED_BACK_AT_ONCE: Answer = ("critical", "rollback", "executed");
const SCALED: Answer = ("high", "scale_up", "executed");
const TOLD: Answer = ("medium", "alert", "executed");

/// Publishes each event about a target of its own, and compares what was decided.
fn check(service: &Service, table: &[(&str, Value, &str, Answer)]) {
    let mut ids = Vec::new();
    for (number, (topic, event, ..)) in table.iter().enumerate() {
        let mut event = event.clone();
        event["service"] = json!(format!("target-{number}"));
        event["model_version"] = json!(format!("target-{number}@3"));
        ids.extend(service.publish(topic, &event));
    }
    let decisions = service.decided(&ids);
    for (number, ((_, event, event_type, answer), id)) in table.iter().zip(&ids).enumerate() {
        let decision = &decisions[id];
        let found = (
            decision["severity"].as_str().unwrap(),
            decision["proposed_action"].as_str().unwrap(),
            decision["outcome"].as_str().unwrap(),
        );
        assert_eq!(found, *answer, "{event}: {decision:#}");
        assert_eq!(decision["event_type"], *event_type, "{event}: {decision:#}");
        assert_eq!(
            decision["action"], decision["proposed_action"],
            "{event}: {decision:#}"
        );
        assert_eq!(
            decision["target"],
            format!("target-{number}"),
            "{event}: {decision:#}"
        );
    }
}

#[test]
fn drift_is_answered_by_its_severity_and_context() {
    let kind = "data_drift_detected";
    let drift = |severity: Value, score: Value, features: usize| json!({"severity": severity, "drift_score": score, "affected_features": vec!["f"; features]});
    let table = [
        (DRIFT, drift(json!("LOW"), json!(0.1), 1), kind, WATCHED),
        (
            DRIFT,
            drift(json!("MEDIUM"), json!(0.1), 1),
            kind,
            SCHEDULED,
        ),
        (DRIFT, drift(json!("HIGH"), json!(0.1), 1), kind, RETRAINED),
        (
            DRIFT,
            drift(json!("CRITICAL"), json!(0.1), 1),
            kind,
            RETRAINED_AT_ONCE,
        ),
        // Any case; missing and unknown are medium.
        (DRIFT, drift(json!("hIgH"), json!(0.1), 1), kind, RETRAINED),
        (
            DRIFT,
            drift(json!("dreadful"), json!(0.1), 1),
            kind,
            SCHEDULED,
        ),
        (DRIFT, drift(json!([4]), json!(0.1), 1), kind, SCHEDULED),
        (DRIFT, drift(Value::Null, json!(0.1), 1), kind, SCHEDULED),
        (DRIFT, json!({}), kind, SCHEDULED),
        // Boundaries of the score, and of the number of features.
        (DRIFT, drift(json!("LOW"), json!(0.6), 1), kind, WATCHED),
        (
            DRIFT,
            drift(json!("LOW"), json!(0.600_001), 1),
            kind,
            RETRAINED,
        ),
        (DRIFT, drift(json!("LOW"), json!(0.8), 1), kind, RETRAINED),
        (
            DRIFT,
            drift(json!("LOW"), json!(0.800_001), 1),
            kind,
            RETRAINED_AT_ONCE,
        ),
        (DRIFT, drift(json!("LOW"), json!(0.1), 3), kind, WATCHED),
        (DRIFT, drift(json!("LOW"), json!(0.1), 4), kind, RETRAINED),
        (DRIFT, drift(json!("LOW"), json!(0.1), 5), kind, RETRAINED),
        (
            DRIFT,
            drift(json!("LOW"), json!(0.1), 6),
            kind,
            RETRAINED_AT_ONCE,
        ),
        // Context never lowers, and what is of a wrong type is not considered.
        (
            DRIFT,
            drift(json!("CRITICAL"), json!(0.7), 4),
            kind,
            RETRAINED_AT_ONCE,
        ),
        (DRIFT, drift(json!("LOW"), json!("0.9"), 0), kind, WATCHED),
        // The topic says what an event is, on the topics of one type; on the others the event says.
        (
            DRIFT,
            json!({"event_type": "model_deployed", "severity": "HIGH"}),
            kind,
            RETRAINED,
        ),
        (
            ALERTS,
            json!({"event_type": "data_drift_detected", "severity": "HIGH"}),
            kind,
            RETRAINED,
        ),
        (
            METRICS,
            json!({"event_type": "data_drift_detected", "severity": "LOW"}),
            kind,
            WATCHED,
        ),
    ];
    // At any hour of the day the next window is six hours away.
    let hour = chrono::Timelike::hour(&chrono::Utc::now());
    let window = format!(
        "maintenance.start = \"{:02}:00\"\nmaintenance.end = \"{:02}:00\"",
        (hour + 6) % 24,
        (hour + 7) % 24
    );
    check(&Launch::new().overlay(&window).start(), &table);
}

#[test]
fn degraded_models_are_answered_by_what_they_ask_for_or_else_by_the_matrix() {
    let kind = "model_performance_degraded";
    let degraded = |severity: &str, drop: f64, required: Value| json!({"severity": severity, "performance_drop": drop, "action_required": required});
    let table = [
        (
            PERFORMANCE,
            degraded("LOW", 0.10, json!("NONE")),
            kind,
            WATCHED,
        ),
        (
            PERFORMANCE,
            degraded("LOW", 0.100_001, Value::Null),
            kind,
            ROLLED_BACK,
        ),
        (
            PERFORMANCE,
            degraded("LOW", 0.15, json!("NONE")),
            kind,
            ROLLED_BACK,
        ),
        (
            PERFORMANCE,
            degraded("LOW", 0.150_001, json!("NONE")),
            kind,
            ROLLED_BACK_AT_ONCE,
        ),
        (
            PERFORMANCE,
            json!({}),
            kind,
            ("medium", "retrain", "executed"),
        ),
        (
            PERFORMANCE,
            degraded("HIGH", 0.01, json!("RETRAIN")),
            kind,
            RETRAINED,
        ),
        (
            PERFORMANCE,
            degraded("LOW", 0.9, json!("retrain")),
            kind,
            RETRAINED_AT_ONCE,
        ),
        (
            PERFORMANCE,
            degraded("HIGH", 0.01, json!("ROLLBACK")),
            kind,
            ROLLED_BACK,
        ),
        (
            PERFORMANCE,
            degraded("LOW", 0.01, json!("DANCE")),
            kind,
            WATCHED,
        ),
        (
            HEALTH,
            json!({"event_type": kind, "severity": "HIGH"}),
            kind,
            ROLLED_BACK,
        ),
    ];
    check(&Launch::new().start(), &table);
}

#[test]
fn what_the_platform_says_of_itself_is_answered_by_its_type_wherever_it_arrives() {
    let said =
        |event_type: &str, severity: &str| json!({"event_type": event_type, "severity": severity});
    let (overload, latency, failed) = (
        "system_overload",
        "prediction_latency_high",
        "service_health_check_failed",
    );
    let low_alert = ("low", "alert", "executed");
    let table = [
        (METRICS, said(overload, "LOW"), overload, WATCHED),
        (ALERTS, said(overload, "HIGH"), overload, SCALED),
        (
            HEALTH,
            said(overload, "CRITICAL"),
            overload,
            ("critical", "scale_up", "executed"),
        ),
        (METRICS, said(latency, "LOW"), latency, WATCHED),
        (ALERTS, said(latency, "HIGH"), latency, SCALED),
        (
            METRICS,
            said(latency, "?"),
            latency,
            ("medium", "scale_up", "executed"),
        ),
        (HEALTH, said(failed, "LOW"), failed, low_alert),
        (METRICS, said(failed, "HIGH"), failed, ROLLED_BACK),
        (
            ALERTS,
            said(failed, "CRITICAL"),
            failed,
            ROLLED_BACK_AT_ONCE,
        ),
        (ALERTS, said("disk_full", "LOW"), "disk_full", low_alert),
        (METRICS, said("disk_full", "never"), "disk_full", TOLD),
        (
            HEALTH,
            said("it's \u{1f525}", "CRITICAL"),
            "it's \u{1f525}",
            ("critical", "alert", "executed"),
        ),
    ];
    let service = Launch::new().start();
    check(&service, &table);
    // Samples without a type, and traffic, are counted and not decided.
    service.publish(METRICS, &json!({"cpu": 0.5}));
    service.publish("prediction.completed", &json!({"latency_ms": 12}));
    service.publish("business.user.interaction", &json!({"user_id": "u"}));
    service.publish("data.ingested", &json!({"rows": 7}));
    let last = service.decide("model.deployed", &json!({"model_name": "m"}));
    assert_eq!(
        (&last["action"], &last["outcome"]),
        (&json!("ignore"), &json!("ignored"))
    );
    let recorded = service
        .decisions()
        .iter()
        .filter(|decision| decision["action"] == "ignore")
        .count();
    assert_eq!(recorded, 2, "the deployment and the ingestion");
    assert_eq!(service.decisions().len(), table.len() + 2);
}

#[test]
fn events_that_name_nothing_are_about_the_configured_model_and_service() {
    let service = Launch::new().with("DEFAULTS__SERVICE", "front").start();
    let drift = service.decide(
        DRIFT,
        &json!({"severity": "HIGH", "model_version": "without-at"}),
    );
    assert_eq!(
        (&drift["target_kind"], &drift["target"]),
        (&json!("model"), &json!("movie_recommender"))
    );
    let params = service.story(&drift)["params"].clone();
    assert_eq!(params["model_name"], "movie_recommender");
    assert_eq!(
        (&params["reason"], &params["priority"]),
        (&json!("data_drift_critical"), &json!("high"))
    );
    let overload = service.decide(ALERTS, &json!({"event_type": "system_overload"}));
    assert_eq!(
        (&overload["target_kind"], &overload["target"]),
        (&json!("service"), &json!("front"))
    );
    assert_eq!(service.story(&overload)["params"]["change"], 2);
}

#[test]
fn every_form_of_a_reference_is_one_target_and_an_unreadable_one_alerts_people() {
    let service = Launch::new().with("COOLDOWN__RETRAIN_MINUTES", "0").start();
    let forms = [
        json!({"model_name": "churn"}),
        json!({"model_version": "churn@champion"}),
        json!({"model_name": "models:/churn/7"}),
        json!({"model": {"name": "churn", "version": 7}}),
    ];
    for mut event in forms {
        event["severity"] = json!("HIGH");
        let decision = service.decide(DRIFT, &event);
        assert_eq!(
            (&decision["target"], &decision["action"]),
            (&json!("churn"), &json!("retrain")),
            "{event}: {decision:#}"
        );
    }
    // As each event of one type has a cooldown of its own for its alert, none meets that of another.
    let unreadable = [
        (PERFORMANCE, json!({"model_name": 42}), "unreadable:42"),
        (DRIFT, json!({"model_version": 7}), "unreadable:7"),
        (
            DRIFT,
            json!({"model_name": "100 % / \n?#&"}),
            "unreadable:100 % / \\u{a}?#&",
        ),
        (
            HEALTH,
            json!({"event_type": "service_health_check_failed", "service": {"id": 1}}),
            "unreadable:{\"id\":1}",
        ),
    ];
    for (topic, mut event, target) in unreadable {
        event["severity"] = json!("CRITICAL");
        let decision = service.decide(topic, &event);
        assert_eq!(
            (
                &decision["target"],
                &decision["action"],
                &decision["outcome"]
            ),
            (&json!(target), &json!("alert"), &json!("executed")),
            "{event}: {decision:#}"
        );
        let reasons = decision["reasons"].to_string();
        assert!(
            reasons.contains("people are alerted instead of"),
            "{reasons}"
        );
        assert!(
            !decision.to_string().contains("movie_recommender"),
            "{decision:#}"
        );
        // The odd name finds its decision again through a query.
        let kind = decision["target_kind"].as_str().unwrap();
        let name = format!("{kind}/{target}");
        let query = utf8_percent_encode(&name, NON_ALPHANUMERIC);
        let found = service
            .get(&format!("/api/v1/decisions?target={query}"))
            .json();
        assert_eq!(found["items"][0]["id"], decision["id"], "{found:#}");
    }
    let overruled = service.decide(
        DRIFT,
        &json!({"event_type": "other_type", "model_name": "m", "severity": "LOW"}),
    );
    let reasons = overruled["reasons"].to_string();
    assert!(
        reasons.contains("event_type is other_type; the topic fixes it as data_drift_detected"),
        "{reasons}"
    );
}

#[test]
fn a_default_that_is_switched_off_alerts_people_instead() {
    let service = Launch::new()
        .with("DEFAULTS__MODEL", "")
        .with("DEFAULTS__SERVICE", "")
        .start();
    for (topic, event, target) in [
        (DRIFT, json!({"severity": "HIGH"}), "unnamed:"),
        (
            ALERTS,
            json!({"event_type": "system_overload", "severity": "HIGH"}),
            "unnamed:",
        ),
    ] {
        let decision = service.decide(topic, &event);
        assert_eq!(
            (
                &decision["target"],
                &decision["action"],
                &decision["outcome"]
            ),
            (&json!(target), &json!("alert"), &json!("executed")),
            "{decision:#}"
        );
        let reasons = decision["reasons"].to_string();
        assert!(reasons.contains("is switched off"), "{reasons}");
    }
}

#[test]
fn an_event_is_as_old_as_the_older_of_its_times_and_odd_times_are_named() {
    let service = Launch::new().start();
    let now = chrono::Utc::now();
    let old = now - chrono::TimeDelta::days(10);
    let table = [
        (
            json!(old.to_rfc3339()),
            "retrain",
            "suppressed",
            "older than the log's",
        ),
        (
            json!(old.format("%Y-%m-%d %H:%M:%S").to_string()),
            "retrain",
            "suppressed",
            "older than the log's",
        ),
        (
            json!(old.timestamp_millis()),
            "retrain",
            "suppressed",
            "older than the log's",
        ),
        (
            json!(old.timestamp()),
            "alert",
            "executed",
            "is in seconds, not milliseconds",
        ),
        (
            json!(now.timestamp()),
            "retrain",
            "executed",
            "is in seconds, not milliseconds",
        ),
        (
            json!((now + chrono::TimeDelta::hours(1)).to_rfc3339()),
            "retrain",
            "executed",
            "is ahead of the clock",
        ),
        (
            json!(now.timestamp_micros()),
            "retrain",
            "executed",
            "is in microseconds",
        ),
        (
            json!({}),
            "retrain",
            "executed",
            "timestamp is an object, not a time",
        ),
        (json!(null), "retrain", "executed", "asks for retrain"),
    ];
    for (number, (timestamp, action, outcome, reason)) in table.into_iter().enumerate() {
        let event = json!({"severity": "CRITICAL", "model_name": format!("m{number}"), "timestamp": timestamp});
        let decision = service.decide(DRIFT, &event);
        assert_eq!(
            (&decision["action"], &decision["outcome"]),
            (&json!(action), &json!(outcome)),
            "{event}: {decision:#}"
        );
        let reasons = decision["reasons"].to_string();
        assert!(reasons.contains(reason), "{event}: {reasons}");
    }
}
