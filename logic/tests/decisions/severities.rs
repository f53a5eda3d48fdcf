//! Severities of other systems, and alerts that are over (issue 13, row 10).

use std::collections::BTreeMap;

use crate::support::{noon, proposed, rules, settings};
use homeostat_logic::actions::Action;
use homeostat_logic::decide::judge::judge;
use homeostat_logic::decide::propose::{Context, Proposal, propose};
use homeostat_logic::envelope::decode_record;
use homeostat_logic::event::Names;
use homeostat_logic::rules::Rules;
use homeostat_logic::severity::Severity::{self, Critical, High, Low, Medium};
use homeostat_logic::severity::{SYNONYMS, normalized};
use homeostat_logic::topic;
use homeostat_logic::view::EventView;
use serde_json::{Value, json};

const ALERTS: &str = "system.alerts";

/// Severity, why, and the reasons.
fn told(severity: &Value, rules: &Rules) -> (Severity, String, Vec<String>) {
    let raw = json!({"event_type": "disk_full", "severity": severity}).to_string();
    let decision = proposed(ALERTS, &raw, rules, noon())
        .propose
        .decisions
        .remove(0);
    (
        decision.severity,
        decision.severity_reason,
        decision.reasons,
    )
}

#[test]
fn words_and_numbers_of_other_systems_are_severities() {
    let rules = rules("");
    for (word, expected) in [
        (json!("info"), Low),
        (json!("Informational"), Low),
        (json!("DEBUG"), Low),
        (json!("notice"), Low),
        (json!("minor"), Low),
        (json!(" warning "), Medium),
        (json!("WARN"), Medium),
        (json!("major"), High),
        (json!("error"), High),
        (json!("err"), High),
        (json!("fatal"), Critical),
        (json!("emergency"), Critical),
        (json!("Alert"), Critical),
        (json!("panic"), Critical),
        (json!("page"), Critical),
        (json!("P1"), Critical),
        (json!("p2"), High),
        (json!("P3"), Medium),
        (json!("P4"), Low),
        (json!("P5"), Low),
        (json!("sev1"), Critical),
        (json!("SEV-2"), High),
        (json!("Sev 3"), Medium),
        (json!("sev_4"), Low),
        (json!(1), Critical),
        (json!("2"), High),
        (json!(3.0), Medium),
        (json!(5), Low),
    ] {
        let (severity, reason, _) = told(&word, &rules);
        assert_eq!(severity, expected, "{word}");
        assert!(
            reason.starts_with("declared by the event as `"),
            "{word}: {reason}"
        );
    }
    assert_eq!(told(&json!("HIGH"), &rules).1, "declared by the event");
}

#[test]
fn what_no_severity_is_has_the_default_and_is_named() {
    let rules = rules("[rules.other]\ndefault_severity = \"low\"\n");
    for (value, named) in [
        (json!("severe-ish"), "`severe-ish`"),
        (json!(6), "`6`"),
        (json!(2.5), "`2.5`"),
        (json!(-1), "`-1`"),
        (json!(""), "``"),
        (json!(["HIGH"]), "severity is a list"),
        (json!({"level": "HIGH"}), "severity is an object"),
        (json!(true), "severity is a boolean"),
    ] {
        let (severity, reason, _) = told(&value, &rules);
        assert_eq!(severity, Low, "{value}");
        assert!(
            reason.contains(named) && reason.ends_with("the rule's default"),
            "{value}: {reason}"
        );
    }
    let long = told(&json!("x".repeat(100_000)), &rules).1;
    assert!(long.len() < 300, "{long}");
    assert_eq!(
        told(&Value::Null, &rules).1,
        "not declared; the rule's default"
    );
    // Also when context then raises it.
    let raw = r#"{"severity": "terrible", "drift_score": 0.9}"#;
    let decision = proposed("data.drift.detected", raw, &rules, noon())
        .propose
        .decisions
        .remove(0);
    assert_eq!(decision.severity, Critical);
    assert!(
        decision.reasons[0].contains("`terrible`"),
        "{:?}",
        decision.reasons
    );
}

#[test]
fn operators_give_words_their_meaning() {
    let rules = rules(
        "[severity.synonyms]\npage = \"high\"\n\"Code Red\" = \"critical\"\n1 = \"low\"\nSEV-1 = \"low\"\n",
    );
    for (word, expected) in [
        ("page", High),
        ("code-red", Critical),
        ("1", Low),
        ("sev1", Low),
        ("warn", Medium),
    ] {
        assert_eq!(told(&json!(word), &rules).0, expected, "{word}");
    }
    for (overlay, problem) in [
        (
            "[severity.synonyms]\nHIGH = \"low\"\n",
            "severity.synonyms.HIGH: is a severity itself",
        ),
        (
            "[severity.synonyms]\nSEV-1 = \"low\"\nsev1 = \"critical\"\n",
            "means critical, and written otherwise it means low",
        ),
    ] {
        let errors = Rules::new(&settings(overlay)).unwrap_err();
        assert!(
            errors
                .iter()
                .any(|error| error.to_string().contains(problem)),
            "{errors:?}"
        );
    }
}

#[test]
fn the_usual_synonyms_are_in_force_and_listed_in_the_default_file() {
    assert_eq!(settings("").severity.synonyms, BTreeMap::new());
    let rules = rules("");
    let file = include_str!("../../../config/default.toml");
    let mut listed = BTreeMap::new();
    let mut severity = None;
    for line in file
        .lines()
        .take_while(|line| *line != "[severity.synonyms]")
    {
        let Some(line) = line.strip_prefix("#   ") else {
            severity = None;
            continue;
        };
        let (first, words) = line.split_once(": ").unwrap_or(("", line));
        severity = Severity::parse(first).or(severity);
        let words = words
            .split_whitespace()
            .map(|word| (word.to_owned(), severity));
        listed.extend(words.filter(|(_, severity)| severity.is_some()));
    }
    for (word, severity) in SYNONYMS {
        assert_eq!(rules.synonym(word), Some(severity), "{word}");
        assert_eq!(listed.remove(word), Some(Some(severity)), "{word}");
        assert_eq!(word, normalized(word));
    }
    assert_eq!(listed, BTreeMap::new());
}

/// What the ledger gets for a payload, and its bare text.
fn of_alerts(topic_name: &str, payload: &Value) -> (Proposal, Value) {
    let value = payload.to_string();
    let topic = topic::find(topic_name).unwrap();
    let decoded = decode_record(Some(value.as_bytes()), &[], topic, &mut Names::default()).unwrap();
    let raw = decoded.text.as_deref().unwrap();
    let rules = rules("");
    let view = EventView::new(raw);
    let verdict = judge(&decoded.event, &view, &rules, noon());
    let context = Context {
        replay: None,
        event: &decoded.event,
        view: &view,
        topic: topic_name,
        generation: 1,
        partition: 0,
        offset: 7,
        timestamp: noon(),
        now: noon(),
        rules: &rules,
    };
    (
        propose(&context, &verdict),
        serde_json::from_str(raw).unwrap(),
    )
}

fn alert(status: &str, labels: &Value) -> Value {
    json!({"status": status, "labels": labels, "annotations": {"summary": "it is slow"}, "startsAt": "2026-03-02T11:00:00Z"})
}

fn group(status: &str, alerts: &[Value]) -> Value {
    json!({"version": "4", "groupKey": "{}", "status": status, "receiver": "homeostat", "groupLabels": {},
           "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://a", "alerts": alerts})
}

fn slow(severity: &str, service: &str) -> Value {
    json!({"alertname": "PredictionLatencyHigh", "severity": severity, "service": service})
}

#[test]
fn a_firing_alert_is_judged_by_its_labels() {
    for payload in [
        alert("firing", &slow("page", "ranker")),
        group("firing", &[alert("firing", &slow("page", "ranker"))]),
        // Alerts that are over do not count.
        group(
            "firing",
            &[
                alert("resolved", &slow("info", "other")),
                alert("firing", &slow("page", "ranker")),
            ],
        ),
        // The gravest counts.
        group(
            "firing",
            &[
                alert("firing", &slow("info", "ranker")),
                alert("firing", &slow("page", "ranker")),
            ],
        ),
        // One that fires, whatever is said above it.
        group("resolved", &[alert("firing", &slow("page", "ranker"))]),
    ] {
        let (proposal, bare) = of_alerts(ALERTS, &payload);
        let decision = &proposal.propose.decisions[0];
        assert_eq!(
            proposal.propose.event_type, "prediction_latency_high",
            "{payload}"
        );
        assert_eq!(
            proposal.propose.target.to_string(),
            "service/ranker",
            "{payload}"
        );
        assert_eq!(
            (decision.severity, decision.proposed_action),
            (Critical, Action::ScaleUp)
        );
        assert_eq!(
            (&bare["alertmanager"], &bare["message"]),
            (&json!("firing"), &json!("it is slow"))
        );
        for (name, value) in payload.as_object().unwrap() {
            assert_eq!(&bare[name], value, "{name}");
        }
    }
    // A type that no rule names alerts people.
    let (proposal, _) = of_alerts(
        ALERTS,
        &alert(
            "firing",
            &json!({"alertname": "DiskFull", "severity": "warning"}),
        ),
    );
    assert_eq!(proposal.propose.event_type, "disk_full");
    assert_eq!(proposal.propose.decisions[0].proposed_action, Action::Alert);
    // On a topic that fixes the type, the labels name model and severity.
    let drift = alert(
        "firing",
        &json!({"alertname": "Drift", "severity": "P2", "model": "churn"}),
    );
    let (proposal, _) = of_alerts("data.drift.detected", &drift);
    assert_eq!(proposal.propose.target.to_string(), "model/churn");
    assert_eq!(proposal.propose.decisions[0].severity, High);
    // Several targets are none.
    let several = group(
        "firing",
        &[
            alert("firing", &slow("page", "a")),
            alert("firing", &slow("page", "b")),
        ],
    );
    assert_eq!(of_alerts(ALERTS, &several).1["service"], json!(["a", "b"]));
}

#[test]
fn a_resolved_alert_is_recorded_and_nothing_is_done() {
    for (topic_name, payload) in [
        (ALERTS, alert("resolved", &slow("page", "ranker"))),
        (ALERTS, alert("Resolved", &json!({"alertname": "DiskFull"}))),
        (
            ALERTS,
            group("resolved", &[alert("resolved", &slow("page", "ranker"))]),
        ),
        (
            ALERTS,
            group("firing", &[alert("resolved", &slow("page", "ranker"))]),
        ),
        (ALERTS, group("resolved", &[])),
        (
            "system.health",
            group("resolved", &[json!({"labels": slow("page", "ranker")})]),
        ),
        (
            "data.drift.detected",
            alert(
                "resolved",
                &json!({"alertname": "Drift", "severity": "critical"}),
            ),
        ),
        ("model.performance.degraded", {
            let mut alert = alert("resolved", &json!({"alertname": "Slow"}));
            alert["action_required"] = json!("ROLLBACK");
            alert
        }),
    ] {
        let (proposal, _) = of_alerts(topic_name, &payload);
        let decision = &proposal.propose.decisions[0];
        assert_eq!(decision.proposed_action, Action::Ignore, "{payload}");
        assert_eq!(
            (decision.ladder.len(), decision.ladder[0].action),
            (1, Action::Ignore)
        );
        assert_eq!(decision.rule, "resolved");
        assert!(
            decision
                .reasons
                .iter()
                .any(|reason| reason.contains("as resolved")),
            "{:?}",
            decision.reasons
        );
        assert_eq!(proposal.notice, None, "{payload}");
    }
}

#[test]
fn a_status_alone_does_not_end_an_alert() {
    let rules = rules("");
    for bare in [
        json!({"event_type": "system_overload", "status": "resolved", "severity": "high"}),
        json!({"event_type": "system_overload", "status": "resolved", "labels": {"team": "ml"}, "severity": "high"}),
        json!({"event_type": "system_overload", "status": "resolved", "alerts": 3, "severity": "high"}),
        json!({"event_type": "system_overload", "status": "resolved", "alerts": [{"labels": {}}, 7], "severity": "high"}),
    ] {
        let topic = topic::find(ALERTS).unwrap();
        let text = bare.to_string();
        let decoded =
            decode_record(Some(text.as_bytes()), &[], topic, &mut Names::default()).unwrap();
        assert_eq!(decoded.text, None, "{bare}");
        assert_eq!(
            judge(&decoded.event, &EventView::new(&text), &rules, noon()).proposed,
            Action::ScaleUp
        );
    }
}
