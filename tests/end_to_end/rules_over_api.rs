//! The rules of SPEC §3 and §4, asked through the API of the running service.

use chrono::Timelike as _;
use serde_json::{Value, json};

use crate::support::service::{Launch, Service};
use crate::support::wait_for;

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
        (DRIFT, drift(json!(4), json!(0.1), 1), kind, SCHEDULED),
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
    check(&Launch::new().start(), &table);
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
fn a_cooldown_holds_for_its_target_event_type_and_action_only() {
    let service = Launch::new().start();
    let drift = |model: &str, severity: &str| {
        service.decide(
            DRIFT,
            &json!({"model_version": format!("{model}@1"), "severity": severity}),
        )
    };
    let outcome = |decision: &Value| decision["outcome"].as_str().unwrap().to_owned();
    assert_eq!(outcome(&drift("a", "HIGH")), "executed");
    let second = drift("a", "HIGH");
    assert_eq!(outcome(&second), "suppressed");
    assert!(
        second["reasons"].to_string().contains("cooldown of 3600 s"),
        "{second:#}"
    );
    assert_eq!(
        outcome(&drift("a", "CRITICAL")),
        "suppressed",
        "the same action"
    );
    assert_eq!(outcome(&drift("a", "LOW")), "executed", "another action");
    assert_eq!(outcome(&drift("b", "HIGH")), "executed", "another target");
    let other_type = service.decide(
        PERFORMANCE,
        &json!({"model_name": "a", "action_required": "RETRAIN"}),
    );
    assert_eq!(outcome(&other_type), "executed", "another event type");
    let listed = service.get("/api/v1/cooldowns").json();
    let keys: Vec<&str> = listed["cooldowns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["key"].as_str().unwrap())
        .collect();
    assert!(
        keys.contains(&"data_drift_detected:retrain:model/a"),
        "{listed:#}"
    );
    assert_eq!(keys.len(), 4, "{listed:#}");
}

#[test]
fn four_responses_an_hour_pass_and_the_fifth_becomes_monitor() {
    let service = Launch::new()
        .with("COOLDOWN__RETRAIN_MINUTES", "0")
        .with("COOLDOWN__MONITOR_MINUTES", "0")
        .start();
    let drift = |model: &str| {
        let decision = service.decide(
            DRIFT,
            &json!({"model_version": format!("{model}@1"), "severity": "HIGH"}),
        );
        assert_eq!(decision["proposed_action"], "retrain");
        assert_eq!(decision["outcome"], "executed", "{decision:#}");
        decision["action"].as_str().unwrap().to_owned()
    };
    let actions: Vec<String> = (0..6).map(|_| drift("busy")).collect();
    assert_eq!(
        actions,
        [
            "retrain", "retrain", "retrain", "retrain", "monitor", "monitor"
        ]
    );
    assert_eq!(drift("calm"), "retrain", "each target has its own budget");
    let other = service.decide(
        PERFORMANCE,
        &json!({"model_name": "busy", "action_required": "RETRAIN"}),
    );
    assert_eq!(
        other["action"], "retrain",
        "each event type has its own budget"
    );
}

#[test]
fn outside_working_hours_retraining_and_rollback_become_alerts() {
    let hour = chrono::Utc::now()
        .with_timezone(&chrono_tz::Asia::Seoul)
        .hour();
    // Windows of 13 hours around now and of 7 hours across midnight's other side: the clock may run on while this does.
    let hours = |from: u32, to: u32| {
        format!(
            "start = {}\nend = {}\n",
            (hour + from) % 24,
            (hour + to) % 24
        )
    };
    let (outside, inside) = (hours(8, 15), hours(18, 6));
    let launch = Launch::new()
        .with("WORKING_HOURS__ENABLED", "true")
        .overlay(&format!(
            "[working_hours]\ntimezone = \"Asia/Seoul\"\n{outside}\
         [targets.open.working_hours]\n{inside}\
         [targets.urgent.working_hours]\ngate_critical = false\n\
         [targets.closed.cooldown]\nalert_minutes = 0\n"
        ));
    let service = launch.start();
    let drift = |model: &str, severity: &str| {
        let event = json!({"model_version": format!("{model}@1"), "severity": severity});
        let decision = service.decide(DRIFT, &event);
        assert_eq!(decision["outcome"], "executed", "{decision:#}");
        let words = |field: &str| decision[field].as_str().unwrap().to_owned();
        (words("proposed_action"), words("action"))
    };
    let pair = |proposed: &str, action: &str| (proposed.to_owned(), action.to_owned());
    assert_eq!(drift("open", "HIGH"), pair("retrain", "retrain"));
    assert_eq!(drift("urgent", "CRITICAL"), pair("retrain", "retrain"));
    assert_eq!(drift("urgent", "HIGH"), pair("retrain", "alert"));
    for _ in 0..6 {
        // The milder step takes no slot of the budget.
        assert_eq!(drift("closed", "CRITICAL"), pair("retrain", "alert"));
    }
    let rollback = json!({"model_name": "other", "action_required": "ROLLBACK"});
    assert_eq!(service.decide(PERFORMANCE, &rollback)["action"], "alert");
    // Only those two are gated.
    let overload = json!({"event_type": "system_overload", "severity": "HIGH"});
    assert_eq!(service.decide(ALERTS, &overload)["action"], "scale_up");
    assert_eq!(drift("other", "LOW"), pair("monitor", "monitor"));
}

#[test]
fn what_is_no_event_is_refused_and_nothing_of_the_request_is_published() {
    let service = Launch::new().start();
    let deep = format!(
        "{}{}",
        "{\"a\":".repeat(100),
        "1".to_owned() + &"}".repeat(100)
    );
    let huge = json!({"text": "x".repeat(1_100_000)}).to_string();
    let table: [(&str, &[u8], u16); 10] = [
        (DRIFT, b"", 400),
        (DRIFT, b"{", 400),
        (DRIFT, b"null", 400),
        (DRIFT, b"17", 400),
        (DRIFT, b"{\"severity\": \xff}", 400),
        (DRIFT, deep.as_bytes(), 400),
        (DRIFT, huge.as_bytes(), 413),
        (DRIFT, b"[{\"severity\": \"HIGH\"}, {\"severity\": }]", 400),
        ("no.such.topic", b"{}", 404),
        ("homeostat.ledger", b"{}", 403),
    ];
    for (topic, body, status) in table {
        let answer = service
            .try_post(&format!("/api/v1/events/{topic}"), body)
            .unwrap();
        let start = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(answer.status, status, "{topic} {start}: {answer:?}");
        assert_eq!(
            answer.json()["status"],
            status,
            "a problem document: {answer:?}"
        );
    }
    // Everything before is decided or refused by now: one partition keeps its order.
    service.decide(DRIFT, &json!({"model_version": "last@1"}));
    assert_eq!(service.decisions().len(), 1);
}

#[test]
fn an_event_that_is_published_again_is_answered_once() {
    let service = Launch::new().with("COOLDOWN__RETRAIN_MINUTES", "0").start();
    let event = json!({"event_id": "the-same", "model_version": "m@1", "severity": "HIGH"});
    for _ in 0..3 {
        assert_eq!(
            service.publish(&format!("{DRIFT}?key=m"), &event),
            ["the-same"]
        );
    }
    // The last of the partition; when it is answered, they are.
    service.publish(
        &format!("{DRIFT}?key=m"),
        &json!({"event_id": "last", "model_version": "m@1", "severity": "LOW"}),
    );
    let decisions = wait_for("all are answered", || {
        let decisions = service.decisions();
        let last = decisions
            .iter()
            .find(|decision| decision["event_id"] == "last")?;
        (last["outcome"] == "executed").then_some(decisions)
    });
    let of_it: Vec<&Value> = decisions
        .iter()
        .filter(|decision| decision["event_id"] == "the-same")
        .collect();
    let executed = of_it
        .iter()
        .filter(|decision| decision["outcome"] == "executed")
        .count();
    assert_eq!(executed, 1, "{of_it:#?}");
    assert!(
        of_it
            .iter()
            .all(|one| ["executed", "suppressed"].contains(&one["outcome"].as_str().unwrap())),
        "{of_it:#?}"
    );
}
