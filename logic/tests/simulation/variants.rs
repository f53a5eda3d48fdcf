//! The rules of processes: the shipped ones with overlays that differ in what the protocol must not depend on.

use std::sync::OnceLock;

use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::{Millis, Propose, Verify, When, Window};
use homeostat_logic::rules::Rules;

use crate::profile::MINUTE;

const OVERLAYS: [&str; 4] = [
    r#"
    cooldown.retrain_minutes = 5
    cooldown.rollback_minutes = 3
    budget.responses_per_hour = 3
    actions.retrain.policy = "verify"
    actions.retrain.max_attempts = 3
    actions.rollback.policy = "at_most_once"
    budget.training = { actions = ["retrain", "rollback"], window_minutes = 30, cap = 2 }
    budget.alerts = { actions = ["alert"], window_minutes = 10, cap = 1 }
    "#,
    r#"
    cooldown.retrain_minutes = 20
    budget.responses_per_hour = 2
    working_hours.enabled = false
    actions.retrain.policy = "at_most_once"
    actions.rollback.policy = "verify"
    actions.scale_up.policy = "verify"
    actions.scale_up.max_attempts = 2
    actions.rollback.approval = true
    budget.training = { actions = ["retrain"], window_minutes = 120, cap = 1 }
    budget.looking = { actions = ["monitor"], window_minutes = 5, cap = 2 }
    "#,
    r#"
    cooldown.retrain_minutes = 1
    cooldown.scale_up_minutes = 1
    budget.responses_per_hour = 6
    budget.max_event_age_minutes = 4
    working_hours.enabled = false
    actions.alert.policy = "at_most_once"
    actions.scale_up.policy = "at_most_once"
    rules.system_overload.high = "rollback"
    "#,
    r#"
    budget.responses_per_hour = 1
    actions.retrain.policy = "verify"
    actions.rollback.policy = "verify"
    actions.monitor.policy = "verify"
    actions.retrain.approval = true
    budget.training = { actions = ["retrain", "alert"], window_minutes = 15, cap = 1 }
    rules.data_drift_detected.scheduled = ["low", "medium", "high"]
    rules.model_performance_degraded.high = "retrain"
    "#,
];

pub(crate) fn rules() -> &'static [Rules] {
    static RULES: OnceLock<Vec<Rules>> = OnceLock::new();
    RULES.get_or_init(|| OVERLAYS.into_iter().map(crate::support::rules).collect())
}

/// What rules cannot say yet, and records can: a signal that shows whether it helped, and windows that are near.
pub(crate) fn configure(propose: &mut Propose, rules: usize, now: Millis) {
    let Some(escalation) = propose.decisions.first().map(|one| one.escalation.clone()) else {
        return;
    };
    for step in propose.decisions.iter_mut().flat_map(|one| &mut one.ladder) {
        let signal = match (rules, step.action) {
            (0, Action::Retrain) => Some(Some(escalation.clone())),
            (2, Action::ScaleUp) => Some(None),
            _ => None,
        };
        step.verify = signal.map(|next| {
            let signal = "recovered".to_owned();
            Box::new(Verify {
                signal,
                within_ms: 2 * MINUTE,
                next,
            })
        });
        if rules == 3 && !step.start.is_now() {
            let window = |from: Millis| Window {
                from: now + from * MINUTE,
                to: now + (from + 2) * MINUTE,
            };
            if let Ok(windows) = vec![window(1), window(6)].try_into() {
                step.start = When::Within(windows);
            }
            propose.not_after = now + 8 * MINUTE;
        }
    }
}
