//! The ends of actions: `close`, `derive`, `in_doubt`, `backoff` of ledger-protocol §4.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::Fold;
use super::aged::Aged;
use crate::actions::Action;
use crate::ledger::change::{ChangeKind, Derived};
use crate::ledger::identity;
use crate::ledger::phase::{DerivedKind, Phase};
use crate::ledger::reason::Cause;
use crate::ledger::record::{Id, Millis, Policy, Step};
use crate::ledger::state::{ActionState, KeyEnd};
use crate::ledger::times::{DERIVED_START_MS, ESCALATION_START_MS, HORIZON_MS};
use crate::target::Target;

impl Fold {
    /// Closes an action at log time `time`: its key, its alert, its verification.
    pub(super) fn close(&mut self, id: Id, time: Millis, phase: Phase, cause: Cause) {
        let by_word = matches!(cause, Cause::Ordered { .. });
        self.move_to(id, time, phase, cause);
        let Some(action) = self.state.actions.get(&id) else {
            return;
        };
        let escalation = action.escalation.clone();
        let verify = action.step.verify.as_ref().map(|verify| verify.within_ms);
        self.release_key(id, time, phase);
        self.update(id, |action| action.later = VecDeque::new());
        match phase {
            Phase::Done => {
                self.withdraw_escalation(id);
                let verify_by = verify.map(|within_ms| time.saturating_add(within_ms));
                self.update(id, |action| action.verify_by = verify_by);
                // A person's word on one alert does not show that its connector works.
                if !by_word {
                    self.delivered(id);
                }
            }
            Phase::Failed | Phase::Unknown { .. } | Phase::Expired => {
                self.derive(id, DerivedKind::Escalation, escalation);
            }
            _ => {}
        }
    }

    /// Gives an action the key of its step.
    pub(super) fn hold_key(&mut self, target: &Target, step: &Step, id: Id) {
        let target = self.state.targets.entry(target.to_string()).or_default();
        target
            .keys
            .entry(step.cooldown_key.clone())
            .or_default()
            .open = Some(id);
    }

    /// Takes the key from a closed action; done and unknown start its cooldown, unless a later action holds the key.
    /// Derived actions leave no cooldown, and hold a key only behind a refire.
    pub(super) fn release_key(&mut self, id: Id, end: Millis, phase: Phase) {
        let Some(action) = self.state.actions.get(&id) else {
            return;
        };
        let name = action.subject.target.to_string();
        let key = action.step.cooldown_key.clone();
        let derived = action.derived_from.is_some();
        if derived && self.holder(&name, &key) != Some(id) {
            return;
        }
        let accepted = action.accepted;
        let state = self.state.targets.entry(name.clone()).or_default();
        let state = state.keys.entry(key.clone()).or_default();
        state.open.take_if(|open| *open == id);
        let later = state.open.is_some()
            || (state.last.as_ref()).is_some_and(|last| last.accepted > accepted);
        let cools = matches!(phase, Phase::Done | Phase::Unknown { .. }) && !derived;
        if cools && !later {
            state.last = Some(KeyEnd {
                action: id,
                accepted,
                end,
                cooldown_ms: action.step.cooldown_ms,
            });
            let aged = Aged::Key(Arc::from(name.as_str()), Arc::from(key.as_str()));
            self.index.ages.insert((end, aged));
        } else if state.open.is_none() && state.last.is_none() {
            if let Some(target) = self.state.targets.get_mut(&name) {
                target.keys.remove(&key);
            }
            self.forget_target(&name);
        }
    }

    /// Makes an action of the fold's own: ready at once, outside gates, slots and cooldown, at most one of a kind per
    /// parent, and one more each time that a person fires the parent again. A step that ignores derives nothing.
    pub(super) fn derive(&mut self, parent: Id, kind: DerivedKind, step: Option<Arc<Step>>) {
        let (Some(step), Some(from)) = (step, self.state.actions.get(&parent)) else {
            return;
        };
        let now = self.state.now;
        let (lasts, escalation) = match kind {
            DerivedKind::Next => (DERIVED_START_MS, from.escalation.clone()),
            DerivedKind::Escalation | DerivedKind::Unverified => (ESCALATION_START_MS, None),
        };
        let not_after = now.saturating_add(lasts);
        if step.action == Action::Ignore {
            return;
        }
        if from.derived.contains_key(&kind) {
            return;
        }
        let id = identity::derived_id(parent, kind, from.refires, &step);
        let action = ActionState {
            subject: Arc::clone(&from.subject),
            step: Arc::clone(&step),
            later: VecDeque::new(),
            escalation,
            not_after,
            phase: Phase::Ready {
                attempt: 1,
                from: now,
                window: None,
            },
            winners: BTreeMap::new(),
            resolved: None,
            evidence_of_effect: false,
            changed: self.state.offset,
            accepted_at: now,
            accepted: (self.state.offset, from.accepted.1),
            end: None,
            derived_from: Some((parent, kind)),
            derived: BTreeMap::new(),
            verify_by: None,
            refires: 0,
            acknowledged: false,
        };
        let derived = Derived {
            action: id,
            parent,
            kind,
            step,
            subject: Arc::clone(&action.subject),
            not_after: action.not_after,
            phase: action.phase,
        };
        self.update(parent, |parent| {
            parent.derived.insert(kind, id);
        });
        self.insert(id, action);
        self.note(now, ChangeKind::Derived(Box::new(derived)));
    }

    /// A parent that turns out to be done, or is sent once more, needs no alert now: one that is not started yet is
    /// cancelled.
    pub(super) fn withdraw_escalation(&mut self, parent: Id) {
        let action = self.state.actions.get(&parent);
        let alert = action.and_then(|action| action.derived.get(&DerivedKind::Escalation));
        if let Some(&alert) = alert
            && matches!(self.phase(alert), Some(Phase::Ready { .. }))
        {
            let now = self.state.now;
            self.close(alert, now, Phase::Cancelled, Cause::Withdrawn(parent));
        }
    }

    /// An alert went out, so people look where its connector leads: what was lost on it before is no warning any more.
    fn delivered(&mut self, alert: Id) {
        let Some(step) = self.action(alert).map(|action| Arc::clone(&action.step)) else {
            return;
        };
        let (action, connector) = (step.action, &step.connector);
        let on_it = |(_, lost): &(Id, &ActionState)| {
            lost.step.action == action && lost.step.connector == *connector
        };
        let lost: Vec<Id> = self.undelivered().filter(on_it).map(|(id, _)| id).collect();
        for id in lost {
            let connector = connector.clone();
            self.acknowledged(id, Cause::DeliveredLater { alert, connector });
        }
    }

    /// People know of an action's end.
    pub(super) fn acknowledged(&mut self, action: Id, cause: Cause) {
        self.update(action, |action| action.acknowledged = true);
        self.note(self.state.now, ChangeKind::Acknowledged { action, cause });
    }

    /// An attempt whose answer is missing, by the action's policy.
    pub(super) fn in_doubt(&mut self, id: Id, attempt: u32, time: Millis, cause: Cause) {
        let Some(action) = self.state.actions.get(&id) else {
            return;
        };
        let unknown = Phase::Unknown { attempt };
        if action.evidence_of_effect {
            return self.close(id, time, Phase::Done, cause);
        }
        match action.step.policy {
            Policy::Idempotent if attempt < action.step.max_attempts => {
                let phase = self.retry(id, attempt, time, 0);
                self.move_to(id, time, phase, cause);
            }
            Policy::Verify => {
                let since = time;
                self.move_to(id, time, Phase::Doubt { attempt, since }, cause);
            }
            Policy::Idempotent | Policy::AtMostOnce => self.close(id, time, unknown, cause),
        }
    }

    /// The phase after attempt n that is followed by another one.
    pub(super) fn retry(&self, id: Id, attempt: u32, time: Millis, at_least: Millis) -> Phase {
        let pause = self
            .action(id)
            .map_or(0, |action| backoff(id, &action.step, attempt));
        Phase::Ready {
            attempt: attempt.saturating_add(1),
            // The target's wish is data from outside: no longer than the fold remembers.
            from: time.saturating_add(pause.max(at_least.clamp(0, HORIZON_MS))),
            window: None,
        }
    }
}

/// Pause after attempt n: min(max, first * factor^(n-1)), lengthened by up to a quarter.
pub(crate) fn backoff(action: Id, step: &Step, attempt: u32) -> Millis {
    let backoff = step.backoff;
    let growth = i64::from(backoff.factor).saturating_pow(attempt.saturating_sub(1));
    let pause = backoff.first_ms.saturating_mul(growth).min(backoff.max_ms);
    pause.saturating_add(pause.saturating_mul(identity::jitter(action, attempt)) / 4000)
}
