//! SPEC §3 and §4 as tables: every cell of the matrix, every threshold one below, at and above, every kind of input.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where it fails; the configuration allows this only inside test functions"
)]

#[path = "decisions/age.rs"]
mod age;
#[path = "decisions/parameters.rs"]
mod parameters;
mod support;
#[path = "decisions/targets.rs"]
mod targets;

use homeostat_logic::action::Action::{self, Alert, Ignore, Monitor, Retrain, Rollback, ScaleUp};
use homeostat_logic::ledger::record::Policy;
use homeostat_logic::rules::Rules;
use homeostat_logic::severity::Severity::{self, Critical, High, Low, Medium};
use support::{at, judged, noon, proposed, rules, settings};

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

#[test]
fn the_ladder_gates_the_action_and_ends_in_monitor() {
    let rules = rules("");
    let decision = |topic, raw, now| proposed(topic, raw, &rules, now).propose.decisions[0].clone();
    let day = decision(
        "data.drift.detected",
        r#"{"severity":"HIGH","model_version":"fraud@7"}"#,
        noon(),
    );
    assert_eq!(
        day.ladder
            .iter()
            .map(|step| step.action)
            .collect::<Vec<_>>(),
        [Retrain, Monitor]
    );
    let [retrain, monitor] = &day.ladder[..] else {
        panic!("two steps")
    };
    assert_eq!(
        retrain.cooldown_key,
        "data_drift_detected:retrain:model/fraud"
    );
    assert_eq!(
        (
            retrain.cooldown_ms,
            monitor.cooldown_ms,
            day.escalation.cooldown_ms
        ),
        (3_600_000, 120_000, 300_000)
    );
    assert_eq!(
        (
            retrain.gates.len(),
            retrain.gates[0].cap,
            retrain.gates[0].window_ms
        ),
        (1, 4, 3_600_000)
    );
    assert_eq!(retrain.charges, ["data_drift_detected:model/fraud"]);
    assert!(
        monitor.gates.is_empty() && monitor.charges.is_empty(),
        "the milder step takes no slot"
    );
    assert_eq!(retrain.policy, Policy::Idempotent);
    let night = decision(
        "data.drift.detected",
        r#"{"severity":"HIGH"}"#,
        at("2026-03-02T23:00:00Z"),
    );
    let alert = &night.ladder[0];
    assert_eq!(alert.action, Alert);
    assert_eq!(
        alert.gates.len(),
        1,
        "an alert in place of a retraining is still limited"
    );
    assert!(alert.charges.is_empty(), "and takes no slot");
    assert!(
        night
            .reasons
            .iter()
            .any(|reason| reason.contains("hour 23 in UTC is outside working hours 6 to 22"))
    );
    let ignored = decision("data.ingested", "{}", noon());
    assert_eq!(
        ignored
            .ladder
            .iter()
            .map(|step| step.action)
            .collect::<Vec<_>>(),
        [Ignore]
    );
}

#[test]
fn a_rung_stands_between_only_if_it_can_be_open_when_the_one_above_is_closed() {
    let overlay = r#"
        [budget.training]
        actions = ["retrain", "rollback"]
        window_minutes = 1440
        cap = 2
        [budget.everything]
        actions = ["retrain", "alert", "monitor"]
        window_minutes = 30
        cap = 9
        [targets.fraud.budget.training]
        actions = ["rollback"]
        [actions.retrain]
        approval = true
        [actions.monitor]
        approval = true
    "#;
    let rules = rules(overlay);
    let ladder = |model: &str| {
        let raw = format!(r#"{{"severity":"HIGH","model_version":"{model}@7"}}"#);
        let proposal = proposed("data.drift.detected", &raw, &rules, noon());
        proposal.propose.decisions[0].clone()
    };
    let churn = ladder("churn");
    let steps: Vec<_> = churn
        .ladder
        .iter()
        .map(|step| {
            let gates: Vec<&str> = step.gates.iter().map(|gate| gate.scope.as_str()).collect();
            let charges: Vec<&str> = step.charges.iter().map(String::as_str).collect();
            (step.action, step.approval, gates, charges)
        })
        .collect();
    let hour = "data_drift_detected:model/churn";
    let (training, everything) = ("budget.training", "budget.everything");
    assert_eq!(
        steps,
        [
            (
                Retrain,
                true,
                vec![hour, everything, training],
                vec![hour, everything, training]
            ),
            (Alert, false, vec![hour, everything], vec![everything]),
            (Monitor, true, vec![everything], vec![everything]),
        ]
    );
    assert_eq!(churn.ladder[1].params.value()["instead_of"], "retrain");
    let escalation = &churn.escalation;
    assert!(escalation.gates.is_empty() && escalation.charges.is_empty() && !escalation.approval);
    assert_eq!(escalation.params.value().get("instead_of"), None);
    let fraud: Vec<_> = ladder("fraud").ladder.iter().map(|s| s.action).collect();
    assert_eq!(fraud, [Retrain, Monitor], "its alert has the same budgets");
}

#[test]
fn budgets_that_cannot_be_are_told() {
    let named = |count: usize| -> String {
        let table = |number| {
            format!("[budget.b{number}]\nactions = [\"alert\"]\nwindow_minutes = 1\ncap = 1\n")
        };
        (0..count).map(table).collect()
    };
    let keys = |overlay: &str| -> Vec<String> {
        let errors = Rules::new(&settings(overlay)).err().unwrap_or_default();
        errors.into_iter().map(|error| error.key).collect()
    };
    assert!(keys(&named(7)).is_empty());
    assert_eq!(keys(&named(8)), ["budget"]);
    assert_eq!(keys("targets.m.budget.b.cap = 1"), ["targets.m.budget.b"]);
    assert_eq!(
        keys("actions.alert.approval = true"),
        ["actions.alert.approval"]
    );
}

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
