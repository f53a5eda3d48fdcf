//! The user store in Redis (or Valkey), shared by all instances; a single server or a cluster, which is noticed.
//!
//! - Each command touches one key, and no transaction is used; a versioned write is one script on its key (`put_newer.lua`).
//! - The changes of a call are sent as pipelines of bounded size, the next one after the answer to the last.
//! - The connection lives on a thread of its own. While Redis is away, calls are answered `Unavailable` at once, and it is
//!   connected to again with growing pauses.
//! - How durable an acknowledged change is, is up to how Redis is set up: docs/store.md.

mod access;
mod blobs;
mod commands;
mod connection;
mod fault;
mod link;
mod profiles;

use std::future::Future;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::FutureExt as _;
use homeostat_actors::ports::user_store::{
    Change, Key, Lifetimes, Profiles, StoreError, StoreFuture, Stored, UserStore,
};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

pub(super) use self::access::{Access, Material};
use self::commands::Keys;
use self::link::Link;
use super::OpenError;
use crate::live::Derived;

/// How Redis is reached.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    pub(in crate::store) access: Arc<Derived<Access>>,
    /// What each key begins with.
    pub(in crate::store) key_prefix: String,
    pub(in crate::store) connect_timeout: Duration,
    pub(in crate::store) response_timeout: Duration,
}

/// The user store in Redis. Dropping it ends the calls under way.
pub struct RedisStore {
    shared: Arc<Shared>,
    runtime: Handle,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What calls share.
struct Shared {
    link: Link,
    keys: Keys,
}

impl RedisStore {
    /// Starts the thread of the connection, which connects at once.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn start(settings: RedisSettings, lifetimes: Lifetimes) -> Result<Self, OpenError> {
        let keys = Keys::new(settings.key_prefix.clone(), lifetimes);
        let link = Link::new(settings);
        let shared = Arc::new(Shared { link, keys });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(OpenError::Thread)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let watched = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("user-store".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    // Either way it is over.
                    drop(
                        futures_util::future::select(stopped, Box::pin(watched.link.watch())).await,
                    );
                });
            })
            .map_err(OpenError::Thread)?;
        Ok(Self {
            shared,
            runtime: handle,
            stop: Mutex::new(Some(stop)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs a call on the thread of the connection. A caller that goes away does not end it.
    fn run<T, F>(&self, call: impl FnOnce(Arc<Shared>) -> F) -> StoreFuture<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let call = call(Arc::clone(&self.shared));
        let running = self.runtime.spawn(call);
        async move {
            let closed = || StoreError::Unavailable("the store is closed".to_owned());
            running.await.unwrap_or_else(|_| Err(closed()))
        }
        .boxed()
    }
}

impl UserStore for RedisStore {
    fn kind(&self) -> &'static str {
        "redis"
    }

    fn identity(&self) -> String {
        "redis".to_owned()
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn read(&self, keys: Vec<Key>) -> StoreFuture<Vec<Option<Stored>>> {
        self.run(|shared| async move { shared.read(keys).await })
    }

    fn change(&self, changes: Vec<Change>) -> StoreFuture<()> {
        self.run(|shared| async move { shared.change(changes).await })
    }

    fn profiles(&self, page: Option<String>, max: usize) -> StoreFuture<Profiles> {
        self.run(move |shared| async move { shared.profiles(page, max).await })
    }

    fn put_blob(&self, name: &'static str, bytes: Vec<u8>) -> StoreFuture<()> {
        self.run(move |shared| async move { shared.put_blob(name, bytes).await })
    }

    fn blob(&self, name: &'static str) -> StoreFuture<Option<Vec<u8>>> {
        self.run(move |shared| async move { shared.blob(name).await })
    }

    fn trouble(&self) -> Option<String> {
        self.shared.link.trouble()
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        drop(self.stop.lock().take());
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("user store: the thread of Redis panicked");
        }
    }
}
