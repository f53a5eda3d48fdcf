//! The gates of SPEC §4, asked through the API of the running service: cooldown, budget, working hours, repetition, and the
//! refusal of what is no event.

use chrono::Timelike as _;
use serde_json::{Value, json};

use crate::support::service::Launch;
use crate::support::wait_for;

const DRIFT: &str = "data.drift.detected";
const PERFORMANCE: &str = "model.performance.degraded";
const ALERTS: &str = "system.alerts";

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
    let event = json!({"event_id": "the-same", "source": "/drift", "cloudevents": {"specversion": "1.0"},
        "model_version": "m@1", "severity": "HIGH"});
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

#[test]
fn further_budgets_give_way_from_retraining_to_an_alert_to_monitoring_with_their_figures() {
    let service = Launch::new()
        .with("COOLDOWN__RETRAIN_MINUTES", "0")
        .with("COOLDOWN__ALERT_MINUTES", "0")
        .with("COOLDOWN__MONITOR_MINUTES", "0")
        .overlay(
            "[budget.training]\nactions = [\"retrain\"]\nwindow_minutes = 60\ncap = 1\n\
             [budget.telling]\nactions = [\"alert\"]\nwindow_minutes = 60\ncap = 1\n",
        )
        .start();
    let drift = json!({"model_version": "m@1", "severity": "HIGH"});
    let told: Vec<Value> = (0..3).map(|_| service.decide(DRIFT, &drift)).collect();
    let actions: Vec<&str> = told
        .iter()
        .map(|one| one["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["retrain", "alert", "monitor"]);
    for (decision, closed) in told
        .iter()
        .zip([&[][..], &["training"], &["training", "telling"]])
    {
        assert_eq!(decision["outcome"], "executed", "{decision:#}");
        let reasons = decision["reasons"].to_string();
        for budget in closed {
            assert!(reasons.contains(budget), "{budget}: {reasons}");
        }
        assert_eq!(reasons.matches("1 of 1").count(), closed.len(), "{reasons}");
    }
}
