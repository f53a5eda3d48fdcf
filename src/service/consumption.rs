//! Membership in the consumer group: joined at the start, joined again when the watchdog finds it standing still, left at
//! the end.

use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use homeostat_actors::assignment::{Assignments, Partitions};
use homeostat_actors::ports::log::{
    EventLog, GroupSettings, LogError, PartitionStatus, Subscription,
};

/// A consumer loop that has not gone round for this long, or a partition whose records in flight do not get settled for so
/// long, is not progressing. The longest regular pause is the drain of a rebalance, below five seconds.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(10);

/// The group this instance is in.
pub(super) struct Consumption {
    log: Arc<dyn EventLog>,
    group: GroupSettings,
    partitions: Arc<Partitions>,
    /// `None` once it was left for good.
    present: RwLock<Option<Arc<dyn Subscription>>>,
}

impl Consumption {
    /// Joins the group.
    pub(super) fn join(
        log: Arc<dyn EventLog>,
        group: GroupSettings,
        partitions: Arc<Partitions>,
    ) -> Result<Self, LogError> {
        let consumption = Self {
            log,
            group,
            partitions,
            present: RwLock::default(),
        };
        consumption.enter(&mut consumption.lock())?;
        Ok(consumption)
    }

    fn lock(&self) -> RwLockWriteGuard<'_, Option<Arc<dyn Subscription>>> {
        self.present.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, present: &mut Option<Arc<dyn Subscription>>) -> Result<(), LogError> {
        let handler = Box::new(Assignments(Arc::clone(&self.partitions)));
        let subscription = self.log.subscribe(self.group.clone(), handler)?;
        self.partitions.subscribed(&subscription);
        *present = Some(subscription);
        Ok(())
    }

    /// Leaves the group and joins it with a new client. Blocking, for as long as a drain takes.
    pub(super) fn rejoin(&self) {
        let mut present = self.lock();
        let Some(old) = present.take() else { return };
        old.close(self.group.drain);
        if let Err(error) = self.enter(&mut present) {
            tracing::error!(%error, "the consumer group could not be joined again; the next step of the watchdog follows");
            *present = Some(old);
        }
    }

    /// Leaves the group for good: stops polling, drains, commits. Blocking.
    pub(super) fn leave(&self, deadline: Duration) {
        if let Some(subscription) = self.lock().take() {
            subscription.close(deadline);
        }
    }

    /// Owned partitions and how far they are; nothing while the group is being joined or left.
    pub(super) fn status(&self) -> Vec<PartitionStatus> {
        self.peek(|subscription| subscription.status())
            .unwrap_or_default()
    }

    /// Time since the consumer loop last went round.
    pub(super) fn idle(&self) -> Option<Duration> {
        self.peek(|subscription| subscription.idle())
    }

    /// Whether the log's server can be reached.
    pub(super) fn connected(&self) -> bool {
        self.peek(|subscription| subscription.connected())
            .unwrap_or(false)
    }

    /// Never waits: the API asks while the group may be being joined. Concurrent callers do not block each other:
    /// otherwise the service would seem unready for a moment.
    fn peek<T>(&self, ask: impl Fn(&dyn Subscription) -> T) -> Option<T> {
        let present = self.present.try_read().ok()?;
        present.as_deref().map(ask)
    }
}
