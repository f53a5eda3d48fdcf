//! `apply(Override)` of ledger-protocol §9: what people order. Each order is judged against the action as the person saw
//! it (a compare-and-set), applied or refused, and remembered for H: the same order again gets the first result (G10).

use std::sync::Arc;

use super::Fold;
use super::gates::{Judgement, skipped};
use super::index::Aged;
use crate::ledger::change::{ChangeKind, VoidRecord};
use crate::ledger::identity;
use crate::ledger::limits;
use crate::ledger::phase::{DerivedKind, Phase};
use crate::ledger::reason::{Cause, Refusal, VoidReason};
use crate::ledger::record::{Id, Millis, Override, OverrideOrder, Propose, Resolution};
use crate::ledger::state::{ActionState, Holds, OverrideEntry, OverrideVerdict};
use crate::ledger::times::{HORIZON_MS, REFIRE_START_MS};

/// Applied to an action or to the whole partition, or refused.
type Verdict = Result<Option<Id>, Refusal>;

impl Fold {
    pub(super) fn order(&mut self, order: Override) {
        let Override {
            override_id,
            order,
            who,
            reason,
        } = order;
        let record = VoidRecord::Override { override_id };
        if self.state.overrides.contains_key(&override_id) {
            return self.void(record, VoidReason::DuplicateOverride { override_id });
        }
        let (name, digest) = (order.name(), identity::order_digest(&order));
        let cause = Cause::Ordered {
            order: name,
            who,
            why: reason,
        };
        let verdict = match self.carry_out(override_id, order, cause) {
            Ok(action) => OverrideVerdict::Applied { action },
            Err(refusal) => {
                self.void(record, VoidReason::Refused(refusal.clone()));
                OverrideVerdict::Refused(refusal)
            }
        };
        let at = self.state.now;
        let entry = OverrideEntry {
            at,
            offset: self.state.offset,
            order: name.to_owned(),
            digest,
            verdict: verdict.clone(),
        };
        self.index.ages.insert((at, Aged::Override(override_id)));
        self.state.overrides.insert(override_id, entry);
        self.note(
            at,
            ChangeKind::Overridden {
                override_id,
                verdict,
            },
        );
    }

    fn carry_out(&mut self, override_id: Id, order: OverrideOrder, cause: Cause) -> Verdict {
        match order {
            OverrideOrder::Cancel { action_id, expect } => self.cancel(action_id, expect, cause),
            OverrideOrder::Refire { action_id, expect } => self.refire(action_id, expect, cause),
            OverrideOrder::Resolve {
                action_id,
                expect,
                outcome,
            } => self.resolve(action_id, expect, outcome, cause),
            OverrideOrder::ClearCooldown { action_id, expect } => {
                self.clear_cooldown(action_id, expect)
            }
            OverrideOrder::Approve { action_id, expect } => self.approve(action_id, expect, cause),
            OverrideOrder::Silence { until } => self.silence(until),
            OverrideOrder::Pause => {
                self.state.holds.paused = true;
                Ok(None)
            }
            OverrideOrder::Resume => {
                self.state.holds = Holds::default();
                Ok(None)
            }
            OverrideOrder::Force(propose) => self.force(override_id, *propose),
        }
    }

    /// The action as the person saw it.
    fn expected(&self, id: Id, expect: i64) -> Result<&ActionState, Refusal> {
        let action = self.action(id).ok_or(Refusal::UnknownAction(id))?;
        match action.phase {
            Phase::Started { attempt, .. } => Err(Refusal::BeingSent { attempt }),
            _ if action.changed != expect => Err(Refusal::Stale {
                changed: action.changed,
                expect,
            }),
            _ => Ok(action),
        }
    }

    fn cancel(&mut self, id: Id, expect: i64, cause: Cause) -> Verdict {
        let phase = self.expected(id, expect)?.phase;
        match phase {
            Phase::Waiting { .. }
            | Phase::Approval
            | Phase::Ready { .. }
            | Phase::Doubt { .. }
            | Phase::Unknown { .. } => {
                self.close(id, self.state.now, Phase::Cancelled, cause);
                Ok(Some(id))
            }
            _ => Err(wrong(phase)),
        }
    }

    fn refire(&mut self, id: Id, expect: i64, cause: Cause) -> Verdict {
        let now = self.state.now;
        let action = self.expected(id, expect)?;
        let Phase::Unknown { attempt } = action.phase else {
            return Err(wrong(action.phase));
        };
        let last = action.winners.values().map(|winner| winner.at).max();
        let until = last.map_or(now, |at| at.saturating_add(action.step.lease_ms));
        // V11: the request may still be under way.
        if now < until {
            return Err(Refusal::LeaseRunning { until });
        }
        let outside_keys = action.derived_from.is_some();
        let (target, step) = (action.subject.target.clone(), Arc::clone(&action.step));
        // An addition: §9 does not say, and G7 holds for actions that a person fires again as well.
        if let Some(open) = self.holder(&target.to_string(), &step.cooldown_key)
            && !outside_keys
        {
            return Err(Refusal::KeyBusy(open));
        }
        self.withdraw_escalation(id);
        if !outside_keys {
            self.hold_key(&target, &step, id);
        }
        self.update(id, |action| {
            action.not_after = now.saturating_add(REFIRE_START_MS);
        });
        let phase = Phase::Ready {
            attempt: attempt.saturating_add(1),
            from: now,
            window: None,
        };
        self.move_to(id, now, phase, cause);
        Ok(Some(id))
    }

    fn resolve(&mut self, id: Id, expect: i64, outcome: Resolution, cause: Cause) -> Verdict {
        let phase = self.expected(id, expect)?.phase;
        if !matches!(phase, Phase::Unknown { .. } | Phase::Doubt { .. }) {
            return Err(wrong(phase));
        }
        let phase = match outcome {
            Resolution::Done => Phase::Done,
            Resolution::Failed => Phase::Failed,
        };
        self.close(id, self.state.now, phase, cause);
        Ok(Some(id))
    }

    fn clear_cooldown(&mut self, id: Id, expect: i64) -> Verdict {
        let action = self.expected(id, expect)?;
        if action.phase.is_open() {
            return Err(wrong(action.phase));
        }
        let (target, key) = (
            action.subject.target.to_string(),
            action.step.cooldown_key.clone(),
        );
        if let Some(open) = self.holder(&target, &key) {
            return Err(Refusal::KeyBusy(open));
        }
        let keys = self
            .state
            .targets
            .get_mut(&target)
            .map(|state| &mut state.keys);
        let Some(keys) = keys else {
            return Err(Refusal::NotCooling);
        };
        let ends = keys.get(&key).and_then(|key| key.last.as_ref());
        if ends.is_none_or(|last| last.action != id) {
            return Err(Refusal::NotCooling);
        }
        keys.remove(&key);
        self.forget_target(&target);
        Ok(Some(id))
    }

    fn approve(&mut self, id: Id, expect: i64, cause: Cause) -> Verdict {
        let now = self.state.now;
        let action = self.expected(id, expect)?;
        if action.phase != Phase::Approval {
            return Err(wrong(action.phase));
        }
        let start = &action.step.start;
        let next = start.windows().position(|window| now < window.to);
        let at_once = start.is_now();
        match next.and_then(|window| Some((window, action.window(Some(window))?))) {
            Some((window, times)) if now < times.from => {
                self.move_to(id, now, Phase::Waiting { window }, cause);
            }
            // Only now slots are taken, so the gates are asked again (V14).
            Some((window, _)) => self.activate(id, Some(window), now, cause),
            None if at_once => self.activate(id, None, now, cause),
            None => return Err(wrong(Phase::Expired)),
        }
        Ok(Some(id))
    }

    fn silence(&mut self, until: Millis) -> Verdict {
        let now = self.state.now;
        if until <= now || until > now.saturating_add(HORIZON_MS) {
            return Err(Refusal::Time { now });
        }
        // Another, shorter silence of the same partition, of another target perhaps, ends none: that is what resume is for.
        let longer = self.state.holds.silenced_until.max(Some(until));
        self.state.holds.silenced_until = longer;
        Ok(None)
    }

    /// A proposal by a person: gates are skipped, slots are taken, an open action of the key still excludes it. Its
    /// memory is that of the order itself, for it has no source position.
    fn force(&mut self, override_id: Id, propose: Propose) -> Verdict {
        let now = self.state.now;
        limits::validate(&propose).map_err(|breach| Refusal::Invalid(breach.to_string()))?;
        let invalid = |why: &str| Err(Refusal::Invalid(why.to_owned()));
        let ([decision], key) = (
            propose.decisions.as_slice(),
            identity::forced_key(override_id),
        ) else {
            return invalid("it has more than one decision");
        };
        let Some(step) = decision.ladder.first() else {
            return invalid("it has no step");
        };
        if propose.event_key != key {
            return invalid("its event_key is not that of the order");
        }
        if !step.start.is_now() || step.approval {
            return invalid("a forced action starts now, without window and approval");
        }
        if now > propose.not_after {
            return Err(Refusal::Time { now });
        }
        let id = identity::action_id(key, &propose.target, 0);
        let busy = self.holder(&propose.target.to_string(), &step.cooldown_key);
        let known = self.action(id).is_some().then_some(id);
        if let Some(open) = busy.or(known) {
            return Err(Refusal::KeyBusy(open));
        }
        let judgement = Judgement {
            step: 0,
            verdict: Ok(None),
            gates: vec![skipped(step)],
        };
        self.enter(id, &Arc::new(propose), 0, judgement);
        Ok(Some(id))
    }

    /// The open action that holds a key.
    fn holder(&self, target: &str, key: &str) -> Option<Id> {
        self.state.targets.get(target)?.keys.get(key)?.open
    }

    /// A parent that a person fired again has ended badly again: its withdrawn alert is due after all.
    pub(super) fn renew(&mut self, parent: Id, kind: DerivedKind, not_after: Millis) {
        let action = self.state.actions.get(&parent);
        let alert = action.and_then(|action| action.derived.get(&kind)).copied();
        let Some(alert) = alert else { return };
        let Some(state) = self.action(alert) else {
            return;
        };
        if !(state.withdrawn && state.phase == Phase::Cancelled) {
            return;
        }
        let attempt = state.winners.keys().last().map_or(1, |last| last + 1);
        let now = self.state.now;
        self.update(alert, |alert| {
            alert.not_after = not_after;
            alert.withdrawn = false;
        });
        let phase = Phase::Ready {
            attempt,
            from: now,
            window: None,
        };
        self.move_to(alert, now, phase, Cause::Renewed(parent));
    }
}

fn wrong(phase: Phase) -> Refusal {
    Refusal::WrongPhase {
        phase: phase.name().to_owned(),
    }
}
