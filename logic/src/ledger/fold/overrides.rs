//! `apply(Override)` of ledger-protocol §9: what people order. Each order is judged against the action as the person saw
//! it (a compare-and-set), applied or refused, and remembered for H: the same order again gets the first result (G10).

use std::cmp::Reverse;
use std::sync::Arc;

use super::Fold;
use super::aged::Aged;
use super::gates::{Judgement, skipped};
use crate::actions::Action;
use crate::ledger::change::{ChangeKind, VoidRecord};
use crate::ledger::identity;
use crate::ledger::limits;
use crate::ledger::phase::{DerivedKind, Phase};
use crate::ledger::reason::{Cause, Refusal, Suppression, VoidReason};
use crate::ledger::record::{Id, Millis, Override, OverrideOrder, Propose, Resolution, Step};
use crate::ledger::state::{ActionState, Hold, OverrideEntry, OverrideVerdict};
use crate::ledger::times::{HORIZON_MS, REFIRE_START_MS};
use crate::target::Target;

/// Applied to an action or to the whole partition, or refused.
type Ruling = Result<Option<Id>, Refusal>;

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
            who: who.clone(),
            why: reason.clone(),
        };
        let hold = Hold {
            until: None,
            who,
            reason,
            at: self.state.now,
            target: None,
        };
        let verdict = match self.carry_out(override_id, order, cause, hold) {
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

    /// `hold` is the pause that the order would be.
    fn carry_out(
        &mut self,
        override_id: Id,
        order: OverrideOrder,
        cause: Cause,
        hold: Hold,
    ) -> Ruling {
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
            OverrideOrder::Acknowledge { action_id, expect } => {
                self.acknowledge(action_id, expect, &cause)
            }
            OverrideOrder::Silence { until, target } => self.silence(until, target, hold),
            OverrideOrder::Pause => {
                self.hold(hold);
                Ok(None)
            }
            OverrideOrder::Resume => {
                self.state.holds.clear();
                Ok(None)
            }
            OverrideOrder::Force(propose) => self.force(override_id, *propose),
        }
    }

    /// The action as the person saw it.
    fn expected(&self, id: Id, expect: i64) -> Result<&ActionState, Refusal> {
        let action = self.action(id).ok_or(Refusal::UnknownAction(id))?;
        match action.phase {
            Phase::Started { attempt, at, .. } => Err(Refusal::BeingSent {
                attempt,
                until: at.saturating_add(action.step.lease_ms),
            }),
            _ if action.changed != expect => Err(Refusal::Stale {
                changed: action.changed,
                expect,
            }),
            _ => Ok(action),
        }
    }

    fn cancel(&mut self, id: Id, expect: i64, cause: Cause) -> Ruling {
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
            _ => Err(wrong("cancel", phase)),
        }
    }

    /// Once more, by a person's order, which overrides whatever held the action back: its attempts may be used up and its
    /// `not_after` over. An expired action was never sent, so there is nothing to repeat.
    fn refire(&mut self, id: Id, expect: i64, cause: Cause) -> Ruling {
        let now = self.state.now;
        let action = self.expected(id, expect)?;
        if !matches!(action.phase, Phase::Failed | Phase::Unknown { .. }) {
            return Err(wrong("refire", action.phase));
        }
        // V11: a request may still be under way.
        if let Some(until) = action.under_way_until().filter(|until| now < *until) {
            return Err(Refusal::LeaseRunning { until });
        }
        let attempt = action.winners.keys().last().copied().unwrap_or_default();
        let derived = action.derived_from.is_some();
        let (target, step) = (action.subject.target.clone(), Arc::clone(&action.step));
        // An addition: §9 does not say, and G7 holds for actions that a person fires again as well, derived ones too.
        self.key_is_free_for(id, &target, &step)?;
        self.withdraw_escalation(id);
        // An alert that closed its key would hold back other alerts of the target.
        if !derived || step.action != Action::Alert {
            self.hold_key(&target, &step, id);
        }
        let offset = self.state.offset;
        self.update(id, |action| {
            action.not_after = now.saturating_add(REFIRE_START_MS);
            // From here on it is the newest action of its key: its end counts, not that of one accepted in between.
            action.accepted.0 = offset;
            action.refires = action.refires.saturating_add(1);
            action.acknowledged = false;
            // Its next bad end gets an alert again, also if the first alert went out.
            action.derived.remove(&DerivedKind::Escalation);
        });
        let phase = Phase::Ready {
            attempt: attempt.saturating_add(1),
            from: now,
            window: None,
        };
        self.move_to(id, now, phase, cause);
        Ok(Some(id))
    }

    /// No other action holds the key of a step, and it does not cool down after another one.
    fn key_is_free_for(&self, id: Id, target: &Target, step: &Step) -> Result<(), Refusal> {
        let keys = self.state.targets.get(&target.to_string());
        let Some(key) = keys.and_then(|target| target.keys.get(&step.cooldown_key)) else {
            return Ok(());
        };
        if let Some(open) = key.open {
            return Err(Refusal::KeyBusy(open));
        }
        match self.cooling(key, step) {
            Some(Suppression::Cooldown { action, until, .. }) if action != id => {
                Err(Refusal::KeyCooling { action, until })
            }
            _ => Ok(()),
        }
    }

    /// A person who knows of an action needs none of the alerts about it so far, whichever end they report. Of a delivered alert
    /// it says that the trouble is dealt with: its connection ends what it keeps up (issue 15).
    fn acknowledge(&mut self, id: Id, expect: i64, cause: &Cause) -> Ruling {
        let action = self.expected(id, expect)?;
        let delivered = action.step.action == Action::Alert && action.phase == Phase::Done;
        if !(ended_badly(action.phase) || delivered && self.follows(3)) {
            return Err(wrong("acknowledge", action.phase));
        }
        let alerts = if self.follows(2) {
            self.alerts_about(id)
        } else {
            self.newest_alert_about(action)
        };
        self.acknowledged(id, cause.clone());
        for alert in alerts {
            self.acknowledged(alert, cause.clone());
        }
        Ok(Some(id))
    }

    /// The alerts about an action that are lost or may still be, apart from those that people know of.
    fn alerts_about(&self, id: Id) -> Vec<Id> {
        let alerts = self.open_actions().chain(self.undelivered());
        let about = alerts.filter(|(_, alert)| alert.alert_about() == Some(id));
        let untold = about.filter(|(_, alert)| !alert.acknowledged);
        untold.map(|(alert, _)| alert).collect()
    }

    fn newest_alert_about(&self, action: &ActionState) -> Vec<Id> {
        let newest = action.derived.get(&DerivedKind::Escalation).copied();
        let phase = newest.and_then(|alert| self.phase(alert));
        let lost = phase.is_some_and(|phase| phase.is_open() || ended_badly(phase));
        newest.filter(|_| lost).into_iter().collect()
    }

    fn resolve(&mut self, id: Id, expect: i64, outcome: Resolution, cause: Cause) -> Ruling {
        let phase = self.expected(id, expect)?.phase;
        if !matches!(phase, Phase::Unknown { .. } | Phase::Doubt { .. }) {
            return Err(wrong("resolve", phase));
        }
        let phase = match outcome {
            Resolution::Done => Phase::Done,
            Resolution::Failed => Phase::Failed,
        };
        self.close(id, self.state.now, phase, cause);
        Ok(Some(id))
    }

    fn clear_cooldown(&mut self, id: Id, expect: i64) -> Ruling {
        let action = self.expected(id, expect)?;
        if action.phase.is_open() {
            return Err(wrong("clear_cooldown", action.phase));
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

    fn approve(&mut self, id: Id, expect: i64, cause: Cause) -> Ruling {
        let now = self.state.now;
        let action = self.expected(id, expect)?;
        if action.phase != Phase::Approval {
            return Err(wrong("approve", action.phase));
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
            None => return Err(wrong("approve", Phase::Expired)),
        }
        Ok(Some(id))
    }

    fn silence(&mut self, until: Millis, target: Option<Target>, hold: Hold) -> Ruling {
        let now = self.state.now;
        if until <= now || until > now.saturating_add(HORIZON_MS) {
            return Err(Refusal::Time { now });
        }
        // Another, shorter silence of the same partition, of another target perhaps, ends none: that is what resume is for.
        let until = Some(until);
        self.hold(Hold {
            until,
            target,
            ..hold
        });
        Ok(None)
    }

    /// Beyond the bound the one that ends first goes, so what is held stays held as long; of equal ones the newest goes.
    fn hold(&mut self, hold: Hold) {
        let holds = &mut self.state.holds;
        holds.push(hold);
        if holds.len() > Hold::MAX {
            let lasts = |hold: &Hold| hold.until.unwrap_or(Millis::MAX);
            let places = holds.iter().enumerate();
            let first = places.min_by_key(|(place, hold)| (lasts(hold), Reverse(*place)));
            if let Some((place, _)) = first {
                holds.remove(place);
            }
        }
    }

    /// A proposal by a person: gates are skipped, slots are taken, an open action of the key still excludes it. Its
    /// memory is that of the order itself, for it has no source position.
    fn force(&mut self, override_id: Id, propose: Propose) -> Ruling {
        let now = self.state.now;
        limits::validate(&propose).map_err(|breach| Refusal::Invalid(breach.to_string()))?;
        let invalid = |why: &str| Err(Refusal::Invalid(why.to_owned()));
        let Some(installation) = self.state.installation else {
            return invalid("the partition has no Genesis record yet");
        };
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
        let target = &propose.target;
        let id = if self.follows(2) {
            identity::forced_id(installation, override_id, target, self.state.offset)
        } else {
            identity::action_id(installation, key, target, 0)
        };
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
    pub(super) fn holder(&self, target: &str, key: &str) -> Option<Id> {
        self.state.targets.get(target)?.keys.get(key)?.open
    }
}

const fn ended_badly(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Failed | Phase::Expired | Phase::Unknown { .. }
    )
}

fn wrong(order: &str, phase: Phase) -> Refusal {
    Refusal::WrongPhase {
        phase: phase.name().to_owned(),
        order: order.to_owned(),
    }
}
