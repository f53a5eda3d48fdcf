//! Membership in a consumer group: one thread owns the client, polls its main queue every tick and each partition's
//! split queue while its sink has credit (kafka-client §5). Nothing else ever polls it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use homeostat_actors::ports::log::{
    Epoch, GroupHandler, GroupSettings, LogError, PartitionStatus, Subscription, TopicPartition,
};
use homeostat_actors::throttle::Throttle;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;

use super::client::Link;
use super::context::{GroupConsumer, GroupContext};
use super::error::classify;
use super::inlet::{Obstacle, Round};
use super::progress::MemberProgress;
use super::settings::KafkaSettings;
use crate::log::sync::{Flag, Heartbeat, Signal, lock};

/// Longest pause between two rounds: queues announce new records, but an announcement can be missed (PR #840).
const TICK: Duration = Duration::from_millis(10);
/// Pause while a sink takes nothing: it does not signal when it does again.
const FULL: Duration = Duration::from_millis(2);
/// Events taken from the main queue in one round at most.
const MAIN_EVENTS: usize = 256;
/// Longest drain, whatever is asked (kafka-client §6).
const LONGEST_DRAIN: Duration = Duration::from_secs(5);
/// How often the client is asked whether it has failed for good.
const FATAL_CHECK: Duration = Duration::from_secs(1);

/// Errors of the client as a whole; those of a partition are reported by it.
static PASSING: Throttle = Throttle::new();

/// What the handle and the thread share.
struct Member {
    progress: Arc<MemberProgress>,
    signal: Arc<Signal>,
    /// Set when it shall end: until then it may drain.
    closing: Mutex<Option<Instant>>,
    ended: Flag,
    heartbeat: Heartbeat,
}

/// The caller's handle; dropping it closes without waiting.
pub(super) struct Membership(Arc<Member>);

impl Membership {
    /// Creates the client and starts its thread. Brokers need not be up.
    pub(super) fn start(
        kafka: &KafkaSettings,
        settings: &GroupSettings,
        link: Link,
        handler: Box<dyn GroupHandler>,
    ) -> Result<Self, LogError> {
        let failed =
            |error: &KafkaError| LogError::Fatal(format!("group {}: {error}", settings.group));
        let drain = settings
            .drain
            .min(kafka.session_timeout / 2)
            .min(LONGEST_DRAIN);
        let progress = Arc::new(MemberProgress::default());
        let signal = Arc::new(Signal::default());
        let context = GroupContext::new(
            handler,
            Arc::clone(&progress),
            link,
            Arc::clone(&signal),
            drain,
        );
        let mut consumer: GroupConsumer = kafka
            .member(&settings.group)
            .create_with_context(context)
            .map_err(|error| failed(&error))?;
        let wake = Arc::clone(&signal);
        consumer.set_nonempty_callback(move || wake.notify());
        let consumer = Arc::new(consumer);
        consumer.context().attach(&consumer);
        let topics: Vec<&str> = settings.topics.iter().map(String::as_str).collect();
        consumer
            .subscribe(&topics)
            .map_err(|error| failed(&error))?;
        let member = Arc::new(Member {
            progress,
            signal,
            closing: Mutex::new(None),
            ended: Flag::default(),
            heartbeat: Heartbeat::new(),
        });
        let session = Session {
            member: Arc::clone(&member),
            consumer,
            drain,
        };
        std::thread::Builder::new()
            .name("kafka-member".to_owned())
            .spawn(move || session.run())
            .map_err(|error| {
                LogError::Unavailable(format!("no thread for a group member: {error}"))
            })?;
        Ok(Self(member))
    }

    fn end(&self, deadline: Duration) {
        lock(&self.0.closing).get_or_insert_with(|| Instant::now() + deadline);
        self.0.signal.notify();
    }
}

impl Subscription for Membership {
    fn settle(&self, partition: &TopicPartition, epoch: Epoch, next: i64) {
        self.0.progress.settle(partition, epoch, next);
    }

    fn status(&self) -> Vec<PartitionStatus> {
        self.0.progress.status()
    }

    fn connected(&self) -> bool {
        self.0.progress.connected()
    }

    fn idle(&self) -> Duration {
        self.0.heartbeat.age()
    }

    fn close(&self, deadline: Duration) {
        self.end(deadline);
        // Measured here, not on the client's thread: a commit can block that one for the session timeout (P5).
        if !self.0.ended.wait(deadline) {
            tracing::warn!(
                "kafka: a group member did not leave in time; its records may be delivered again"
            );
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

/// The thread's side.
struct Session {
    member: Arc<Member>,
    consumer: Arc<GroupConsumer>,
    drain: Duration,
}

impl Session {
    fn run(self) {
        // Handler and sinks run on this thread: if one panics, the group must be left all the same, and be seen to be.
        let served = catch_unwind(AssertUnwindSafe(|| self.serve()));
        let fatal = served.unwrap_or_else(|_| {
            Some(LogError::Fatal(
                "the thread of a group member panicked".to_owned(),
            ))
        });
        self.leave(fatal);
    }

    /// Goes round until it is closed (`None`) or the client has failed for good.
    fn serve(&self) -> Option<LogError> {
        let mut checked = Instant::now();
        loop {
            self.member.heartbeat.beat();
            let seen = self.member.signal.generation();
            if lock(&self.member.closing).is_some() {
                return None;
            }
            let round = self.round();
            self.consumer.context().begin_again();
            self.consumer.context().store_settled(&self.consumer);
            let pause = match round {
                Err(fatal) => return Some(fatal),
                Ok(Round::Delivered) => Duration::ZERO,
                Ok(Round::Full) => FULL,
                Ok(Round::Idle) => TICK,
            };
            if checked.elapsed() >= FATAL_CHECK {
                checked = Instant::now();
                if let Some((code, reason)) = self.consumer.client().fatal_error() {
                    return Some(LogError::Fatal(format!("{code}: {reason}")));
                }
            }
            if !pause.is_zero() {
                self.member.signal.wait(seen, pause);
            }
        }
    }

    /// Serves the main queue, then each partition; the busiest outcome, or a fatal error.
    fn round(&self) -> Result<Round, LogError> {
        let context = self.consumer.context();
        let mut busiest = Round::Idle;
        for _ in 0..MAIN_EVENTS {
            match self.consumer.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    let mut desk = lock(&context.desk);
                    if let Some(owned) = desk
                        .owned
                        .iter_mut()
                        .find(|owned| owned.inlet.takes(&message))
                    {
                        owned.inlet.route(&message);
                        let next = owned.inlet.next();
                        self.member.progress.delivered(&owned.inlet.partition, next);
                        busiest = Round::Delivered;
                    }
                }
                Some(Err(error)) => {
                    fatal(&error)?;
                    if let Some(more) = PASSING.pass() {
                        tracing::warn!(%error, more, "kafka: the client reports a passing error");
                    }
                }
            }
        }
        for owned in &mut lock(&context.desk).owned {
            match owned.inlet.deliver(&self.consumer) {
                Ok(Round::Delivered) => {
                    let next = owned.inlet.next();
                    self.member.progress.delivered(&owned.inlet.partition, next);
                    busiest = Round::Delivered;
                }
                Ok(round) => busiest = busiest.max(round),
                Err(Obstacle { error, reason, at }) => {
                    fatal(&error)?;
                    if owned.inlet.logs_now() {
                        let partition = &owned.inlet.partition;
                        tracing::warn!(%partition, reason, "kafka: a partition cannot be read; trying again, logged once a minute");
                    }
                    self.member
                        .progress
                        .refused(&owned.inlet.partition, reason, at);
                }
            }
        }
        Ok(busiest)
    }

    /// Gives everything up, drops the queues, then the client, here on its own thread (P6).
    fn leave(self, fatal: Option<LogError>) {
        let Self {
            member,
            consumer,
            drain,
        } = self;
        let context = Arc::clone(consumer.context());
        if let Some(error) = fatal {
            tracing::error!(%error, "kafka: the client has failed for good");
            context.lose(&context.owned());
            lock(&context.desk).handler.failed(error);
        } else {
            let closing = lock(&member.closing).unwrap_or_else(Instant::now);
            let left = closing.saturating_duration_since(Instant::now());
            // Time for the commit and for leaving the group stays.
            let drain = drain.min(left.saturating_sub(Duration::from_secs(1)).max(left / 2));
            context.give_up(&consumer, &context.owned(), drain);
        }
        drop(consumer);
        member.ended.raise();
    }
}

/// An error that does not pass by itself.
fn fatal(error: &KafkaError) -> Result<(), LogError> {
    match classify("consume", error) {
        class @ LogError::Fatal(_) => Err(class),
        _ => Ok(()),
    }
}
