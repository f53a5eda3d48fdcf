//! One ledger partition as this instance sees it: the fold, shared by its one writer (the ledger actor) with the
//! executor and the API, and how far it has come.

use std::sync::Arc;
use std::time::Duration;

use homeostat_logic::ledger::execution::Moment;
use homeostat_logic::ledger::fold::Fold;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::Notify;

use crate::changes::Changes;
use crate::ports::clock::Clock;
use crate::ports::log::Epoch;

/// How far the fold of a partition is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FoldProgress {
    /// Reading what was there at the start.
    #[default]
    Restoring,
    /// Everything that was there at the start has been folded; new records follow as they come.
    Live,
    /// It cannot be folded, for this reason; nothing of the partition is executed.
    Refused(String),
    /// Its first records are gone and no checkpoint is left to start from (V8); only an operator can order an empty start.
    Truncated {
        /// Offset of the first record left.
        low: i64,
    },
    /// An older version of this program wrote it. Nothing is folded anywhere, so that no ledger has two versions in it.
    Outdated {
        /// Offset of the record.
        offset: i64,
        /// What was found and what to do.
        why: String,
    },
    /// It holds a proposal for a target of another partition: the ledger once had another number of them, and what it
    /// knows of many targets is not where it is looked for (ledger-protocol §8: fixed N).
    Misplaced {
        /// Offset of the proposal.
        offset: i64,
        /// Its target.
        target: String,
    },
}

impl FoldProgress {
    /// Whether records are still folded.
    pub const fn goes_on(&self) -> bool {
        matches!(self, Self::Restoring | Self::Live)
    }
}

impl std::fmt::Display for FoldProgress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Restoring => formatter.write_str("it is still being folded"),
            Self::Live => formatter.write_str("it is folded"),
            Self::Refused(reason) => formatter.write_str(reason),
            Self::Outdated { offset, why } => write!(formatter, "offset {offset}: {why}"),
            Self::Truncated { low } => write!(
                formatter,
                "ledger truncated: its first record is at offset {low}, and no checkpoint with eight days before it is left"
            ),
            Self::Misplaced { offset, target } => write!(
                formatter,
                "the proposal for {target} at offset {offset} belongs to another partition: the ledger had another number of partitions before"
            ),
        }
    }
}

/// One ledger partition.
pub struct LedgerView {
    /// Its number.
    pub partition: i32,
    state: RwLock<State>,
    changes: Changes,
    /// Rings when a person's order was folded.
    overridden: Notify,
    owner: RwLock<Option<Epoch>>,
    obstacle: RwLock<Option<String>>,
}

/// What the view holds.
#[derive(Debug, Default)]
pub struct State {
    /// The fold.
    pub fold: Fold,
    /// How far it is.
    pub progress: FoldProgress,
    /// Everything before it was read, also what was read only to find a state to start from, or is no record that is ever
    /// delivered.
    pub read_to: i64,
    /// Boot time at which the newest record was read.
    pub read_at: Duration,
}

impl State {
    /// Everything before it was folded, or is no record: a ledger may end in markers of transactions.
    pub fn position(&self) -> i64 {
        self.fold.offset().saturating_add(1).max(self.read_to)
    }
}

impl LedgerView {
    /// An empty view.
    pub fn new(partition: i32) -> Arc<Self> {
        Arc::new(Self {
            partition,
            state: RwLock::default(),
            changes: Changes::default(),
            overridden: Notify::new(),
            owner: RwLock::default(),
            obstacle: RwLock::default(),
        })
    }

    /// Why the log cannot be read further now; `None` while it can.
    pub fn obstacle(&self) -> Option<String> {
        let obstacle = self.obstacle.read();
        obstacle.clone()
    }

    /// Reading fails, for this reason; `None`: it goes on.
    pub fn obstructed(&self, reason: Option<&str>) {
        let mut obstacle = self.obstacle.write();
        *obstacle = reason.map(str::to_owned);
    }

    /// The epoch in which this instance executes the partition; `None` while another one does.
    pub fn owner(&self) -> Option<Epoch> {
        *self.owner.read()
    }

    /// The partition is executed here from now on.
    pub fn assigned(&self, epoch: Epoch) {
        *self.owner.write() = Some(epoch);
    }

    /// An epoch is over; a later one stays.
    pub fn released(&self, epoch: Epoch) {
        let mut owner = self.owner.write();
        owner.take_if(|present| *present == epoch);
    }

    /// Reads the view. Keep the guard short: the fold waits for it.
    pub fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read()
    }

    /// Changes the view; for its one writer. A writer that panicked is rebuilt and starts over with [`Self::restart`],
    /// so what a panic left half done is never used.
    pub fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write()
    }

    /// Forgets everything: the ledger is about to be folded from its beginning.
    pub fn restart(&self) {
        let mut state = self.write();
        *state = State::default();
        self.changes.restart();
    }

    /// What the fold changes. It is published while the state is written: who holds the state for reading and reads the feed
    /// has both at the same record.
    pub const fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Rings whenever a person's order was folded: who waits for one looks at the fold again.
    pub const fn overridden(&self) -> &Notify {
        &self.overridden
    }

    /// Whether everything that was there at the start has been folded.
    pub fn is_live(&self) -> bool {
        self.read().progress == FoldProgress::Live
    }
}

impl State {
    /// The present for the executor. Log time is estimated from the newest record and the time since, or the wall clock
    /// if that is later.
    pub fn moment(&self, clock: &dyn Clock) -> Moment {
        let boot = clock.boot();
        let since = boot.saturating_sub(self.read_at).as_millis();
        let estimate = self
            .fold
            .now()
            .saturating_add(i64::try_from(since).unwrap_or(i64::MAX));
        Moment {
            boot,
            log: estimate.max(clock.now()),
        }
    }
}
