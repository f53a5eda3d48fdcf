//! Reading partitions for ever outside any group: one thread and, as a rule, one client for all tails of the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use homeostat_actors::ports::log::{LogError, PartitionSink, Tail, TopicPartition};
use homeostat_actors::throttle::Throttle;
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;

use super::client::{Failure, LoneContext};
use super::ends::Ends;
use super::inlet::{Inlet, Obstacle, Round};
use super::positions::offsets;
use super::settings::KafkaSettings;
use crate::log::sync::{Flag, Signal, lock};

/// Longest pause between two rounds: queues announce new records, but an announcement can be missed (PR #840).
const TICK: Duration = Duration::from_millis(10);
/// Pause while a sink takes nothing: it does not signal when it does again.
const FULL: Duration = Duration::from_millis(2);
/// Pause before a client is created again.
const AGAIN: Duration = Duration::from_secs(1);

/// Errors of a client as a whole; those of a partition are reported by it.
static PASSING: Throttle = Throttle::new();

type ReaderConsumer = BaseConsumer<LoneContext>;

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
    failure: Failure,
    new: Mutex<Vec<NewTail>>,
    signal: Arc<Signal>,
    closing: AtomicBool,
    ended: Flag,
}

impl Tails {
    pub(super) fn new(settings: KafkaSettings, failure: Failure) -> Self {
        let shared = TailsShared {
            settings,
            failure,
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

/// A client and the partitions it reads. A partition is assigned to a client only once, also one after the other: what the
/// client reports of how far it came must not be taken for a later reading.
struct Lane {
    consumer: Arc<ReaderConsumer>,
    ends: Ends,
    running: Vec<(Arc<AtomicBool>, Inlet<LoneContext>)>,
    /// Every partition that it has read. Bound: the partitions of the ledger.
    assigned: Vec<TopicPartition>,
}

impl Lane {
    fn open(shared: &TailsShared) -> KafkaResult<Self> {
        let context = LoneContext::new("tails", &shared.failure);
        let ends = context.ends.clone();
        let mut consumer: ReaderConsumer = shared.settings.tails().create_with_context(context)?;
        let wake = Arc::clone(&shared.signal);
        consumer.set_nonempty_callback(move || wake.notify());
        Ok(Self {
            consumer: Arc::new(consumer),
            ends,
            running: Vec::new(),
            assigned: Vec::new(),
        })
    }

    fn has_read(&self, partition: &TopicPartition) -> bool {
        self.assigned.contains(partition)
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
        let from = from.max(0);
        let list = offsets([(&partition, Offset::Offset(from))])?;
        self.assigned.push(partition.clone());
        self.consumer.incremental_assign(&list)?;
        self.running
            .push((alive, Inlet::new(partition, queue, sink, from)));
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
                Err(error) => {
                    if let Some(more) = PASSING.pass() {
                        tracing::warn!(%error, more, "kafka: the tails' client reports an error");
                    }
                }
            }
        }
        let ends = self.ends.take();
        for (alive, inlet) in &mut self.running {
            let consumer = &self.consumer;
            let deliver = || {
                if let Some(look) = ends.get(&inlet.partition)
                    && let Some(reason) = inlet.looked(*look)
                    && inlet.logs_now()
                {
                    tracing::warn!(partition = %inlet.partition, "kafka: a partition is held: {reason}");
                }
                inlet.deliver(consumer)
            };
            // A sink that panics ends its own tail, not its neighbours.
            match catch_unwind(AssertUnwindSafe(deliver)) {
                Ok(Ok(round)) => busiest = busiest.max(round),
                Ok(Err(Obstacle { reason, .. })) => {
                    if inlet.logs_now() {
                        let partition = &inlet.partition;
                        tracing::warn!(%partition, reason, "kafka: a partition cannot be read; trying again, logged once a minute");
                    }
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
        // A client that reads nothing any more ends; the next tail gets a new one if it needs one.
        lanes.retain(|lane| !lane.running.is_empty());
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
        // Queues first: dropping the last one drops the client (P6).
        lane.running.clear();
        drop(lane);
    }
    shared.ended.raise();
}

fn place(shared: &TailsShared, lanes: &mut Vec<Lane>, tail: NewTail) {
    if !lanes.iter().any(|lane| !lane.has_read(&tail.partition)) {
        match Lane::open(shared) {
            Ok(lane) => lanes.push(lane),
            Err(error) => {
                // The settings were taken before, so this passes: out of threads or memory.
                tracing::error!(%error, "kafka: no client for tails; trying again");
                lock(&shared.new).push(tail);
                shared.signal.wait(shared.signal.generation(), AGAIN);
                return;
            }
        }
    }
    let partition = tail.partition.clone();
    if let Some(lane) = lanes.iter_mut().find(|lane| !lane.has_read(&partition))
        && let Err(error) = lane.add(tail, &shared.signal)
    {
        tracing::error!(%partition, %error, "kafka: a tail was not assigned and delivers nothing");
    }
}
