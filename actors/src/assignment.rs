//! Assignment and revocation: a partition that comes gets a consumer, one that goes is drained first.
//!
//! Called on the log's own thread. Draining blocks that thread, which is what it is for: no record of the partition is
//! delivered meanwhile, and settlements arrive from the actors' threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use actix_rt::ArbiterHandle;
use homeostat_logic::dead_letters::breaker::Stop;
use homeostat_logic::topic;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::flight::{Flight, Standstill, SubscriptionSlot};
use crate::partition::{PartitionConsumer, PartitionContext};
use crate::ports::log::{
    Assignment, Epoch, GroupHandler, LogError, PartitionSink, RecordView, Subscription,
    TopicPartition,
};
use crate::roster_settings::{RosterSettings, child};
use crate::sink::{BatchSink, Deliver, Outlet};
use crate::supervision::{StartError, Supervisor};

/// How long a consumer whose partition is gone may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(1);

/// The partitions this instance owns.
pub struct Partitions {
    group: Supervisor,
    context: PartitionContext,
    settings: RosterSettings,
    arbiters: Vec<ArbiterHandle>,
    next_arbiter: AtomicUsize,
    subscription: SubscriptionSlot,
    owned: Mutex<BTreeMap<TopicPartition, Owned>>,
    failed: watch::Sender<Option<LogError>>,
}

struct Owned {
    flight: Arc<Flight>,
    path: String,
    arbiter: ArbiterHandle,
}

impl Partitions {
    pub(crate) fn new(
        group: Supervisor,
        context: PartitionContext,
        settings: RosterSettings,
        arbiters: Vec<ArbiterHandle>,
    ) -> Self {
        Self {
            group,
            context,
            settings,
            arbiters,
            next_arbiter: AtomicUsize::new(0),
            subscription: SubscriptionSlot::default(),
            owned: Mutex::default(),
            failed: watch::Sender::new(None),
        }
    }

    /// Where settled positions go from now on, and those settled already.
    pub fn subscribed(&self, subscription: &Arc<dyn Subscription>) {
        let slot = Some(Arc::clone(subscription));
        *self.subscription.write() = slot;
        // Not under the lock: the log's thread may hold its own while it asks for ours.
        let flights: Vec<_> = self
            .lock()
            .values()
            .map(|owned| Arc::clone(&owned.flight))
            .collect();
        for flight in flights {
            flight.publish();
        }
    }

    /// Number of owned partitions.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Records in flight, by partition.
    pub fn in_flight(&self) -> Vec<(TopicPartition, usize)> {
        let owned = self.lock();
        owned
            .iter()
            .map(|(partition, owned)| (partition.clone(), owned.flight.in_flight()))
            .collect()
    }

    /// Records of one partition in flight, if it is owned.
    pub fn in_flight_of(&self, partition: &TopicPartition) -> Option<usize> {
        self.lock()
            .get(partition)
            .map(|owned| owned.flight.in_flight())
    }

    /// For how long the watermark of a partition with records in flight has not moved, if it is owned and has any.
    pub fn standstill_of(&self, partition: &TopicPartition, now: Instant) -> Option<Standstill> {
        self.lock().get(partition)?.flight.standstill(now)
    }

    /// The same of every owned partition.
    pub fn standstills(&self, now: Instant) -> Vec<(TopicPartition, Standstill)> {
        let owned = self.lock();
        owned
            .iter()
            .filter_map(|(partition, owned)| {
                Some((partition.clone(), owned.flight.standstill(now)?))
            })
            .collect()
    }

    /// Owned partitions that stand because too many of their records were dead.
    pub fn stopped(&self) -> Vec<(TopicPartition, Stop)> {
        let owned = self.lock();
        owned
            .iter()
            .filter_map(|(partition, owned)| Some((partition.clone(), owned.flight.stopped()?)))
            .collect()
    }

    /// Whether this partition has stopped for that.
    pub fn is_stopped(&self, partition: &TopicPartition) -> bool {
        let owned = self.lock();
        owned
            .get(partition)
            .is_some_and(|owned| owned.flight.stopped().is_some())
    }

    /// Lets stopped partitions go on, all or those of a topic; which did.
    pub fn resume(&self, topic: Option<&str>) -> Vec<TopicPartition> {
        let owned = self.lock();
        owned
            .iter()
            .filter(|(partition, _)| topic.is_none_or(|topic| partition.topic == topic))
            .filter(|(_, owned)| owned.flight.resume())
            .map(|(partition, _)| partition.clone())
            .collect()
    }

    /// Becomes `Some` when the log's client has failed for good.
    pub fn failed(&self) -> watch::Receiver<Option<LogError>> {
        self.failed.subscribe()
    }

    /// Path of a partition's consumer, for healing it.
    pub fn consumer_path(&self, partition: &TopicPartition) -> Option<String> {
        self.lock().get(partition).map(|owned| owned.path.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, Owned>> {
        self.owned.lock()
    }

    fn assign(&self, assignment: Assignment) -> Box<dyn PartitionSink> {
        let Assignment {
            partition,
            epoch,
            position,
            ..
        } = assignment.clone();
        let further = || self.context.routes.further_topic(&partition.topic);
        let topic = topic::find(&partition.topic).or_else(further);
        let readers = topic.map(|topic| self.context.routes.readers(topic));
        let (Some(topic), Some(readers)) = (topic, readers.filter(|readers| !readers.is_empty()))
        else {
            tracing::error!(%partition, "assigned a partition of a topic that was not asked for");
            return Box::new(Closed);
        };
        self.forget(&partition, None);
        let flight = Arc::new(Flight::new(
            assignment,
            topic,
            readers,
            self.settings.flight,
            Arc::clone(&self.subscription),
        ));
        match self.start(&flight) {
            Ok((outlet, owned)) => {
                tracing::info!(%partition, epoch = epoch.0, position, "partition assigned");
                self.lock().insert(partition, owned);
                let events_max = self.settings.batch_events_max;
                Box::new(BatchSink::new(outlet, Deliver, flight, events_max))
            }
            Err(error) => {
                tracing::error!(%partition, %error, "no consumer could be started; the partition waits");
                Box::new(Closed)
            }
        }
    }

    fn start(&self, flight: &Arc<Flight>) -> Result<(Outlet<Deliver>, Owned), StartError> {
        let turn = self.next_arbiter.fetch_add(1, Ordering::Relaxed);
        let arbiter = self
            .arbiters
            .get(turn % self.arbiters.len().max(1))
            .cloned();
        let arbiter = arbiter.ok_or_else(|| StartError::NoArbiter(flight.partition.to_string()))?;
        let spec = |name: String| {
            let (flight, context) = (Arc::clone(flight), self.context.clone());
            let factory = move || PartitionConsumer::new(Arc::clone(&flight), context.clone());
            child(name, "partition", &self.settings, &arbiter, factory)
        };
        let name = flight.partition.to_string();
        // The consumer of the epoch before may still be ending.
        let address = self
            .group
            .start(spec(name.clone()))
            .or_else(|error| match &error {
                StartError::Duplicate(_) => {
                    self.group.start(spec(format!("{name}.{}", flight.epoch.0)))
                }
                StartError::NoArbiter(_) | StartError::TooManyKinds(_) => Err(error),
            })?;
        let outlet = Arc::new(OnceLock::from(address.recipient()));
        let path = address.path().to_owned();
        Ok((
            outlet,
            Owned {
                flight: Arc::clone(flight),
                path,
                arbiter,
            },
        ))
    }

    /// Ends a partition's epoch (`None`: whichever it is in) and its consumer.
    fn forget(&self, partition: &TopicPartition, epoch: Option<Epoch>) {
        let mut all = self.lock();
        let this = |owned: &Owned| epoch.is_none_or(|epoch| owned.flight.epoch == epoch);
        let owned = all
            .get(partition)
            .is_some_and(this)
            .then(|| all.remove(partition));
        drop(all);
        let Some(owned) = owned.flatten() else { return };
        owned.flight.end();
        let (group, path) = (self.group.clone(), owned.path);
        owned.arbiter.spawn(async move {
            if let Err(error) = group.stop(&path, STOP_LIMIT).await {
                tracing::warn!(%error, "a consumer did not end with its partition");
            }
        });
    }
}

/// The group handler that feeds [`Partitions`].
pub struct Assignments(pub Arc<Partitions>);

impl GroupHandler for Assignments {
    fn assigned(&mut self, assignment: Assignment) -> Box<dyn PartitionSink> {
        self.0.assign(assignment)
    }

    fn revoked(&mut self, partitions: &[(TopicPartition, Epoch)], deadline: Duration) {
        let end = Instant::now() + deadline;
        for (partition, epoch) in partitions {
            let flight = self
                .0
                .lock()
                .get(partition)
                .map(|owned| Arc::clone(&owned.flight));
            let Some(flight) = flight.filter(|flight| flight.epoch == *epoch) else {
                continue;
            };
            let drained = flight.wait_until_settled(end.saturating_duration_since(Instant::now()));
            tracing::info!(%partition, epoch = epoch.0, drained, "partition revoked");
        }
        for (partition, epoch) in partitions {
            self.0.forget(partition, Some(*epoch));
        }
    }

    fn lost(&mut self, partitions: &[(TopicPartition, Epoch)]) {
        for (partition, epoch) in partitions {
            tracing::warn!(%partition, epoch = epoch.0, "partition lost; its events in flight are read again by its next owner");
            self.0.forget(partition, Some(*epoch));
        }
    }

    fn failed(&mut self, error: LogError) {
        tracing::error!(%error, "the event log client failed for good");
        self.0.failed.send_replace(Some(error));
    }
}

/// Takes nothing.
struct Closed;

impl PartitionSink for Closed {
    fn credit(&self) -> usize {
        0
    }

    fn push(&mut self, _: RecordView<'_>) {}

    fn flush(&mut self) {}
}
