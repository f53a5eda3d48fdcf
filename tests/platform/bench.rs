//! A connector as a configuration makes it, and orders for it.

use std::sync::Arc;

use homeostat::configuration::load;
use homeostat_actors::ports::connector::{Answer, Connector, Finding, Order, Probe};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::{FinishOutcome, Id};
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;
use serde_json::Value;

/// The action over the connection `platform` of a configuration.
pub(crate) fn connector(
    action: Action,
    text: &str,
    environment: &[(&str, &str)],
) -> Arc<dyn Connector> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("platform.toml");
    std::fs::write(&file, text).unwrap();
    let environment = environment.iter();
    let environment = environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let configuration =
        load(&[file], environment).unwrap_or_else(|faults| panic!("{faults:?}\n{text}"));
    let connections = configuration.settings.connections;
    let binding = connections.find("platform", action, &Target::model("any"));
    Arc::clone(&binding.unwrap().connector)
}

pub(crate) fn order(action: Action, target: Target, id: u8, params: Value) -> Order {
    Order {
        action_id: Id([id; 16]),
        attempt: 1,
        action,
        target,
        severity: Severity::High,
        event_type: "model_performance_degraded".to_owned(),
        event_id: format!("event-{id}"),
        params: params.into(),
        reasons: vec!["accuracy fell".to_owned()],
        now: 1_796_000_000_000,
        as_of: 1_796_000_000_000,
        dry_run: false,
    }
}

/// Outcome, and whether no repetition can mend it.
pub(crate) fn class(answer: &Answer) -> (FinishOutcome, bool) {
    (answer.outcome, answer.permanent)
}

pub(crate) const DONE: (FinishOutcome, bool) = (FinishOutcome::Done, false);
pub(crate) const REFUSED: (FinishOutcome, bool) = (FinishOutcome::Failed, true);
pub(crate) const FAILED: (FinishOutcome, bool) = (FinishOutcome::Failed, false);
pub(crate) const NOT_SENT: (FinishOutcome, bool) = (FinishOutcome::NotSent, false);
pub(crate) const UNKNOWN: (FinishOutcome, bool) = (FinishOutcome::Unknown, false);

/// That an answer is of a class and says each of some words.
#[track_caller]
pub(crate) fn assert_answer(answer: &Answer, expected: (FinishOutcome, bool), words: &[&str]) {
    assert_eq!(class(answer), expected, "{}", answer.detail);
    for word in words {
        assert!(
            answer.detail.contains(word),
            "no `{word}` in: {}",
            answer.detail
        );
    }
}

/// What a probe says, by its first letters.
pub(crate) fn said(probe: Option<Probe>) -> (&'static str, String) {
    match probe {
        Some(Probe::Found(said)) => ("found", said),
        Some(Probe::Absent(said)) => ("absent", said),
        Some(Probe::NoAnswer(said)) => ("nothing", said),
        None => ("cannot", String::new()),
    }
}

/// Findings as lines.
pub(crate) fn lines(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| match finding {
        Finding::Fine(what) => format!("fine: {what}"),
        Finding::Wrong { problem, remedy } => format!("wrong: {problem} -> {remedy}"),
        Finding::Unsure(what) => format!("unsure: {what}"),
    };
    findings.iter().map(line).collect()
}
