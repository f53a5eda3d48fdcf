//! The feed of a ledger partition's changes: one bounded buffer, written by who folds, read by history, metrics, executor and
//! other followers of the ledger, each at its own pace.
//!
//! Changes are numbered. A reader that is so slow that changes made room for newer ones misses them, and learns so: it reads
//! the state of the fold again, which holds what they did, and goes on from there. So does every reader when the ledger is
//! folded from its beginning again.

use std::collections::VecDeque;
use std::sync::Arc;

use homeostat_logic::ledger::change::Change;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Changes kept for readers that are behind. What is published at once is kept whole, so that a reader that reads behind each
/// publication misses nothing; the fold bounds it.
const KEPT_MAX: usize = 4_096;

/// A change with its number.
#[derive(Debug)]
pub struct Published {
    /// Counts up by one in the life of this process. A number is left out where the ledger was folded again.
    pub sequence: u64,
    /// The change.
    pub change: Change,
    /// Whether it was in the ledger when the reading of it began: nothing new, only read again.
    pub replayed: bool,
}

/// The feed.
#[derive(Debug)]
pub struct Changes {
    kept: Mutex<Kept>,
    kept_max: usize,
    published: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    changes: VecDeque<Arc<Published>>,
    /// Number of the next change.
    next: u64,
}

/// How far a reader has read.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    next: u64,
}

/// What a reader has not read.
#[derive(Debug)]
pub enum News {
    /// These changes, in order; maybe none.
    Changes(Vec<Arc<Published>>),
    /// Some were missed: read the state again. What is published after that follows.
    Missed,
}

impl Default for Changes {
    fn default() -> Self {
        Self::keeping(KEPT_MAX)
    }
}

impl Changes {
    fn keeping(kept_max: usize) -> Self {
        Self {
            kept: Mutex::default(),
            kept_max,
            published: Notify::new(),
        }
    }

    /// A reader of what is published from now on.
    pub fn reader(&self) -> Reader {
        Reader {
            next: self.kept.lock().next,
        }
    }

    /// Publishes what a record changed; for the one who folds, while it holds the state.
    pub(crate) fn publish(&self, changes: Vec<Change>, replayed: bool) {
        if changes.is_empty() {
            return;
        }
        let mut kept = self.kept.lock();
        let keep = self.kept_max.max(changes.len());
        for change in changes {
            let sequence = kept.next;
            kept.next += 1;
            kept.changes.push_back(Arc::new(Published {
                sequence,
                change,
                replayed,
            }));
        }
        let excess = kept.changes.len().saturating_sub(keep);
        kept.changes.drain(..excess);
        drop(kept);
        self.published.notify_waiters();
    }

    /// The ledger is about to be folded from its beginning: every reader reads the state again.
    pub(crate) fn restart(&self) {
        let mut kept = self.kept.lock();
        kept.changes.clear();
        kept.next += 1;
        drop(kept);
        self.published.notify_waiters();
    }

    /// Rings whenever something was published.
    pub const fn published(&self) -> &Notify {
        &self.published
    }
}

impl Reader {
    /// What was published since the last reading.
    pub fn read(&mut self, feed: &Changes) -> News {
        let kept = feed.kept.lock();
        let from = std::mem::replace(&mut self.next, kept.next);
        let unread = usize::try_from(kept.next.saturating_sub(from)).unwrap_or(usize::MAX);
        match kept.changes.len().checked_sub(unread) {
            Some(read) => News::Changes(kept.changes.range(read..).map(Arc::clone).collect()),
            None => News::Missed,
        }
    }
}

#[cfg(test)]
mod tests {
    use homeostat_logic::ledger::change::ChangeKind;

    use super::*;

    fn changes(offsets: std::ops::Range<i64>) -> Vec<Change> {
        let change = |offset| Change {
            offset,
            time: 0,
            kind: ChangeKind::Boundary,
        };
        offsets.map(change).collect()
    }

    /// Offsets of the changes read; none when some were missed.
    fn read(reader: &mut Reader, feed: &Changes) -> Option<Vec<i64>> {
        match reader.read(feed) {
            News::Changes(changes) => {
                let numbers: Vec<u64> = changes.iter().map(|one| one.sequence).collect();
                assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]));
                Some(changes.iter().map(|one| one.change.offset).collect())
            }
            News::Missed => None,
        }
    }

    #[test]
    fn each_reader_gets_every_change_once_and_a_slow_one_learns_that_it_missed_some() {
        let feed = Changes::keeping(3);
        feed.publish(changes(0..2), true);
        let (mut quick, mut slow) = (feed.reader(), feed.reader());
        assert_eq!(read(&mut quick, &feed), Some(vec![]));
        feed.publish(changes(2..4), false);
        assert_eq!(read(&mut quick, &feed), Some(vec![2, 3]));
        feed.publish(changes(4..6), false);
        assert_eq!(read(&mut quick, &feed), Some(vec![4, 5]));
        assert_eq!(read(&mut slow, &feed), None);
        // It has read the state, and goes on with what follows.
        feed.publish(changes(6..7), false);
        assert_eq!(read(&mut slow, &feed), Some(vec![6]));
        assert_eq!(read(&mut slow, &feed), Some(vec![]));
    }

    #[test]
    fn what_is_published_at_once_is_kept_whole() {
        let feed = Changes::keeping(3);
        let mut reader = feed.reader();
        feed.publish(changes(0..9), false);
        assert_eq!(read(&mut reader, &feed), Some((0..9).collect()));
        feed.publish(changes(9..10), false);
        assert_eq!(feed.kept.lock().changes.len(), 3);
    }

    #[test]
    fn every_reader_learns_once_of_a_fold_from_the_beginning() {
        let feed = Changes::keeping(3);
        feed.publish(changes(0..1), false);
        let (mut behind, mut at_the_end) = (Reader { next: 0 }, feed.reader());
        feed.restart();
        feed.publish(changes(0..1), true);
        for reader in [&mut behind, &mut at_the_end] {
            assert_eq!(read(reader, &feed), None);
            assert_eq!(read(reader, &feed), Some(vec![]));
        }
    }
}
