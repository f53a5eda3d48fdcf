//! What others may ask the fold.

use std::collections::{BTreeMap, BTreeSet};

use super::Fold;
use crate::ledger::listing::{ActiveBudget, ActiveCooldown};
use crate::ledger::phase::Phase;
use crate::ledger::record::{Id, Millis};
use crate::ledger::state::{ActionState, Hold, Holds, KeyState, OverrideEntry};

impl Fold {
    /// Log time: the largest folded.
    pub const fn now(&self) -> Millis {
        self.state.now
    }

    /// Newest folded offset; -1 before the first.
    pub const fn offset(&self) -> i64 {
        self.state.offset
    }

    /// Whether people hold bids and proposals back at `now`.
    pub fn held(&self, now: Millis) -> bool {
        self.state.holds.iter().any(|hold| hold.active(now))
    }

    /// What people hold back, all orders together.
    pub fn holds(&self) -> Holds {
        Holds::of(&self.state.holds)
    }

    /// Who holds what back, and why; the ones that are over at `now` are left out.
    pub fn hold_orders(&self, now: Millis) -> impl Iterator<Item = &Hold> {
        let holds = self.state.holds.iter();
        holds.filter(move |hold| hold.active(now))
    }

    /// What became of a person's order of the last H.
    pub fn override_entry(&self, override_id: Id) -> Option<&OverrideEntry> {
        self.state.overrides.get(&override_id)
    }

    /// The phase of an action; `None` when it is not kept.
    pub fn phase(&self, action: Id) -> Option<Phase> {
        self.action(action).map(|action| action.phase)
    }

    /// An action that is kept.
    pub fn action(&self, action: Id) -> Option<&ActionState> {
        self.state.actions.get(&action)
    }

    /// The open actions, by id.
    pub fn open_actions(&self) -> impl Iterator<Item = (Id, &ActionState)> {
        let open = self.index.open.iter();
        open.filter_map(|id| Some((*id, self.state.actions.get(id)?)))
    }

    /// Derived alerts of the last H that were not delivered (ledger-protocol §4 `derive`): failed, unknown or expired, not
    /// acknowledged, and none delivered later through their connector.
    pub fn undelivered(&self) -> impl Iterator<Item = (Id, &ActionState)> {
        let lost = self.index.undelivered.iter();
        lost.filter_map(|id| Some((*id, self.state.actions.get(id)?)))
    }

    /// When the last alert that was delivered through each connector ended, by log time.
    pub const fn last_delivered(&self) -> &BTreeMap<String, Millis> {
        &self.index.delivered
    }

    /// Names (`kind/name`) of the targets that have something in use: an open action, a cooldown, or a budget.
    pub fn targets_in_use(&self) -> BTreeSet<String> {
        let open = self.open_actions();
        let open = open.map(|(_, action)| action.subject.target.to_string());
        self.state.targets.keys().cloned().chain(open).collect()
    }

    /// The earliest timer; due as soon as log time is beyond it.
    pub fn next_timer(&self) -> Option<Millis> {
        self.index.timers.first().map(|(time, _)| *time)
    }

    /// Keys that are closed at `now`, by an open action or by a cooldown.
    pub fn cooldowns(&self, now: Millis) -> Vec<ActiveCooldown> {
        let targets = self.state.targets.iter();
        let keys = targets.flat_map(|(target, state)| state.keys.iter().map(move |k| (target, k)));
        let listed = |(target, (key, state)): (&String, (&String, &KeyState))| {
            let mut cooldown = active_cooldown(target, key, state, now)?;
            let action = cooldown.action_id.and_then(|id| self.action(id));
            cooldown.changed = action.map(|action| action.changed);
            Some(cooldown)
        };
        keys.filter_map(listed).collect()
    }

    /// Budgets with slots taken within their window before `now`.
    pub fn budgets(&self, now: Millis) -> Vec<ActiveBudget> {
        let mut active = Vec::new();
        for (target, state) in &self.state.targets {
            for (scope, budget) in &state.scopes {
                let used = budget.used(now, budget.window_ms);
                let oldest = budget.slots.len().saturating_sub(used as usize);
                if let Some(oldest) = budget.slots.get(oldest) {
                    active.push(ActiveBudget {
                        target: target.clone(),
                        scope: scope.clone(),
                        used,
                        cap: budget.cap,
                        frees_at: oldest.saturating_add(budget.window_ms),
                    });
                }
            }
        }
        active
    }
}

fn active_cooldown(
    target: &str,
    key: &str,
    state: &KeyState,
    now: Millis,
) -> Option<ActiveCooldown> {
    let listed = |state, action_id, until| ActiveCooldown {
        target: target.to_owned(),
        key: key.to_owned(),
        state,
        action_id: Some(action_id),
        changed: None,
        until,
    };
    if let Some(open) = state.open {
        return Some(listed("in_progress", open, None));
    }
    let last = state.last.as_ref()?;
    let until = last.end.saturating_add(last.cooldown_ms);
    (now < until).then(|| listed("cooldown", last.action, Some(until)))
}
