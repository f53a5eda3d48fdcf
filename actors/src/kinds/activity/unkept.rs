//! What a batch changes, what batches changed and is not written yet, and what is being written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use homeostat_logic::activity::{List, UserEvent};

use crate::ports::log::NewRecord;
use crate::ports::ranker::Ranker;
use crate::ports::user_store::{Change, Key};
use crate::work::Work;

/// Users of a partition with unwritten changes at most, if the model has room for many users.
const USERS_MAX: usize = 512;
/// One in so many of the model's users may have unwritten changes, in all partitions: at its bound, the model removes the eighth that
/// is quiet for longest.
const SHARE: usize = 8;

/// Users of one partition with unwritten changes at which further events wait, for a model of so many users.
pub(super) fn unkept_users_max(users_max: usize, partitions: usize) -> usize {
    (users_max / SHARE / partitions.max(1)).clamp(1, USERS_MAX)
}

/// What a batch changes.
#[derive(Default)]
pub(super) struct Outgoing {
    /// Records without which nothing is settled.
    pub(super) must: Vec<NewRecord>,
    /// Records that are tried once: what is pushed is superseded soon, and must not hold up what users do.
    pub(super) may: Vec<NewRecord>,
    /// Users whose state is to be written.
    pub(super) touched: BTreeSet<String>,
    /// Those of them that were erased.
    pub(super) erased: BTreeSet<String>,
    /// Cached lists.
    pub(super) lists: Vec<Change>,
    /// Lists that another model looks at before they are shown.
    pub(super) unranked: Vec<Unranked>,
}

/// A list that another model looks at before it is shown.
pub(super) struct Unranked {
    pub(super) list: List,
    /// Items that the user chose, the newest first.
    pub(super) recent: Vec<String>,
    pub(super) ranker: Arc<dyn Ranker>,
}

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
}

/// Whether the store does not have all of a user: what is in memory is then the only copy.
pub(super) fn is_unkept(user: &str, unkept: &Unkept, keeping: Option<&Keeping>) -> bool {
    unkept.touched.contains(user) || keeping.is_some_and(|keeping| keeping.users.contains(user))
}
