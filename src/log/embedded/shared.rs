//! What the threads of an embedded log share.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use homeostat_actors::ports::clock::Clock as _;
use homeostat_actors::ports::log::{LogError, TopicPartition, Watermarks};
use homeostat_logic::ledger::record::Millis;

use super::groups::Groups;
use super::integrity;
use super::new_tails::NewTails;
use super::store::Store;
use super::topics::{Topic, Topics};
use super::{EmbeddedSettings, OpenError};
use crate::clock::SystemClock;
use crate::log::sync::{Flag, Signal, lock};

/// A broken store is reopened at most this often.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// How long a failed write keeps the log from counting as connected.
const FAILURE_SHOWS: Duration = Duration::from_secs(30);

/// What the threads of a log share.
pub(super) struct Shared {
    pub(super) settings: EmbeddedSettings,
    pub(super) store: Store,
    pub(super) topics: Topics,
    pub(super) groups: Groups,
    pub(super) tails: NewTails,
    /// Wakes readers: records, assignments, closing.
    pub(super) signal: Signal,
    pub(super) closed: Flag,
    /// When a write failed last, unless one has gone through since.
    pub(super) failed_at: Mutex<Option<Instant>>,
    pub(super) clock: Mutex<Millis>,
    /// Held while records are written or the store is reopened; the time of the last reopening.
    pub(super) write_gate: Mutex<Option<Instant>>,
    /// Held while records are removed.
    pub(super) removing: Mutex<()>,
}

impl Shared {
    /// Opens the store and reads what is in it.
    pub(super) fn open(settings: EmbeddedSettings) -> Result<Self, OpenError> {
        let failed = |error: LogError| OpenError::Store {
            directory: settings.directory.clone(),
            reason: error.to_string(),
        };
        let store = Store::open(&settings.directory)?;
        let topics = Topics::load(&store).map_err(failed)?;
        let groups = Groups::load(&store).map_err(failed)?;
        let damage = integrity::damage(&settings.directory, &store, &topics, &groups);
        if let Some(reason) = damage.map_err(failed)? {
            let directory = settings.directory.clone();
            return Err(OpenError::Damaged { directory, reason });
        }
        Ok(Self {
            clock: Mutex::new(latest(&topics)),
            settings,
            store,
            topics,
            groups,
            tails: NewTails::default(),
            signal: Signal::default(),
            closed: Flag::default(),
            failed_at: Mutex::default(),
            write_gate: Mutex::new(None),
            removing: Mutex::default(),
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_raised()
    }

    /// The log's time: the wall clock, but never earlier than it was.
    pub(super) fn now(&self) -> Millis {
        let mut clock = lock(&self.clock);
        *clock = (*clock).max(SystemClock.now());
        *clock
    }

    pub(super) fn find(&self, partition: &TopicPartition) -> Option<(Arc<Topic>, usize)> {
        let topic = self.topics.get(&partition.topic)?;
        let index = usize::try_from(partition.partition).ok()?;
        (index < topic.partitions.len()).then_some((topic, index))
    }

    pub(super) fn require(
        &self,
        partition: &TopicPartition,
    ) -> Result<(Arc<Topic>, usize), LogError> {
        self.find(partition)
            .ok_or_else(|| LogError::Denied(format!("there is no partition {partition}")))
    }

    pub(super) fn watermarks(&self, partition: &TopicPartition) -> Option<Watermarks> {
        let (topic, index) = self.find(partition)?;
        topic
            .partitions
            .get(index)
            .map(|partition| partition.extent().watermarks())
    }

    /// Notes how the last write went.
    pub(super) fn wrote(&self, succeeded: bool) {
        *lock(&self.failed_at) = (!succeeded).then(Instant::now);
    }

    /// Whether writes went through lately. After [`FAILURE_SHOWS`] without another try it is assumed again: an
    /// instance that is not ready gets no events by which it could find out.
    pub(super) fn takes_writes(&self) -> bool {
        lock(&self.failed_at).is_none_or(|at| at.elapsed() > FAILURE_SHOWS)
    }

    /// Makes sure that the store takes writes, by reopening a broken one; while the guard lives no other thread reopens.
    pub(super) fn writable(&self) -> Result<MutexGuard<'_, Option<Instant>>, LogError> {
        let mut reopened = lock(&self.write_gate);
        if self.store.is_broken() {
            if reopened.is_some_and(|last| last.elapsed() < REOPEN_PAUSE) {
                return Err(LogError::Unavailable(
                    "the embedded log recovers from a failed write".to_owned(),
                ));
            }
            *reopened = Some(Instant::now());
            self.store.reopen()?;
            self.topics.reload(&self.store)?;
            self.signal.notify();
            tracing::info!("embedded log: recovered from a failed write");
        }
        Ok(reopened)
    }
}

fn latest(topics: &Topics) -> Millis {
    let topics = topics.all();
    let partitions = topics.iter().flat_map(|topic| &topic.partitions);
    partitions
        .map(|partition| partition.extent().timestamp)
        .max()
        .unwrap_or(0)
}
