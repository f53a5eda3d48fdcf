//! A group member and a tail that write down what the log does to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use homeostat_actors::ports::log::{
    Assignment, Epoch, GroupHandler, LogError, PartitionSink, RecordView, StoredRecord,
    Subscription, TopicPartition,
};

/// Longest wait for anything; generous, because it is only reached when a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) records: Vec<(TopicPartition, Epoch, StoredRecord)>,
    pub(crate) owned: BTreeMap<TopicPartition, Assignment>,
    pub(crate) assignments: usize,
    pub(crate) revoked: Vec<(TopicPartition, Epoch)>,
    pub(crate) failed: Option<LogError>,
    /// How far partitions were passed without a record.
    pub(crate) passed: BTreeMap<TopicPartition, i64>,
    /// Why partitions cannot be read now.
    pub(crate) obstacles: BTreeMap<TopicPartition, String>,
    /// Records taken before the credit is gone; `None` = any number.
    pub(crate) credit: Option<usize>,
    /// Settle as records come, by this subscription.
    pub(crate) settle_by: Option<Arc<dyn Subscription>>,
    /// Panic at the first record.
    pub(crate) panic: bool,
    /// Settle everything delivered only when a partition is revoked.
    pub(crate) settle_on_revoke: bool,
}

impl Seen {
    pub(crate) fn values(&self) -> Vec<String> {
        let text = |record: &StoredRecord| {
            String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
        };
        self.records
            .iter()
            .map(|(_, _, record)| text(record))
            .collect()
    }

    pub(crate) fn offsets(&self, partition: i32) -> Vec<i64> {
        let of = |(place, _, record): &(TopicPartition, Epoch, StoredRecord)| {
            (place.partition == partition).then_some(record.offset)
        };
        self.records.iter().filter_map(of).collect()
    }
}

/// Shared by the test, the handler and its sinks.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<(Mutex<Seen>, Condvar)>);

impl Recorder {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.0.lock().unwrap()
    }

    /// Waits until `done` holds; panics with `what` when it never does.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, done: impl FnMut(&Seen) -> bool) {
        drop(self.when(what, done));
    }

    /// As [`Self::wait`], and goes on looking.
    #[track_caller]
    pub(crate) fn when(
        &self,
        what: &str,
        mut done: impl FnMut(&Seen) -> bool,
    ) -> MutexGuard<'_, Seen> {
        let until = Instant::now() + PATIENCE;
        let mut seen = self.seen();
        while !done(&seen) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "never happened: {what}; saw {:?}",
                seen.values()
            );
            seen = self
                .0
                .1
                .wait_timeout(seen, left.min(Duration::from_millis(100)))
                .unwrap()
                .0;
        }
        seen
    }

    pub(crate) fn handler(&self) -> Box<dyn GroupHandler> {
        Box::new(Handler(self.clone()))
    }

    pub(crate) fn tail_sink(&self, partition: TopicPartition) -> Box<dyn PartitionSink> {
        Box::new(Sink {
            recorder: self.clone(),
            partition,
            epoch: Epoch(0),
        })
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen());
        self.0.1.notify_all();
    }
}

struct Handler(Recorder);

impl GroupHandler for Handler {
    fn assigned(&mut self, assignment: Assignment) -> Box<dyn PartitionSink> {
        let sink = Sink {
            recorder: self.0.clone(),
            partition: assignment.partition.clone(),
            epoch: assignment.epoch,
        };
        self.0.change(|seen| {
            seen.assignments += 1;
            seen.owned.insert(assignment.partition.clone(), assignment);
        });
        Box::new(sink)
    }

    fn revoked(&mut self, partitions: &[(TopicPartition, Epoch)], _deadline: Duration) {
        let mut settle = Vec::new();
        self.0.change(|seen| {
            for (partition, epoch) in partitions {
                seen.owned.remove(partition);
                seen.revoked.push((partition.clone(), *epoch));
                let last = seen.records.iter().rev().find(|(_, of, _)| of == epoch);
                if let (true, Some((_, _, record))) = (seen.settle_on_revoke, last) {
                    settle.push((partition.clone(), *epoch, record.offset + 1));
                }
            }
        });
        let by = self.0.seen().settle_by.clone();
        for (partition, epoch, next) in settle {
            by.as_ref()
                .expect("a subscription to settle by")
                .settle(&partition, epoch, next);
        }
    }

    fn lost(&mut self, partitions: &[(TopicPartition, Epoch)]) {
        self.0.change(|seen| {
            for (partition, _) in partitions {
                seen.owned.remove(partition);
            }
        });
    }

    fn failed(&mut self, error: LogError) {
        self.0.change(|seen| seen.failed = Some(error));
    }
}

struct Sink {
    recorder: Recorder,
    partition: TopicPartition,
    epoch: Epoch,
}

impl PartitionSink for Sink {
    fn credit(&self) -> usize {
        self.recorder.seen().credit.unwrap_or(100)
    }

    fn push(&mut self, record: RecordView<'_>) {
        let panics = self.recorder.seen().panic;
        assert!(!panics, "as the test asked for");
        let mut settle = None;
        self.recorder.change(|seen| {
            if let Some(credit) = &mut seen.credit {
                *credit = credit.checked_sub(1).expect("no more records than credit");
            }
            if !seen.settle_on_revoke {
                settle.clone_from(&seen.settle_by);
            }
            let record = StoredRecord {
                offset: record.offset,
                timestamp: record.timestamp,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record.headers.to_vec(),
            };
            seen.records
                .push((self.partition.clone(), self.epoch, record));
        });
        if let Some(subscription) = settle {
            subscription.settle(&self.partition, self.epoch, record.offset + 1);
        }
    }

    fn flush(&mut self) {}

    fn passed(&mut self, next: i64) {
        let partition = self.partition.clone();
        self.recorder.change(|seen| {
            seen.passed.insert(partition, next);
        });
    }

    fn obstructed(&mut self, reason: Option<&str>) {
        let partition = self.partition.clone();
        self.recorder.change(|seen| match reason {
            Some(reason) => {
                seen.obstacles.insert(partition, reason.to_owned());
            }
            None => {
                seen.obstacles.remove(&partition);
            }
        });
    }
}
