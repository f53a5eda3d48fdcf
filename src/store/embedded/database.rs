//! The fjall database under the embedded user store: opening with a lock, reading, committing, and reopening after a failure.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use fjall::{Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use homeostat_actors::ports::user_store::StoreError;
use parking_lot::{Mutex, RwLock};

use super::OpenError;

/// Folder of the database within that of the store.
pub(super) const FOLDER: &str = "database";
/// Written but not yet sorted data; reached sooner means more, smaller files.
const MEMTABLE_BYTES: u64 = 32 * 1024 * 1024;
/// Journals kept at most before memtables are flushed to free them.
const JOURNAL_BYTES: u64 = 256 * 1024 * 1024;
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// The open database and its keyspaces.
pub(super) struct Opened {
    pub(super) database: fjall::Database,
    /// User → profile.
    pub(super) profiles: Keyspace,
    /// Entry and user → time at which it is over, and value.
    pub(super) ending: Keyspace,
    /// About the store itself.
    pub(super) about: Keyspace,
}

/// How durable a commit is when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// On the disk: survives power loss.
    Disk,
    /// With the operating system: survives kill -9.
    Process,
}

/// The database of one folder. After a failed write fjall refuses all further ones, because what reached the disk is unknown; it
/// is then reopened, which recovers exactly what is there.
pub(super) struct Database {
    directory: PathBuf,
    opened: RwLock<Option<Opened>>,
    broken: AtomicBool,
    trouble: Mutex<Option<String>>,
}

impl Database {
    pub(super) fn open(directory: &Path) -> Result<Self, OpenError> {
        let opened = open_database(directory, FOLDER)?;
        Ok(Self {
            directory: directory.to_owned(),
            opened: RwLock::new(Some(opened)),
            broken: AtomicBool::new(false),
            trouble: Mutex::new(None),
        })
    }

    /// Why the last write failed; `None` once one has gone through.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    /// Whether a write failed, so that the database must be reopened before the next.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Reads; nothing borrowed from the database may leave the closure.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Opened) -> fjall::Result<T>,
    ) -> Result<T, StoreError> {
        let guard = self.opened.read();
        let opened = guard.as_ref().ok_or_else(|| self.closed())?;
        read(opened).map_err(|error| self.unavailable("cannot be read", &error))
    }

    /// Commits what `fill` puts into the batch, atomically.
    pub(super) fn commit(
        &self,
        durability: Durability,
        fill: impl FnOnce(&Opened, &mut OwnedWriteBatch) -> fjall::Result<()>,
    ) -> Result<(), StoreError> {
        let guard = self.opened.read();
        let opened = guard.as_ref().ok_or_else(|| self.closed())?;
        // Without a mode the batch would stay in a buffer of this process and die with it.
        let mode = match durability {
            Durability::Disk => PersistMode::SyncAll,
            Durability::Process => PersistMode::Buffer,
        };
        let mut batch = opened.database.batch().durability(Some(mode));
        fill(opened, &mut batch).map_err(|error| self.unavailable("cannot be read", &error))?;
        let committed = batch.commit().map_err(|error| {
            self.broken.store(true, Ordering::Release);
            self.unavailable("cannot be written (is the disk full?)", &error)
        });
        *self.trouble.lock() = committed.as_ref().err().map(ToString::to_string);
        committed
    }

    /// Closes and opens the database again.
    pub(super) fn reopen(&self) -> Result<(), StoreError> {
        let mut guard = self.opened.write();
        *guard = None;
        let opened = open_database(&self.directory, FOLDER)
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        *guard = Some(opened);
        self.broken.store(false, Ordering::Release);
        Ok(())
    }

    /// Flushes and closes; everything fails afterwards.
    pub(super) fn close(&self) {
        let mut guard = self.opened.write();
        if let Some(opened) = guard.take()
            && let Err(error) = opened.database.persist(PersistMode::SyncAll)
        {
            let directory = self.directory.display();
            tracing::warn!(%directory, %error, "user store: the last flush failed");
        }
    }

    fn closed(&self) -> StoreError {
        StoreError::Unavailable(format!("{} is closed", self.directory.display()))
    }

    fn unavailable(&self, what: &str, error: &fjall::Error) -> StoreError {
        let directory = self.directory.display();
        StoreError::Unavailable(format!("{directory} {what}: {error:?}"))
    }
}

/// Opens the database in a folder within that of the store.
pub(super) fn open_database(directory: &Path, name: &str) -> Result<Opened, OpenError> {
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
    let folder = directory.join(name);
    std::fs::create_dir_all(&folder).map_err(|error| unusable(error.to_string()))?;
    let database = fjall::Database::builder(&folder)
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
        profiles: keyspace("profiles")?,
        ending: keyspace("ending")?,
        about: keyspace("about")?,
        database,
    })
}
