//! From the log's thread into a mailbox: builds batches and stops taking records when the actor cannot.

use std::sync::{Arc, OnceLock};

use crate::batch::Batch;
use crate::flight::Flight;
use crate::ports::log::{PartitionSink, RecordView};
use crate::supervision::Recipient;

/// Records of an assigned partition, on their way to its consumer.
#[derive(Clone, Debug)]
pub struct Deliver(pub Arc<Batch>);

/// Where a sink delivers to: empty until the actor has been started.
pub type Outlet<M> = Arc<OnceLock<Recipient<M>>>;

/// What a sink asks before it takes more, and tells when it took some.
pub trait Gauge: Send {
    /// Records that may still be taken.
    fn room(&self) -> usize;
    /// A batch is about to be sent.
    fn departing(&self, batch: &Arc<Batch>);
}

impl Gauge for Arc<Flight> {
    fn room(&self) -> usize {
        self.credit()
    }

    fn departing(&self, batch: &Arc<Batch>) {
        self.delivered(batch);
    }
}

/// Collects records into batches for one actor. A batch that does not fit into the mailbox stays here, and no further
/// record is taken until it is gone: that is how back-pressure reaches the partition.
pub struct BatchSink<M, G> {
    outlet: Outlet<M>,
    wrap: Box<dyn Fn(Arc<Batch>) -> M + Send>,
    gauge: G,
    events_max: usize,
    pending: Batch,
    refused: Option<M>,
}

impl<M: Send + 'static, G: Gauge> BatchSink<M, G> {
    /// A sink for batches of at most `events_max` records.
    pub fn new(
        outlet: Outlet<M>,
        wrap: impl Fn(Arc<Batch>) -> M + Send + 'static,
        gauge: G,
        events_max: usize,
    ) -> Self {
        Self {
            outlet,
            wrap: Box::new(wrap),
            gauge,
            events_max,
            pending: Batch::default(),
            refused: None,
        }
    }

    fn has_room(&self) -> bool {
        self.outlet
            .get()
            .is_some_and(|recipient| recipient.room() > 0)
    }
}

impl<M: Send + 'static, G: Gauge> PartitionSink for BatchSink<M, G> {
    fn credit(&self) -> usize {
        if !self.has_room() {
            return 0;
        }
        let batch = self.events_max.saturating_sub(self.pending.len());
        // A refused batch goes first: the next flush sends it, and takes what it can behind it.
        if self.refused.is_some() {
            batch.min(1)
        } else {
            batch
        }
        .min(self.gauge.room().saturating_sub(self.pending.len()))
    }

    fn push(&mut self, record: RecordView<'_>) {
        self.pending.push(record);
    }

    fn flush(&mut self) {
        let Some(recipient) = self.outlet.get() else {
            return;
        };
        if let Some(message) = self.refused.take() {
            self.refused = recipient
                .try_send(message)
                .err()
                .map(crate::supervision::SendError::into_message);
        }
        if self.refused.is_some() || self.pending.is_empty() {
            return;
        }
        let batch = Arc::new(std::mem::take(&mut self.pending));
        self.gauge.departing(&batch);
        let sent = recipient.try_send((self.wrap)(batch));
        self.refused = sent.err().map(crate::supervision::SendError::into_message);
    }
}
