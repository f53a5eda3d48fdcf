//! Budgets: the rungs that gate an action, and which of them there are.

use homeostat_logic::actions::Action::{Alert, Ignore, Monitor, Retrain};
use homeostat_logic::ledger::record::Policy;
use homeostat_logic::rules::Rules;

use crate::support::{at, noon, proposed, rules, settings};

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
