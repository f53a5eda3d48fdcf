//! Which ledger partitions this instance executes: membership in the group `…-executor` over the ledger (ledger-protocol
//! §2). Ownership only keeps two instances from doing the same work; no promise rests on it.
//!
//! The group's records are taken and dropped: the fold has a separate reader. They are settled, so that the group's
//! lag says how alive the executors are and not how old the ledger is.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::flight::SubscriptionSlot;
use crate::ledger_view::LedgerView;
use crate::ports::log::{
    Assignment, Epoch, GroupHandler, LogError, PartitionSink, RecordView, Subscription,
    TopicPartition,
};

/// Records taken at once; they are only counted.
const CREDIT: usize = 1_024;

/// The ledger partitions this instance owns, shown in their views.
pub struct Ownership {
    views: Vec<Arc<LedgerView>>,
    subscription: SubscriptionSlot,
    failed: watch::Sender<Option<LogError>>,
}

impl Ownership {
    /// Of no partition yet.
    pub fn new(views: Vec<Arc<LedgerView>>) -> Arc<Self> {
        Arc::new(Self {
            views,
            subscription: Arc::new(RwLock::default()),
            failed: watch::Sender::new(None),
        })
    }

    /// Where settled positions go from now on.
    pub fn subscribed(&self, subscription: &Arc<dyn Subscription>) {
        *self.subscription.write() = Some(Arc::clone(subscription));
    }

    /// Becomes `Some` when the log's client has failed for good.
    pub fn failed(&self) -> watch::Receiver<Option<LogError>> {
        self.failed.subscribe()
    }

    fn release(&self, partitions: &[(TopicPartition, Epoch)], how: &'static str) {
        for (partition, epoch) in partitions {
            if let Some(view) = self.view(partition) {
                view.released(*epoch);
                tracing::info!(%partition, epoch = epoch.0, how, "ledger partition released");
            }
        }
    }

    fn view(&self, partition: &TopicPartition) -> Option<&Arc<LedgerView>> {
        self.views
            .iter()
            .find(|view| view.partition == partition.partition)
    }
}

/// The group handler that updates [`Ownership`]. Nothing is waited for: bids in flight are given up, requests under way go on
/// to their outcome (ledger-protocol §8).
pub struct Owning(pub Arc<Ownership>);

impl GroupHandler for Owning {
    fn assigned(&mut self, assignment: Assignment) -> Box<dyn PartitionSink> {
        let Assignment {
            partition, epoch, ..
        } = assignment;
        if let Some(view) = self.0.view(&partition) {
            view.assigned(epoch);
            tracing::info!(%partition, epoch = epoch.0, "ledger partition is executed here");
        }
        Box::new(Counted {
            partition,
            epoch,
            next: None,
            subscription: Arc::clone(&self.0.subscription),
        })
    }

    fn revoked(&mut self, partitions: &[(TopicPartition, Epoch)], _: Duration) {
        self.0.release(partitions, "revoked");
    }

    fn lost(&mut self, partitions: &[(TopicPartition, Epoch)]) {
        self.0.release(partitions, "lost");
    }

    fn failed(&mut self, error: LogError) {
        tracing::error!(%error, "the event log client of the executor's group failed for good");
        self.0.failed.send_replace(Some(error));
    }
}

/// Drops records and settles them.
struct Counted {
    partition: TopicPartition,
    epoch: Epoch,
    next: Option<i64>,
    subscription: SubscriptionSlot,
}

impl PartitionSink for Counted {
    fn credit(&self) -> usize {
        CREDIT
    }

    fn push(&mut self, record: RecordView<'_>) {
        self.next = Some(record.offset + 1);
    }

    fn flush(&mut self) {
        let subscription = self.subscription.read().clone();
        // Kept until there is a receiver.
        if let (Some(subscription), Some(next)) = (subscription, self.next) {
            self.next = None;
            subscription.settle(&self.partition, self.epoch, next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partition: i32) -> TopicPartition {
        TopicPartition {
            topic: homeostat_logic::topic::LEDGER.to_owned(),
            partition,
        }
    }

    fn assign(owning: &mut Owning, partition: i32, epoch: u64) -> Box<dyn PartitionSink> {
        owning.assigned(Assignment {
            partition: place(partition),
            epoch: Epoch(epoch),
            position: 0,
            created_again: false,
        })
    }

    #[test]
    fn views_know_their_epoch_and_an_older_one_ends_nothing() {
        let views: Vec<_> = (0..2).map(LedgerView::new).collect();
        let mut owning = Owning(Ownership::new(views.clone()));
        assert_eq!(views[1].owner(), None);
        assign(&mut owning, 1, 4);
        assign(&mut owning, 1, 5);
        // The end of the epoch before comes late.
        owning.revoked(&[(place(1), Epoch(4))], Duration::ZERO);
        assert_eq!((views[0].owner(), views[1].owner()), (None, Some(Epoch(5))));
        owning.lost(&[(place(1), Epoch(5)), (place(7), Epoch(1))]);
        assert_eq!(views[1].owner(), None);
    }

    #[test]
    fn a_client_that_failed_for_good_is_told() {
        let ownership = Ownership::new(Vec::new());
        let failed = ownership.failed();
        Owning(ownership).failed(LogError::Fatal("gone".to_owned()));
        assert_eq!(*failed.borrow(), Some(LogError::Fatal("gone".to_owned())));
    }
}
