//! The whole story of a decision as text: what happened, why, what was tried, what comes next.

use serde_json::Value;

use super::super::text::{array, field, line, printable};

/// Several lines; a part that the decision does not have is left out.
pub(super) fn text(decision: &Value) -> String {
    let mut text = String::new();
    let of = |name| said(decision, name);
    part(&mut text, "decision", of("id"));
    part(&mut text, "time", of("time"));
    let place = format!(
        "{} of {}/{} offset {}, id {}",
        of("event_type"),
        of("topic"),
        of("partition"),
        of("offset"),
        of("event_id")
    );
    part(&mut text, "event", place);
    let target = format!("{}/{}", of("target_kind"), of("target"));
    part(&mut text, "target", target);
    let severity = format!("{}: {}", of("severity"), of("severity_reason"));
    part(&mut text, "severity", severity);
    part(
        &mut text,
        "rule",
        format!("{} asks for {}", of("rule"), of("proposed_action")),
    );
    let action = format!(
        "{} by {}, policy {}, at most {} attempts",
        of("action"),
        of("connector"),
        of("policy"),
        of("max_attempts")
    );
    part(&mut text, "action", action);
    let outcome = format!(
        "{} ({}, changed {})",
        of("outcome"),
        of("phase"),
        of("changed")
    );
    part(&mut text, "outcome", outcome);
    for reason in array(decision, "reasons") {
        part(&mut text, "reason", plain(reason));
    }
    for gate in array(decision, "gates") {
        part(&mut text, "gate", gate_line(gate));
    }
    for attempt in array(decision, "attempts") {
        part(&mut text, "attempt", attempt_line(attempt));
    }
    if let Some(next) = next_line(decision) {
        part(&mut text, "next", next);
    }
    for (name, what) in [
        ("escalation", "escalated to"),
        ("escalation_of", "escalates"),
    ] {
        if let Some(id) = field(decision, name) {
            part(&mut text, what, id);
        }
    }
    for name in ["params", "event"] {
        if let Some(value) = decision.get(name).filter(|value| !value.is_null()) {
            let what = if name == "event" { "payload" } else { name };
            part(&mut text, what, value);
        }
    }
    text
}

/// One named part; what strangers wrote commands no terminal.
fn part(text: &mut String, name: &str, value: impl std::fmt::Display) {
    let value = printable(&value.to_string().replace('\n', " "));
    line(text, format_args!("{name:<12} {value}"));
}

fn gate_line(gate: &Value) -> String {
    let passed = gate.get("passed") == Some(&Value::Bool(true));
    let verdict = if passed { "passed" } else { "closed" };
    let (action, name) = (said(gate, "action"), said(gate, "gate"));
    let (scope, detail) = (said(gate, "scope"), said(gate, "detail"));
    let gate = format!("{name} {scope}");
    format!("{verdict}: {action}: {}: {detail}", gate.trim_end())
}

/// What was sent when by which instance, and what came back.
fn attempt_line(attempt: &Value) -> String {
    let (number, started) = (said(attempt, "attempt"), said(attempt, "started"));
    let owner = said(attempt, "owner");
    let Some(outcome) = field(attempt, "outcome") else {
        return format!("{number} sent {started} by {owner}: no answer yet");
    };
    let (finished, detail) = (said(attempt, "finished"), said(attempt, "detail"));
    format!("{number} sent {started} by {owner}: {outcome} at {finished}: {detail}")
}

/// When something happens by itself, or who has to do something.
fn next_line(decision: &Value) -> Option<String> {
    let (phase, id) = (field(decision, "phase")?, said(decision, "id"));
    if let Some(time) = field(decision, "next_attempt") {
        let number = array(decision, "attempts").len() + 1;
        return Some(format!("attempt {number}, not before {time}"));
    }
    let until = said(decision, "not_after");
    match phase.as_str() {
        "approval" => Some(format!(
            "waits until {until} for: `homeostat approve {id} --reason WHY`"
        )),
        "started" => Some("waits for the answer".to_owned()),
        "doubt" => Some("the target is asked what the last attempt did".to_owned()),
        _ => None,
    }
}

fn said(document: &Value, name: &str) -> String {
    document.get(name).map_or_else(|| "-".to_owned(), plain)
}

/// A text without its quotes; anything else as JSON.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_attempt_is_shown_with_its_answer_and_when_the_next_one_starts() {
        let attempt = |number: u32, outcome: Option<&str>| {
            let mut attempt = json!({"attempt": number, "started": "T1", "owner": "host"});
            if let Some(outcome) = outcome {
                attempt["outcome"] = json!(outcome);
                attempt["finished"] = json!("T2");
                attempt["detail"] = json!("POST: 503\u{7}");
            }
            attempt
        };
        let mut decision = json!({
            "id": "ab", "phase": "ready", "reasons": ["one", "two"], "next_attempt": "T3",
            "gates": [{"gate": "budget", "scope": "s", "action": "retrain", "passed": false, "detail": "4 of 4"},
                {"gate": "held", "scope": "", "action": "alert", "passed": false, "detail": "paused"}],
            "attempts": [attempt(1, Some("unknown")), attempt(2, None)],
        });
        let lines = |decision: &Value| -> Vec<String> {
            text(decision).lines().map(str::to_owned).collect()
        };
        let shown = lines(&decision);
        for expected in [
            "reason       one",
            "gate         closed: retrain: budget s: 4 of 4",
            "gate         closed: alert: held: paused",
            "attempt      1 sent T1 by host: unknown at T2: POST: 503\\u{7}",
            "attempt      2 sent T1 by host: no answer yet",
            "next         attempt 3, not before T3",
        ] {
            assert!(
                shown.iter().any(|line| line == expected),
                "{expected}\n{shown:#?}"
            );
        }
        decision["phase"] = json!("approval");
        decision["next_attempt"] = Value::Null;
        let shown = lines(&decision);
        assert!(
            shown
                .iter()
                .any(|line| line.contains("homeostat approve ab --reason")),
            "{shown:#?}"
        );
    }
}
