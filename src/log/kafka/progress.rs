//! How far each owned partition is settled: written by whoever settles, read by the client's thread and by `status`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use homeostat_actors::ports::log::{Epoch, PartitionStatus, Refusal, TopicPartition};

use crate::log::sync::lock;

struct Position {
    epoch: Epoch,
    settled: i64,
    /// What the client was told to commit.
    stored: i64,
    high: Option<i64>,
    /// Since when reading fails, and how it did last.
    refused: Option<(Instant, String)>,
}

/// The partitions a member owns, and whether its brokers can be reached.
#[derive(Default)]
pub(super) struct Progress {
    positions: Mutex<BTreeMap<TopicPartition, Position>>,
    unreachable: AtomicBool,
}

impl Progress {
    /// A partition was assigned; delivery starts at `position`.
    pub(super) fn begin(&self, partition: TopicPartition, epoch: Epoch, position: i64) {
        let begun = Position {
            epoch,
            settled: position,
            stored: position,
            high: None,
            refused: None,
        };
        lock(&self.positions).insert(partition, begun);
    }

    /// Its epoch is over: whatever is settled from now on is ignored.
    pub(super) fn end(&self, partition: &TopicPartition) {
        lock(&self.positions).remove(partition);
    }

    /// Moves the settled offset forward, if the epoch is the present one.
    pub(super) fn settle(&self, partition: &TopicPartition, epoch: Epoch, next: i64) {
        if let Some(position) = lock(&self.positions).get_mut(partition)
            && position.epoch == epoch
        {
            position.settled = position.settled.max(next);
        }
    }

    /// What is settled but not yet stored.
    pub(super) fn due(&self) -> Vec<(TopicPartition, i64)> {
        lock(&self.positions)
            .iter()
            .filter(|(_, position)| position.settled > position.stored)
            .map(|(partition, position)| (partition.clone(), position.settled))
            .collect()
    }

    /// The client will commit `next`.
    pub(super) fn stored(&self, partition: &TopicPartition, next: i64) {
        if let Some(position) = lock(&self.positions).get_mut(partition) {
            position.stored = next;
        }
    }

    /// The end of the partition became known.
    pub(super) fn end_of_log(&self, topic: &str, partition: i32, high: i64) {
        let partition = TopicPartition {
            topic: topic.to_owned(),
            partition,
        };
        if let Some(position) = lock(&self.positions).get_mut(&partition) {
            position.high = Some(high);
        }
    }

    /// Reading it failed. The client tries on and tells each kind of failure once.
    pub(super) fn refused(&self, partition: &TopicPartition, reason: String) {
        if let Some(position) = lock(&self.positions).get_mut(partition) {
            let since = position.refused.as_ref().map(|(since, _)| *since);
            position.refused = Some((since.unwrap_or_else(Instant::now), reason));
        }
    }

    /// Records of it came.
    pub(super) fn delivered(&self, partition: &TopicPartition) {
        if let Some(position) = lock(&self.positions).get_mut(partition) {
            position.refused = None;
        }
    }

    /// The client saw whether any broker is up.
    pub(super) fn reachable(&self, reachable: bool) {
        self.unreachable.store(!reachable, Ordering::Relaxed);
    }

    /// Whether a broker was up when the client last looked; a new client counts as connected.
    pub(super) fn connected(&self) -> bool {
        !self.unreachable.load(Ordering::Relaxed)
    }

    /// As the port tells it.
    pub(super) fn status(&self) -> Vec<PartitionStatus> {
        let status = |(partition, position): (&TopicPartition, &Position)| PartitionStatus {
            partition: partition.clone(),
            epoch: position.epoch,
            settled: position.settled,
            high: position.high,
            refusal: position.refused.as_ref().map(|(since, reason)| Refusal {
                lasting: since.elapsed(),
                reason: reason.clone(),
            }),
        };
        lock(&self.positions).iter().map(status).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_present_epoch_settles_and_only_forward() {
        let partition = TopicPartition {
            topic: "t".to_owned(),
            partition: 0,
        };
        let progress = Progress::default();
        progress.begin(partition.clone(), Epoch(2), 5);
        // (epoch, next, what is due afterwards)
        let cases = [
            (1, 9, None),
            (3, 9, None),
            (2, 5, None),
            (2, 4, None),
            (2, 7, Some(7)),
            (2, 6, Some(7)),
        ];
        for (epoch, next, due) in cases {
            progress.settle(&partition, Epoch(epoch), next);
            let settled = progress.due().first().map(|(_, next)| *next);
            assert_eq!(settled, due, "epoch {epoch}, next {next}");
        }
        progress.stored(&partition, 7);
        assert_eq!(progress.due(), []);
        progress.end(&partition);
        progress.settle(&partition, Epoch(2), 20);
        assert_eq!(progress.due(), []);
    }

    #[test]
    fn a_failure_to_read_lasts_from_the_first_one_until_records_come() {
        let partition = TopicPartition {
            topic: "t".to_owned(),
            partition: 0,
        };
        let progress = Progress::default();
        let refused = || lock(&progress.positions)[&partition].refused.clone();
        progress.begin(partition.clone(), Epoch(1), 0);
        assert_eq!(refused(), None);
        progress.refused(&partition, "first".to_owned());
        let (since, _) = refused().unwrap();
        progress.refused(&partition, "second".to_owned());
        assert_eq!(refused(), Some((since, "second".to_owned())));
        let told = progress.status().remove(0).refusal.unwrap();
        assert_eq!(told.reason, "second");
        progress.delivered(&partition);
        assert_eq!(progress.status().remove(0).refusal, None);
    }
}
