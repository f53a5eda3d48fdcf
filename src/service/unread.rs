//! Partitions that the log does not let this member read. Where one ends is then asked of the log itself: the client hears of
//! new records, and of the end of a failure, only by reading.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use homeostat_actors::assignment::Partitions;
use homeostat_actors::ports::log::{
    EventLog, PartitionStatus, TopicDescription, TopicPartition, Watermarks,
};

use super::consumption::{Consumption, IDLE_MAX};
use super::ledger_health::Asking;

/// Pause between two questions to the log.
const PERIOD: Duration = Duration::from_secs(5);
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(15);

/// Records that are neither delivered nor refused for this long are a reason against readiness: the client's word on where a partition
/// ends is up to two of its looks old, ten seconds.
const SILENT_MAX: Duration = Duration::from_secs(20);

/// The answers so far. Bound: the partitions of the topics that this service reads.
#[derive(Debug, Default)]
pub(super) struct Unread {
    ends: Mutex<BTreeMap<TopicPartition, i64>>,
    silent: Mutex<BTreeMap<TopicPartition, Silent>>,
}

/// The log goes on behind this offset, nothing is in flight, and no error says why nothing comes. It outlives the client, so
/// that a new one does not make the service ready for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Silent {
    settled: i64,
    since: Instant,
}

/// A partition is not read although records are left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) lasting: Duration,
    reason: String,
    /// Before that it may pass by itself.
    shown_after: Duration,
}

impl Unread {
    /// Asks from now on, as long as a partition cannot be read. `also` sees the partitions each time.
    pub(super) fn start(
        self: Arc<Self>,
        log: Arc<dyn EventLog>,
        consumption: Arc<Consumption>,
        partitions: Arc<Partitions>,
        also: impl Fn(&[PartitionStatus]) + Send + 'static,
    ) -> Asking {
        Asking(tokio::spawn(async move {
            loop {
                let topics = unreadable(&consumption.status());
                let ends = if topics.is_empty() {
                    BTreeMap::new()
                } else {
                    ask(&*log, topics).await
                };
                *self.lock() = ends;
                let status = consumption.status();
                self.look(&status, consumption.connected(), &partitions);
                also(&status);
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

    /// Whether the partition is not read although records are left, as far as is known.
    pub(super) fn standing(
        &self,
        status: &PartitionStatus,
        in_flight: usize,
        now: Instant,
    ) -> Option<Standing> {
        let Some(refusal) = &status.refusal else {
            let silent = *self.silent().get(&status.partition)?;
            let lasting = now.saturating_duration_since(silent.since);
            let unmoved = silent.settled == status.settled && lasting > SILENT_MAX;
            return unmoved.then(|| Standing {
                lasting,
                reason: format!(
                    "the log has records from offset {} on, and the client delivers none of them without giving a reason",
                    silent.settled
                ),
                shown_after: SILENT_MAX,
            });
        };
        let in_flight = i64::try_from(in_flight).unwrap_or(i64::MAX);
        let read = status.settled.saturating_add(in_flight);
        let left = || self.end_of(status).is_none_or(|end| end > read);
        // A record that cannot be read does not pass by itself.
        let lasts = refusal.at.is_some();
        (lasts || left()).then(|| Standing {
            lasting: refusal.lasting,
            reason: refusal.reason.clone(),
            shown_after: if lasts { Duration::ZERO } else { IDLE_MAX },
        })
    }

    /// Why this partition is not read.
    pub(super) fn reason(
        &self,
        status: &PartitionStatus,
        in_flight: usize,
        now: Instant,
    ) -> Option<String> {
        let standing = self.standing(status, in_flight, now)?;
        (standing.lasting >= standing.shown_after).then(|| {
            format!(
                "{}: nothing has been read for {} s: {}",
                status.partition,
                standing.lasting.as_secs(),
                standing.reason
            )
        })
    }

    /// Looks for partitions that stand in silence.
    fn look(&self, status: &[PartitionStatus], connected: bool, partitions: &Partitions) {
        let idle = |partition: &TopicPartition| {
            let in_flight = partitions.in_flight_of(partition);
            connected && in_flight == Some(0) && !partitions.is_stopped(partition)
        };
        note(&mut self.silent(), status, idle, Instant::now());
    }

    fn silent(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, Silent>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, i64>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `idle`: nothing of the partition is in flight, and nothing else holds it. While the end of a partition is not known, what
/// was noted stays: the group is being joined again.
fn note(
    known: &mut BTreeMap<TopicPartition, Silent>,
    status: &[PartitionStatus],
    idle: impl Fn(&TopicPartition) -> bool,
    now: Instant,
) {
    if !status.is_empty() {
        known.retain(|partition, _| status.iter().any(|one| one.partition == *partition));
    }
    for one in status {
        let settled = one.settled;
        let Some(high) = one.high else { continue };
        if high <= settled || one.refusal.is_some() || !idle(&one.partition) {
            known.remove(&one.partition);
            continue;
        }
        let present = Silent {
            settled,
            since: now,
        };
        let noted = known.entry(one.partition.clone()).or_insert(present);
        if noted.settled != settled {
            *noted = present;
        }
    }
}

fn unreadable(status: &[PartitionStatus]) -> BTreeSet<String> {
    let refused = status.iter().filter(|status| status.refusal.is_some());
    refused
        .map(|status| status.partition.topic.clone())
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
    use homeostat_actors::ports::log::{Epoch, ReadFailing};

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
        // (ends of the topic's partitions, in flight, how long reading has failed, reported)
        let cases: [(&[i64], _, _, _); 7] = [
            (&[0, 7], 0, Some(long), true),
            (&[], 0, Some(long), true),
            (&[0, 7], 1, Some(long), true),
            (&[0, 7], 2, Some(long), false),
            (&[9, 5], 0, Some(long), false),
            (
                &[0, 7],
                0,
                Some(IDLE_MAX.saturating_sub(Duration::from_millis(1))),
                false,
            ),
            (&[0, 7], 0, None, false),
        ];
        for (ends, in_flight, lasting, reported) in cases {
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
                refusal: lasting.map(|lasting| ReadFailing {
                    lasting,
                    reason: "not authorized".to_owned(),
                    at: None,
                }),
                held: None,
            };
            let reason = "t/1: nothing has been read for 11 s: not authorized".to_owned();
            let expected = reported.then_some(reason);
            let reported = unread.reason(&status, in_flight, Instant::now());
            assert_eq!(reported, expected, "{status:?}");
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
            refusal: Some(ReadFailing {
                lasting: Duration::from_secs(1),
                reason: "damaged".to_owned(),
                at,
            }),
            held: None,
        };
        let unread = Unread::default();
        unread.lock().insert(status(None).partition, 5);
        let reported = |at| {
            let status = status(at);
            let now = Instant::now();
            let standing = unread.standing(&status, 0, now).is_some();
            (standing, unread.reason(&status, 0, now).is_some())
        };
        assert_eq!(reported(Some(5)), (true, true));
        // A partition that is refused as a whole and has nothing left.
        assert_eq!(reported(None), (false, false));
    }

    #[test]
    fn records_that_never_come_without_a_word_are_a_reason_also_through_a_new_client() {
        let status = |settled, high| PartitionStatus {
            partition: TopicPartition {
                topic: "t".to_owned(),
                partition: 1,
            },
            epoch: Epoch(1),
            settled,
            high,
            refusal: None,
            held: None,
        };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        // (second, settled, end, idle, reported)
        let cases = [
            (0, 5, Some(7), true, false),
            (20, 5, Some(7), true, false),
            (25, 5, Some(8), true, true),
            // A new client: where the partition ends is not known yet.
            (30, 5, None, true, true),
            (35, 5, Some(8), true, true),
            // It moves.
            (40, 6, Some(8), true, false),
            (65, 6, Some(8), true, true),
            // Something is in flight; then nothing is left.
            (70, 6, Some(8), false, false),
            (75, 6, Some(8), true, false),
            (100, 8, Some(8), true, false),
        ];
        let unread = Unread::default();
        for (second, settled, high, idle, reported) in cases {
            let status = status(settled, high);
            note(
                &mut unread.silent(),
                std::slice::from_ref(&status),
                |_| idle,
                at(second),
            );
            let reason = unread.reason(&status, 0, at(second));
            assert_eq!(reason.is_some(), reported, "{second}: {reason:?}");
        }
        // Another instance has it.
        let other = PartitionStatus {
            partition: TopicPartition {
                topic: "t".to_owned(),
                partition: 2,
            },
            ..status(0, Some(0))
        };
        note(&mut unread.silent(), &[status(5, Some(9))], |_| true, at(0));
        note(&mut unread.silent(), &[other], |_| true, at(1));
        assert!(unread.silent().is_empty());
    }
}
