//! Reading outside any group: bounded reads with a pooled client, and one thread for all tails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use homeostat_actors::ports::log::{LogError, PartitionSink, StoredRecord, Tail, TopicPartition};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message;
use rdkafka::{ClientContext, Offset};

use super::context::{log_line, offsets};
use super::error::classify;
use super::inlet::{Inlet, Round, copy_headers};
use super::settings::KafkaSettings;
use crate::log::sync::{Flag, Signal, lock};

const TICK: Duration = Duration::from_millis(10);
const FULL: Duration = Duration::from_millis(2);
/// Longest bounded read.
const READ: Duration = Duration::from_secs(10);
/// Pause before a client for tails is created again.
const AGAIN: Duration = Duration::from_secs(1);

/// Passes the client's log on.
pub(super) struct ReaderContext;

impl ClientContext for ReaderContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason);
    }
}

impl ConsumerContext for ReaderContext {}

type ReaderConsumer = BaseConsumer<ReaderContext>;

/// Does bounded reads; keeps one client for the next.
pub(super) struct BoundedReader {
    settings: KafkaSettings,
    spare: Mutex<Option<ReaderConsumer>>,
}

impl BoundedReader {
    pub(super) fn new(settings: KafkaSettings) -> Self {
        Self {
            settings,
            spare: Mutex::new(None),
        }
    }

    /// Reads `from..until` of a partition, `max` at most. Blocking, at most for [`READ`].
    pub(super) fn read(
        &self,
        partition: &TopicPartition,
        from: i64,
        until: i64,
        max: usize,
    ) -> Result<Vec<StoredRecord>, LogError> {
        if from >= until || max == 0 {
            return Ok(Vec::new());
        }
        let failed = |error| classify(&format!("read {partition}"), &error);
        let spare = lock(&self.spare).take();
        let consumer = match spare {
            Some(consumer) => consumer,
            None => self
                .settings
                .bounded_reader()
                .create_with_context(ReaderContext)
                .map_err(failed)?,
        };
        let list = offsets([(partition, Offset::Offset(from))]).map_err(failed)?;
        consumer.assign(&list).map_err(failed)?;
        drop(list);
        let records = collect(&consumer, partition, until, max)?;
        consumer.unassign().map_err(failed)?;
        *lock(&self.spare) = Some(consumer);
        Ok(records)
    }

    /// Drops the spare client. Blocking.
    pub(super) fn close(&self) {
        drop(lock(&self.spare).take());
    }
}

fn collect(
    consumer: &ReaderConsumer,
    partition: &TopicPartition,
    until: i64,
    max: usize,
) -> Result<Vec<StoredRecord>, LogError> {
    let end = Instant::now() + READ;
    let mut records: Vec<StoredRecord> = Vec::new();
    let mut headers = Vec::new();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(LogError::Unavailable(format!(
                "{partition} was not read within {READ:?}"
            )));
        }
        let message = match consumer.poll(left.min(Duration::from_millis(100))) {
            None => continue,
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(records),
            Some(Err(error)) => match classify("read", &error) {
                LogError::Unavailable(_) => continue,
                other => return Err(other),
            },
            Some(Ok(message)) => message,
        };
        if message.offset() >= until {
            return Ok(records);
        }
        copy_headers(&message, &mut headers);
        records.push(StoredRecord {
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().unwrap_or(0),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.clone(),
        });
        if records.len() >= max || message.offset() + 1 >= until {
            return Ok(records);
        }
    }
}

/// The caller's handle; dropping it ends the delivery.
pub(super) struct RunningTail {
    alive: Arc<AtomicBool>,
    signal: Arc<Signal>,
}

impl Tail for RunningTail {}

impl Drop for RunningTail {
    fn drop(&mut self) {
        self.alive.store(false, Ordering::Release);
        self.signal.notify();
    }
}

/// A tail that the thread has not taken up yet.
struct NewTail {
    partition: TopicPartition,
    from: i64,
    sink: Box<dyn PartitionSink>,
    alive: Arc<AtomicBool>,
}

/// All tails of the process: one thread and, unless a partition is tailed twice, one client.
pub(super) struct Tails {
    shared: Arc<TailsShared>,
    started: Mutex<bool>,
}

struct TailsShared {
    settings: KafkaSettings,
    new: Mutex<Vec<NewTail>>,
    signal: Arc<Signal>,
    closing: AtomicBool,
    ended: Flag,
}

impl Tails {
    pub(super) fn new(settings: KafkaSettings) -> Self {
        let shared = TailsShared {
            settings,
            new: Mutex::default(),
            signal: Arc::new(Signal::default()),
            closing: AtomicBool::new(false),
            ended: Flag::default(),
        };
        Self {
            shared: Arc::new(shared),
            started: Mutex::new(false),
        }
    }

    /// Hands a tail to the thread, starting it with the first one.
    pub(super) fn add(
        &self,
        partition: TopicPartition,
        from: i64,
        sink: Box<dyn PartitionSink>,
    ) -> Result<RunningTail, LogError> {
        let mut started = lock(&self.started);
        if !*started {
            let shared = Arc::clone(&self.shared);
            std::thread::Builder::new()
                .name("kafka-tails".to_owned())
                .spawn(move || run(&shared))
                .map_err(|error| LogError::Unavailable(format!("no thread for tails: {error}")))?;
            *started = true;
        }
        let alive = Arc::new(AtomicBool::new(true));
        lock(&self.shared.new).push(NewTail {
            partition,
            from,
            sink,
            alive: Arc::clone(&alive),
        });
        self.shared.signal.notify();
        Ok(RunningTail {
            alive,
            signal: Arc::clone(&self.shared.signal),
        })
    }

    /// Ends all tails, within `deadline`. Blocking.
    pub(super) fn close(&self, deadline: Duration) {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.signal.notify();
        if *lock(&self.started) && !self.shared.ended.wait(deadline) {
            tracing::warn!("kafka: the tails did not end in time");
        }
    }
}

/// A client and the partitions it reads; a partition can be assigned to a client only once.
struct Lane {
    consumer: Arc<ReaderConsumer>,
    running: Vec<(Arc<AtomicBool>, Inlet<ReaderContext>)>,
}

impl Lane {
    fn open(shared: &TailsShared) -> KafkaResult<Self> {
        let mut consumer: ReaderConsumer = shared
            .settings
            .reader()
            .create_with_context(ReaderContext)?;
        let wake = Arc::clone(&shared.signal);
        consumer.set_nonempty_callback(move || wake.notify());
        Ok(Self {
            consumer: Arc::new(consumer),
            running: Vec::new(),
        })
    }

    fn reads(&self, partition: &TopicPartition) -> bool {
        self.running
            .iter()
            .any(|(_, inlet)| inlet.partition == *partition)
    }

    fn add(&mut self, tail: NewTail, signal: &Arc<Signal>) -> KafkaResult<()> {
        let NewTail {
            partition,
            from,
            sink,
            alive,
        } = tail;
        let mut queue = self
            .consumer
            .split_partition_queue(&partition.topic, partition.partition);
        if let Some(queue) = &mut queue {
            let wake = Arc::clone(signal);
            queue.set_nonempty_callback(move || wake.notify());
        }
        let list = offsets([(&partition, Offset::Offset(from.max(0)))])?;
        self.consumer.incremental_assign(&list)?;
        self.running
            .push((alive, Inlet::new(partition, queue, sink)));
        Ok(())
    }

    /// Ends the tails whose handles are gone.
    fn prune(&mut self) {
        let consumer = &self.consumer;
        self.running.retain(|(alive, inlet)| {
            let keep = alive.load(Ordering::Acquire);
            if !keep {
                let gone = offsets([(&inlet.partition, Offset::Invalid)]);
                if let Err(error) = gone.and_then(|list| consumer.incremental_unassign(&list)) {
                    tracing::warn!(partition = %inlet.partition, %error, "kafka: a tail was not unassigned");
                }
            }
            keep
        });
    }

    fn deliver(&mut self) -> Round {
        let mut busiest = Round::Idle;
        while let Some(event) = self.consumer.poll(Duration::ZERO) {
            match event {
                Ok(message) => {
                    if let Some((_, inlet)) = self
                        .running
                        .iter_mut()
                        .find(|(_, inlet)| inlet.takes(&message))
                    {
                        inlet.route(&message);
                        busiest = Round::Delivered;
                    }
                }
                Err(error) => tracing::warn!(%error, "kafka: the tails' client reports an error"),
            }
        }
        for (alive, inlet) in &mut self.running {
            // A sink that panics ends its own tail, not its neighbours.
            match catch_unwind(AssertUnwindSafe(|| inlet.deliver())) {
                Ok(Ok(round)) => busiest = busiest.max(round),
                Ok(Err(error)) => {
                    tracing::warn!(partition = %inlet.partition, %error, "kafka: a tail reports an error");
                }
                Err(_) => {
                    tracing::error!(partition = %inlet.partition, "kafka: a tail's sink panicked, the tail ends");
                    alive.store(false, Ordering::Release);
                }
            }
        }
        busiest
    }
}

fn run(shared: &TailsShared) {
    let mut lanes: Vec<Lane> = Vec::new();
    while !shared.closing.load(Ordering::Acquire) {
        let seen = shared.signal.generation();
        let new = std::mem::take(&mut *lock(&shared.new));
        lanes.iter_mut().for_each(Lane::prune);
        for tail in new {
            place(shared, &mut lanes, tail);
        }
        let busiest = lanes
            .iter_mut()
            .map(Lane::deliver)
            .max()
            .unwrap_or(Round::Idle);
        match busiest {
            Round::Delivered => {}
            Round::Full => shared.signal.wait(seen, FULL),
            Round::Idle => shared.signal.wait(seen, TICK),
        }
    }
    for mut lane in lanes {
        // Queues first: whoever drops the last one drops the client (P6).
        lane.running.clear();
        drop(lane);
    }
    shared.ended.raise();
}

fn place(shared: &TailsShared, lanes: &mut Vec<Lane>, tail: NewTail) {
    if !lanes.iter().any(|lane| !lane.reads(&tail.partition)) {
        match Lane::open(shared) {
            Ok(lane) => lanes.push(lane),
            Err(error) => {
                // The settings were taken before, so this passes: out of threads or memory.
                tracing::error!(%error, "kafka: no client for tails; it is tried again");
                lock(&shared.new).push(tail);
                shared.signal.wait(shared.signal.generation(), AGAIN);
                return;
            }
        }
    }
    let partition = tail.partition.clone();
    if let Some(lane) = lanes.iter_mut().find(|lane| !lane.reads(&partition))
        && let Err(error) = lane.add(tail, &shared.signal)
    {
        tracing::error!(%partition, %error, "kafka: a tail was not assigned and delivers nothing");
    }
}
