//! The fold of one ledger partition (ledger-protocol §4): a pure function of the records, their offsets and their log
//! times. No clock, no configuration, no randomness: equal prefixes give equal states on every instance.
//!
//! One file per part of the protocol's pseudo-code. A new kind of record is a new variant and a new arm in
//! [`Fold::apply`] with one file each.

mod activation;
mod aged;
mod attempts;
mod checkpoint;
mod closing;
mod gates;
mod genesis;
mod hash;
mod index;
mod memory;
mod observe;
mod overrides;
mod propose;
mod queries;
pub mod restore;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
mod timers;

pub use self::checkpoint::{Boundary, empty_checkpoint};
pub(crate) use self::closing::backoff;
pub use self::memory::Memory;

use self::checkpoint::Boundaries;
use self::index::Index;
use super::change::{Change, ChangeKind, Halt, VoidRecord};
use super::codec::Undecodable;
use super::phase::Phase;
use super::reason::{Cause, VoidReason};
use super::record::{Id, Millis, Record};
use super::state::{ActionState, FoldState};
use super::times::HORIZON_MS;

pub use super::version::{FIRST_VERSION, FOLD_VERSION};

/// The fold of one ledger partition.
///
/// Memory: everything in it is forgotten H (8 days) after its last use, so it is bounded by what the log takes in H.
#[derive(Clone, Debug)]
pub struct Fold {
    state: FoldState,
    memory: Memory,
    /// Orders what is in `state` and `memory` by time; derived from them.
    index: Index,
    /// What its state was at the last boundaries. Not part of the state: a fold that began later has fewer.
    boundaries: Boundaries,
    /// Newest version of the rules that this program knows.
    knows: u32,
    /// Why it does not go on.
    halted: Option<Halt>,
    /// Changes of the record being folded.
    changes: Vec<Change>,
}

impl Default for Fold {
    fn default() -> Self {
        Self::new()
    }
}

impl Fold {
    /// The fold of the empty prefix. Start it at offset 0 only, never behind a truncation (ledger-protocol §8, V8).
    pub fn new() -> Self {
        Self::resume(FoldState::empty(FIRST_VERSION), Memory::default())
    }

    /// Continues from a state and the memory of the last H before it.
    pub fn resume(state: FoldState, memory: Memory) -> Self {
        let index = Index::of(&state, &memory);
        Self {
            state,
            memory,
            index,
            boundaries: Boundaries::new(),
            knows: FOLD_VERSION,
            halted: None,
            changes: Vec::new(),
        }
    }

    /// The same fold in a program that knows the rules up to a version; for tests of upgrades.
    #[must_use]
    pub fn knowing(self, version: u32) -> Self {
        Self {
            knows: version,
            ..self
        }
    }

    /// Folds the record at `offset`, appended at `log_time`; what could not be decoded is void and still lets log time
    /// pass. An offset that was folded before changes nothing, so reading a part of the log again is harmless.
    pub fn apply(
        &mut self,
        offset: i64,
        log_time: Millis,
        record: Result<Record, Undecodable>,
    ) -> Vec<Change> {
        if offset <= self.state.offset || self.halted.is_some() {
            return Vec::new();
        }
        let before = self.state.now;
        self.state.offset = offset;
        // The broker's clock may step back; without the maximum a budget is exceeded in five records (§8).
        self.state.now = self.state.now.max(log_time);
        self.advance();
        let now = self.state.now;
        self.state.holds.retain(|hold| hold.active(now));
        match record {
            Ok(Record::Genesis(genesis)) => self.genesis(genesis),
            Ok(Record::Propose(propose)) => match self.state.installation {
                Some(installation) => self.propose(installation, *propose),
                None => return self.halt(Halt::NoGenesis { offset }),
            },
            Ok(Record::Start(start)) => self.start(start),
            Ok(Record::Finish(finish)) => self.finish(finish),
            Ok(Record::Override(order)) => self.order(*order),
            Ok(Record::Observe(observe)) => self.observe(observe),
            Ok(Record::Checkpoint(checkpoint)) => self.read_checkpoint(&checkpoint, log_time),
            Ok(Record::Upgrade(upgrade)) => self.upgrade(&upgrade),
            Ok(Record::Tick) => {}
            Err(Undecodable(reason)) => {
                self.void(VoidRecord::Undecodable, VoidReason::Undecodable(reason));
            }
        }
        self.prune(self.state.now.saturating_sub(HORIZON_MS));
        self.pass_boundary(before);
        std::mem::take(&mut self.changes)
    }

    /// The state, for checkpoints.
    pub const fn state(&self) -> &FoldState {
        &self.state
    }

    /// The memory of seen events; no part of checkpoints.
    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// SHA-256 of the state's canonical encoding, hex. Equal on every instance that folded the same prefix.
    pub fn hash(&self) -> String {
        hash::of_json(&self.state)
    }

    /// Why nothing more is folded; `None` as long as it folds.
    pub const fn halted(&self) -> Option<Halt> {
        self.halted
    }

    /// The installation that the partition belongs to; `None` before its Genesis.
    pub const fn installation(&self) -> Option<Id> {
        self.state.installation
    }

    /// Newest version of the rules that this program knows.
    pub const fn known_version(&self) -> u32 {
        self.knows
    }

    /// Whether the rules in force are those of `version` or newer ones.
    const fn follows(&self, version: u32) -> bool {
        self.state.version >= version
    }

    fn note(&mut self, time: Millis, kind: ChangeKind) {
        let offset = self.state.offset;
        self.changes.push(Change { offset, time, kind });
    }

    /// Folds nothing more; what is there is left for a program that may go on.
    fn halt(&mut self, why: Halt) -> Vec<Change> {
        self.halted = Some(why);
        self.note(self.state.now, ChangeKind::Halted(why));
        std::mem::take(&mut self.changes)
    }

    fn void(&mut self, record: VoidRecord, reason: VoidReason) {
        self.note(self.state.now, ChangeKind::Void { record, reason });
    }

    /// Takes an action in.
    fn insert(&mut self, id: Id, action: ActionState) {
        // By the first rules, a forced action whose key is used again after the memory takes the place of the one that is
        // still kept.
        if let Some(before) = self.state.actions.get(&id) {
            self.index.remove(id, before);
        }
        self.index.insert(id, &action);
        self.state.actions.insert(id, action);
    }

    /// Changes an action and keeps the index right; the only way to do so.
    fn update(&mut self, id: Id, change: impl FnOnce(&mut ActionState)) {
        if let Some(action) = self.state.actions.get_mut(&id) {
            self.index.remove(id, action);
            change(action);
            self.index.insert(id, action);
        }
    }

    /// Moves an action to a phase at log time `time`.
    fn move_to(&mut self, id: Id, time: Millis, phase: Phase, cause: Cause) {
        let changed = self.state.offset;
        self.update(id, |action| {
            action.phase = phase;
            action.changed = changed;
            action.end = (!phase.is_open()).then_some(time);
        });
        let action = id;
        self.note(
            time,
            ChangeKind::Moved {
                action,
                phase,
                cause,
            },
        );
    }
}
