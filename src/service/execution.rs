//! Membership in the executor's group: which ledger partitions this instance executes (ledger-protocol §2).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use homeostat_actors::ledger_view::LedgerView;
use homeostat_actors::ownership::{Ownership, Owning};
use homeostat_actors::ports::log::{EventLog, GroupSettings, LogError, Subscription};
use homeostat_logic::topic::LEDGER;
use tokio::sync::watch;

/// The group, joined until the service ends.
pub(super) struct ExecutionGroup {
    ownership: Arc<Ownership>,
    /// `None` once it was left.
    subscription: Mutex<Option<Arc<dyn Subscription>>>,
}

impl ExecutionGroup {
    /// Joins the group that belongs to the consumers' group of this name.
    pub(super) fn join(
        log: &dyn EventLog,
        consumers: &str,
        views: Vec<Arc<LedgerView>>,
    ) -> Result<Self, LogError> {
        let ownership = Ownership::new(views);
        let group = GroupSettings {
            group: format!("{consumers}-executor"),
            topics: vec![LEDGER.to_owned()],
            // Nothing is waited for.
            drain: Duration::ZERO,
        };
        let subscription = log.subscribe(group, Box::new(Owning(Arc::clone(&ownership))))?;
        ownership.subscribed(&subscription);
        Ok(Self {
            ownership,
            subscription: Mutex::new(Some(subscription)),
        })
    }

    /// Becomes `Some` when its client has failed for good.
    pub(super) fn failed(&self) -> watch::Receiver<Option<LogError>> {
        self.ownership.failed()
    }

    /// Time since its loop last went round; `None` once the group was left.
    pub(super) fn idle(&self) -> Option<Duration> {
        let subscription = self.lock();
        subscription.as_ref().map(|one| one.idle())
    }

    /// Leaves the group, so that others execute at once what this instance gives up. Blocking.
    pub(super) fn leave(&self, deadline: Duration) {
        let subscription = self.lock().take();
        if let Some(subscription) = subscription {
            subscription.close(deadline);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<dyn Subscription>>> {
        self.subscription
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
