//! What is in flight of one assigned partition: delivered and not yet settled.
//!
//! It outlives the incarnations of the partition's actors, so that a panic loses no record: the batches are immutable
//! input, the offsets a pure [`Watermark`]. Everything in it ends with the epoch; settlements that come later change
//! nothing (invariant O2).

#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use homeostat_logic::dead_letters::breaker::{Breaker, BreakerSettings, Stop, Verdict};
use homeostat_logic::offsets::Watermark;
use homeostat_logic::topic::Topic;

use crate::batch::Batch;
use crate::ports::log::{Epoch, Subscription, TopicPartition};

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
    limits: FlightLimits,
    subscription: SubscriptionSlot,
    state: Mutex<State>,
    settled: Condvar,
    /// Taken while a position is handed over, so that positions never go backwards.
    publishing: Mutex<()>,
    taken: AtomicI64,
    decoding: AtomicI64,
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
    held: BTreeSet<i64>,
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
    failures: BTreeMap<i64, u32>,
    /// On their way into the dead letters.
    condemned: BTreeSet<i64>,
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
    /// Why.
    pub cause: Cause,
}

/// Why a record was given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It stood beside one that failed.
    Bystander,
    /// Its actor failed on it, for the n-th time.
    Failed(u32),
    /// It can never be written, for this reason.
    Refused(String),
}

impl Flight {
    /// Starts an epoch at the position its delivery starts at.
    pub fn new(
        partition: TopicPartition,
        topic: &'static Topic,
        epoch: Epoch,
        position: i64,
        limits: FlightLimits,
        subscription: SubscriptionSlot,
    ) -> Self {
        let state = State {
            watermark: Watermark::new(position),
            breaker: Breaker::new(limits.breaker, limits.records_max),
            held: BTreeSet::new(),
            batches: VecDeque::new(),
            bytes: 0,
            failures: BTreeMap::new(),
            condemned: BTreeSet::new(),
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
            limits,
            subscription,
            state: Mutex::new(state),
            settled: Condvar::new(),
            publishing: Mutex::new(()),
            taken: AtomicI64::new(NOTHING),
            decoding: AtomicI64::new(NOTHING),
        }
    }

    /// A panic elsewhere cannot leave the state half changed: every change below is complete before anything can fail.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// The effect of these records is durable.
    pub fn settle(&self, offsets: impl IntoIterator<Item = i64>) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        let mut moved = None;
        for offset in offsets {
            state.failures.remove(&offset);
            state.condemned.remove(&offset);
            moved = state.watermark.settle(offset).or(moved);
        }
        let Some(next) = moved else { return };
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
    }

    /// Hands the position over; also for what was settled before the group handle was known.
    pub fn publish(&self) {
        let slot = self
            .subscription
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(subscription) = slot.as_ref().map(Arc::clone) else {
            return;
        };
        drop(slot);
        let turn = self
            .publishing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let next = self.lock().watermark.next();
        subscription.settle(&self.partition, self.epoch, next);
        drop(turn);
    }

    /// Takes a record out of the actors' hands, for the dead letters. `None`: it is settled, or on its way there, and
    /// must not be written again. When the partition stops or has stopped, the record is held, unsettled and unwritten.
    pub fn condemn(&self, offset: i64) -> Option<Verdict> {
        let mut state = self.lock();
        if !state.is_open(offset) {
            return None;
        }
        let verdict = state.breaker.dead(offset);
        if verdict == Verdict::Bury {
            state.condemned.insert(offset);
        } else {
            state.held.insert(offset);
        }
        Some(verdict)
    }

    /// Why the partition stands, if too many of its records were dead.
    pub fn stopped(&self) -> Option<Stop> {
        self.lock().breaker.stopped()
    }

    /// Lets a stopped partition go on; what was held is handed out again, with all its tries. Says whether it stood.
    pub fn resume(&self) -> bool {
        let mut state = self.lock();
        let held = std::mem::take(&mut state.held);
        let stood = state.breaker.resume(held.iter().copied());
        for offset in held {
            state.failures.remove(&offset);
            let cause = Cause::Bystander;
            state.returned.push(Returned { offset, cause });
        }
        stood
    }

    /// Whether something is still to be done about a record.
    pub fn is_open(&self, offset: i64) -> bool {
        self.lock().is_open(offset)
    }

    /// An actor gave records back: the culprit is the one it was handling when it failed, if it had begun.
    pub fn give_back(&self, culprit: Option<i64>, offsets: impl IntoIterator<Item = i64>) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        if let Some(offset) = culprit {
            let failures = state.failures.entry(offset).or_insert(0);
            *failures += 1;
            let cause = Cause::Failed(*failures);
            state.returned.push(Returned { offset, cause });
        }
        let bystanders = offsets.into_iter().map(|offset| Returned {
            offset,
            cause: Cause::Bystander,
        });
        state.returned.extend(bystanders);
    }

    /// A record can never be written.
    pub fn refuse(&self, offset: i64, reason: String) {
        let mut state = self.lock();
        if !state.ended {
            let cause = Cause::Refused(reason);
            state.returned.push(Returned { offset, cause });
        }
    }

    /// Takes what was given back and is still open.
    pub fn take_returned(&self) -> Vec<Returned> {
        let mut state = self.lock();
        let mut returned = std::mem::take(&mut state.returned);
        returned.retain(|one| state.is_open(one.offset));
        returned
    }

    /// The batch that holds an offset still in flight.
    pub fn batch_of(&self, offset: i64) -> Option<Arc<Batch>> {
        let state = self.lock();
        state
            .batches
            .iter()
            .find(|batch| batch.at_offset(offset).is_some())
            .cloned()
    }

    /// The consumer takes a batch out of its mailbox: from here on, an incarnation that starts over finds it here.
    pub fn taken(&self, batch: &Batch) {
        self.taken.fetch_max(last_offset(batch), Ordering::Relaxed);
    }

    /// Everything that a consumer that starts over has to hand out again: taken and not settled. Not in it: what is
    /// still in its mailbox, what was given back (it is taken back in its turn), and what is on its way into the dead
    /// letters. What a role holds is in it; the ledger drops the second proposal.
    pub fn to_do_again(&self) -> Vec<i64> {
        let taken = self.taken.load(Ordering::Relaxed);
        let state = self.lock();
        let returned: BTreeSet<i64> = state.returned.iter().map(|one| one.offset).collect();
        let mut offsets = state.watermark.unsettled();
        offsets.retain(|offset| {
            *offset <= taken && !returned.contains(offset) && !state.condemned.contains(offset)
        });
        offsets
    }

    /// The consumer begins to decode a record; `None` when it is done. If it fails in between, this one is to blame.
    pub fn decoding(&self, offset: Option<i64>) {
        self.decoding
            .store(offset.unwrap_or(NOTHING), Ordering::Relaxed);
    }

    /// The record that the last incarnation of the consumer failed on, with the number of its failures.
    pub fn take_undecodable(&self) -> Option<(i64, u32)> {
        let offset = self.decoding.swap(NOTHING, Ordering::Relaxed);
        (offset != NOTHING).then(|| {
            let mut state = self.lock();
            let failures = state.failures.entry(offset).or_insert(0);
            *failures += 1;
            (offset, *failures)
        })
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
        let stands = state.watermark.in_flight() > 0 && state.breaker.stopped().is_none();
        stands.then(|| Standstill {
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
        let (state, _) = self
            .settled
            .wait_timeout_while(self.lock(), limit, open)
            .unwrap_or_else(PoisonError::into_inner);
        let drained = state.watermark.in_flight() == 0;
        drop(state);
        // Whoever settled the last record may not have come to hand the position over.
        self.publish();
        drained
    }
}

impl State {
    fn is_open(&self, offset: i64) -> bool {
        !self.ended && self.watermark.is_unsettled(offset) && !self.condemned.contains(&offset)
    }
}

fn last_offset(batch: &Batch) -> i64 {
    batch
        .len()
        .checked_sub(1)
        .and_then(|last| batch.get(last))
        .map_or(i64::MIN, |record| record.offset)
}
