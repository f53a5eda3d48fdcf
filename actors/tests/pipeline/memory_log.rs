//! The event log port in memory: one process, one group member, everything on command. Records keep until they are removed, log time is
//! the test's clock, and a single thread delivers, assigns and revokes, as the real adapters' threads do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::log::{
    Appended, Assignment, Epoch, EventLog, GroupHandler, GroupSettings, LogError, NewRecord,
    PartitionSink, PartitionStatus, RecordView, StoredRecord, Subscription, Tail, TopicDescription,
    TopicPartition, TopicSettings, Watermarks,
};
use homeostat_logic::topic::{DEAD_LETTERS, LEDGER, TOPICS};

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

/// The log's thread.
fn deliver(inner: &Arc<Inner>) {
    let mut handler: Option<Box<dyn GroupHandler>> = None;
    let mut cursors: Vec<Cursor> = Vec::new();
    loop {
        let mut state = inner.lock();
        if state.closed {
            return;
        }
        if state.commands.is_empty() {
            state = inner.changed.wait_timeout(state, ROUND).unwrap().0;
        }
        let commands = std::mem::take(&mut state.commands);
        cursors.append(&mut state.tails);
        drop(state);
        for command in commands {
            obey(inner, command, &mut handler, &mut cursors);
        }
        let open = |cursor: &Cursor| {
            let dropped = cursor.dropped.as_ref();
            !dropped.is_some_and(|dropped| dropped.load(Ordering::Acquire))
        };
        cursors.retain(open);
        for cursor in &mut cursors {
            round(inner, cursor);
        }
    }
}

fn obey(
    inner: &Arc<Inner>,
    command: Command,
    handler: &mut Option<Box<dyn GroupHandler>>,
    cursors: &mut Vec<Cursor>,
) {
    match command {
        Command::Join(joined) => *handler = Some(joined),
        Command::Assign(partition) => {
            let mut state = inner.lock();
            state.epochs += 1;
            let epoch = Epoch(state.epochs);
            state.owned.insert(partition.clone(), epoch);
            let settled = state.settled.get(&partition).copied().unwrap_or(0);
            let position = settled.max(state.low(&partition));
            drop(state);
            let assignment = Assignment {
                partition: partition.clone(),
                epoch,
                position,
            };
            let sink = handler.as_mut().unwrap().assigned(assignment);
            cursors.push(Cursor {
                partition,
                next: position,
                sink,
                epoch: Some(epoch),
                dropped: None,
            });
        }
        Command::Revoke(partition, deadline) => {
            if let Some(epoch) = take(cursors, &partition) {
                let gone = [(partition.clone(), epoch)];
                handler.as_mut().unwrap().revoked(&gone, deadline);
                inner.lock().owned.remove(&partition);
            }
        }
        Command::Lose(partition) => {
            if let Some(epoch) = take(cursors, &partition) {
                inner.lock().owned.remove(&partition);
                handler.as_mut().unwrap().lost(&[(partition, epoch)]);
            }
        }
    }
}

fn take(cursors: &mut Vec<Cursor>, partition: &TopicPartition) -> Option<Epoch> {
    let own = |cursor: &Cursor| cursor.epoch.is_some() && cursor.partition == *partition;
    let index = cursors.iter().position(own)?;
    cursors.remove(index).epoch
}

fn round(inner: &Inner, cursor: &mut Cursor) {
    let credit = cursor.sink.credit().min(ROUND_RECORDS);
    let mut state = inner.lock();
    if cursor.epoch.is_none() && state.tails_stopped {
        return;
    }
    cursor.next = cursor.next.max(state.low(&cursor.partition));
    let left = state.partition(&cursor.partition);
    let from = usize::try_from(cursor.next).unwrap();
    let records: Vec<_> = left.iter().skip(from).take(credit).cloned().collect();
    if credit == 0 && left.len() > from {
        *state.blocked.entry(cursor.partition.clone()).or_default() += 1;
    }
    if cursor.epoch.is_some() {
        let settled = state.settled.get(&cursor.partition).copied().unwrap_or(0);
        let in_flight = cursor.next + i64::try_from(records.len()).unwrap() - settled;
        let high = state
            .in_flight_high
            .entry(cursor.partition.clone())
            .or_default();
        *high = in_flight.max(*high);
    }
    let markers = state.markers.clone();
    drop(state);
    let mut passes = false;
    for record in records {
        cursor.next = record.offset + 1;
        passes = markers.contains(&(cursor.partition.clone(), record.offset));
        if passes {
            continue;
        }
        cursor.sink.push(RecordView {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &record.headers,
        });
    }
    cursor.sink.flush();
    if passes {
        cursor.sink.passed(cursor.next);
        cursor.sink.flush();
    }
}

struct Following(Arc<AtomicBool>);

impl Tail for Following {}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

struct Membership(MemoryLog);

impl Subscription for Membership {
    fn settle(&self, partition: &TopicPartition, epoch: Epoch, next: i64) {
        let mut state = self.0.lock();
        if state.owned.get(partition) == Some(&epoch) {
            let before = state.settled.insert(partition.clone(), next);
            assert!(before.is_none_or(|before| before <= next), "went backwards");
        }
    }

    fn status(&self) -> Vec<PartitionStatus> {
        Vec::new()
    }

    fn idle(&self) -> Duration {
        Duration::ZERO
    }

    fn close(&self, deadline: Duration) {
        let owned: Vec<_> = self.0.lock().owned.keys().cloned().collect();
        for partition in owned {
            self.0.revoke(&partition, deadline);
        }
    }
}

impl EventLog for MemoryLog {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn ensure_topics(&self, _: Vec<TopicSettings>) -> BoxFuture<'static, Result<(), LogError>> {
        async { Ok(()) }.boxed()
    }

    fn describe_topics(
        &self,
        names: Vec<String>,
    ) -> BoxFuture<'static, Result<Vec<TopicDescription>, LogError>> {
        let state = self.lock();
        let watermarks = |name: &str| {
            let partitions = (0..).zip(&state.topics[name]);
            let of = |(partition, records): (i32, &Vec<StoredRecord>)| Watermarks {
                low: state.low(&place(name, partition)),
                high: i64::try_from(records.len()).unwrap(),
            };
            partitions.map(of).collect()
        };
        let described = names.into_iter().map(|name| TopicDescription {
            partitions: watermarks(&name),
            name,
            append_time: Some(true),
            cleanup_policy: None,
            ..TopicDescription::default()
        });
        let described = described.collect();
        drop(state);
        async { Ok(described) }.boxed()
    }

    fn append(
        &self,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Vec<Result<Appended, LogError>>> {
        let log = self.clone();
        async move {
            // A real append takes its time: others run in between.
            tokio::task::yield_now().await;
            let topics: BTreeSet<_> = records.iter().map(|one| one.topic.clone()).collect();
            log.lock().waiting += 1;
            while !log.lock().held.is_disjoint(&topics) {
                tokio::time::sleep(ROUND).await;
            }
            log.lock().waiting -= 1;
            let now = log.0.clock.now();
            let mut state = log.lock();
            let appended = records.into_iter().map(|record| state.append(record, now));
            let answers = appended.collect();
            drop(state);
            log.0.changed.notify_all();
            answers
        }
        .boxed()
    }

    fn subscribe(
        &self,
        _: GroupSettings,
        handler: Box<dyn GroupHandler>,
    ) -> Result<Arc<dyn Subscription>, LogError> {
        self.command(Command::Join(handler));
        Ok(Arc::new(Membership(self.clone())))
    }

    fn tail(
        &self,
        partition: TopicPartition,
        from: i64,
        sink: Box<dyn PartitionSink>,
    ) -> Result<Box<dyn Tail>, LogError> {
        let dropped = Arc::new(AtomicBool::new(false));
        self.lock().tails.push(Cursor {
            partition,
            next: from,
            sink,
            epoch: None,
            dropped: Some(Arc::clone(&dropped)),
        });
        self.0.changed.notify_all();
        Ok(Box::new(Following(dropped)))
    }

    fn read(
        &self,
        partition: TopicPartition,
        from: i64,
        max: usize,
    ) -> BoxFuture<'static, Result<Vec<StoredRecord>, LogError>> {
        let state = self.lock();
        let from = usize::try_from(from.max(state.low(&partition))).unwrap();
        let records = state.partition(&partition).iter().skip(from).take(max);
        let records = records.cloned().collect();
        drop(state);
        async { Ok(records) }.boxed()
    }

    fn delete_before(
        &self,
        partition: TopicPartition,
        offset: i64,
    ) -> BoxFuture<'static, Result<(), LogError>> {
        let mut state = self.lock();
        let high = i64::try_from(state.partition(&partition).len()).unwrap();
        let answer = if offset > high {
            Err(LogError::Refused(format!("{offset} is beyond {high}")))
        } else {
            let low = state.low.entry(partition).or_default();
            *low = offset.max(*low);
            Ok(())
        };
        drop(state);
        async { answer }.boxed()
    }

    fn close(&self) {
        self.lock().closed = true;
        self.0.changed.notify_all();
    }
}
