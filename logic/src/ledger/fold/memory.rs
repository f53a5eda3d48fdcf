//! What the fold has seen, and how it forgets (ledger-protocol §4 `prune`, §8).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Fold;
use super::aged::Aged;
use crate::ledger::record::{Id, Millis, Source};

/// Source positions and event names of the last H. It can be rebuilt from the records of the last H alone, because every
/// proposal refreshes it, duplicates too; so it is no part of checkpoints.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    seen: BTreeMap<Id, Seen>,
    /// An addition to the protocol: names that producers gave their events. It only suppresses, so every promise on
    /// sends holds, and G11 is widened from one source position to one name.
    identities: BTreeMap<Id, Millis>,
    /// Names of source partitions, shared by the entries above; as many as there are source partitions.
    partitions: BTreeSet<Arc<str>>,
}

/// The shared names are a saving of memory, not memory.
impl PartialEq for Memory {
    fn eq(&self, other: &Self) -> bool {
        self.seen == other.seen && self.identities == other.identities
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    at: Millis,
    partition: Arc<str>,
    offset: i64,
}

/// Name of a source partition; topic names hold no `/`.
fn partition_name(src: &Source) -> String {
    format!("{}/{}/{}", src.topic, src.generation, src.partition)
}

impl Memory {
    fn partition(&mut self, src: &Source) -> Arc<str> {
        let name = partition_name(src);
        if let Some(known) = self.partitions.get(name.as_str()) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.partitions.insert(Arc::clone(&name));
        name
    }

    /// Remembers a source position for a target; whether it was known. The newest sight replaces an older one as a whole, so
    /// that what remains depends on the records of the last H alone.
    pub(super) fn see(&mut self, at: Millis, position: Id, src: &Source) -> bool {
        let partition = self.partition(src);
        let offset = src.offset;
        let seen = Seen {
            at,
            partition,
            offset,
        };
        self.seen.insert(position, seen).is_some()
    }

    /// Remembers an event's name for a target; whether it was known. The name of a replayed event is the position where it
    /// stood first: had it been decided there before it was buried, that position is remembered.
    pub(super) fn name(&mut self, at: Millis, identity: Id) -> bool {
        self.identities.insert(identity, at).is_some() || self.seen.contains_key(&identity)
    }

    /// What ages in it.
    pub(super) fn ages(&self) -> impl Iterator<Item = (Millis, Aged)> {
        let seen = self
            .seen
            .iter()
            .map(|(&id, seen)| (seen.at, Aged::Seen(id)));
        let identities = self
            .identities
            .iter()
            .map(|(&id, &at)| (at, Aged::Identity(id)));
        seen.chain(identities)
    }
}

impl Fold {
    /// Remembers a source position for a target; whether it was known.
    pub(super) fn remember_position(&mut self, position: Id, src: &Source) -> bool {
        let at = self.state.now;
        self.index.ages.insert((at, Aged::Seen(position)));
        self.memory.see(at, position, src)
    }

    /// Remembers an event's name for a target; whether it was known.
    pub(super) fn remember_identity(&mut self, identity: Id) -> bool {
        let at = self.state.now;
        self.index.ages.insert((at, Aged::Identity(identity)));
        self.memory.name(at, identity)
    }

    /// The highest forgotten offset of the source partition, if the position is not above it.
    pub(super) fn older_than_memory(&self, src: &Source) -> Option<i64> {
        let low = *self.state.low.get(partition_name(src).as_str())?;
        (src.offset <= low).then_some(low)
    }

    /// Forgets everything older than `horizon`.
    pub(super) fn prune(&mut self, horizon: Millis) {
        while self.index.ages.first().is_some_and(|(at, _)| *at < horizon) {
            if let Some((_, aged)) = self.index.ages.pop_first() {
                self.forget(&aged, horizon);
            }
        }
    }

    fn forget(&mut self, aged: &Aged, horizon: Millis) {
        match aged {
            Aged::Seen(id) => self.forget_position(*id, horizon),
            Aged::Identity(id) => {
                let identities = &mut self.memory.identities;
                if identities.get(id).is_some_and(|at| *at < horizon) {
                    identities.remove(id);
                }
            }
            Aged::Closed(id) => {
                let actions = &mut self.state.actions;
                let end = actions.get(id).and_then(|action| action.end);
                if end.is_some_and(|end| end < horizon)
                    && let Some(action) = actions.remove(id)
                {
                    self.index.remove(*id, &action);
                }
            }
            Aged::Key(target, key) => self.forget_key(target, key, horizon),
            Aged::Slots(target, scope) => self.forget_slots(target, scope, horizon),
            Aged::Override(id) => {
                let overrides = &mut self.state.overrides;
                if overrides.get(id).is_some_and(|order| order.at < horizon) {
                    overrides.remove(id);
                }
            }
        }
    }

    fn forget_position(&mut self, id: Id, horizon: Millis) {
        let old = self.memory.seen.get(&id).is_some_and(|s| s.at < horizon);
        if old && let Some(seen) = self.memory.seen.remove(&id) {
            let low = self.state.low.entry(seen.partition).or_insert(seen.offset);
            *low = seen.offset.max(*low);
        }
    }

    fn forget_key(&mut self, name: &str, key: &str, horizon: Millis) {
        let Some(target) = self.state.targets.get_mut(name) else {
            return;
        };
        if let Some(state) = target.keys.get_mut(key) {
            state.last.take_if(|last| last.end < horizon);
            if state.open.is_none() && state.last.is_none() {
                target.keys.remove(key);
            }
        }
        self.forget_target(name);
    }

    fn forget_slots(&mut self, name: &str, scope: &str, horizon: Millis) {
        let Some(target) = self.state.targets.get_mut(name) else {
            return;
        };
        if let Some(state) = target.scopes.get_mut(scope) {
            while state.slots.front().is_some_and(|slot| *slot < horizon) {
                state.slots.pop_front();
            }
            if state.slots.is_empty() {
                target.scopes.remove(scope);
            }
        }
        self.forget_target(name);
    }

    /// Drops a target that has nothing in use.
    pub(super) fn forget_target(&mut self, name: &str) {
        let targets = &mut self.state.targets;
        if targets
            .get(name)
            .is_some_and(|target| target.keys.is_empty() && target.scopes.is_empty())
        {
            targets.remove(name);
        }
    }
}
