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

/// What a sink asks before it takes more, and notifies when it took some.
pub trait Gauge: Send {
    /// Records that may still be taken.
    fn room(&self) -> usize;
    /// A batch is about to be sent.
    fn departing(&self, batch: &Arc<Batch>);
    /// Whether the actor wants to hear how far the partition was passed without a record ([`Batch::up_to`]).
    fn hears_of_ends(&self) -> bool {
        false
    }
    /// Reading fails, for this reason; `None`: it goes on.
    fn obstructed(&self, _reason: Option<&str>) {}
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
    /// How far the partition was passed, not reported yet.
    end: Option<i64>,
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
            end: None,
        }
    }

    /// Sends a batch; what the mailbox does not take stays here.
    fn send(&mut self, recipient: &Recipient<M>, batch: Batch) {
        let batch = Arc::new(batch);
        self.gauge.departing(&batch);
        let sent = recipient.try_send((self.wrap)(batch));
        self.refused = sent.err().map(crate::supervision::SendError::into_message);
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
        let outlet = Arc::clone(&self.outlet);
        let Some(recipient) = outlet.get() else {
            return;
        };
        if let Some(message) = self.refused.take() {
            self.refused = recipient
                .try_send(message)
                .err()
                .map(crate::supervision::SendError::into_message);
        }
        if self.refused.is_none() && !self.pending.is_empty() {
            let batch = std::mem::take(&mut self.pending);
            self.send(recipient, batch);
        }
        if self.refused.is_none()
            && let Some(end) = self.end.take()
        {
            self.send(recipient, Batch::up_to(end));
        }
    }

    fn passed(&mut self, next: i64) {
        if self.gauge.hears_of_ends() {
            self.end = Some(next);
        }
    }

    fn obstructed(&mut self, reason: Option<&str>) {
        self.gauge.obstructed(reason);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::supervision::{ChildSpec, Failure, GroupSpec, Handle, Scope, Supervisor, Worker};

    /// Takes one batch and holds its mailbox from then on.
    struct Holding(std::sync::mpsc::SyncSender<usize>);

    impl Worker for Holding {}

    impl Handle<Deliver> for Holding {
        type Reply = ();

        fn handle(&mut self, message: Deliver, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
            self.0.send(message.0.len())?;
            scope.hold(std::future::pending::<()>(), |_, (), _| Ok(()));
            Ok(())
        }
    }

    #[derive(Clone)]
    struct Room(Arc<AtomicUsize>);

    impl Gauge for Room {
        fn room(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }

        fn departing(&self, batch: &Arc<Batch>) {
            self.0.fetch_sub(batch.len(), Ordering::Relaxed);
        }
    }

    fn push(sink: &mut BatchSink<Deliver, Room>, count: i64) {
        for offset in 0..count {
            sink.push(RecordView {
                offset,
                timestamp: 0,
                key: None,
                value: None,
                headers: &[],
            });
        }
    }

    #[actix::test]
    async fn a_sink_takes_no_more_than_batch_gauge_and_mailbox_hold() {
        let supervisor = Supervisor::new(GroupSpec::new("test"));
        let (took, taken) = std::sync::mpsc::sync_channel(8);
        let spec = ChildSpec::new("holding", "test", move || Holding(took.clone()));
        let address = supervisor.start(spec.capacity(2)).unwrap();
        let (outlet, room) = (Outlet::default(), Room(Arc::new(AtomicUsize::new(6))));
        let mut sink = BatchSink::new(Arc::clone(&outlet), Deliver, room.clone(), 4);
        assert_eq!(sink.credit(), 0, "no receiver yet");
        outlet.get_or_init(|| address.recipient());
        assert_eq!(sink.credit(), 4, "a batch");
        push(&mut sink, 3);
        assert_eq!(sink.credit(), 1, "the rest of a batch");
        sink.flush();
        assert_eq!(sink.credit(), 3, "what the gauge leaves");
        push(&mut sink, 1);
        assert_eq!(
            sink.credit(),
            2,
            "what is pending counts against the gauge too"
        );
        sink.flush();
        assert_eq!(sink.credit(), 0, "the mailbox is full");
        while address.room() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(taken.recv().unwrap(), 3);
        assert_eq!(sink.credit(), 2, "the gauge");
        // Pushed without credit, into a mailbox that fills meanwhile: kept, and sent first when there is room.
        room.0.store(9, Ordering::Relaxed);
        push(&mut sink, 2);
        sink.flush();
        push(&mut sink, 1);
        sink.flush();
        assert_eq!(sink.credit(), 0);
        assert!(sink.refused.is_some());
    }
}
