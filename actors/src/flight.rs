//! What is in flight of one assigned partition: delivered and not yet settled.
//!
//! Several kinds of actors may read one topic: a record is settled when each of them has settled its share.
//!
//! It outlives the incarnations of the partition's actors, so that a panic loses no record: the batches are immutable
//! input, the offsets a pure [`Watermark`]. Everything in it ends with the epoch; settlements that come later change
//! nothing (invariant O2).

#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use homeostat_logic::dead_letters::breaker::{Breaker, BreakerSettings, Disposal, Stop};
use homeostat_logic::offsets::{Readers, Watermark};
use homeostat_logic::topic::Topic;
use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

use crate::batch::Batch;
use crate::ports::log::{Assignment, Epoch, Subscription, TopicPartition};

/// Where settled positions go; empty until the group has been joined, replaced when it is joined again.
pub type SubscriptionSlot = Arc<RwLock<Option<Arc<dyn Subscription>>>>;

/// Limits of one partition's flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlightLimits {
    /// Records delivered and not settled; at this many the partition is not polled.
    pub records_max: usize,
    /// Bytes delivered and not settled; at this many the partition is not polled. One record may go over.
    pub bytes_max: usize,
    /// When too many of its records are dead.
    pub breaker: BreakerSettings,
}

/// One epoch of one partition.
pub struct Flight {
    /// Which partition.
    pub partition: TopicPartition,
    /// What the topic is for.
    pub topic: &'static Topic,
    /// Which epoch.
    pub epoch: Epoch,
    /// Whether its offsets are known to repeat those of a topic that was deleted.
    pub created_again: bool,
    limits: FlightLimits,
    subscription: SubscriptionSlot,
    state: Mutex<State>,
    settled: Condvar,
    /// Taken while a position is handed over, so that positions never go backwards.
    publishing: Mutex<()>,
    taken: AtomicI64,
    decoding: AtomicI64,
    decoder: AtomicUsize,
}

/// No offset: Kafka's are never negative.
const NOTHING: i64 = -1;

impl std::fmt::Debug for Flight {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("Flight")
            .field(&self.partition)
            .field(&self.epoch)
            .finish()
    }
}

struct State {
    watermark: Watermark,
    breaker: Breaker,
    /// Dead, and kept from burial because the partition has stopped.
    held: BTreeMap<i64, Readers>,
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
    /// By offset and reader.
    failures: BTreeMap<(i64, usize), u32>,
    /// On their way into the dead letters, for these readers.
    condemned: BTreeMap<i64, Readers>,
    returned: Vec<Returned>,
    /// When the watermark moved last, or a record was delivered when there was none.
    moved: Instant,
    /// Why the log did not take what a record needs to be settled; until the watermark moves.
    obstacle: Option<String>,
    /// How often it did not.
    refusals: u64,
    ended: bool,
}

/// Records were delivered and the watermark does not move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standstill {
    /// For how long.
    pub lasting: Duration,
    /// What the log said last, if it is the log that they wait for.
    pub obstacle: Option<String>,
    /// How often the log has said so in this epoch. It grows while they wait for the log: then nothing here is stuck.
    pub refusals: u64,
}

/// A record that an actor gave back unfinished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Its offset.
    pub offset: i64,
    /// Who still has to settle it: the kind of the actor that gave it back.
    pub readers: Readers,
    /// Why.
    pub cause: Cause,
}

/// Why a record was given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It stood beside one that failed.
    Bystander,
    /// Its actor failed on it.
    Failed {
        /// How often by now.
        times: u32,
        /// Path of the actor.
        path: Arc<str>,
    },
    /// It can never be written, for this reason.
    Refused(&'static str, String),
}

impl Flight {
    /// Starts an epoch of a topic at the position its delivery starts at; each record waits for all readers.
    pub fn new(
        assignment: Assignment,
        topic: &'static Topic,
        readers: Readers,
        limits: FlightLimits,
        subscription: SubscriptionSlot,
    ) -> Self {
        let Assignment {
            partition,
            epoch,
            position,
            created_again,
        } = assignment;
        let state = State {
            watermark: Watermark::for_readers(position, readers),
            breaker: Breaker::new(limits.breaker, limits.records_max),
            held: BTreeMap::new(),
            batches: VecDeque::new(),
            bytes: 0,
            failures: BTreeMap::new(),
            condemned: BTreeMap::new(),
            returned: Vec::new(),
            moved: Instant::now(),
            obstacle: None,
            refusals: 0,
            ended: false,
        };
        Self {
            partition,
            topic,
            epoch,
            created_again,
            limits,
            subscription,
            state: Mutex::new(state),
            settled: Condvar::new(),
            publishing: Mutex::new(()),
            taken: AtomicI64::new(NOTHING),
            decoding: AtomicI64::new(NOTHING),
            decoder: AtomicUsize::new(0),
        }
    }

    /// A panic elsewhere cannot leave the state half changed: every change below is complete before anything can fail.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// How many more records may be delivered; 0 when a limit is reached, the partition has stopped or the epoch is over.
    pub fn credit(&self) -> usize {
        let state = self.lock();
        if state.ended || state.breaker.stopped().is_some() || state.bytes >= self.limits.bytes_max
        {
            return 0;
        }
        self.limits
            .records_max
            .saturating_sub(state.watermark.in_flight())
    }

    /// Records a batch was delivered.
    pub fn delivered(&self, batch: &Arc<Batch>) {
        let mut state = self.lock();
        if state.watermark.in_flight() == 0 {
            state.moved = Instant::now();
        }
        for record in batch.iter() {
            state.watermark.delivered(record.offset);
            state.breaker.delivered(record.offset);
        }
        state.bytes += batch.size();
        state.batches.push_back(Arc::clone(batch));
    }

    /// The effect of these records is durable for these readers. Returns how many records are settled by that: these readers
    /// were the last ones. Each record is counted by one such call.
    pub fn settle(&self, readers: Readers, offsets: impl IntoIterator<Item = i64>) -> u64 {
        let mut state = self.lock();
        if state.ended {
            return 0;
        }
        let (before, mut settled) = (state.watermark.next(), 0);
        for offset in offsets {
            settled += u64::from(state.settle(offset, readers));
        }
        let next = state.watermark.next();
        if next == before {
            return settled;
        }
        state.moved = Instant::now();
        state.obstacle = None;
        while state
            .batches
            .front()
            .is_some_and(|batch| last_offset(batch) < next)
        {
            let size = state.batches.pop_front().map_or(0, |batch| batch.size());
            state.bytes = state.bytes.saturating_sub(size);
        }
        drop(state);
        self.publish();
        self.settled.notify_all();
        settled
    }

    /// Hands the position over; also for what was settled before the group handle was known.
    pub fn publish(&self) {
        let slot = self.subscription.read();
        let Some(subscription) = slot.as_ref().map(Arc::clone) else {
            return;
        };
        drop(slot);
        let turn = self.publishing.lock();
        let next = self.lock().watermark.next();
        subscription.settle(&self.partition, self.epoch, next);
        drop(turn);
    }

    /// Takes a record out of the hands of these readers, for the dead letters; with those that it was taken from. `None`:
    /// their share is settled, or on its way there, and must not be written again. When the partition stops or has stopped,
    /// the record is held, unsettled and unwritten.
    pub fn condemn(&self, offset: i64, readers: Readers) -> Option<(Disposal, Readers)> {
        let mut state = self.lock();
        let open = state.open(offset, readers);
        if open.is_empty() {
            return None;
        }
        let disposal = state.breaker.dead(offset);
        let kept = if disposal == Disposal::Bury {
            &mut state.condemned
        } else {
            &mut state.held
        };
        let kept = kept.entry(offset).or_default();
        *kept = kept.with(open);
        Some((disposal, open))
    }

    /// Why the partition has stopped, if too many of its records were dead.
    pub fn stopped(&self) -> Option<Stop> {
        self.lock().breaker.stopped()
    }

    /// Lets a stopped partition go on; what was held is handed out again, with all its tries. Says whether it stood.
    pub fn resume(&self) -> bool {
        let mut state = self.lock();
        let held = std::mem::take(&mut state.held);
        let stood = state.breaker.resume(held.keys().copied());
        for (offset, readers) in held {
            state.forgive(offset, readers);
            state.returned.push(Returned {
                offset,
                readers,
                cause: Cause::Bystander,
            });
        }
        stood
    }

    /// Those of these readers that have something left to do about a record.
    pub fn open(&self, offset: i64, readers: Readers) -> Readers {
        self.lock().open(offset, readers)
    }

    /// An actor gave records back: the culprit is the one it was handling when it failed, if it had begun.
    pub fn give_back(
        &self,
        reader: usize,
        path: &Arc<str>,
        culprit: Option<i64>,
        offsets: impl IntoIterator<Item = i64>,
    ) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        let readers = Readers::one(reader);
        if let Some(offset) = culprit {
            let times = state.failed(offset, reader);
            let path = Arc::clone(path);
            state.returned.push(Returned {
                offset,
                readers,
                cause: Cause::Failed { times, path },
            });
        }
        let bystanders = offsets.into_iter().map(|offset| Returned {
            offset,
            readers,
            cause: Cause::Bystander,
        });
        state.returned.extend(bystanders);
    }

    /// What a reader makes of a record can never be written.
    pub fn refuse(&self, reader: usize, offset: i64, reason: &'static str, error: String) {
        let mut state = self.lock();
        if !state.ended {
            state.returned.push(Returned {
                offset,
                readers: Readers::one(reader),
                cause: Cause::Refused(reason, error),
            });
        }
    }

    /// Takes what was given back and is still open, for the readers for which it is.
    pub fn take_returned(&self) -> Vec<Returned> {
        let mut state = self.lock();
        let mut returned = std::mem::take(&mut state.returned);
        returned.retain_mut(|one| {
            one.readers = state.open(one.offset, one.readers);
            !one.readers.is_empty()
        });
        returned
    }

    /// The batch that holds a record still in flight, and its index there.
    pub fn find(&self, offset: i64) -> Option<(Arc<Batch>, usize)> {
        let state = self.lock();
        let mut batches = state.batches.iter();
        batches.find_map(|batch| Some((Arc::clone(batch), batch.index_of(offset)?)))
    }

    /// The consumer takes a batch out of its mailbox: from here on, an incarnation that starts over finds it here.
    pub fn taken(&self, batch: &Batch) {
        self.taken.fetch_max(last_offset(batch), Ordering::Relaxed);
    }

    /// Everything that a consumer that starts over has to hand out again, and to whom: taken and not settled. Not in it: what
    /// is still in its mailbox, what was given back (it is taken back in its turn), and what is on its way into the dead
    /// letters. What an actor holds is in it: it gets the record a second time, which for decisions the ledger notices.
    pub fn to_do_again(&self) -> Vec<(i64, Readers)> {
        let taken = self.taken.load(Ordering::Relaxed);
        let state = self.lock();
        let mut returned: BTreeMap<i64, Readers> = BTreeMap::new();
        for one in &state.returned {
            let readers = returned.entry(one.offset).or_default();
            *readers = readers.with(one.readers);
        }
        let taken = state
            .watermark
            .unsettled()
            .filter(|(offset, _)| *offset <= taken);
        let again = taken.map(|(offset, owing)| {
            let given_back = returned.get(&offset).copied().unwrap_or_default();
            (offset, state.open(offset, owing).without(given_back))
        });
        again.filter(|(_, readers)| !readers.is_empty()).collect()
    }

    /// The consumer begins to decode a record for a reader; `None` when it is done. If it fails in between, this one is to
    /// blame.
    pub fn decoding(&self, record: Option<(i64, usize)>) {
        let (offset, reader) = record.unwrap_or((NOTHING, 0));
        self.decoder.store(reader, Ordering::Relaxed);
        self.decoding.store(offset, Ordering::Relaxed);
    }

    /// The record and reader that the last incarnation of the consumer failed on, with the number of failures.
    pub fn take_undecodable(&self) -> Option<(i64, usize, u32)> {
        let offset = self.decoding.swap(NOTHING, Ordering::Relaxed);
        let reader = self.decoder.load(Ordering::Relaxed);
        (offset != NOTHING).then(|| (offset, reader, self.lock().failed(offset, reader)))
    }

    /// Records delivered and not below the watermark.
    pub fn in_flight(&self) -> usize {
        self.lock().watermark.in_flight()
    }

    /// The log did not take what a record needs to be settled, for this reason; it is tried again.
    pub fn held_up(&self, reason: String) {
        let mut state = self.lock();
        state.obstacle = Some(reason);
        state.refusals += 1;
    }

    /// For how long records are in flight and the watermark has not moved; `None` with nothing in flight, and for a partition that
    /// has stopped and says so elsewhere.
    pub fn standstill(&self, now: Instant) -> Option<Standstill> {
        let state = self.lock();
        let waits = state.watermark.in_flight() > 0 && state.breaker.stopped().is_none();
        waits.then(|| Standstill {
            lasting: now.saturating_duration_since(state.moved),
            obstacle: state.obstacle.clone(),
            refusals: state.refusals,
        })
    }

    /// Ends the epoch: later settlements change nothing.
    pub fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.batches.clear();
        state.returned.clear();
        drop(state);
        self.settled.notify_all();
    }

    /// Whether the epoch is over.
    pub fn ended(&self) -> bool {
        self.lock().ended
    }

    /// Blocks until nothing is in flight, the epoch is over, or the time is up. Returns whether nothing is in flight.
    pub fn wait_until_settled(&self, limit: Duration) -> bool {
        // What a stopped partition holds is read again by its next owner; waiting would not settle it.
        let open = |state: &mut State| {
            !state.ended && state.breaker.stopped().is_none() && state.watermark.in_flight() > 0
        };
        let mut state = self.lock();
        self.settled.wait_while_for(&mut state, open, limit);
        let drained = state.watermark.in_flight() == 0;
        drop(state);
        // The thread that settled the last record may not have handed the position over yet.
        self.publish();
        drained
    }
}

impl State {
    /// Not settled and not on its way into the dead letters, for these readers.
    fn open(&self, offset: i64, readers: Readers) -> Readers {
        if self.ended {
            return Readers::NONE;
        }
        let condemned = self.condemned.get(&offset).copied().unwrap_or_default();
        let owing = self.watermark.owing(offset);
        owing.and(readers).without(condemned)
    }

    fn settle(&mut self, offset: i64, readers: Readers) -> bool {
        self.forgive(offset, readers);
        if let Some(condemned) = self.condemned.get_mut(&offset) {
            *condemned = condemned.without(readers);
            if condemned.is_empty() {
                self.condemned.remove(&offset);
            }
        }
        self.watermark.settle_for(offset, readers)
    }

    /// Counts a failure.
    fn failed(&mut self, offset: i64, reader: usize) -> u32 {
        let failures = self.failures.entry((offset, reader)).or_insert(0);
        *failures += 1;
        *failures
    }

    /// Forgets failures.
    fn forgive(&mut self, offset: i64, readers: Readers) {
        if !self.failures.is_empty() {
            self.failures
                .retain(|(failed, reader), _| *failed != offset || !readers.contains(*reader));
        }
    }
}

fn last_offset(batch: &Batch) -> i64 {
    batch
        .len()
        .checked_sub(1)
        .and_then(|last| batch.get(last))
        .map_or(i64::MIN, |record| record.offset)
}
