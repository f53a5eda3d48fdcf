//! What a group member's client calls back, on its own thread: assignment, revocation, statistics, logs (kafka-client
//! §6). Results are checked, which rust-rdkafka's default does not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use homeostat_actors::fail_point::{self, Point};
use homeostat_actors::ports::log::{Assignment, Epoch, GroupHandler, TopicPartition};
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::client::Link;
use super::ends::Look;
use super::inlet::Inlet;
use super::positions::{commit_stored, find_starts, offsets, places};
use super::progress::MemberProgress;
use super::repeats::log_line;
use crate::log::sync::{Signal, lock};

/// Assignments of this process so far.
static EPOCHS: AtomicU64 = AtomicU64::new(0);

/// The member's client.
pub(super) type GroupConsumer = BaseConsumer<GroupContext>;

/// A partition in its epoch.
pub(super) struct Owned {
    pub(super) epoch: Epoch,
    pub(super) inlet: Inlet<GroupContext>,
}

/// What only the client's thread uses; the lock is never contended.
pub(super) struct Desk {
    pub(super) handler: Box<dyn GroupHandler>,
    pub(super) owned: Vec<Owned>,
}

/// The context of a member's client.
pub(super) struct GroupContext {
    pub(super) desk: Mutex<Desk>,
    progress: Arc<MemberProgress>,
    link: Link,
    /// Wakes the client's thread when a queue has something.
    signal: Arc<Signal>,
    /// Longest drain on revocation.
    drain: Duration,
    /// Set right after the client is created: splitting a queue needs the client's `Arc`. Weak, or it would never drop.
    consumer: OnceLock<Weak<GroupConsumer>>,
}

impl GroupContext {
    pub(super) fn new(
        handler: Box<dyn GroupHandler>,
        progress: Arc<MemberProgress>,
        link: Link,
        signal: Arc<Signal>,
        drain: Duration,
    ) -> Self {
        Self {
            desk: Mutex::new(Desk {
                handler,
                owned: Vec::new(),
            }),
            progress,
            link,
            signal,
            drain,
            consumer: OnceLock::new(),
        }
    }

    /// Makes the client known to its context.
    pub(super) fn attach(&self, consumer: &Arc<GroupConsumer>) {
        self.consumer.get_or_init(|| Arc::downgrade(consumer));
    }

    /// Stores what was settled since the last time. Only this function stores, and only for partitions owned: a commit
    /// by list for a partition lost meanwhile would rewind its new owner (P2).
    pub(super) fn store_settled(&self, consumer: &GroupConsumer) {
        for (partition, next) in self.progress.due() {
            let stored = offsets([(&partition, Offset::Offset(next))])
                .and_then(|list| consumer.store_offsets(&list));
            match stored {
                Ok(()) => {
                    self.progress.stored(&partition, next);
                    fail_point::pass(Point::BeforeCommit);
                }
                Err(KafkaError::StoreOffset(RDKafkaErrorCode::State)) => {
                    self.progress.end(&partition);
                }
                Err(error) => {
                    tracing::warn!(%partition, next, %error, "kafka: a settled offset is not stored yet");
                }
            }
        }
    }

    /// Drains the partitions, stores and commits what was settled, ends their epochs and drops their queues.
    pub(super) fn give_up(
        &self,
        consumer: &GroupConsumer,
        partitions: &[TopicPartition],
        drain: Duration,
    ) {
        let mut desk = lock(&self.desk);
        let epochs = epochs_of(&desk.owned, partitions);
        if epochs.is_empty() {
            return;
        }
        fail_point::pass(Point::Revoking);
        desk.handler.revoked(&epochs, drain);
        self.store_settled(consumer);
        fail_point::pass(Point::BeforeRevokedCommit);
        if let Err(error) = commit_stored(consumer, &self.progress, &epochs) {
            tracing::warn!(%error, "kafka: the commit on revocation failed; records may be delivered again");
        }
        self.forget(&mut desk, partitions);
    }

    /// Ends the epochs of partitions that another member may have already: nothing is stored, nothing committed.
    pub(super) fn lose(&self, partitions: &[TopicPartition]) {
        let mut desk = lock(&self.desk);
        let epochs = epochs_of(&desk.owned, partitions);
        if !epochs.is_empty() {
            self.forget(&mut desk, partitions);
            desk.handler.lost(&epochs);
        }
    }

    /// Everything owned.
    pub(super) fn owned(&self) -> Vec<TopicPartition> {
        lock(&self.desk)
            .owned
            .iter()
            .map(|owned| owned.inlet.partition.clone())
            .collect()
    }

    fn forget(&self, desk: &mut Desk, partitions: &[TopicPartition]) {
        desk.owned
            .retain(|owned| !partitions.contains(&owned.inlet.partition));
        for partition in partitions {
            self.progress.end(partition);
        }
    }

    fn assign(&self, consumer: &GroupConsumer, given: &TopicPartitionList) {
        let partitions = places(given);
        let starts = find_starts(consumer, &partitions);
        let start = |partition: &TopicPartition| {
            starts
                .get(partition)
                .copied()
                .unwrap_or((Offset::Stored, 0))
        };
        let client = self.consumer.get().and_then(Weak::upgrade);
        let split = |partition: &TopicPartition| {
            let client = client.as_ref()?;
            // Again at every assignment: the queue's forwarding outlives the assignment, its reader does not (P3).
            let mut queue = client.split_partition_queue(&partition.topic, partition.partition)?;
            let wake = Arc::clone(&self.signal);
            queue.set_nonempty_callback(move || wake.notify());
            Some(queue)
        };
        let queues: Vec<_> = partitions.iter().map(split).collect();
        let list = offsets(
            partitions
                .iter()
                .map(|partition| (partition, start(partition).0)),
        );
        if let Err(error) = list.and_then(|list| consumer.incremental_assign(&list)) {
            tracing::error!(?partitions, %error, "kafka: an assignment was not taken");
            return;
        }
        let mut desk = lock(&self.desk);
        for (partition, queue) in partitions.into_iter().zip(queues) {
            let position = start(&partition).1;
            let epoch = Epoch(EPOCHS.fetch_add(1, Ordering::Relaxed).saturating_add(1));
            self.progress.begin(partition.clone(), epoch, position);
            let sink = desk.handler.assigned(Assignment {
                partition: partition.clone(),
                epoch,
                position,
                created_again: false,
            });
            desk.owned.push(Owned {
                epoch,
                inlet: Inlet::new(partition, queue, sink, position).noticing_return(),
            });
        }
    }

    /// Begins another epoch of each partition whose log went back, which it does when its topic was deleted and created again:
    /// offsets repeat, and nothing of the old records may be settled any more.
    pub(super) fn begin_again(&self) {
        let mut desk = lock(&self.desk);
        let Desk { handler, owned } = &mut *desk;
        for owned in owned {
            let Some(position) = owned.inlet.returned() else {
                continue;
            };
            let partition = owned.inlet.partition.clone();
            tracing::warn!(
                %partition,
                read = owned.inlet.next(),
                position,
                "kafka: a partition goes back: its topic was deleted and created again, and is read from its beginning"
            );
            handler.lost(&[(partition.clone(), owned.epoch)]);
            owned.epoch = Epoch(EPOCHS.fetch_add(1, Ordering::Relaxed).saturating_add(1));
            self.progress
                .begin(partition.clone(), owned.epoch, position);
            let sink = handler.assigned(Assignment {
                partition,
                epoch: owned.epoch,
                position,
                created_again: true,
            });
            owned.inlet.begin_again(sink, position);
        }
    }

    fn revoke(&self, consumer: &GroupConsumer, taken: &TopicPartitionList) {
        let partitions = places(taken);
        if consumer.assignment_lost() {
            self.lose(&partitions);
        } else {
            self.give_up(consumer, &partitions, self.drain);
        }
        if let Err(error) = consumer.incremental_unassign(taken) {
            tracing::error!(?partitions, %error, "kafka: a revocation was not taken");
        }
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(
        &self,
        consumer: &GroupConsumer,
        err: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        match err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, list),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => self.revoke(consumer, list),
            other => {
                tracing::error!(error = ?other, "kafka: a rebalance failed; giving up all partitions");
                self.lose(&self.owned());
                if let Err(error) = consumer.unassign() {
                    tracing::error!(%error, "kafka: the assignment could not be cleared");
                }
            }
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        match result {
            // Nothing stored is no error (P10).
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            Err(error) => tracing::warn!(%error, "kafka: a commit failed; trying again"),
        }
    }
}

impl ClientContext for GroupContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(
        &self,
        _: Option<&str>,
    ) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.link.token()
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if !self.link.takes_up(facility, message) {
            log_line(level, facility, message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let up = statistics
            .brokers
            .values()
            .any(|broker| broker.state == "UP");
        self.progress.reachable(up);
        if up {
            self.link.trouble.clear();
        }
        for (topic, known) in &statistics.topics {
            for (number, partition) in &known.partitions {
                if let Some(look) = Look::at(partition) {
                    self.progress.looked(topic, *number, look);
                }
            }
        }
    }
}

fn epochs_of(owned: &[Owned], partitions: &[TopicPartition]) -> Vec<(TopicPartition, Epoch)> {
    owned
        .iter()
        .filter(|owned| partitions.contains(&owned.inlet.partition))
        .map(|owned| (owned.inlet.partition.clone(), owned.epoch))
        .collect()
}
