//! From what actors observe to metrics, and to the log what waits for people.

use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::observer::{Consumed, Observer};
use homeostat_logic::actions::Action;
use homeostat_logic::clock_text::format_time;
use homeostat_logic::event::Reject;
use homeostat_logic::history::Outcome;
use homeostat_logic::ledger::change::{Change, ChangeKind};
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::{FinishOutcome, Id, Millis};
use homeostat_logic::ledger::state::ActionState;

use strum::VariantNames as _;

use crate::metrics::Metrics;

/// Counts into [`Metrics`].
pub(super) struct Observation(pub Arc<Metrics>);

impl Observer for Observation {
    fn consumed(&self, topic: &'static str, outcome: Consumed, records: u64) {
        self.0.events_consumed(topic, outcome, records);
    }

    fn rejected(&self, topic: &'static str, reason: &'static str) {
        if Reject::VARIANTS.contains(&reason) {
            self.0.decode_rejects.add([reason], 1);
        }
        self.0.dead_lettered(topic, reason);
    }

    fn changed(&self, change: &Change, fold: &Fold, _now: Millis) {
        match &change.kind {
            ChangeKind::Entered(entered) => {
                approval_awaited(entered.action, entered.phase, fold);
                let propose = &entered.propose;
                let latency = change.time.saturating_sub(propose.src.ts);
                self.0.decision_latency.observe([], millis(latency));
                let step = propose
                    .decisions
                    .get(entered.decision)
                    .and_then(|decision| decision.ladder.get(entered.step));
                let action = step.map_or(Action::Ignore, |step| step.action);
                let outcome = Outcome::of(entered.phase, action);
                // An open one is counted when it ends, so that each decision counts once.
                if !entered.phase.is_open() {
                    self.0.decided(&propose.event_type, action, outcome);
                }
                if let Some(gate) = entered.gates.iter().rev().find(|gate| !gate.passed) {
                    self.0.suppressed.add([gate.gate], 1);
                }
            }
            ChangeKind::Moved { action, phase, .. } if !phase.is_open() => {
                self.ended(*action, *phase, change.time, fold);
            }
            ChangeKind::Moved { action, phase, .. } => approval_awaited(*action, *phase, fold),
            ChangeKind::Void { reason, .. } => self.0.ledger_voids.add([reason.name()], 1),
            _ => {}
        }
    }

    fn answered(&self, action: Action, kind: &'static str, outcome: FinishOutcome, took: Duration) {
        self.0.actions.add([action.name(), kind, outcome.into()], 1);
        self.0.action_duration.observe([action.name()], took);
    }
}

impl Observation {
    fn ended(&self, action: Id, phase: Phase, time: Millis, fold: &Fold) {
        let Some(state) = fold.action(action) else {
            return;
        };
        if state.is_undelivered() {
            lost(action, state);
        }
        let step = &state.step;
        self.0.decided(
            &state.subject.event_type,
            step.action,
            Outcome::of(phase, step.action),
        );
        if phase == Phase::Done {
            let latency = time.saturating_sub(state.subject.src.ts);
            let labels = [step.action.name()];
            self.0.response_latency.observe(labels, millis(latency));
        }
    }
}

fn approval_awaited(id: Id, phase: Phase, fold: &Fold) {
    if phase == Phase::Approval
        && let Some(state) = fold.action(id)
    {
        let (action, target) = (state.step.action, &state.subject.target);
        tracing::warn!(
            action_id = %id,
            "{action} of {target} waits for an approval until {}: `homeostat approve {id} --reason WHY`",
            format_time(state.not_after)
        );
    }
}

/// An alert that was not delivered.
fn lost(id: Id, alert: &ActionState) {
    let (action, target) = (alert.step.action, &alert.subject.target);
    tracing::error!(
        action_id = %id,
        "{action} about {target} through `{}` is {} and was not delivered; repair the connector, then `homeostat override refire {id} --reason WHY`, or acknowledge: `homeostat override acknowledge {id} --reason WHY`",
        alert.step.connector,
        alert.phase.name()
    );
}

fn millis(value: Millis) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or_default())
}
