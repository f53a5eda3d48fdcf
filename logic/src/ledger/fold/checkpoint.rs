//! Checkpoints (ledger-protocol §8): the whole state, written into the ledger by the owner of its partition, so that older
//! records can go. Where they are made depends on the records alone, so every instance has a hash to compare with.

use std::collections::VecDeque;

use super::Fold;
use crate::ledger::change::{ChangeKind, CheckpointVerdict, Halt};
use crate::ledger::record::{Checkpoint, EmptyStart, Id, Millis};
use crate::ledger::state::FoldState;
use crate::ledger::times::{CHECKPOINT_MS, CHECKPOINT_RECORDS};

/// Boundaries of which the hash is remembered; a checkpoint that comes later is not compared.
const BOUNDARIES_MAX: usize = 8;

/// Bytes of state in one part at most. Written inside JSON it at most doubles, and then it still fits into a record.
const PART_BYTES_MAX: usize = 120 * 1024;

/// A place in the log at which every instance hashes its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// Offset of the last record that the state includes.
    pub covers: i64,
    /// SHA-256 of the state's canonical encoding, hex.
    pub hash: String,
}

/// The boundaries passed last, the newest at the end.
pub(super) type Boundaries = VecDeque<Boundary>;

impl Fold {
    /// The boundary passed last by this fold; none before the first one behind its start.
    pub fn boundary(&self) -> Option<&Boundary> {
        self.boundaries.back()
    }

    /// The state as checkpoint records; at a boundary, which [`ChangeKind::Boundary`] announces.
    ///
    /// # Errors
    /// When the state cannot be written as JSON, which only a mistake in its types brings about.
    pub fn checkpoint(&self) -> Result<Vec<Checkpoint>, serde_json::Error> {
        let state = serde_json::to_string(&self.state)?;
        let hash = super::hash::of_bytes(state.as_bytes());
        let parts = split(&state);
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let records = parts.into_iter().zip(0..).map(|(state, part)| Checkpoint {
            covers: self.state.offset,
            fold_version: self.state.version,
            part,
            parts: count,
            state: state.to_owned(),
            hash: hash.clone(),
            empty_start: None,
        });
        Ok(records.collect())
    }

    /// Whether folding the newest record passed a boundary: a multiple of C in log time, or of so many records.
    pub(super) fn pass_boundary(&mut self, before: Millis) {
        let covers = self.state.offset;
        let (then, now) = (before / CHECKPOINT_MS, self.state.now / CHECKPOINT_MS);
        let by_time = before > 0 && now > then;
        if !by_time && (covers + 1) % CHECKPOINT_RECORDS != 0 {
            return;
        }
        if self.boundaries.len() == BOUNDARIES_MAX {
            self.boundaries.pop_front();
        }
        let hash = self.hash();
        self.boundaries.push_back(Boundary { covers, hash });
        self.note(self.state.now, ChangeKind::Boundary);
    }

    /// A checkpoint changes nothing: it is only compared. One that a person ordered starts over, on all instances alike.
    pub(super) fn read_checkpoint(&mut self, checkpoint: &Checkpoint, log_time: Millis) {
        if let Some(empty) = &checkpoint.empty_start {
            let (found, known) = (checkpoint.fold_version, self.knows);
            let emptied = Self::emptied(self.state.offset, log_time, found, empty.installation);
            *self = Self {
                changes: std::mem::take(&mut self.changes),
                halted: (found > known).then_some(Halt::NewerRules { found, known }),
                ..emptied.knowing(known)
            };
            let emptied = ChangeKind::Emptied {
                ordered_by: empty.ordered_by.clone(),
                installation: empty.installation,
            };
            return self.note(log_time, emptied);
        }
        if checkpoint.part != 0 {
            return;
        }
        let covers = checkpoint.covers;
        let mut own = self.boundaries.iter();
        let verdict = match own.find(|boundary| boundary.covers == covers) {
            Some(boundary) if boundary.hash == checkpoint.hash => CheckpointVerdict::Agrees,
            Some(_) => CheckpointVerdict::Differs,
            None => CheckpointVerdict::NotCompared,
        };
        let kind = ChangeKind::CheckpointRead { covers, verdict };
        self.note(self.state.now, kind);
    }

    /// The fold behind an ordered empty start at `offset`.
    pub(super) fn emptied(offset: i64, log_time: Millis, version: u32, installation: Id) -> Self {
        let state = FoldState {
            offset,
            now: log_time,
            installation: Some(installation),
            ..FoldState::empty(version)
        };
        Self::resume(state, super::Memory::default())
    }
}

/// The checkpoint with which a person orders an empty start where no other can be started from.
///
/// `installation`: the partition's own, if what is left names it. The same event then has the same key at its target
/// when it is read again, and a target that honours keys has at most one effect of it, although the memory of decided
/// events is gone. Source positions are not used twice for two events: `kafka.topic_generation` sees to that.
pub fn empty_checkpoint(ordered_by: impl Into<String>, installation: Id) -> Checkpoint {
    Checkpoint {
        covers: -1,
        fold_version: super::FOLD_VERSION,
        part: 0,
        parts: 1,
        state: String::new(),
        hash: super::hash::of_bytes(&[]),
        empty_start: Some(EmptyStart {
            ordered_by: ordered_by.into(),
            installation,
        }),
    }
}

fn split(mut text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    while text.len() > PART_BYTES_MAX {
        let (part, rest) = text.split_at(text.floor_char_boundary(PART_BYTES_MAX));
        parts.push(part);
        text = rest;
    }
    parts.push(text);
    parts
}
