//! The promises as they can be told from the log alone: what every prefix did is followed record by record from the changes
//! that the fold reports, in books of its own, and compared with what ledger-protocol §1 promises.

use std::collections::BTreeMap;

use homeostat_logic::ledger::change::{Change, ChangeKind, Entered};
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::{Gate, Id, Millis, Step};
use homeostat_logic::ledger::state::OverrideVerdict;

/// An accepted action.
#[derive(Clone)]
struct Accepted {
    key: String,
    cooldown_ms: Millis,
    /// Closed at this time, and whether that starts a cooldown.
    end: Option<(Millis, bool)>,
}

/// A person's order that took effect.
#[derive(Clone, Hash)]
pub(crate) struct Ordered {
    pub(crate) action: Option<Id>,
    pub(crate) override_id: Id,
    /// Attempts of that action that had won before.
    pub(crate) won_before: u32,
}

/// What a prefix of the log did.
#[derive(Clone, Default)]
pub(crate) struct Facts {
    accepted: BTreeMap<Id, Accepted>,
    /// Slots taken: when, and where.
    activated: Vec<(Millis, Vec<String>)>,
    /// Offset of the bid that won an attempt, and its id.
    pub(crate) won: BTreeMap<(Id, u32), (i64, Id)>,
    /// Orders that took effect.
    pub(crate) orders: Vec<Ordered>,
    /// Sets of decisions by source position; the target is the same for all.
    pub(crate) decided: BTreeMap<(i32, i64), usize>,
    /// What is broken.
    pub(crate) broken: Option<String>,
}

/// What an accepted decision is about.
fn step_of(entered: &Entered) -> &Step {
    &entered.propose.decisions[entered.decision].ladder[entered.step]
}

impl Facts {
    /// The facts of one more record.
    pub(crate) fn follow(
        &self,
        fold: &Fold,
        changes: &[Change],
        not_after: Option<Millis>,
    ) -> Self {
        let mut facts = self.clone();
        for change in changes {
            let broken = facts.take(fold, change, not_after);
            facts.broken = facts.broken.take().or(broken);
        }
        facts
    }

    fn take(&mut self, fold: &Fold, change: &Change, not_after: Option<Millis>) -> Option<String> {
        match &change.kind {
            ChangeKind::Entered(entered) => self.enter(fold, entered, change.time),
            ChangeKind::Moved { action, phase, .. } => {
                self.moved(fold, *action, *phase, change.time)
            }
            ChangeKind::BidWon {
                action,
                attempt,
                start_id,
                ..
            } => self.bid_won(
                fold,
                (*action, *attempt),
                (change.offset, *start_id),
                not_after,
            ),
            ChangeKind::Overridden {
                override_id,
                verdict: OverrideVerdict::Applied { action },
            } => {
                self.ordered(fold, *override_id, *action);
                None
            }
            _ => None,
        }
    }

    fn ordered(&mut self, fold: &Fold, override_id: Id, action: Option<Id>) {
        let entry = fold.override_entry(override_id);
        if entry.is_some_and(|entry| entry.order == "clear_cooldown") {
            let cleared = action.and_then(|id| self.accepted.get_mut(&id));
            if let Some((_, cools)) = cleared.and_then(|action| action.end.as_mut()) {
                *cools = false;
            }
        }
        let attempts = action.map(|id| self.won.range((id, 0)..=(id, u32::MAX)));
        let last = attempts.and_then(Iterator::last);
        self.orders.push(Ordered {
            action,
            override_id,
            won_before: last.map_or(0, |((_, attempt), _)| *attempt),
        });
    }

    /// G7 and G11 at acceptance.
    fn enter(&mut self, fold: &Fold, entered: &Entered, at: Millis) -> Option<String> {
        let src = &entered.propose.src;
        let sets = self.decided.entry((src.partition, src.offset)).or_default();
        *sets += usize::from(entered.decision == 0);
        if *sets > 1 {
            return Some("G11: two decision sets of one event".to_owned());
        }
        if !entered.phase.is_open() {
            return None;
        }
        // A target that honours keys would drop what the second one sends.
        if self.accepted.contains_key(&entered.action) {
            return Some("G10: two decisions have one action".to_owned());
        }
        let step = step_of(entered);
        if entered.gates.iter().any(|gate| gate.gate == "forced") {
            return self.force(entered.action, step, fold.now());
        }
        self.accept(entered.action, step, at)
            .or_else(|| match entered.phase {
                Phase::Ready { .. } => self.activate(step, fold.now()),
                _ => None,
            })
    }

    fn accept(&mut self, action: Id, step: &Step, at: Millis) -> Option<String> {
        let (key, cooldown_ms) = (step.cooldown_key.clone(), step.cooldown_ms);
        let mut broken = None;
        for earlier in self.accepted.values().filter(|other| other.key == key) {
            match earlier.end {
                None => broken = Some("G7: two actions of one key are open"),
                Some((end, true)) if at < end + cooldown_ms.max(earlier.cooldown_ms) => {
                    broken = Some("G7: accepted within the cooldown");
                }
                Some(_) => {}
            }
        }
        let accepted = Accepted {
            key,
            cooldown_ms,
            end: None,
        };
        self.accepted.insert(action, accepted);
        broken.map(str::to_owned)
    }

    /// A person skips the gates, but not an open action of the key.
    fn force(&mut self, action: Id, step: &Step, at: Millis) -> Option<String> {
        self.activated.push((at, step.charges.clone()));
        let broken = self.accept(action, step, at);
        broken.filter(|broken| broken.contains("open"))
    }

    /// G8 at activation.
    fn activate(&mut self, step: &Step, at: Millis) -> Option<String> {
        self.activated.push((at, step.charges.clone()));
        let over = |gate: &&Gate| {
            let inside = |(then, scopes): &&(Millis, Vec<String>)| {
                *then > at - gate.window_ms && scopes.contains(&gate.scope)
            };
            self.activated.iter().filter(inside).count() > gate.cap as usize
        };
        let gate = step.gates.iter().find(over)?;
        Some(format!("G8: more than {} in {}", gate.cap, gate.scope))
    }

    fn moved(&mut self, fold: &Fold, action: Id, phase: Phase, at: Millis) -> Option<String> {
        let accepted = self.accepted.get_mut(&action)?;
        let reopened = accepted.end.is_some() && phase.is_open();
        let cools = matches!(phase, Phase::Done | Phase::Unknown { .. });
        accepted.end = (!phase.is_open()).then_some((at, cools));
        // Behind a gap of more than H, one record ends an action and lets it be forgotten.
        let step = fold.action(action)?.step.clone();
        // A ladder may have gone on with a lower step, which has a key of its own.
        accepted.key.clone_from(&step.cooldown_key);
        accepted.cooldown_ms = step.cooldown_ms;
        let first = matches!(phase, Phase::Ready { attempt: 1, .. });
        if first && !self.won.contains_key(&(action, 1)) {
            return self.activate(&step, fold.now());
        }
        let open = |(id, other): (&Id, &Accepted)| {
            *id != action && other.key == step.cooldown_key && other.end.is_none()
        };
        let busy = reopened && self.accepted.iter().any(open);
        busy.then(|| "G7: two actions of one key are open".to_owned())
    }

    /// G1, G9 and the age of what is started, at the bid that wins.
    fn bid_won(
        &mut self,
        fold: &Fold,
        attempt: (Id, u32),
        bid: (i64, Id),
        not_after: Option<Millis>,
    ) -> Option<String> {
        if self.won.insert(attempt, bid).is_some() {
            return Some("G1: two bids won one attempt".to_owned());
        }
        let action = fold.action(attempt.0)?;
        let now = fold.now();
        if now > not_after.unwrap_or(action.not_after) {
            return Some("not_after: started too late".to_owned());
        }
        let mut windows = action.step.start.windows();
        let inside = windows.any(|window| (window.from..window.to).contains(&now));
        let scheduled = !action.step.start.is_now() && attempt.1 == 1;
        (scheduled && !inside).then(|| "G9: started outside its windows".to_owned())
    }
}
