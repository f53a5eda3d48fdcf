//! How far a client has passed its partitions, also over what is never delivered: markers of transactions, records of aborted
//! ones, gaps that compaction left (issue 13, row 3). librdkafka reports it in its statistics alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use homeostat_actors::ports::log::{OpenTransaction, TopicPartition};
use rdkafka::statistics::{Partition, Statistics};

use crate::log::sync::lock;

/// Where a partition ends for a reader of committed records: at the last stable offset. `None` while that is not known.
fn end_of(partition: &Partition) -> Option<i64> {
    (partition.ls_offset >= 0).then_some(partition.ls_offset)
}

/// The offset before which everything was taken from the client's queue or is never delivered.
///
/// The client writes down the next offset to fetch after it has queued what is before it, and counts its queue after it has
/// read that offset. So an empty queue means that all before the offset was taken. `None`: not known now.
fn passed(partition: &Partition) -> Option<i64> {
    let next = partition.next_offset;
    let reading = partition.fetch_state == "active" && partition.fetchq_cnt == 0;
    // A damaged batch has sent the client to offsets of no sense.
    let plausible = end_of(partition).is_some_and(|end| (0..=end).contains(&next));
    (reading && plausible).then_some(next)
}

/// What a look at a partition shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Where it ends for the reader.
    pub(super) end: i64,
    /// Offset the next record of the log gets.
    pub(super) high: i64,
    /// How far it was passed, if that is known.
    pub(super) passed: Option<i64>,
}

impl Look {
    /// `None` while nothing is known.
    pub(super) fn at(partition: &Partition) -> Option<Self> {
        Some(Self {
            end: end_of(partition)?,
            high: partition.hi_offset,
            passed: passed(partition),
        })
    }

    /// Whether everything was read up to an open transaction. Of a partition whose queue is not empty the client may know the
    /// ends of long ago.
    pub(super) fn is_held(&self) -> bool {
        self.end < self.high && self.passed == Some(self.end)
    }
}

/// The open transaction at which a partition ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Its first record.
    pub(super) at: i64,
    /// Offset the next record of the log gets.
    pub(super) end: i64,
    /// When it was first seen there.
    pub(super) since: Instant,
}

impl Held {
    /// After a look, with what was known before it.
    pub(super) fn after(look: Look, before: Option<Self>) -> Option<Self> {
        let same = before.filter(|held| held.at == look.end);
        look.is_held().then(|| Self {
            at: look.end,
            end: look.high,
            since: same.map_or_else(Instant::now, |held| held.since),
        })
    }
}

impl From<Held> for OpenTransaction {
    fn from(held: Held) -> Self {
        Self {
            at: held.at,
            end: held.end,
            lasting: held.since.elapsed(),
        }
    }
}

/// The newest look at each partition of a client, until it is taken. Bound: the partitions that the client reads.
#[derive(Clone, Default)]
pub(super) struct Ends(Arc<Mutex<BTreeMap<TopicPartition, Look>>>);

impl Ends {
    /// Takes down what the statistics say.
    pub(super) fn note(&self, statistics: &Statistics) {
        let mut ends = lock(&self.0);
        for (topic, known) in &statistics.topics {
            for (number, partition) in &known.partitions {
                if let Some(look) = Look::at(partition) {
                    let place = TopicPartition {
                        topic: topic.clone(),
                        partition: *number,
                    };
                    ends.insert(place, look);
                }
            }
        }
    }

    /// What was noted since the last time.
    pub(super) fn take(&self) -> BTreeMap<TopicPartition, Look> {
        std::mem::take(&mut *lock(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_passed_as_far_as_its_emptied_queue_reaches_and_not_beyond_its_end() {
        let partition = |fetch_state: &str, fetchq_cnt, next_offset, ls_offset| Partition {
            fetch_state: fetch_state.to_owned(),
            fetchq_cnt,
            next_offset,
            ls_offset,
            hi_offset: 90,
            ..Partition::default()
        };
        let cases = [
            (partition("active", 0, 7, 7), Some(7)),
            (partition("active", 0, 5, 7), Some(5)),
            (partition("active", 1, 7, 7), None),
            (partition("offset-query", 0, 7, 7), None),
            (partition("active", 0, -1001, 7), None),
            (partition("active", 0, 7, -1001), None),
            // Records of an open transaction are behind the end.
            (partition("active", 0, 60, 7), None),
        ];
        for (partition, expected) in cases {
            assert_eq!(passed(&partition), expected, "{partition:?}");
            let look = Look::at(&partition);
            let held = look.is_some_and(|look| look.is_held());
            // Only where all was read and the log goes on behind it.
            assert_eq!(held, expected == Some(7), "{partition:?}");
        }
        let whole = Look {
            end: 90,
            high: 90,
            passed: Some(90),
        };
        assert!(!whole.is_held());
    }
}
