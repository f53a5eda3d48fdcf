//! What batches changed and is not written yet, and what is being written.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_logic::activity::UserEvent;
use homeostat_logic::ledger::record::Millis;

use super::write::Outgoing;
use crate::ports::log::NewRecord;
use crate::ports::user_store::{Change, Key};
use crate::work::Work;

/// A batch that was applied, with the offsets to settle.
pub(super) type Done = (Work<UserEvent>, Vec<i64>);

/// What batches changed and is not written yet. Bound: the records in flight.
#[derive(Default)]
pub(super) struct Unkept {
    pub(super) works: Vec<Done>,
    pub(super) must: Vec<NewRecord>,
    pub(super) touched: BTreeSet<String>,
    pub(super) erased: BTreeSet<String>,
    /// The latest change of each cached list.
    pub(super) lists: BTreeMap<Key, Change>,
}

impl Unkept {
    /// Adds what a batch changed.
    pub(super) fn add(&mut self, work: Work<UserEvent>, outgoing: Outgoing, settled: Vec<i64>) {
        self.works.push((work, settled));
        self.must.extend(outgoing.must);
        self.touched.extend(outgoing.touched);
        self.erased.extend(outgoing.erased);
        let lists = outgoing.lists.into_iter();
        self.lists
            .extend(lists.map(|change| (change.key().clone(), change)));
    }

    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.works.is_empty()
    }
}

/// A write that is under way.
pub(super) struct Keeping {
    /// Whose changes are written.
    pub(super) users: BTreeSet<String>,
    /// Since when.
    pub(super) since: Millis,
}
