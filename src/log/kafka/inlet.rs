//! One partition's way from its split queue into its sink.

use homeostat_actors::ports::log::{Header, PartitionSink, RecordView, TopicPartition};
use rdkafka::consumer::ConsumerContext;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};

/// Records delivered in one round at most, so that no partition starves the others of the thread.
const ROUND_RECORDS: usize = 256;

/// What a round came to; the greatest of several tells how soon to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Round {
    /// The queue is empty.
    Idle,
    /// The sink takes nothing now. There is no way to hear when it does again.
    Full,
    /// Records were delivered; there may be more.
    Delivered,
}

/// The queue and the sink of a partition.
pub(super) struct Inlet<C: ConsumerContext + 'static> {
    pub(super) partition: TopicPartition,
    /// Missing only if it could not be split off; its records then come by the main queue.
    queue: Option<PartitionQueue<C>>,
    sink: Box<dyn PartitionSink>,
    headers: Vec<Header>,
}

impl<C: ConsumerContext + 'static> Inlet<C> {
    pub(super) fn new(
        partition: TopicPartition,
        queue: Option<PartitionQueue<C>>,
        sink: Box<dyn PartitionSink>,
    ) -> Self {
        Self {
            partition,
            queue,
            sink,
            headers: Vec::new(),
        }
    }

    /// Delivers what the sink takes of what is there. Without credit the queue is not polled: librdkafka stops
    /// fetching once it is full, and nothing is paused (kafka-client §3).
    pub(super) fn deliver(&mut self) -> Result<Round, KafkaError> {
        let Some(queue) = &self.queue else {
            return Ok(Round::Idle);
        };
        let credit = self.sink.credit().min(ROUND_RECORDS);
        if credit == 0 {
            return Ok(Round::Full);
        }
        let mut outcome = Ok(Round::Idle);
        for _ in 0..credit {
            match queue.poll(std::time::Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    push(self.sink.as_mut(), &mut self.headers, &message);
                    outcome = Ok(Round::Delivered);
                }
                Some(Err(error)) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        self.sink.flush();
        outcome
    }

    /// A record of this partition that came by the main queue although the partition is split: rare, and ahead of what
    /// is in the split queue.
    pub(super) fn route(&mut self, message: &BorrowedMessage<'_>) {
        push(self.sink.as_mut(), &mut self.headers, message);
        self.sink.flush();
    }

    /// Whether a message is of this partition.
    pub(super) fn takes(&self, message: &BorrowedMessage<'_>) -> bool {
        self.partition.partition == message.partition() && self.partition.topic == message.topic()
    }
}

fn push(sink: &mut dyn PartitionSink, headers: &mut Vec<Header>, message: &BorrowedMessage<'_>) {
    copy_headers(message, headers);
    sink.push(RecordView {
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().unwrap_or(0),
        key: message.key(),
        value: message.payload(),
        headers,
    });
}

/// Replaces what `headers` held by the message's headers.
pub(super) fn copy_headers(message: &BorrowedMessage<'_>, headers: &mut Vec<Header>) {
    headers.clear();
    if let Some(given) = message.headers() {
        headers.extend(given.iter().map(|header| {
            (
                header.key.to_owned(),
                header.value.unwrap_or_default().to_vec(),
            )
        }));
    }
}
