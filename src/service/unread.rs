//! Partitions that the log does not let this member read. Where one ends is then asked of the log itself: the client hears of
//! new records, and of the end of a failure, only by reading.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use homeostat_actors::ports::log::{
    EventLog, PartitionStatus, Refusal, TopicDescription, TopicPartition, Watermarks,
};

use super::ledger_health::Asking;
use super::state::{IDLE_MAX, ServiceState};

/// Pause between two questions to the log.
const PERIOD: Duration = Duration::from_secs(5);
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(15);

/// The answers so far. Bound: the partitions of the topics that this service reads.
#[derive(Debug, Default)]
pub(super) struct Unread {
    ends: Mutex<BTreeMap<TopicPartition, i64>>,
}

impl Unread {
    /// Asks from now on, as long as a partition cannot be read.
    pub(super) fn start(log: Arc<dyn EventLog>, state: Arc<ServiceState>) -> Asking {
        Asking(tokio::spawn(async move {
            loop {
                let topics = unreadable(&state);
                let ends = if topics.is_empty() {
                    BTreeMap::new()
                } else {
                    ask(&*log, topics).await
                };
                *state.unread().lock() = ends;
                tokio::time::sleep(PERIOD).await;
            }
        }))
    }

    /// Offset the next record of the log gets, as far as it is known.
    pub(super) fn end_of(&self, status: &PartitionStatus) -> Option<i64> {
        match status.refusal {
            Some(_) => self.lock().get(&status.partition).copied(),
            None => status.high,
        }
    }

    /// Reading fails, and records are left as far as is known. What stands in the log and cannot be read does not pass by
    /// itself: that counts at once.
    pub(super) fn standing<'a>(
        &self,
        status: &'a PartitionStatus,
        in_flight: usize,
    ) -> Option<&'a Refusal> {
        let refusal = status.refusal.as_ref()?;
        let in_flight = i64::try_from(in_flight).unwrap_or(i64::MAX);
        let read = status.settled.saturating_add(in_flight);
        let left = || self.end_of(status).is_none_or(|end| end > read);
        (refusal.at.is_some() || left()).then_some(refusal)
    }

    /// Why this partition is not read. What may pass is told only after a while.
    pub(super) fn reason(&self, status: &PartitionStatus, in_flight: usize) -> Option<String> {
        let refusal = self.standing(status, in_flight)?;
        (refusal.at.is_some() || refusal.lasting > IDLE_MAX).then(|| {
            format!(
                "{}: nothing has been read for {} s: {}",
                status.partition,
                refusal.lasting.as_secs(),
                refusal.reason
            )
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, i64>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unreadable(state: &ServiceState) -> BTreeSet<String> {
    let status = state.consumption().map(|one| one.status());
    let refused = |status: &PartitionStatus| status.refusal.is_some();
    status
        .into_iter()
        .flatten()
        .filter(refused)
        .map(|status| status.partition.topic)
        .collect()
}

/// What is not answered is not known.
async fn ask(log: &dyn EventLog, topics: BTreeSet<String>) -> BTreeMap<TopicPartition, i64> {
    let asked = log.describe_topics(topics.into_iter().collect());
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(Ok(described)) => described.iter().flat_map(ends_of).collect(),
        Ok(Err(error)) => {
            tracing::debug!(%error, "how much cannot be read is not known now");
            BTreeMap::new()
        }
        Err(_) => BTreeMap::new(),
    }
}

fn ends_of(topic: &TopicDescription) -> impl Iterator<Item = (TopicPartition, i64)> + '_ {
    let end = |(partition, Watermarks { high, .. }): (i32, &Watermarks)| {
        let topic = topic.name.clone();
        (TopicPartition { topic, partition }, *high)
    };
    (0..).zip(&topic.partitions).map(end)
}

#[cfg(test)]
mod tests {
    use homeostat_actors::ports::log::Epoch;

    use super::*;

    #[test]
    fn reading_that_fails_for_long_while_records_are_left_is_a_reason() {
        let topic = |ends: &[i64]| TopicDescription {
            name: "t".to_owned(),
            partitions: ends
                .iter()
                .map(|high| Watermarks {
                    low: 0,
                    high: *high,
                })
                .collect(),
            ..TopicDescription::default()
        };
        let long = IDLE_MAX + Duration::from_secs(1);
        // (ends of the topic's partitions, in flight, how long reading has failed, told)
        let cases: [(&[i64], _, _, _); 7] = [
            (&[0, 7], 0, Some(long), true),
            (&[], 0, Some(long), true),
            (&[0, 7], 1, Some(long), true),
            (&[0, 7], 2, Some(long), false),
            (&[9, 5], 0, Some(long), false),
            (&[0, 7], 0, Some(IDLE_MAX), false),
            (&[0, 7], 0, None, false),
        ];
        for (ends, in_flight, lasting, told) in cases {
            let unread = Unread::default();
            *unread.lock() = ends_of(&topic(ends)).collect();
            let status = PartitionStatus {
                partition: TopicPartition {
                    topic: "t".to_owned(),
                    partition: 1,
                },
                epoch: Epoch(1),
                settled: 5,
                // What the client knows, which reads nothing.
                high: Some(5),
                refusal: lasting.map(|lasting| Refusal {
                    lasting,
                    reason: "not authorized".to_owned(),
                    at: None,
                }),
            };
            let reason = "t/1: nothing has been read for 11 s: not authorized".to_owned();
            let expected = told.then_some(reason);
            assert_eq!(unread.reason(&status, in_flight), expected, "{status:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_reason_at_once_and_counts_as_a_standstill() {
        let status = |at| PartitionStatus {
            partition: TopicPartition {
                topic: "t".to_owned(),
                partition: 1,
            },
            epoch: Epoch(1),
            settled: 5,
            high: Some(5),
            refusal: Some(Refusal {
                lasting: Duration::from_secs(1),
                reason: "damaged".to_owned(),
                at,
            }),
        };
        let unread = Unread::default();
        unread.lock().insert(status(None).partition, 5);
        let told = |at| {
            let status = status(at);
            let standing = unread.standing(&status, 0).is_some();
            (standing, unread.reason(&status, 0).is_some())
        };
        assert_eq!(told(Some(5)), (true, true));
        // A partition that is refused as a whole and has nothing left.
        assert_eq!(told(None), (false, false));
    }
}
