//! Working hours and maintenance windows: what starts now, what waits, what people are told instead.

use homeostat_logic::actions::Action::{Alert, Monitor, Retrain, ScaleUp};
use homeostat_logic::severity::Severity;

use crate::support::{at, judged, noon, proposed, rules};

#[test]
fn retraining_and_rollback_become_an_alert_outside_working_hours() {
    let rules = rules("");
    let drift = r#"{"severity":"CRITICAL"}"#;
    let cases = [
        ("2026-03-02T05:59:59Z", Alert),
        ("2026-03-02T06:00:00Z", Retrain),
        ("2026-03-02T22:59:59Z", Retrain),
        ("2026-03-02T23:00:00Z", Alert),
    ];
    for (time, action) in cases {
        let verdict = judged("data.drift.detected", drift, &rules, at(time));
        assert_eq!(
            (verdict.proposed, verdict.action),
            (Retrain, action),
            "{time}"
        );
    }
    let night = at("2026-03-02T23:30:00Z");
    let gated = |topic, raw| judged(topic, raw, &rules, night).action;
    assert_eq!(
        gated(
            "model.performance.degraded",
            r#"{"action_required":"ROLLBACK"}"#
        ),
        Alert
    );
    assert_eq!(
        gated("system.alerts", r#"{"event_type":"system_overload"}"#),
        ScaleUp
    );
    assert_eq!(
        gated("data.drift.detected", r#"{"severity":"LOW"}"#),
        Monitor
    );
}

#[test]
fn whether_critical_and_scheduled_answers_are_gated_is_configuration() {
    let night = at("2026-03-02T23:30:00Z");
    let judged = |overlay: &str, severity: &str| {
        let verdict = judged(
            "data.drift.detected",
            &format!(r#"{{"severity":"{severity}"}}"#),
            &rules(overlay),
            night,
        );
        (verdict.action, !verdict.start.is_now())
    };
    assert_eq!(judged("", "medium"), (Alert, false));
    assert_eq!(
        judged("working_hours.gate_critical = false", "critical"),
        (Retrain, false)
    );
    assert_eq!(
        judged("working_hours.gate_critical = false", "high"),
        (Alert, false)
    );
    assert_eq!(
        judged("working_hours.gate_scheduled = false", "medium"),
        (Retrain, true)
    );
    assert_eq!(
        judged("working_hours.enabled = false", "high"),
        (Retrain, false)
    );
    assert_eq!(
        judged("working_hours.timezone = \"America/Los_Angeles\"", "high"),
        (Retrain, false)
    );
}

#[test]
fn medium_drift_waits_for_a_maintenance_window_and_grave_drift_does_not() {
    let rules = rules("");
    for (severity, scheduled, reason) in [
        ("medium", true, "data_drift_medium"),
        ("high", false, "data_drift_critical"),
        ("critical", false, "data_drift_critical"),
    ] {
        let raw = format!(r#"{{"severity":"{severity}","model_version":"fraud@7","shape":[1]}}"#);
        let proposal = proposed("data.drift.detected", &raw, &rules, noon());
        let step = &proposal.propose.decisions[0].ladder[0];
        assert_eq!(step.action, Retrain);
        assert_eq!(step.params.value()["reason"], reason);
        assert_eq!(step.params.value()["priority"], "high");
        assert_eq!(step.params.value()["model_name"], "fraud");
        assert_eq!(
            step.params.value()["metadata"]["shape"],
            serde_json::json!([1]),
            "unknown fields travel along"
        );
        assert_eq!(!step.start.is_now(), scheduled);
        let reasons = proposal.propose.decisions[0].reasons.join("; ");
        assert_eq!(
            reasons.contains("maintenance window"),
            scheduled,
            "{reasons}"
        );
        let expected = if scheduled {
            let windows: Vec<_> = step.start.windows().collect();
            assert_eq!(windows[0].from, at("2026-03-03T02:00:00Z"));
            windows.last().unwrap().to
        } else {
            noon() + 86_400_000
        };
        assert_eq!(proposal.propose.not_after, expected);
    }
}

#[test]
fn the_reason_says_whether_a_maintenance_window_is_waited_for() {
    let rules = rules("[working_hours]\nenabled = false\n[maintenance]\ndays = [\"mon\"]");
    let judged = |now: &str| {
        let raw = r#"{"severity":"medium","model_version":"fraud@7"}"#;
        let propose = proposed("data.drift.detected", raw, &rules, at(now)).propose;
        let decision = &propose.decisions[0];
        let from = decision.ladder[0].start.windows().next().unwrap().from;
        (from, decision.reasons.last().unwrap().clone())
    };
    // 2026-03-02 is a Monday; its window is 02:00 to 05:00 UTC.
    let waits = "waits for the next maintenance window, 2026-03-02T02:00:00";
    let (from, reason) = judged("2026-03-02T01:59:59Z");
    assert_eq!(from, at("2026-03-02T02:00:00Z"));
    assert!(reason.starts_with(waits), "{reason}");
    let (from, reason) = judged("2026-03-02T02:00:00Z");
    assert_eq!(from, at("2026-03-02T02:00:00Z"));
    let open = "starts in the maintenance window that is open until 2026-03-02T05:00:00";
    assert!(reason.starts_with(open), "{reason}");
    // It closed today: the retraining waits a week, and never means now.
    let (from, reason) = judged("2026-03-02T05:00:00Z");
    assert_eq!(from, at("2026-03-09T02:00:00Z"));
    let waits = "waits for the next maintenance window, 2026-03-09T02:00:00";
    assert!(reason.starts_with(waits), "{reason}");
}

#[test]
fn without_any_window_people_are_alerted_and_nothing_starts_now() {
    let rules = rules("working_hours.enabled = false");
    let end = chrono::DateTime::<chrono::Utc>::MAX_UTC.timestamp_millis();
    let raw = r#"{"severity":"medium","model_version":"fraud@7"}"#;
    let verdict = judged("data.drift.detected", raw, &rules, end);
    assert_eq!((verdict.proposed, verdict.action), (Retrain, Alert));
    let reasons = proposed("data.drift.detected", raw, &rules, end)
        .propose
        .decisions[0]
        .reasons
        .join("; ");
    assert!(
        reasons.contains("no maintenance window begins within 400 days"),
        "{reasons}"
    );
}

#[test]
fn a_drift_alert_goes_out_in_every_case() {
    let rules = rules("");
    for severity in Severity::ALL {
        let raw = format!(
            r#"{{"severity":"{severity}","model_version":"fraud@7","drift_score":0.1234,"affected_features":["a"]}}"#
        );
        let notice = proposed("data.drift.detected", &raw, &rules, noon())
            .notice
            .unwrap();
        assert_eq!(notice.topic, "system.alerts");
        let value = notice.value;
        assert_eq!(value["event_type"], "drift_alert");
        assert_eq!(value["severity"], severity.name().to_uppercase());
        assert_eq!(value["model_version"], "fraud@7");
        assert_eq!(value["drift_score"], 0.1234);
        assert_eq!(
            value["message"],
            format!(
                "data of model fraud drifted: score 0.123, 1 feature affected, severity {severity}"
            )
        );
        let again = proposed("data.drift.detected", &raw, &rules, noon())
            .notice
            .unwrap();
        assert_eq!(again.value, value, "a redelivery publishes the same alert");
    }
    let other = proposed("model.performance.degraded", "{}", &rules, noon());
    assert_eq!(other.notice, None);
}
