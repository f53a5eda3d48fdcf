//! Orders of the fold by time: which timer is due next and what is old enough to forget. Derived from state and memory,
//! so it is neither compared nor stored.

use std::collections::{BTreeMap, BTreeSet};

use super::aged::Aged;
use super::memory::Memory;
use crate::actions::Action;
use crate::ledger::phase::Phase;
use crate::ledger::record::{Id, Millis};
use crate::ledger::state::{ActionState, FoldState};

/// The orders.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// By time, then action: the order in which timers fire.
    pub(super) timers: BTreeSet<(Millis, Id)>,
    /// Open actions.
    pub(super) open: BTreeSet<Id>,
    /// Alerts that were not delivered.
    pub(super) undelivered: BTreeSet<Id>,
    /// By connector: when the last alert that was delivered through it ended. The connectors are configured, so they are few.
    pub(super) delivered: BTreeMap<String, Millis>,
    /// What ages.
    pub(super) ages: BTreeSet<(Millis, Aged)>,
}

impl Index {
    /// The orders of a state.
    pub(super) fn of(state: &FoldState, memory: &Memory) -> Self {
        let mut index = Self::default();
        for (&id, action) in &state.actions {
            index.insert(id, action);
        }
        for (name, target) in &state.targets {
            for (key, state) in &target.keys {
                if let Some(last) = &state.last {
                    let aged = Aged::Key(name.as_str().into(), key.as_str().into());
                    index.ages.insert((last.end, aged));
                }
            }
            for (scope, state) in &target.scopes {
                for &slot in &state.slots {
                    let aged = Aged::Slots(name.as_str().into(), scope.as_str().into());
                    index.ages.insert((slot, aged));
                }
            }
        }
        let orders = state.overrides.iter();
        let orders = orders.map(|(&id, order)| (order.at, Aged::Override(id)));
        index.ages.extend(orders.chain(memory.ages()));
        index
    }

    pub(super) fn insert(&mut self, id: Id, action: &ActionState) {
        if let Some(timer) = action.timer() {
            self.timers.insert((timer, id));
        }
        if action.phase.is_open() {
            self.open.insert(id);
        }
        if action.is_undelivered() {
            self.undelivered.insert(id);
        }
        if let Some(end) = action.end {
            self.ages.insert((end, Aged::Closed(id)));
            if action.step.action == Action::Alert && action.phase == Phase::Done {
                self.delivered_at(&action.step.connector, end);
            }
        }
    }

    fn delivered_at(&mut self, connector: &str, end: Millis) {
        match self.delivered.get_mut(connector) {
            Some(last) => *last = end.max(*last),
            None => {
                self.delivered.insert(connector.to_owned(), end);
            }
        }
    }

    pub(super) fn remove(&mut self, id: Id, action: &ActionState) {
        if let Some(timer) = action.timer() {
            self.timers.remove(&(timer, id));
        }
        self.open.remove(&id);
        self.undelivered.remove(&id);
        if let Some(end) = action.end {
            self.ages.remove(&(end, Aged::Closed(id)));
        }
    }
}
