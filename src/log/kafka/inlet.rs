//! One partition's way from its split queue into its sink.

use std::time::{Duration, Instant};

use homeostat_actors::ports::log::{
    Header, OpenTransaction, PartitionSink, RecordView, TopicPartition,
};
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};

use super::ends::{Held, Look};
use super::error::is_unreadable;
use super::raw_headers;

/// Records delivered in one round at most, so that no partition starves the others of the thread.
const ROUND_RECORDS: usize = 256;
/// Pause before what could not be read is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// An open transaction that holds a partition which should have none, for longer than this, is an obstacle.
const HELD_MAX: Duration = Duration::from_secs(30);
/// Time between two lines in the log about one partition.
const LOG_EVERY: Duration = Duration::from_mins(1);

/// What a round came to; the greatest of several decides how soon to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Round {
    /// The queue is empty.
    Idle,
    /// The sink takes nothing now. There is no way to hear when it does again.
    Full,
    /// Records were delivered; there may be more.
    Delivered,
}

/// Reading a partition failed.
#[derive(Debug)]
pub(super) struct Obstacle {
    pub(super) error: KafkaError,
    /// In words.
    pub(super) reason: String,
    /// Everything before this offset was read, and what is there cannot be.
    pub(super) at: Option<i64>,
}

/// The queue and the sink of a partition.
pub(super) struct Inlet<C: ConsumerContext + 'static> {
    pub(super) partition: TopicPartition,
    /// Missing only if it could not be split off; its records then come by the main queue.
    queue: Option<PartitionQueue<C>>,
    sink: Box<dyn PartitionSink>,
    headers: Vec<Header>,
    /// Everything before it was pushed or is never delivered.
    next: i64,
    /// Whether the sink knows of an obstacle.
    obstructed: bool,
    /// The open transaction that holds it, by the last look.
    held: Option<Held>,
    /// Whether the sink knows of it.
    shown_held: bool,
    /// When to try again what could not be read; nothing is taken from the queue before.
    again: Option<Instant>,
    /// When an obstacle was logged last.
    logged: Option<Instant>,
    /// Whether a log that goes back makes it begin an epoch again; otherwise its records come as they are.
    notices_return: bool,
    /// The log went back to this offset: its topic was created again. Nothing is delivered before [`Self::begin_again`].
    returned: Option<i64>,
}

impl<C: ConsumerContext + 'static> Inlet<C> {
    /// `next`: where delivery starts.
    pub(super) fn new(
        partition: TopicPartition,
        queue: Option<PartitionQueue<C>>,
        sink: Box<dyn PartitionSink>,
        next: i64,
    ) -> Self {
        Self {
            partition,
            queue,
            sink,
            headers: Vec::new(),
            next,
            obstructed: false,
            held: None,
            shown_held: false,
            again: None,
            logged: None,
            notices_return: false,
            returned: None,
        }
    }

    /// One whose owner wants to know when the log goes back.
    pub(super) fn noticing_return(mut self) -> Self {
        self.notices_return = true;
        self
    }

    /// The offset that the log went back to, behind which everything had been delivered.
    pub(super) const fn returned(&self) -> Option<i64> {
        self.returned
    }

    /// Goes on with a sink of another epoch at an offset; what is in the queue is read again.
    pub(super) fn begin_again(&mut self, sink: Box<dyn PartitionSink>, from: i64) {
        (self.sink, self.next, self.returned) = (sink, from, None);
        (self.obstructed, self.held, self.shown_held) = (false, None, false);
        self.again = Some(Instant::now());
    }

    /// Everything before it was pushed or is never delivered.
    pub(super) const fn next(&self) -> i64 {
        self.next
    }

    /// Delivers what the sink takes of what is there. Without credit the queue is not polled: librdkafka stops
    /// fetching once it is full, and nothing is paused (kafka-client §3).
    pub(super) fn deliver(&mut self, consumer: &BaseConsumer<C>) -> Result<Round, Obstacle> {
        let credit = self.sink.credit().min(ROUND_RECORDS);
        if credit == 0 {
            return Ok(Round::Full);
        }
        if self.returned.is_some() {
            return Ok(Round::Idle);
        }
        if self.waits(consumer) {
            return Ok(Round::Idle);
        }
        let mut outcome = Ok(Round::Idle);
        for _ in 0..credit {
            let polled = self
                .queue
                .as_ref()
                .and_then(|queue| queue.poll(Duration::ZERO));
            match polled {
                None => break,
                Some(Ok(message)) if self.notices_return && message.offset() < self.next => {
                    self.returned = Some(message.offset());
                    break;
                }
                Some(Ok(message)) => {
                    self.next = push(self.sink.as_mut(), &mut self.headers, &message);
                    outcome = Ok(Round::Delivered);
                }
                Some(Err(error)) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        self.sink.flush();
        match outcome {
            Ok(Round::Delivered) => self.clear(),
            Ok(_) => {}
            Err(error) => return Err(self.obstruct(error)),
        }
        Ok(outcome.unwrap_or(Round::Idle))
    }

    /// The client looked at a partition in which no transactions are expected; why it is held, if one has held it for too long.
    pub(super) fn looked(&mut self, look: Look) -> Option<String> {
        if let Some(next) = look.passed {
            self.passed(next);
        }
        self.held = Held::after(look, self.held);
        let held = self.held.map(OpenTransaction::from);
        let long = held.filter(|held| held.lasting > HELD_MAX);
        let was_held = std::mem::replace(&mut self.shown_held, long.is_some());
        if self.obstructed {
            return None;
        }
        let reason = long.map(|held| held.in_words(&self.partition));
        if reason.is_some() || was_held {
            self.sink.obstructed(reason.as_deref());
        }
        reason
    }

    /// Everything before `next` was taken from the queue, or is never delivered.
    fn passed(&mut self, next: i64) {
        if next > self.next && !self.obstructed {
            self.next = next;
            self.sink.passed(next);
            self.sink.flush();
        }
    }

    /// A record of this partition that came by the main queue although the partition is split: rare, and ahead of what
    /// is in the split queue.
    pub(super) fn route(&mut self, message: &BorrowedMessage<'_>) {
        if self.notices_return && (self.returned.is_some() || message.offset() < self.next) {
            self.returned.get_or_insert_with(|| message.offset());
            return;
        }
        self.next = push(self.sink.as_mut(), &mut self.headers, message);
        self.sink.flush();
        self.clear();
    }

    /// Whether a message is of this partition.
    pub(super) fn takes(&self, message: &BorrowedMessage<'_>) -> bool {
        self.partition.partition == message.partition() && self.partition.topic == message.topic()
    }

    /// Whether to log an obstacle now; not more often than once in [`LOG_EVERY`].
    pub(super) fn logs_now(&mut self) -> bool {
        let now = Instant::now();
        let due = self
            .logged
            .is_none_or(|logged| now.saturating_duration_since(logged) >= LOG_EVERY);
        if due {
            self.logged = Some(now);
        }
        due
    }

    /// Behind something that it could not read the client would go on, past it or with what is none of the log's records. So
    /// nothing is taken before the client has gone back to where everything was read.
    fn waits(&mut self, consumer: &BaseConsumer<C>) -> bool {
        let Some(again) = self.again else {
            return false;
        };
        let now = Instant::now();
        if now < again {
            return true;
        }
        let (topic, number) = (&self.partition.topic, self.partition.partition);
        let back = rdkafka::Offset::Offset(self.next);
        match consumer.seek(topic, number, back, Duration::ZERO) {
            Ok(()) => {
                self.again = None;
                false
            }
            Err(error) => {
                tracing::debug!(partition = %self.partition, %error, "kafka: seek failed; trying again");
                self.again = Some(now + AGAIN);
                true
            }
        }
    }

    fn obstruct(&mut self, error: KafkaError) -> Obstacle {
        let at = is_unreadable(&error).then_some(self.next);
        let reason = match at {
            Some(at) => format!(
                "the record at offset {at}, or the next one after it, cannot be read: {error}; nothing after it is read until it is removed from the topic (kafka-delete-records.sh) or a client that can read it is used"
            ),
            None => error.to_string(),
        };
        self.again = at.map(|_| Instant::now() + AGAIN);
        self.obstructed = true;
        self.sink.obstructed(Some(&reason));
        Obstacle { error, reason, at }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.obstructed) {
            self.sink.obstructed(None);
        }
    }
}

/// Hands a record over; the offset behind it.
fn push(
    sink: &mut dyn PartitionSink,
    headers: &mut Vec<Header>,
    message: &BorrowedMessage<'_>,
) -> i64 {
    raw_headers::read(message, headers);
    sink.push(RecordView {
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().unwrap_or(0),
        key: message.key(),
        value: message.payload(),
        headers,
    });
    message.offset().saturating_add(1)
}
