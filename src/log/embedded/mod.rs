//! The embedded event log: durable, in one directory, for one process; needs no server (DESIGN §5).
//!
//! - Appends are committed in groups with one fsync each and acknowledged after it; an acknowledged record survives
//!   kill -9 and power loss, offsets are dense, a record is there whole or not at all.
//! - The log stamps each record with a clock that never steps back, across restarts too.
//! - Groups work inside the process. A settled position may lag after a crash (redelivery), never lead.
//! - A failed write acknowledges nothing and is answered `Unavailable`; the store recovers as soon as the disk lets it.

mod balance;
mod codec;
mod cursor;
mod groups;
mod integrity;
mod keeper;
mod new_tails;
mod removal;
mod shared;
mod store;
mod subscription;
mod tail;
mod topics;
mod writer;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use homeostat_actors::ports::log::{
    Appended, EventLog, GroupHandler, GroupSettings, LogError, NewRecord, PartitionSink,
    StoredRecord, Subscription, Tail, TopicDescription, TopicPartition, TopicSettings,
};

use self::cursor::Cursor;
use self::shared::Shared;
use self::subscription::Membership;
use self::topics::Topic;
use self::writer::{Addressed, Queue};
use super::sync::lock;
use super::{MAX_RECORD_BYTES, blocking, partition_of_key, payload_size};

/// Where and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedSettings {
    /// Directory of the log; created when missing.
    pub directory: PathBuf,
    /// Bytes of key, value and headers kept at most, over all topics without `append_time` that are not compacted; beyond it the oldest
    /// records go. `None` = unlimited.
    pub max_bytes: Option<u64>,
    /// How often retention is enforced.
    pub retention_check: Duration,
}

impl EmbeddedSettings {
    /// No limit by size; retention by age (a topic's own setting) enforced every 30 s.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            max_bytes: None,
            retention_check: Duration::from_secs(30),
        }
    }
}

/// Why an embedded log cannot be opened. Each is a reason to stop; damage is mended by no restart.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another log of this one, has it open.
    #[error(
        "the embedded log in {} is in use by another process; stop that one or choose another data_dir",
        directory.display()
    )]
    InUse {
        /// Directory of the log.
        directory: PathBuf,
    },
    /// A part of what was written is gone or not what was written.
    #[error(
        "the embedded log in {} is damaged: {reason}; restore the directory, or move it away to start over, which forgets events, open actions, cooldowns and budgets",
        directory.display()
    )]
    Damaged {
        /// Directory of the log.
        directory: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// The directory or the files in it cannot be used.
    #[error(
        "the embedded log in {} cannot be opened: {reason}; check the disk and the permissions, or restore it",
        directory.display()
    )]
    Store {
        /// Directory of the log.
        directory: PathBuf,
        /// What the system or the store said.
        reason: String,
    },
}

/// The embedded event log. Dropping it closes it.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    queue: Mutex<Option<Queue>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Spreads records without key.
    unkeyed: AtomicUsize,
}

impl EmbeddedLog {
    /// Opens the log of a directory. Blocking.
    pub fn open(settings: EmbeddedSettings) -> Result<Self, OpenError> {
        let directory = settings.directory.clone();
        let shared = Arc::new(Shared::open(settings)?);
        let start = || -> std::io::Result<_> {
            let (queue, writer) = Queue::start(Arc::clone(&shared))?;
            let threads = vec![
                writer,
                keeper::start(Arc::clone(&shared))?,
                tail::start(Arc::clone(&shared))?,
            ];
            Ok((queue, threads))
        };
        let (queue, threads) = start().map_err(|error| OpenError::Store {
            directory,
            reason: error.to_string(),
        })?;
        Ok(Self {
            shared,
            queue: Mutex::new(Some(queue)),
            threads: Mutex::new(threads),
            unkeyed: AtomicUsize::new(0),
        })
    }

    /// Finds the record's place, or why there is none.
    fn address(&self, record: NewRecord) -> Addressed {
        let topic = self
            .shared
            .topics
            .get(&record.topic)
            .ok_or_else(|| LogError::Denied(format!("there is no topic {}", record.topic)))?;
        let size = payload_size(&record);
        if size > MAX_RECORD_BYTES {
            return Err(LogError::TooLarge(format!(
                "a record of {size} bytes for topic {} is larger than {MAX_RECORD_BYTES}",
                record.topic
            )));
        }
        let count = topic.partitions.len();
        let partition = match (record.partition, &record.key) {
            (Some(partition), _) => usize::try_from(partition).unwrap_or(usize::MAX),
            (None, Some(key)) => partition_of_key(key, count),
            (None, None) => self
                .unkeyed
                .fetch_add(1, Ordering::Relaxed)
                .checked_rem(count)
                .unwrap_or(0),
        };
        if partition >= count {
            return Err(LogError::Denied(format!(
                "topic {} has {count} partitions, no partition {}",
                record.topic,
                record.partition.unwrap_or(-1)
            )));
        }
        Ok((topic, partition, record))
    }
}

impl EventLog for EmbeddedLog {
    fn kind(&self) -> &'static str {
        "embedded"
    }

    fn ensure_topics(
        &self,
        topics: Vec<TopicSettings>,
    ) -> BoxFuture<'static, Result<(), LogError>> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let created = shared.topics.ensure(&shared.store, topics)?;
            integrity::note_begun(&shared.settings.directory)?;
            if created {
                shared.groups.rebalance(&shared.topics);
                shared.signal.notify();
            }
            Ok(())
        })
    }

    fn describe_topics(
        &self,
        names: Vec<String>,
    ) -> BoxFuture<'static, Result<Vec<TopicDescription>, LogError>> {
        let describe = |topic: Arc<Topic>| TopicDescription {
            name: topic.name.clone(),
            partitions: topic
                .partitions
                .iter()
                .map(|partition| partition.extent().watermarks())
                .collect(),
            // This log stamps every record.
            append_time: Some(true),
            cleanup_policy: Some(if topic.compacted { "compact" } else { "delete" }.to_owned()),
            retention_ms: Some(topic.retention.map_or(-1, |keep| {
                i64::try_from(keep.as_millis()).unwrap_or(i64::MAX)
            })),
            brokers: None,
        };
        let topics = names
            .iter()
            .filter_map(|name| self.shared.topics.get(name))
            .map(describe)
            .collect();
        std::future::ready(Ok(topics)).boxed()
    }

    fn append(
        &self,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Vec<Result<Appended, LogError>>> {
        if records.is_empty() {
            return std::future::ready(Vec::new()).boxed();
        }
        let count = records.len();
        let failed =
            move |error: LogError| (0..count).map(|_| Err(error.clone())).collect::<Vec<_>>();
        let closed = || LogError::Unavailable("the embedded log is closed".to_owned());
        let addressed = records
            .into_iter()
            .map(|record| self.address(record))
            .collect();
        let queued = match &*lock(&self.queue) {
            Some(queue) => queue.append(addressed),
            None => Err(closed()),
        };
        match queued {
            Ok(answers) => {
                async move { answers.await.unwrap_or_else(|_| failed(closed())) }.boxed()
            }
            Err(error) => std::future::ready(failed(error)).boxed(),
        }
    }

    fn subscribe(
        &self,
        settings: GroupSettings,
        handler: Box<dyn GroupHandler>,
    ) -> Result<Arc<dyn Subscription>, LogError> {
        let membership = Membership::start(&self.shared, settings, handler).map_err(|error| {
            LogError::Unavailable(format!("cannot start a thread for a group member: {error}"))
        })?;
        Ok(Arc::new(membership))
    }

    fn tail(
        &self,
        partition: TopicPartition,
        from: i64,
        sink: Box<dyn PartitionSink>,
    ) -> Result<Box<dyn Tail>, LogError> {
        let (topic, index) = self.shared.require(&partition)?;
        let high = topic
            .partitions
            .get(index)
            .map_or(0, |partition| partition.extent().high);
        // Beyond the end means another log's offset: begin at the beginning, as Kafka does.
        let from = if from > high { 0 } else { from };
        let cursor = Cursor::new(topic, index, from, sink);
        Ok(Box::new(tail::add(&self.shared, cursor)))
    }

    fn read(
        &self,
        partition: TopicPartition,
        from: i64,
        max: usize,
    ) -> BoxFuture<'static, Result<Vec<StoredRecord>, LogError>> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let (topic, index) = shared.require(&partition)?;
            match topic.partitions.get(index) {
                Some(partition) => cursor::read(&shared.store, partition, from, max),
                None => Ok(Vec::new()),
            }
        })
    }

    fn delete_before(
        &self,
        partition: TopicPartition,
        offset: i64,
    ) -> BoxFuture<'static, Result<(), LogError>> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let (topic, index) = shared.require(&partition)?;
            match topic.partitions.get(index) {
                Some(place) => removal::delete_before(&shared, &partition, place, offset),
                None => Ok(()),
            }
        })
    }

    fn close(&self) {
        // Dropping the queue lets the writer finish what is in it.
        drop(lock(&self.queue).take());
        self.shared.closed.raise();
        self.shared.signal.notify();
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            if thread.join().is_err() {
                tracing::error!("embedded log: a thread panicked");
            }
        }
        if let Err(error) = self.shared.groups.flush(&self.shared.store) {
            tracing::debug!(%error, "embedded log: no positions stored on closing");
        }
        self.shared.store.close();
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.close();
    }
}
