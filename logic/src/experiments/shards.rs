//! Counters of each shard, with the position up to which they count: what a shard stores, what it sends to other instances,
//! and how an instance adds up what it receives, so that nothing counts twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::settings::StatisticsSettings;

/// Largest counters that are read, in bytes.
pub const JSON_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Counters of a shard. As JSON its first member is `position`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardCounts {
    /// Position of the last event that is counted; [`BEFORE_FIRST`] before it.
    position: i64,
    counts: Counts,
    /// Position behind which the next delta counts.
    #[serde(skip, default = "before_first")]
    sent: i64,
}

const fn before_first() -> i64 {
    BEFORE_FIRST
}

/// The position before that of the first event.
pub const BEFORE_FIRST: i64 = -1;

/// Why stored or received counters cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// Too large.
    #[error("the counters have {0} bytes; the limit is {JSON_BYTES_MAX}")]
    TooLarge(usize),
    /// Not what was written.
    #[error("the counters cannot be read: {0}")]
    Form(String),
}

impl ShardCounts {
    /// None, before the first event.
    pub fn new(settings: &StatisticsSettings) -> Self {
        Self::behind(BEFORE_FIRST, settings)
    }

    /// None, behind an event that is counted already: for a shard that sends deltas and goes on where they end.
    pub fn behind(position: i64, settings: &StatisticsSettings) -> Self {
        Self {
            position,
            counts: Counts::new(settings),
            sent: position,
        }
    }

    /// What was counted since the last delta, which then counts no longer here. `None` if no event came.
    pub fn take_delta(&mut self, shard: u32, token: u64) -> Option<CountsDelta> {
        let (from, to) = (self.sent, self.position);
        self.sent = to;
        let empty = self.counts.emptied();
        (to > from).then(|| CountsDelta {
            shard,
            token,
            from,
            to,
            counts: std::mem::replace(&mut self.counts, empty),
        })
    }

    /// Position of the last event that is counted.
    pub const fn position(&self) -> i64 {
        self.position
    }

    /// What was counted.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The counters for the event at a position, or `None` if that event is counted already: then it is applied to the
    /// user's state only.
    pub fn at(&mut self, position: i64) -> Option<&mut Counts> {
        if position <= self.position {
            return None;
        }
        self.position = position;
        Some(&mut self.counts)
    }

    /// Adds what another part of the same shard counted, up to its position.
    pub fn merge(&mut self, other: &Self) {
        self.position = self.position.max(other.position);
        self.counts.merge(&other.counts);
    }

    /// As it is stored.
    pub fn to_json(&self) -> String {
        // Names and numbers always have a text.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As it was stored, under the bounds of these settings.
    ///
    /// # Errors
    /// It is too large, or not what [`to_json`](Self::to_json) wrote.
    pub fn from_json(text: &str, settings: &StatisticsSettings) -> Result<Self, ShardError> {
        if text.len() > JSON_BYTES_MAX {
            return Err(ShardError::TooLarge(text.len()));
        }
        let read: Result<Self, _> = serde_json::from_str(text);
        let read = read.map_err(|problem| ShardError::Form(problem.to_string()))?;
        Ok(Self {
            counts: read.counts.bounded(settings),
            ..read
        })
    }
}

/// What a shard counted between two positions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CountsDelta {
    /// The shard.
    pub shard: u32,
    /// Its owner's fence: a later owner has a larger one.
    pub token: u64,
    /// Position behind which it counts.
    pub from: i64,
    /// Position up to which it counts.
    pub to: i64,
    /// What was counted.
    pub counts: Counts,
}

/// What became of a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was added.
    Added,
    /// It was added, and events before it are missing: they were never sent, or what was stored is lost.
    AddedAfterGap,
    /// It is counted already.
    Repeated,
    /// It overlaps what is counted, which a fenced owner's can; it was left out.
    Overlap,
    /// A later owner has the shard; it was left out.
    Fenced,
}

/// The counters of all shards, as an instance adds them up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AllCounts {
    shards: BTreeMap<u32, Progress>,
    total: Counts,
}

/// How far a shard is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Its newest owner's fence.
    pub token: u64,
    /// Position up to which it is counted; [`BEFORE_FIRST`] before the first.
    pub to: i64,
}

impl AllCounts {
    /// None.
    pub fn new(settings: &StatisticsSettings) -> Self {
        Self {
            shards: BTreeMap::new(),
            total: Counts::new(settings),
        }
    }

    /// A later owner takes a shard: deltas of earlier ones are left out from now on.
    pub fn claim(&mut self, shard: u32, token: u64) {
        let progress = self.shards.entry(shard).or_insert(Progress {
            token,
            to: BEFORE_FIRST,
        });
        progress.token = progress.token.max(token);
    }

    /// Adds a delta, once.
    pub fn apply(&mut self, delta: &CountsDelta) -> Outcome {
        let progress = self.shards.entry(delta.shard).or_insert(Progress {
            token: delta.token,
            to: BEFORE_FIRST,
        });
        if delta.token < progress.token {
            return Outcome::Fenced;
        }
        progress.token = delta.token;
        if delta.to <= progress.to {
            return Outcome::Repeated;
        }
        if delta.from < progress.to {
            return Outcome::Overlap;
        }
        let gap = delta.from > progress.to;
        progress.to = delta.to;
        self.total.merge(&delta.counts);
        if gap {
            Outcome::AddedAfterGap
        } else {
            Outcome::Added
        }
    }

    /// How far a shard is counted: its owner counts what is behind.
    pub fn progress(&self, shard: u32) -> Option<Progress> {
        self.shards.get(&shard).copied()
    }

    /// The sum over all shards.
    pub const fn total(&self) -> &Counts {
        &self.total
    }

    /// As a snapshot.
    pub fn to_json(&self) -> String {
        // Names and numbers always have a text.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From a snapshot, under the bounds of these settings.
    ///
    /// # Errors
    /// It is too large, or not what [`to_json`](Self::to_json) wrote.
    pub fn from_json(text: &str, settings: &StatisticsSettings) -> Result<Self, ShardError> {
        if text.len() > JSON_BYTES_MAX {
            return Err(ShardError::TooLarge(text.len()));
        }
        let read: Result<Self, _> = serde_json::from_str(text);
        let read = read.map_err(|problem| ShardError::Form(problem.to_string()))?;
        Ok(Self {
            shards: read.shards,
            total: read.total.bounded(settings),
        })
    }
}
