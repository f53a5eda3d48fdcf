//! The promises of ledger-protocol §1, each a check by its name, on what really happened: every record as it landed, every
//! byte that left, every effect, every commit. It has a fold of its own, the referee, which reads each record at once.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_logic::actions::Action;
use homeostat_logic::ledger::change::{Change, ChangeKind, CheckpointVerdict, Entered};
use homeostat_logic::ledger::execution::Dispatch;
use homeostat_logic::ledger::phase::{DerivedKind, Phase};
use homeostat_logic::ledger::record::{Id, Millis, OverrideOrder, Policy, Step};
use homeostat_logic::ledger::state::OverrideVerdict;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) promise: &'static str,
    pub(crate) what: String,
}

/// An accepted action as the promises see it.
struct Seen {
    target: String,
    step: Step,
    accepted: (i64, usize),
    phase: Phase,
    derived: bool,
    escalates: bool,
    has_alert: bool,
}

/// A key that an action has left, and until when that counts.
struct Ended {
    action: Id,
    accepted: (i64, usize),
    end: Millis,
    cooldown_ms: Millis,
}

#[derive(Default)]
pub(crate) struct Promises {
    pub(crate) violation: Option<Violation>,
    /// Log time of the record that landed last.
    now: Millis,
    actions: BTreeMap<Id, Seen>,
    decided: BTreeMap<(String, i32, i64, String), (i64, usize)>,
    keys: BTreeMap<(String, String), Vec<Ended>>,
    activations: BTreeMap<(String, String), Vec<Millis>>,
    winners: BTreeMap<(Id, u32), Id>,
    sends: BTreeMap<Id, Vec<Sent>>,
    /// Orders that were applied to an action: their name and when.
    pub(crate) orders: BTreeMap<Id, OverrideOrder>,
    applied: BTreeMap<Id, Vec<(&'static str, u32)>>,
    pub(crate) forced: BTreeSet<Id>,
    pub(crate) effects: BTreeMap<Id, u32>,
    /// Decisions that a used-up budget brought to a milder step.
    pub(crate) milder: usize,
    /// Approvals that people gave.
    pub(crate) approvals: usize,
}

struct Sent {
    attempt: u32,
    params: serde_json::Value,
    late: bool,
    refires: usize,
}

impl Promises {
    pub(crate) fn broken(&mut self, promise: &'static str, what: String) {
        self.violation.get_or_insert(Violation { promise, what });
    }

    /// A record landed and the referee folded it.
    pub(crate) fn landed(&mut self, changes: &[Change], now: Millis) {
        self.now = now;
        for change in changes {
            self.change(change);
        }
    }

    fn change(&mut self, change: &Change) {
        let (at, offset) = (change.time, change.offset);
        match &change.kind {
            ChangeKind::Entered(entered) => self.entered(entered, offset, at),
            ChangeKind::Derived(derived) => {
                let alert = derived.kind == DerivedKind::Escalation;
                let next = derived.kind == DerivedKind::Next;
                let parent = self.actions.get(&derived.parent);
                let escalates = next && parent.is_some_and(|parent| parent.escalates);
                if let Some(parent) = self.actions.get_mut(&derived.parent) {
                    parent.has_alert |= alert;
                }
                let seen = Seen {
                    target: derived.subject.target.to_string(),
                    step: (*derived.step).clone(),
                    accepted: (offset, usize::MAX),
                    phase: derived.phase,
                    derived: true,
                    escalates,
                    has_alert: false,
                };
                self.actions.insert(derived.action, seen);
            }
            ChangeKind::Judged(judged) => {
                if let Some(seen) = self.actions.get_mut(&judged.action) {
                    seen.step = (*judged.step).clone();
                }
            }
            ChangeKind::BidWon {
                action,
                attempt,
                start_id,
                ..
            } => self.won(*action, *attempt, *start_id, at),
            ChangeKind::Moved { action, phase, .. } => self.moved(*action, *phase, at),
            ChangeKind::Overridden {
                override_id,
                verdict:
                    OverrideVerdict::Applied {
                        action: Some(action),
                    },
            } => {
                self.ordered(*override_id, *action, offset);
            }
            ChangeKind::Halted(why) => self.broken("G5", why.to_string()),
            ChangeKind::CheckpointRead {
                verdict: CheckpointVerdict::Differs,
                covers,
            } => {
                self.broken(
                    "G6",
                    format!("a checkpoint of {covers} differs from the full fold"),
                );
            }
            _ => {}
        }
    }

    fn entered(&mut self, entered: &Entered, offset: i64, at: Millis) {
        let src = &entered.propose.src;
        let target = entered.propose.target.to_string();
        let position = (src.topic.clone(), src.partition, src.offset, target.clone());
        let forced = self.forced.contains(&entered.propose.event_key);
        if !forced {
            let place = (offset, entered.decision);
            if let Some(first) = self.decided.insert(position.clone(), place) {
                self.broken(
                    "G11",
                    format!("{position:?} was decided at {first:?} and {place:?}"),
                );
            }
        }
        let decision = &entered.propose.decisions[entered.decision];
        let step = decision.ladder[entered.step].clone();
        if !entered.phase.is_open() {
            return;
        }
        let seen = Seen {
            target,
            step,
            accepted: (offset, entered.decision),
            phase: entered.phase,
            derived: false,
            escalates: decision.escalation.action != Action::Ignore,
            has_alert: false,
        };
        self.actions.insert(entered.action, seen);
        self.milder += usize::from(entered.step > 0);
        self.takes_key(entered.action, at, forced);
        if matches!(entered.phase, Phase::Ready { .. }) {
            self.activated(entered.action, at, forced);
        }
    }

    /// G7: the key is free, and every cooldown on it is over.
    fn takes_key(&mut self, action: Id, at: Millis, forced: bool) {
        let seen = &self.actions[&action];
        let (target, key) = (seen.target.clone(), seen.step.cooldown_key.clone());
        let own = seen.step.cooldown_ms;
        let open = self.actions.iter().find(|(id, other)| {
            **id != action
                && !other.derived
                && other.phase.is_open()
                && other.target == target
                && other.step.cooldown_key == key
        });
        let open =
            open.map(|(other, _)| format!("{action} and {other} are open together on {key}"));
        let ends = self.keys.get(&(target, key)).into_iter().flatten();
        let cooling = ends
            .filter(|ended| ended.action != action && at < ended.end + own.max(ended.cooldown_ms));
        let cooling = cooling
            .map(|ended| {
                format!(
                    "{action} was accepted at {at}, {} ended at {}",
                    ended.action, ended.end
                )
            })
            .next();
        if let Some(what) = open.or_else(|| cooling.filter(|_| !forced)) {
            self.broken("G7", what);
        }
    }

    /// G8: with this one, no more than its cap in its windows.
    fn activated(&mut self, action: Id, at: Millis, forced: bool) {
        let seen = &self.actions[&action];
        let (target, step) = (seen.target.clone(), seen.step.clone());
        for scope in &step.charges {
            let taken = self
                .activations
                .entry((target.clone(), scope.clone()))
                .or_default();
            taken.push(at);
            let Some(gate) = step
                .gates
                .iter()
                .find(|gate| gate.scope == *scope && !forced)
            else {
                continue;
            };
            let within = taken
                .iter()
                .filter(|slot| **slot > at - gate.window_ms)
                .count();
            if within > gate.cap as usize {
                let what = format!("{action}: {within} of {} activations of {scope}", gate.cap);
                self.broken("G8", what);
            }
        }
    }

    fn won(&mut self, action: Id, attempt: u32, start_id: Id, at: Millis) {
        if self.winners.insert((action, attempt), start_id).is_some() {
            self.broken("G1", format!("two bids won attempt {attempt} of {action}"));
        }
        let start = &self.actions[&action].step.start;
        let inside = start
            .windows()
            .any(|window| (window.from..window.to).contains(&at));
        if attempt == 1 && !start.is_now() && !inside {
            self.broken("G9", format!("{action} started at {at}, outside {start:?}"));
        }
    }

    fn moved(&mut self, action: Id, phase: Phase, at: Millis) {
        let Some(seen) = self.actions.get_mut(&action) else {
            return;
        };
        let before = std::mem::replace(&mut seen.phase, phase);
        if matches!(
            (before, phase),
            (Phase::Waiting { .. } | Phase::Approval, Phase::Ready { .. })
        ) {
            // A window may have opened while no record came: gates are asked and slots are taken at the present (V14).
            self.takes_key(action, self.now, false);
            return self.activated(action, self.now, false);
        }
        let (derived, accepted, cooldown_ms) = (seen.derived, seen.accepted, seen.step.cooldown_ms);
        let key = (seen.target.clone(), seen.step.cooldown_key.clone());
        let counts = matches!(phase, Phase::Done | Phase::Unknown { .. }) && !derived;
        // Unless a later action holds the key (ledger-protocol §4 `close`).
        let later = self.actions.values().any(|other| {
            !other.derived
                && other.phase.is_open()
                && other.target == key.0
                && other.step.cooldown_key == key.1
        });
        let ends = self.keys.entry(key).or_default();
        if counts && !later && ends.iter().all(|ended| ended.accepted <= accepted) {
            ends.clear();
            ends.push(Ended {
                action,
                accepted,
                end: at,
                cooldown_ms,
            });
        }
    }

    fn ordered(&mut self, override_id: Id, action: Id, offset: i64) {
        let Some(order) = self.orders.get(&override_id).cloned() else {
            return;
        };
        if let OverrideOrder::ClearCooldown { .. } = order {
            self.keys
                .values_mut()
                .for_each(|ends| ends.retain(|ended| ended.action != action));
        }
        if let OverrideOrder::Refire { .. } = order {
            self.fired_again(action, offset);
        }
        let newest = self
            .winners
            .range((action, 0)..=(action, u32::MAX))
            .next_back();
        let newest = newest.map_or(0, |((_, attempt), _)| *attempt);
        self.approvals += usize::from(order.name() == "approve");
        self.applied
            .entry(action)
            .or_default()
            .push((order.name(), newest));
    }

    /// G7 for what a person fires again; from here on it is the newest of its key, and its next bad end is told anew.
    fn fired_again(&mut self, action: Id, offset: i64) {
        self.takes_key(action, self.now, false);
        if let Some(seen) = self.actions.get_mut(&action) {
            seen.accepted.0 = offset;
            seen.has_alert = false;
        }
    }

    /// The first byte of a request leaves. `late`: behind its deadline, because the process was stopped (A4).
    pub(crate) fn sends(&mut self, order: &Dispatch, late: bool) {
        let (action, attempt) = (order.action, order.attempt);
        let applied = self.applied.get(&action).map_or(&[][..], Vec::as_slice);
        let superseded = applied.iter().any(|(name, newest)| {
            matches!(*name, "cancel" | "refire" | "resolve") && attempt <= *newest
        });
        let refires = applied.iter().filter(|(name, _)| *name == "refire").count();
        if self.winners.get(&(action, attempt)) != Some(&order.start_id) {
            self.broken(
                "G1",
                format!(
                    "{action} attempt {attempt} is sent by {}, which did not win",
                    order.start_id
                ),
            );
        }
        if superseded && !late {
            self.broken(
                "G10",
                format!("{action} attempt {attempt} is sent behind an order of a person"),
            );
        }
        let params = order
            .resolved
            .clone()
            .unwrap_or_else(|| order.step.params.value());
        let sent = self.sends.entry(action).or_default();
        let twice = sent.iter().any(|one| one.attempt == attempt);
        let differs = sent.iter().any(|one| one.params != params);
        sent.push(Sent {
            attempt,
            params,
            late,
            refires,
        });
        let again = order.step.policy == Policy::AtMostOnce && sent.len() > 1 + refires;
        if twice {
            self.broken("G1", format!("{action} attempt {attempt} is sent twice"));
        }
        if again {
            self.broken("G2", format!("{action} is sent again, attempt {attempt}"));
        }
        if differs {
            self.broken(
                "G4",
                format!("{action} attempt {attempt} has other parameters"),
            );
        }
    }

    /// G10 for effects: when a person fires an action again, no earlier request of it is under way any more (V11).
    pub(crate) fn under_way(&mut self, action: Id, attempt: u32) {
        let applied = self.applied.get(&action).map_or(&[][..], Vec::as_slice);
        let refired = applied
            .iter()
            .any(|(name, newest)| *name == "refire" && attempt <= *newest);
        let sent = self.sends.get(&action).map_or(&[][..], Vec::as_slice);
        let late = sent.iter().any(|one| one.attempt == attempt && one.late);
        if refired && !late {
            self.broken(
                "G10",
                format!("{action} attempt {attempt} takes effect behind a refire"),
            );
        }
    }

    /// A request took effect at its target.
    pub(crate) fn effect(&mut self, action: Id, policy: Policy) {
        let effects = self.effects.entry(action).or_default();
        *effects += 1;
        let sent = self.sends.get(&action).map_or(&[][..], Vec::as_slice);
        // Ledger-protocol §10.1: what a stopped process sends late may be a second effect; nothing else may.
        let late = sent.iter().filter(|one| one.late).count();
        let allowed = 1 + late + sent.last().map_or(0, |one| one.refires);
        if policy == Policy::Verify && *effects as usize > allowed {
            let what = format!("{action} has {effects} effects, {allowed} are allowed");
            self.broken("G3", what);
        }
    }

    /// Everything is quiet: whatever was accepted has ended, and people know of what went wrong.
    pub(crate) fn at_the_end(&mut self) {
        let open = self.actions.iter().find(|(_, seen)| seen.phase.is_open());
        if let Some((action, seen)) = open {
            let what = format!("{action} never ended: {:?}", seen.phase);
            return self.broken("G5", what);
        }
        let untold = self.actions.iter().find(|(_, seen)| {
            let bad = matches!(
                seen.phase,
                Phase::Failed | Phase::Unknown { .. } | Phase::Expired
            );
            bad && seen.escalates && !seen.has_alert
        });
        if let Some((action, seen)) = untold {
            let what = format!("{action} ended {:?} and nobody was told", seen.phase);
            self.broken("G5", what);
        }
    }

    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let sends = self.sends.values().map(Vec::len).sum();
        (self.actions.len(), sends, self.effects.len())
    }
}
