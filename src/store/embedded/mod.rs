//! The embedded user store: durable, in one folder, for one process; needs no server.
//!
//! - Changes are committed in groups with one fsync each and acknowledged after it, by a thread of their own.
//! - A change whose position is not larger than the stored one is left out there, so that no other writer comes between.
//! - What is over is left out when it is read, and removed by that thread, slice by slice.
//! - A failed write acknowledges nothing and is answered `Unavailable`; the store recovers as soon as the disk lets it.

mod blobs;
mod codec;
mod database;
mod identity;
mod rewrite;
mod sweep;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use futures_util::FutureExt as _;
use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::user_store::{
    Change, Entry, Key, Lifetimes, Profiles, StoreError, StoreFuture, Stored, UserStore, check_user,
};
use parking_lot::Mutex;

use self::blobs::Blobs;
use self::database::Database;
pub use self::rewrite::Rewritten;
pub(in crate::store) use self::rewrite::rewrite;
use self::writer::Queue;
use crate::clock::SystemClock;

/// Why an embedded user store cannot be opened. Each is a reason to stop; damage is mended by no restart.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another store of this one, has it open.
    #[error(
        "the user store in {} is in use by another process; stop that one, choose another data_dir, or share a Redis (store.redis_url)",
        directory.display()
    )]
    InUse {
        /// Folder of the store.
        directory: PathBuf,
    },
    /// A part of what was written is gone or not what was written.
    #[error(
        "the user store in {} is damaged: {reason}; restore the folder, or move it away to start over, which forgets all users and what was learned of them",
        directory.display()
    )]
    Damaged {
        /// Folder of the store.
        directory: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// The folder or the files in it cannot be used.
    #[error(
        "the user store in {} cannot be opened: {reason}; check the disk and the permissions, or restore it",
        directory.display()
    )]
    Store {
        /// Folder of the store.
        directory: PathBuf,
        /// What the system or the store said.
        reason: String,
    },
}

/// What the threads of a store share.
struct Shared {
    database: Database,
    blobs: Blobs,
    lifetimes: Lifetimes,
    clock: Box<dyn Clock>,
}

/// The embedded user store. Dropping it finishes what is queued and closes it.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    identity: String,
    queue: Mutex<Option<Queue>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedStore {
    /// Opens the store of a folder, which is created when missing. Blocking.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(directory: &Path, lifetimes: Lifetimes) -> Result<Self, OpenError> {
        Self::with_clock(directory, lifetimes, Box::new(SystemClock))
    }

    /// As [`EmbeddedStore::open`], with a clock by which entries end.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn with_clock(
        directory: &Path,
        lifetimes: Lifetimes,
        clock: Box<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let failed = |reason: String| OpenError::Store {
            directory: directory.to_owned(),
            reason,
        };
        let database = Database::open(directory)?;
        let identity = identity::establish(directory, &database)?;
        let blobs = Blobs::open(directory).map_err(|error| failed(error.to_string()))?;
        let shared = Arc::new(Shared {
            database,
            blobs,
            lifetimes,
            clock,
        });
        let (queue, writer) =
            Queue::start(Arc::clone(&shared)).map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            shared,
            identity,
            queue: Mutex::new(Some(queue)),
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Runs a call on what is shared, off the executor's thread.
    fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<T> {
        let shared = Arc::clone(&self.shared);
        async move {
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => runtime
                    .spawn_blocking(move || call(&shared))
                    .await
                    .map_err(|error| {
                        StoreError::Unavailable(format!("the call was cut off: {error}"))
                    })?,
                Err(_) => call(&shared),
            }
        }
        .boxed()
    }
}

impl UserStore for EmbeddedStore {
    fn kind(&self) -> &'static str {
        "embedded"
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn read(&self, keys: Vec<Key>) -> StoreFuture<Vec<Option<Stored>>> {
        self.blocking(move |shared| {
            let now = shared.clock.now();
            shared.database.read(|opened| {
                let read = |key: &Key| codec::get(opened, key, now);
                keys.iter().map(read).collect()
            })
        })
    }

    fn change(&self, changes: Vec<Change>) -> StoreFuture<()> {
        if let Some(Err(refused)) = changes.iter().map(Change::check).find(Result::is_err) {
            // As the port has it, the others are made all the same.
            let possible = changes.into_iter().filter(|change| change.check().is_ok());
            let others = self.change(possible.collect());
            return async move { others.await.and(Err(refused)) }.boxed();
        }
        if changes.is_empty() {
            return std::future::ready(Ok(())).boxed();
        }
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        let queued = match &*self.queue.lock() {
            Some(queue) => queue.push(changes),
            None => Err(closed()),
        };
        match queued {
            Ok(answer) => async move { answer.await.unwrap_or_else(|_| Err(closed())) }.boxed(),
            Err(error) => std::future::ready(Err(error)).boxed(),
        }
    }

    fn profiles(&self, page: Option<String>, max: usize) -> StoreFuture<Profiles> {
        self.blocking(move |shared| {
            if let Some(after) = &page {
                check_user(after)?;
            }
            let max = max.max(1);
            let users = shared
                .database
                .read(|opened| codec::profiles(opened, page.as_deref(), max))?;
            let next = (users.len() >= max).then(|| users.last().map(|(user, _)| user.clone()));
            Ok(Profiles {
                next: next.flatten(),
                users,
            })
        })
    }

    fn put_blob(&self, name: &'static str, bytes: Vec<u8>) -> StoreFuture<()> {
        self.blocking(move |shared| shared.blobs.put(name, &bytes))
    }

    fn blob(&self, name: &'static str) -> StoreFuture<Option<Vec<u8>>> {
        self.blocking(move |shared| shared.blobs.get(name))
    }

    fn trouble(&self) -> Option<String> {
        self.shared.database.trouble()
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        // The writer ends when its queue is gone and empty.
        drop(self.queue.lock().take());
        let writer = self.writer.lock().take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("user store: the writer panicked");
        }
        self.shared.database.close();
    }
}

/// Where an entry is kept for ever, and where until its time is over.
const fn is_lasting(entry: Entry) -> bool {
    matches!(entry, Entry::Profile)
}
