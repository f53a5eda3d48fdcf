//! Topics of events that an open transaction of another producer holds: reported as a warning, in the log and by a gauge. No reason
//! against readiness: no instance could read on, and taking this one out of service would stop its other partitions too.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use homeostat_actors::ports::log::{OpenTransaction, PartitionStatus, TopicPartition};

/// Time between two lines in the log about one partition.
const PERIOD: Duration = Duration::from_mins(1);

/// When each held partition was logged last. Bound: the partitions of the topics that this service reads.
#[derive(Debug)]
pub(super) struct Held {
    logged: Mutex<BTreeMap<TopicPartition, Instant>>,
    /// A shorter transaction is no trouble.
    longest: Duration,
}

impl Default for Held {
    fn default() -> Self {
        Self::beyond(Duration::from_mins(1))
    }
}

impl Held {
    /// Reports transactions that have been open for longer than this.
    pub(super) fn beyond(longest: Duration) -> Self {
        Self {
            logged: Mutex::default(),
            longest,
        }
    }

    /// One sentence per partition that has been held for too long.
    pub(super) fn warnings(&self, status: &[PartitionStatus]) -> Vec<String> {
        self.long(status)
            .map(|(partition, held)| sentence(partition, held))
            .collect()
    }

    /// Logs what is due now.
    pub(super) fn log(&self, status: &[PartitionStatus]) {
        for line in self.due(status, Instant::now()) {
            tracing::warn!("{line}");
        }
    }

    fn due(&self, status: &[PartitionStatus], now: Instant) -> Vec<String> {
        let mut logged = self.lock();
        let long: BTreeMap<_, _> = self.long(status).collect();
        logged.retain(|partition, _| long.contains_key(partition));
        let mut lines = Vec::new();
        for (partition, held) in long {
            let recent = |logged: &Instant| now.saturating_duration_since(*logged) < PERIOD;
            if !logged.get(partition).is_some_and(recent) {
                logged.insert(partition.clone(), now);
                lines.push(sentence(partition, held));
            }
        }
        lines
    }

    fn long<'a>(
        &self,
        status: &'a [PartitionStatus],
    ) -> impl Iterator<Item = (&'a TopicPartition, OpenTransaction)> + use<'a> {
        let longest = self.longest;
        status.iter().filter_map(move |one| {
            let held = one.held.filter(|held| held.lasting > longest)?;
            Some((&one.partition, held))
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, Instant>> {
        self.logged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sentence(place: &TopicPartition, held: OpenTransaction) -> String {
    format!("{place}: {}", held.in_words(place))
}

#[cfg(test)]
mod tests {
    use homeostat_actors::ports::log::Epoch;

    use super::*;

    fn status(seconds: Option<u64>) -> [PartitionStatus; 1] {
        let held = seconds.map(|seconds| OpenTransaction {
            at: 7,
            end: 12,
            lasting: Duration::from_secs(seconds),
        });
        [PartitionStatus {
            partition: TopicPartition {
                topic: "t".to_owned(),
                partition: 1,
            },
            epoch: Epoch(1),
            settled: 7,
            high: Some(7),
            refusal: None,
            held,
        }]
    }

    #[test]
    fn a_transaction_is_told_once_it_lasts_too_long_and_logged_once_a_minute() {
        let held = Held::beyond(Duration::from_secs(10));
        let start = Instant::now();
        // (second, seconds for which the transaction has been open, warned, logged)
        let cases = [
            (0, None, false, false),
            (10, Some(10), false, false),
            (15, Some(15), true, true),
            (20, Some(20), true, false),
            (76, Some(76), true, true),
            // Another one after it.
            (80, None, false, false),
            (95, Some(11), true, true),
        ];
        for (second, open, warned, logged) in cases {
            let status = status(open);
            let lines = held.due(&status, start + Duration::from_secs(second));
            let seen = (!held.warnings(&status).is_empty(), !lines.is_empty());
            assert_eq!(seen, (warned, logged), "second {second}");
        }
        let text = held.warnings(&status(Some(15))).concat();
        for part in [
            "t/1: ",
            "offset 7 ",
            "ends at 12",
            "for 15 s",
            "--topic t --partition 1 --start-offset 7",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
