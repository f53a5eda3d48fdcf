//! How far each owned partition is settled: written by the settling thread, read by the client's thread and by `status`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use homeostat_actors::ports::log::{
    Epoch, OpenTransaction, PartitionStatus, ReadFailing, TopicPartition,
};

use super::ends::{Held, Look};
use crate::log::sync::lock;

struct Position {
    epoch: Epoch,
    settled: i64,
    /// What the client was asked to commit.
    stored: i64,
    high: Option<i64>,
    /// Behind the last record delivered.
    delivered: i64,
    /// Everything before it was delivered or never is. Only for the lag: what is committed follows what was settled alone.
    passed: i64,
    /// Once all before this is settled, all before `passed` is.
    passed_after: i64,
    /// Everything before it was settled or is no record, by an earlier look.
    floor: i64,
    /// Whether a look of this epoch came. The first one may still be about the epoch before.
    looked: bool,
    /// Since when reading fails.
    refused: Option<Refused>,
    /// The open transaction at which it ends, by the last look.
    held: Option<Held>,
}

/// How reading failed last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refused {
    since: Instant,
    reason: String,
    at: Option<i64>,
}

impl Position {
    /// Offset up to which all is settled or was never a record.
    fn settled(&self) -> i64 {
        let known = self.settled.max(self.floor);
        if self.settled >= self.passed_after {
            known.max(self.passed)
        } else {
            known
        }
    }
}

/// The partitions a member owns, and whether its brokers can be reached.
#[derive(Default)]
pub(super) struct MemberProgress {
    positions: Mutex<BTreeMap<TopicPartition, Position>>,
    unreachable: AtomicBool,
}

impl MemberProgress {
    /// A partition was assigned; delivery starts at `position`.
    pub(super) fn begin(&self, partition: TopicPartition, epoch: Epoch, position: i64) {
        let begun = Position {
            epoch,
            settled: position,
            stored: position,
            high: None,
            delivered: position,
            passed: position,
            passed_after: position,
            floor: position,
            looked: false,
            refused: None,
            held: None,
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

    /// What is settled in these epochs, and so may be committed.
    pub(super) fn settled(&self, epochs: &[(TopicPartition, Epoch)]) -> Vec<(TopicPartition, i64)> {
        let positions = lock(&self.positions);
        let settled = epochs.iter().filter_map(|(partition, epoch)| {
            let position = positions.get(partition)?;
            (position.epoch == *epoch).then(|| (partition.clone(), position.settled))
        });
        settled.collect()
    }

    /// The client looked.
    pub(super) fn looked(&self, topic: &str, partition: i32, look: Look) {
        let partition = TopicPartition {
            topic: topic.to_owned(),
            partition,
        };
        if let Some(position) = lock(&self.positions).get_mut(&partition) {
            position.high = Some(look.end);
            let known = std::mem::replace(&mut position.looked, true);
            let before = position.held.filter(|_| known);
            position.held = Held::after(look, before).filter(|_| known);
            // Behind what it could not read the client may have gone on.
            if let Some(passed) = look.passed
                && known
                && position.refused.is_none()
            {
                position.floor = position.settled();
                position.passed = passed;
                position.passed_after = position.delivered;
            }
        }
    }

    /// Reading it failed; `at`: it is the record there that cannot be read.
    pub(super) fn refused(&self, partition: &TopicPartition, reason: String, at: Option<i64>) {
        if let Some(position) = lock(&self.positions).get_mut(partition) {
            let since = position.refused.as_ref().map(|refused| refused.since);
            let since = since.unwrap_or_else(Instant::now);
            position.refused = Some(Refused { since, reason, at });
        }
    }

    /// Records of it came, up to `next`.
    pub(super) fn delivered(&self, partition: &TopicPartition, next: i64) {
        if let Some(position) = lock(&self.positions).get_mut(partition) {
            position.refused = None;
            position.delivered = next;
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

    /// As the port shows it.
    pub(super) fn status(&self) -> Vec<PartitionStatus> {
        let status = |(partition, position): (&TopicPartition, &Position)| PartitionStatus {
            partition: partition.clone(),
            epoch: position.epoch,
            settled: position.settled(),
            high: position.high,
            refusal: position.refused.as_ref().map(|refused| ReadFailing {
                lasting: refused.since.elapsed(),
                reason: refused.reason.clone(),
                at: refused.at,
            }),
            // While no broker answers, whether it is still open is not known.
            held: position
                .held
                .filter(|_| self.connected())
                .map(OpenTransaction::from),
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
        let progress = MemberProgress::default();
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
        let progress = MemberProgress::default();
        let refused = || lock(&progress.positions)[&partition].refused.clone();
        progress.begin(partition.clone(), Epoch(1), 0);
        assert_eq!(refused(), None);
        progress.refused(&partition, "first".to_owned(), None);
        let since = refused().unwrap().since;
        progress.refused(&partition, "second".to_owned(), Some(3));
        let (reason, at) = ("second".to_owned(), Some(3));
        assert_eq!(refused(), Some(Refused { since, reason, at }));
        let found = progress.status().remove(0).refusal.unwrap();
        assert_eq!((found.reason.as_str(), found.at), ("second", Some(3)));
        progress.delivered(&partition, 1);
        assert_eq!(progress.status().remove(0).refusal, None);
    }

    #[test]
    fn offsets_that_are_no_records_are_no_lag_and_are_not_committed() {
        let partition = TopicPartition {
            topic: "t".to_owned(),
            partition: 0,
        };
        let progress = MemberProgress::default();
        let looked = |end, passed| {
            let high = end;
            progress.looked("t", 0, Look { end, high, passed });
        };
        let found = || {
            let status = progress.status().remove(0);
            (status.settled, status.high)
        };
        let epochs = [(partition.clone(), Epoch(1))];
        let committed = || progress.settled(&epochs).remove(0).1;
        progress.begin(partition.clone(), Epoch(1), 5);
        // The first look may be about an earlier epoch.
        looked(9, Some(9));
        assert_eq!(found(), (5, Some(9)));
        // A partition with nothing but markers behind the start.
        looked(9, Some(9));
        assert_eq!((found(), committed()), ((9, Some(9)), 5));
        // A record at 9, a marker at 10: neither counts as settled before the record is.
        progress.delivered(&partition, 10);
        looked(11, Some(11));
        assert_eq!((found(), committed()), ((9, Some(11)), 5));
        progress.settle(&partition, Epoch(1), 10);
        assert_eq!((found(), committed()), ((11, Some(11)), 10));
        // The queue is not empty: not known now, and what was known stays.
        looked(14, None);
        assert_eq!(found(), (11, Some(14)));
        // What cannot be read is not passed.
        progress.refused(&partition, "damaged".to_owned(), Some(11));
        looked(14, Some(14));
        assert_eq!(found(), (11, Some(14)));
    }

    #[test]
    fn an_open_transaction_is_told_from_the_look_that_saw_it_until_it_ends_or_another_begins() {
        let partition = TopicPartition {
            topic: "t".to_owned(),
            partition: 0,
        };
        let progress = MemberProgress::default();
        let since = |progress: &MemberProgress| {
            let held = lock(&progress.positions)[&partition].held;
            held.map(|held| (held.at, held.end, held.since))
        };
        let look = |end, high, passed| progress.looked("t", 0, Look { end, high, passed });
        progress.begin(partition.clone(), Epoch(1), 5);
        // The first look may be about an earlier epoch.
        look(5, 9, Some(5));
        assert_eq!(since(&progress), None);
        look(5, 9, Some(5));
        let (at, end, begun) = since(&progress).unwrap();
        assert_eq!((at, end), (5, 9));
        // Further records behind it.
        look(5, 12, Some(5));
        assert_eq!(since(&progress), Some((5, 12, begun)));
        let found = progress.status().remove(0).held.unwrap();
        assert_eq!((found.at, found.end), (5, 12));
        progress.reachable(false);
        assert_eq!(progress.status().remove(0).held, None);
        progress.reachable(true);
        // It ends, and another one is open behind it.
        look(8, 12, Some(8));
        let (at, _, next) = since(&progress).unwrap();
        assert!(at == 8 && next > begun);
        look(12, 12, Some(8));
        assert_eq!(since(&progress), None);
    }
}
