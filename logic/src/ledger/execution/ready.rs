//! Actions in Ready, by connection and by the time since which they are due, so that those of a connection without room cost
//! nothing while they wait.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::ledger::record::{Id, Millis};

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Ready {
    /// By action: its connection, and the time from which it is due.
    all: BTreeMap<Id, (Arc<str>, Millis)>,
    /// Those that are not known to be due, the next one first.
    later: BTreeSet<(Millis, Id)>,
    /// Those that are due, by connection, the longest due first.
    due: BTreeMap<Arc<str>, BTreeSet<(Millis, Id)>>,
}

impl Ready {
    /// An action is ready from a time on.
    pub(super) fn insert(&mut self, action: Id, connection: &str, from: Millis) {
        self.remove(action);
        let known = self.due.get_key_value(connection).map(|(name, _)| name);
        let connection = known.map_or_else(|| Arc::from(connection), Arc::clone);
        self.all.insert(action, (connection, from));
        self.later.insert((from, action));
    }

    /// It is not ready any more, if it was.
    pub(super) fn remove(&mut self, action: Id) {
        let Some((connection, from)) = self.all.remove(&action) else {
            return;
        };
        self.later.remove(&(from, action));
        if let Some(due) = self.due.get_mut(&connection) {
            due.remove(&(from, action));
            if due.is_empty() {
                self.due.remove(&connection);
            }
        }
    }

    /// Log time has come so far, by estimate: an estimate may also go back, so the time of one that is taken is compared again.
    pub(super) fn advance(&mut self, now: Millis) {
        while let Some(&(from, action)) = self.later.first()
            && from <= now
        {
            self.later.pop_first();
            if let Some((connection, _)) = self.all.get(&action) {
                let due = self.due.entry(Arc::clone(connection)).or_default();
                due.insert((from, action));
            }
        }
    }

    /// Connections for which something is due, each with what, the longest due first.
    pub(super) fn due(&self) -> impl Iterator<Item = (&Arc<str>, &BTreeSet<(Millis, Id)>)> {
        self.due.iter()
    }

    /// The connection of an action that is ready.
    pub(super) fn connection(&self, action: Id) -> Option<&str> {
        self.all.get(&action).map(|(connection, _)| &**connection)
    }
}

/// What is known to be due follows from the rest and the time.
impl PartialEq for Ready {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl Eq for Ready {}

impl Hash for Ready {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.all.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u8) -> Id {
        Id([number; 16])
    }

    proptest! {
        /// Against the definition: of what was inserted last and not removed, what is due by the latest time.
        #[test]
        fn what_is_due_is_what_was_inserted_and_has_its_time(
            steps in prop::collection::vec((0_u8..12, 0_u8..3, 0_i64..40, any::<bool>()), 0..80),
        ) {
            let (mut ready, mut expected, mut now) = (Ready::default(), BTreeMap::new(), 0);
            for (number, connection, from, removes) in steps {
                if removes {
                    ready.remove(id(number));
                    expected.remove(&number);
                } else {
                    ready.insert(id(number), &connection.to_string(), from);
                    expected.insert(number, (connection.to_string(), from));
                }
                now = now.max(from - 5);
                ready.advance(now);
                let due: Vec<(String, Millis, Id)> = ready
                    .due()
                    .flat_map(|(name, due)| due.iter().map(|(from, id)| (name.to_string(), *from, *id)))
                    .collect();
                let mut is_due: Vec<_> = expected
                    .iter()
                    .filter(|(_, (_, from))| *from <= now)
                    .map(|(number, (name, from))| (name.clone(), *from, id(*number)))
                    .collect();
                is_due.sort();
                prop_assert_eq!(due, is_due);
            }
        }
    }
}
