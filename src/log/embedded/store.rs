//! The fjall database under the embedded log: opening with a lock, reading, committing, and reopening after a failure.

use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use homeostat_actors::ports::log::LogError;

use super::OpenError;
use crate::log::sync::{read_lock, write_lock};

/// Written but not yet sorted data; reached sooner means more, smaller files.
const MEMTABLE_BYTES: u64 = 32 * 1024 * 1024;
/// Journals kept at most before memtables are flushed to free them.
const JOURNAL_BYTES: u64 = 128 * 1024 * 1024;
const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// The open database and its keyspaces.
pub(super) struct Opened {
    database: Database,
    /// [`super::codec::PartitionId::record_key`] → record.
    pub(super) records: Keyspace,
    /// Topic name → settings (JSON).
    pub(super) topics: Keyspace,
    /// [`super::codec::PartitionId::mark_key`] → mark.
    pub(super) marks: Keyspace,
    /// Group, topic and partition → settled offset.
    pub(super) positions: Keyspace,
}

/// How durable a commit is when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// On the disk: survives power loss.
    Disk,
    /// With the operating system: survives kill -9.
    Process,
}

/// The database of one directory. After a failed write fjall refuses all further ones, because what reached the disk
/// is unknown; the store is then reopened, which recovers exactly what is there.
pub(super) struct Store {
    directory: PathBuf,
    opened: RwLock<Option<Opened>>,
    broken: AtomicBool,
}

impl Store {
    pub(super) fn open(directory: &Path) -> Result<Self, OpenError> {
        let opened = open_database(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            opened: RwLock::new(Some(opened)),
            broken: AtomicBool::new(false),
        })
    }

    /// Whether a write failed, or the store is closed: it must be reopened before the next write.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Reads; nothing borrowed from the database may leave the closure.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Opened) -> fjall::Result<T>,
    ) -> Result<T, LogError> {
        let guard = read_lock(&self.opened);
        let opened = guard.as_ref().ok_or_else(|| self.closed())?;
        read(opened).map_err(|error| self.unavailable("cannot be read", &error))
    }

    /// Commits what `fill` puts into the batch, atomically.
    pub(super) fn commit(
        &self,
        durability: Durability,
        fill: impl FnOnce(&Opened, &mut OwnedWriteBatch),
    ) -> Result<(), LogError> {
        let guard = read_lock(&self.opened);
        let opened = guard.as_ref().ok_or_else(|| self.closed())?;
        // Without a mode the batch would stay in a buffer of this process and die with it.
        let mode = match durability {
            Durability::Disk => PersistMode::SyncAll,
            Durability::Process => PersistMode::Buffer,
        };
        let mut batch = opened.database.batch().durability(Some(mode));
        fill(opened, &mut batch);
        batch.commit().map_err(|error| {
            self.broken.store(true, Ordering::Release);
            self.unavailable("cannot be written (is the disk full?)", &error)
        })
    }

    /// Closes and opens the database again; afterwards everything derived from it must be read again.
    pub(super) fn reopen(&self) -> Result<(), LogError> {
        let mut guard = write_lock(&self.opened);
        *guard = None;
        let opened = open_database(&self.directory)
            .map_err(|error| LogError::Unavailable(error.to_string()))?;
        *guard = Some(opened);
        self.broken.store(false, Ordering::Release);
        Ok(())
    }

    /// Flushes and closes; everything fails afterwards.
    pub(super) fn close(&self) {
        let mut guard = write_lock(&self.opened);
        if let Some(opened) = guard.take()
            && let Err(error) = opened.database.persist(PersistMode::SyncAll)
        {
            tracing::warn!(directory = %self.directory.display(), %error, "embedded log: the last flush failed");
        }
    }

    fn closed(&self) -> LogError {
        LogError::Unavailable(format!(
            "the embedded log in {} is closed",
            self.directory.display()
        ))
    }

    fn unavailable(&self, what: &str, error: &fjall::Error) -> LogError {
        LogError::Unavailable(format!(
            "the embedded log in {} {what}: {error:?}",
            self.directory.display()
        ))
    }
}

fn open_database(directory: &Path) -> Result<Opened, OpenError> {
    let unusable = |reason: String| OpenError::Store {
        directory: directory.to_owned(),
        reason,
    };
    let failed = |error: fjall::Error| match error {
        fjall::Error::Locked => OpenError::InUse {
            directory: directory.to_owned(),
        },
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
            unusable(error.to_string())
        }
        other => OpenError::Damaged {
            directory: directory.to_owned(),
            reason: format!("{other:?}"),
        },
    };
    std::fs::create_dir_all(directory).map_err(|error| unusable(error.to_string()))?;
    let database = Database::builder(directory)
        .cache_size(CACHE_BYTES)
        .max_journaling_size(JOURNAL_BYTES)
        .open()
        .map_err(failed)?;
    let keyspace = |name| {
        database
            .keyspace(name, || {
                KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
            })
            .map_err(failed)
    };
    Ok(Opened {
        records: keyspace("records")?,
        topics: keyspace("topics")?,
        marks: keyspace("marks")?,
        positions: keyspace("positions")?,
        database,
    })
}
