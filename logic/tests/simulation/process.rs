//! One instance of the service: what it holds in memory, all of which a crash forgets.

use std::collections::BTreeMap;
use std::rc::Rc;

use homeostat_logic::event::Names;
use homeostat_logic::ledger::execution::Execution;
use homeostat_logic::ledger::fold::restore::Restore;
use homeostat_logic::ledger::fold::{FOLD_VERSION, Fold};
use homeostat_logic::ledger::record::{Id, Millis, Record};
use homeostat_logic::offsets::Watermark;

use crate::traffic::Traffic;

pub(crate) struct Process {
    pub(crate) incarnation: u32,
    pub(crate) alive: bool,
    /// It stands still until then; clocks do not.
    pub(crate) paused_until: Millis,
    /// It and the log do not see each other until then.
    pub(crate) cut_until: Millis,
    /// How far its wall clock is off.
    pub(crate) wall_off: Millis,
    /// Which rules it has.
    pub(crate) rules: usize,
    /// When the newest append of its producer session lands: a session keeps its order.
    pub(crate) session: Millis,
    pub(crate) members: [Option<u64>; 2],
    pub(crate) consumers: BTreeMap<usize, Consumer>,
    pub(crate) views: Vec<View>,
    pub(crate) pending: BTreeMap<u64, Pending>,
    pub(crate) names: Names,
    pub(crate) traffic: Traffic,
}

/// An assigned source partition in one epoch.
pub(crate) struct Consumer {
    pub(crate) epoch: u64,
    pub(crate) position: i64,
    pub(crate) watermark: Watermark,
    /// Appends not yet acknowledged, by the offset that waits for them.
    pub(crate) waiting: BTreeMap<i64, usize>,
    pub(crate) draining: bool,
    pub(crate) fetching: bool,
    pub(crate) committing: bool,
}

/// A ledger partition as this process sees it.
pub(crate) struct View {
    pub(crate) fold: Fold,
    /// Behind a truncation: reads until a checkpoint to go on from, and from which offset next.
    pub(crate) restore: Option<(Restore, i64)>,
    pub(crate) read_at: Millis,
    pub(crate) polling: bool,
    /// Offset that must be folded before the process joins the groups.
    pub(crate) join_at: i64,
    /// Offset that must be folded before the executor acts, once the partition is assigned.
    pub(crate) act_at: Option<i64>,
    pub(crate) execution: Option<Execution>,
    /// Counts executors: reports for an earlier one reach nobody.
    pub(crate) executor: u32,
    /// Start ids handed out by this executor, for the sabotaged ones.
    pub(crate) ids: u32,
    pub(crate) tick_at: Option<Millis>,
    /// This incarnation has a Genesis on its way, or in the log.
    pub(crate) founding: bool,
}

/// What an append is for.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    Source {
        partition: usize,
        epoch: u64,
        offset: i64,
    },
    Start {
        executor: u32,
        action: Id,
        start_id: Id,
    },
    /// Appended again until it is acknowledged.
    Fact,
    Tick,
}

#[derive(Clone, Debug)]
pub(crate) enum Payload {
    Ledger(usize, Rc<Record>),
    Letter(usize, i64),
}

#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) payload: Payload,
    pub(crate) purpose: Purpose,
}

impl Process {
    pub(crate) fn new(
        incarnation: u32,
        rules: usize,
        wall_off: Millis,
        extents: &[(i64, i64)],
    ) -> Self {
        Self {
            incarnation,
            alive: true,
            paused_until: 0,
            cut_until: 0,
            wall_off,
            rules,
            session: 0,
            members: [None; 2],
            consumers: BTreeMap::new(),
            views: extents
                .iter()
                .map(|(low, high)| View::new(*low, *high))
                .collect(),
            pending: BTreeMap::new(),
            names: Names::default(),
            traffic: Traffic::default(),
        }
    }
}

impl View {
    fn new(low: i64, join_at: i64) -> Self {
        Self {
            fold: Fold::new(),
            restore: (low > 0).then(|| (Restore::new(FOLD_VERSION), low)),
            read_at: 0,
            polling: false,
            join_at,
            act_at: None,
            execution: None,
            executor: 0,
            ids: 0,
            tick_at: None,
            founding: false,
        }
    }

    pub(crate) fn next_offset(&self) -> i64 {
        let restoring = self.restore.as_ref().map(|(_, next)| *next);
        restoring.unwrap_or_else(|| self.fold.offset() + 1)
    }

    pub(crate) fn has_read(&self, high: i64) -> bool {
        self.restore.is_none() && self.fold.offset() + 1 >= high
    }
}
