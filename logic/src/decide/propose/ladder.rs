//! The ladder of steps: the action itself, and what is done instead when its budgets are used up (DESIGN §4). Which step is
//! taken is the fold's word; here is what it is asked.

use serde_json::json;

use super::super::judge::Doubt;
use super::Writer;
use crate::actions::{Action, Strength};
use crate::ledger::record::{Backoff, Gate, Millis, Policy, Step, When};

/// The hour of SPEC §4's budget.
const BUDGET_WINDOW_MS: Millis = 3_600_000;
/// Log time an attempt may stay unanswered (ledger-protocol §7: D + T + E + J).
const LEASE_MS: Millis = 60_000;
/// How long an attempt in doubt is asked about (ledger-protocol §7).
const PROBE_FOR_MS: Millis = 600_000;
const NO_BACKOFF: Backoff = Backoff {
    first_ms: 0,
    factor: 1,
    max_ms: 0,
};

/// How a step counts in the hourly budget of its event type. The further budgets count every step of their actions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hourly {
    /// Needs room in it and takes a slot: a response of full strength.
    Takes,
    /// Needs room in it.
    Asks,
    /// Is what remains when it is used up.
    Outside,
}

impl Writer<'_> {
    /// The action itself, then alert, then monitor. An alert that needs room in all the budgets of the action would be
    /// closed together with it, and is left out.
    pub(super) fn ladder(&self) -> Vec<Step> {
        let verdict = self.verdict;
        let strength = verdict.action.kind().strength;
        if strength == Strength::Records {
            return vec![self.step(verdict.action)];
        }
        let full_strength = verdict.action == verdict.proposed;
        let hourly = if full_strength {
            Hourly::Takes
        } else {
            Hourly::Asks
        };
        // An alternative of the action, and an alert about it, wait for nothing.
        let first = Step {
            start: verdict.start.clone(),
            ..self.rung(verdict.action, hourly)
        };
        let milder = strength > Strength::Notifies;
        let alert = (milder && self.has_a_gate_that_an_alert_has_not(&first)).then(|| {
            let mut alert = self.rung(Action::Alert, Hourly::Asks);
            alert.params.set("instead_of", &json!(verdict.action));
            alert
        });
        // What is not known cannot be watched.
        let known = verdict.doubt.is_none_or(|doubt| doubt == Doubt::Age);
        let monitor = known.then(|| self.rung(Action::Monitor, Hourly::Outside));
        [first].into_iter().chain(alert).chain(monitor).collect()
    }

    fn has_a_gate_that_an_alert_has_not(&self, step: &Step) -> bool {
        let (gates, _) = self.budgets(Action::Alert, Hourly::Asks);
        step.gates.iter().any(|gate| !gates.contains(gate))
    }

    /// A step of the ladder: asked about its budgets, and held until a person approves it where that is configured.
    fn rung(&self, action: Action, hourly: Hourly) -> Step {
        let (gates, charges) = self.budgets(action, hourly);
        let settings = self.context.rules.action(action, &self.verdict.target());
        Step {
            gates,
            charges,
            approval: settings.is_some_and(|settings| settings.approval),
            ..self.step(action)
        }
    }

    /// The budgets that must have room for a step, and those that it takes a slot of.
    fn budgets(&self, action: Action, hourly: Hourly) -> (Vec<Gate>, Vec<String>) {
        let scope = format!(
            "{}:{}",
            self.context.event.event_type,
            self.verdict.target()
        );
        let gate = Gate {
            scope,
            window_ms: BUDGET_WINDOW_MS,
            cap: self.rule.responses_per_hour,
        };
        let mut charges: Vec<String> = (hourly == Hourly::Takes)
            .then(|| gate.scope.clone())
            .into_iter()
            .collect();
        let mut gates: Vec<Gate> = (hourly != Hourly::Outside)
            .then_some(gate)
            .into_iter()
            .collect();
        for budget in &self.rule.budgets {
            if budget.actions.contains(&action) {
                charges.push(budget.scope.clone());
                gates.push(Gate {
                    scope: budget.scope.clone(),
                    window_ms: budget.window_ms,
                    cap: budget.cap,
                });
            }
        }
        (gates, charges)
    }

    /// A step outside all budgets, which starts at once: the escalation is one.
    pub(super) fn step(&self, action: Action) -> Step {
        let (event_type, target) = (&self.context.event.event_type, self.verdict.target());
        let settings = self.context.rules.action(action, &self.verdict.target());
        Step {
            action,
            connector: settings
                .map_or_else(|| "none".to_owned(), |settings| settings.connection.clone()),
            params: self.params(action),
            cooldown_key: format!("{event_type}:{action}:{target}"),
            cooldown_ms: self.rule.cooldown_ms(action),
            gates: Vec::new(),
            charges: Vec::new(),
            policy: settings.map_or(Policy::Idempotent, |settings| settings.policy),
            max_attempts: settings.map_or(1, |settings| settings.max_attempts),
            backoff: settings.map_or(NO_BACKOFF, |settings| settings.backoff),
            lease_ms: LEASE_MS,
            probe_for_ms: PROBE_FOR_MS,
            start: When::Now,
            approval: false,
            verify: None,
        }
    }
}
