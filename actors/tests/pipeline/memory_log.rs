//! The event log port in memory: one process, one group member, everything on command. Records keep until they are removed, log time is
//! the test's clock, and a single thread delivers, assigns and revokes, as the real adapters' threads do.

mod port;
mod thread;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::log::{
    Appended, Epoch, GroupHandler, LogError, NewRecord, PartitionSink, StoredRecord, TopicPartition,
};
use homeostat_logic::topic::{DEAD_LETTERS, LEDGER, TOPICS};
use thread::deliver;

/// Records delivered to one sink per round at most.
const ROUND_RECORDS: usize = 32;
/// A round begins at the latest after this time.
const ROUND: Duration = Duration::from_millis(1);

/// What appends to a topic meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Unavailable,
    Refused,
    Denied,
    /// Records with a value above this size are refused.
    TooLarge(usize),
}

pub(crate) fn place(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition {
        topic: topic.to_owned(),
        partition,
    }
}

/// An order for the log's thread.
enum Command {
    Join(Box<dyn GroupHandler>),
    Assign(TopicPartition),
    Revoke(TopicPartition, Duration),
    Lose(TopicPartition),
}

struct Cursor {
    partition: TopicPartition,
    next: i64,
    sink: Box<dyn PartitionSink>,
    /// `Some` for a member's partition, with a flag for a tail.
    epoch: Option<Epoch>,
    dropped: Option<Arc<AtomicBool>>,
}

#[derive(Default)]
struct State {
    topics: BTreeMap<String, Vec<Vec<StoredRecord>>>,
    /// First offset kept, where records were removed; what is before it is only out of reach.
    low: BTreeMap<TopicPartition, i64>,
    faults: BTreeMap<String, Fault>,
    /// Offsets that no reader gets, as the markers of transactions.
    markers: BTreeSet<(TopicPartition, i64)>,
    /// Tails get nothing, as if their process were stopped.
    tails_stopped: bool,
    /// Topics whose appends wait, and how many do.
    held: BTreeSet<String>,
    waiting: usize,
    /// Every append of a faulty topic, also those that failed.
    tried: Vec<NewRecord>,
    commands: Vec<Command>,
    tails: Vec<Cursor>,
    epochs: u64,
    owned: BTreeMap<TopicPartition, Epoch>,
    settled: BTreeMap<TopicPartition, i64>,
    /// Most records of a partition that were delivered and not settled.
    in_flight_high: BTreeMap<TopicPartition, i64>,
    blocked: BTreeMap<TopicPartition, u64>,
    closed: bool,
}

struct Inner {
    state: Mutex<State>,
    changed: Condvar,
    clock: Arc<dyn Clock>,
}

/// The log; clones are the same log.
#[derive(Clone)]
pub(crate) struct MemoryLog(Arc<Inner>);

impl MemoryLog {
    /// All topics of the service, the ledger with `ledger` partitions.
    pub(crate) fn new(clock: Arc<dyn Clock>, ledger: usize) -> Self {
        let mut state = State::default();
        for topic in TOPICS {
            let partitions = usize::try_from(topic.partitions).unwrap();
            state
                .topics
                .insert(topic.name.to_owned(), vec![Vec::new(); partitions]);
        }
        let own = [(LEDGER, ledger), (DEAD_LETTERS, 1)];
        for (name, partitions) in own {
            state
                .topics
                .insert(name.to_owned(), vec![Vec::new(); partitions]);
        }
        let log = Self(Arc::new(Inner {
            state: Mutex::new(state),
            changed: Condvar::new(),
            clock,
        }));
        let inner = Arc::clone(&log.0);
        std::thread::spawn(move || deliver(&inner));
        log
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    fn command(&self, command: Command) {
        self.lock().commands.push(command);
        self.0.changed.notify_all();
    }

    pub(crate) fn assign(&self, partition: &TopicPartition) {
        self.command(Command::Assign(partition.clone()));
    }

    pub(crate) fn revoke(&self, partition: &TopicPartition, deadline: Duration) {
        self.command(Command::Revoke(partition.clone(), deadline));
    }

    pub(crate) fn lose(&self, partition: &TopicPartition) {
        self.command(Command::Lose(partition.clone()));
    }

    pub(crate) fn fail(&self, topic: &str, fault: Fault) {
        self.lock().faults.insert(topic.to_owned(), fault);
    }

    pub(crate) fn heal(&self, topic: &str) {
        self.lock().faults.remove(topic);
    }

    /// From now on appends to the topic wait.
    pub(crate) fn hold(&self, topic: &str) {
        self.lock().held.insert(topic.to_owned());
    }

    pub(crate) fn release(&self, topic: &str) {
        self.lock().held.remove(topic);
    }

    /// Appends that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// Appends as a producer outside would.
    pub(crate) fn produce(&self, place: &TopicPartition, value: impl Into<Vec<u8>>) -> i64 {
        let record = NewRecord {
            topic: place.topic.clone(),
            partition: Some(place.partition),
            value: Some(value.into()),
            ..NewRecord::default()
        };
        self.produce_record(record)
    }

    pub(crate) fn produce_record(&self, record: NewRecord) -> i64 {
        let now = self.0.clock.now();
        let appended = self.lock().append(record, now).unwrap();
        self.0.changed.notify_all();
        appended.offset
    }

    pub(crate) fn records(&self, topic: &str, partition: usize) -> Vec<StoredRecord> {
        let state = self.lock();
        let here = place(topic, i32::try_from(partition).unwrap());
        let records = state.topics[topic][partition].iter();
        let read = records.filter(|one| !state.markers.contains(&(here.clone(), one.offset)));
        read.cloned().collect()
    }

    /// Offset of the next record.
    pub(crate) fn end(&self, topic: &str, partition: usize) -> i64 {
        i64::try_from(self.lock().topics[topic][partition].len()).unwrap()
    }

    /// Appends something that takes an offset and is no record.
    pub(crate) fn mark(&self, place: &TopicPartition) {
        let now = self.0.clock.now();
        let mut state = self.lock();
        let record = NewRecord {
            topic: place.topic.clone(),
            partition: Some(place.partition),
            ..NewRecord::default()
        };
        let marker = state.append(record, now).unwrap();
        state.markers.insert((place.clone(), marker.offset));
    }

    /// Stops the tails, or lets them go on.
    pub(crate) fn stop_tails(&self, stopped: bool) {
        self.lock().tails_stopped = stopped;
        self.0.changed.notify_all();
    }

    /// Appends to topics while they had a fault.
    pub(crate) fn tried(&self) -> Vec<NewRecord> {
        self.lock().tried.clone()
    }

    pub(crate) fn settled(&self, partition: &TopicPartition) -> i64 {
        self.lock().settled.get(partition).copied().unwrap_or(0)
    }

    /// First offset kept of a partition.
    pub(crate) fn low(&self, topic: &str, partition: i32) -> i64 {
        self.lock().low(&place(topic, partition))
    }

    pub(crate) fn epoch(&self, partition: &TopicPartition) -> Option<Epoch> {
        self.lock().owned.get(partition).copied()
    }

    pub(crate) fn in_flight_high(&self, partition: &TopicPartition) -> i64 {
        let state = self.lock();
        state.in_flight_high.get(partition).copied().unwrap_or(0)
    }

    /// Rounds in which a partition with records left had no credit.
    pub(crate) fn blocked(&self, partition: &TopicPartition) -> u64 {
        self.lock().blocked.get(partition).copied().unwrap_or(0)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn append(&mut self, record: NewRecord, now: i64) -> Result<Appended, LogError> {
        if let Some(fault) = self.faults.get(&record.topic) {
            let size = record.value.as_ref().map_or(0, Vec::len);
            let answer = match fault {
                Fault::Unavailable => Some(LogError::Unavailable("no broker".to_owned())),
                Fault::Denied => Some(LogError::Denied("no permission".to_owned())),
                Fault::Refused => Some(LogError::Refused("not this one".to_owned())),
                Fault::TooLarge(limit) => (size > *limit)
                    .then(|| LogError::TooLarge(format!("{size} bytes are too large"))),
            };
            self.tried.push(record.clone());
            if let Some(error) = answer {
                return Err(error);
            }
        }
        let partitions = self.topics.get_mut(&record.topic).unwrap();
        let count = i32::try_from(partitions.len()).unwrap();
        let partition = record
            .partition
            .unwrap_or_else(|| hash(record.key.as_deref()) % count);
        let stored = &mut partitions[usize::try_from(partition).unwrap()];
        let offset = i64::try_from(stored.len()).unwrap();
        stored.push(StoredRecord {
            offset,
            timestamp: now,
            key: record.key,
            value: record.value,
            headers: record.headers,
        });
        Ok(Appended { partition, offset })
    }

    /// First offset kept.
    fn low(&self, place: &TopicPartition) -> i64 {
        self.low.get(place).copied().unwrap_or(0)
    }

    fn partition(&self, place: &TopicPartition) -> &[StoredRecord] {
        &self.topics[&place.topic][usize::try_from(place.partition).unwrap()]
    }
}

fn hash(key: Option<&[u8]>) -> i32 {
    let sum = key.unwrap_or_default().iter();
    sum.fold(7_i32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(i32::from(*byte))
    }) & i32::MAX
}
