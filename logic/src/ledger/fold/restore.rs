//! Start-up over a truncated ledger (ledger-protocol §8): a fold that begins behind the first record is another fold
//! (V8), so it begins at a checkpoint, with the memory of the last H rebuilt from the records before it.

use std::collections::{BTreeMap, VecDeque};

use super::{Fold, Memory};
use crate::ledger::codec::Undecodable;
use crate::ledger::identity;
use crate::ledger::limits;
use crate::ledger::record::{Checkpoint, Id, Millis, Propose, Record, Source};
use crate::ledger::state::FoldState;
use crate::ledger::times::{HORIZON_MS, RESTORE_MARGIN_MS};

/// Checkpoints whose parts are gathered at the same time; beyond it the oldest is given up. Two owners that write at once
/// need two.
const GATHERED_MAX: usize = 4;

/// Why a ledger cannot be started from. Stop: nothing of its partition is executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The rules in force are newer than this program.
    #[error(
        "the ledger is folded by version {found} of the rules, this program knows up to {known}; run the newer program"
    )]
    NewerVersion {
        /// In force.
        found: u32,
        /// Known here.
        known: u32,
    },
}

/// Reads a truncated ledger from its first record on, until there is a state to go on from.
///
/// Bounds: the sightings of H and two margins, and the parts of four checkpoints.
#[derive(Debug)]
pub struct Restore {
    /// Largest log time read.
    now: Millis,
    /// Since when the sightings are complete: a margin behind the first record, or the newest one dropped.
    complete_since: Option<Millis>,
    sightings: VecDeque<Sighting>,
    gathered: VecDeque<Gathered>,
    knows: u32,
    /// As the newest whole checkpoint says, also one that cannot be started from.
    installation: Option<Id>,
}

/// A proposal that refreshed the memory.
#[derive(Debug)]
struct Sighting {
    offset: i64,
    at: Millis,
    position: Id,
    identity: Option<Id>,
    src: Source,
}

/// The parts of one checkpoint.
#[derive(Debug)]
struct Gathered {
    covers: i64,
    hash: String,
    parts: BTreeMap<u32, String>,
}

impl Restore {
    /// For a program that knows the rules up to `knows`.
    pub const fn new(knows: u32) -> Self {
        Self {
            now: 0,
            complete_since: None,
            sightings: VecDeque::new(),
            gathered: VecDeque::new(),
            knows,
            installation: None,
        }
    }

    /// The installation that the records read so far name, whether or not there is a state to start from. A Genesis does
    /// not count: the first record is gone, so one that is left may be a void one.
    pub const fn installation(&self) -> Option<Id> {
        self.installation
    }

    /// Reads the next record. A fold: go on with the record behind its offset, which may have been read here before.
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub fn read(
        &mut self,
        offset: i64,
        log_time: Millis,
        record: Result<Record, Undecodable>,
    ) -> Result<Option<Fold>, RestoreError> {
        self.now = self.now.max(log_time);
        let margin = log_time.saturating_add(RESTORE_MARGIN_MS);
        self.complete_since.get_or_insert(margin);
        match record {
            Ok(Record::Propose(propose)) => self.see(offset, *propose),
            Ok(Record::Upgrade(upgrade)) => self.check_version(upgrade.fold_version)?,
            Ok(Record::Checkpoint(checkpoint)) => {
                let version = checkpoint.fold_version;
                let Some(empty) = &checkpoint.empty_start else {
                    return self.gather(checkpoint);
                };
                self.check_version(version)?;
                let fold = Fold::emptied(offset, log_time, version, empty.installation);
                return Ok(Some(fold.knowing(self.knows)));
            }
            _ => {}
        }
        Ok(None)
    }

    const fn check_version(&self, found: u32) -> Result<(), RestoreError> {
        let known = self.knows;
        if found > known {
            return Err(RestoreError::NewerVersion { found, known });
        }
        Ok(())
    }

    /// What the fold remembers of a proposal, whatever it decides about it.
    fn see(&mut self, offset: i64, propose: Propose) {
        if limits::validate(&propose).is_err() {
            return;
        }
        let target = &propose.target;
        let named = propose.event_identity;
        self.sightings.push_back(Sighting {
            offset,
            at: self.now,
            position: identity::for_target(propose.event_key, target),
            identity: named.map(|name| identity::for_target(name, target)),
            src: propose.src,
        });
        let horizon = self.now.saturating_sub(HORIZON_MS + 2 * RESTORE_MARGIN_MS);
        while self.sightings.front().is_some_and(|one| one.at < horizon) {
            let dropped = self.sightings.pop_front().map(|one| one.at);
            self.complete_since = self
                .complete_since
                .max(dropped.map(|at| at.saturating_add(1)));
        }
    }

    fn gather(&mut self, part: Checkpoint) -> Result<Option<Fold>, RestoreError> {
        self.check_version(part.fold_version)?;
        let known = |one: &&mut Gathered| one.covers == part.covers && one.hash == part.hash;
        if let Some(gathered) = self.gathered.iter_mut().find(known) {
            gathered.parts.insert(part.part, part.state);
        } else {
            if self.gathered.len() == GATHERED_MAX {
                self.gathered.pop_front();
            }
            self.gathered.push_back(Gathered {
                covers: part.covers,
                hash: part.hash.clone(),
                parts: BTreeMap::from([(part.part, part.state)]),
            });
        }
        let complete = |one: &Gathered| {
            let parts = usize::try_from(part.parts);
            one.covers == part.covers && one.hash == part.hash && parts == Ok(one.parts.len())
        };
        let Some(index) = self.gathered.iter().position(complete) else {
            return Ok(None);
        };
        let gathered = self.gathered.remove(index);
        Ok(gathered.and_then(|gathered| self.load(gathered)))
    }

    /// The fold at a checkpoint, if its state is what its hash says and H of log time lies before it.
    fn load(&mut self, gathered: Gathered) -> Option<Fold> {
        let text: String = gathered.parts.into_values().collect();
        if super::hash::of_bytes(text.as_bytes()) != gathered.hash {
            return None;
        }
        let state: FoldState = serde_json::from_str(&text).ok()?;
        self.installation = state.installation.or(self.installation);
        let horizon = state.now.saturating_sub(HORIZON_MS);
        if state.offset != gathered.covers
            || self.complete_since.is_none_or(|since| horizon < since)
        {
            return None;
        }
        let mut memory = Memory::default();
        let covered = self.sightings.iter();
        for one in covered.filter(|one| one.offset <= gathered.covers && one.at >= horizon) {
            memory.see(one.at, one.position, &one.src);
            if let Some(identity) = one.identity {
                memory.name(one.at, identity);
            }
        }
        Some(Fold::resume(state, memory).knowing(self.knows))
    }
}
