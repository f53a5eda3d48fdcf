//! A store of a test's own, opened by a configuration as the service does it.

use std::path::Path;
use std::sync::Arc;

use homeostat::configuration::{Configuration, load};
use homeostat::store::open;
use homeostat_actors::ports::user_store::{
    Change, Entry, Key, StoreError, Stored, UserStore, position_of,
};

use crate::server::Server;

/// A store, and what it needs.
pub(crate) struct World {
    store: parking_lot::Mutex<Option<Arc<dyn UserStore>>>,
    section: String,
    folder: tempfile::TempDir,
    _server: Option<Server>,
}

impl World {
    pub(crate) fn embedded() -> Self {
        Self::of("", None)
    }

    /// On a Redis of its own; `None` where none is installed.
    pub(crate) fn redis() -> Option<Self> {
        let server = Server::start(&[])?;
        let section = format!("redis_url = \"{}\"", server.url());
        Some(Self::of(&section, Some(server)))
    }

    /// With a section `[store]`.
    pub(crate) fn of(section: &str, server: Option<Server>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = opened(section, folder.path(), &[]);
        Self {
            store: parking_lot::Mutex::new(Some(store)),
            section: section.to_owned(),
            folder,
            _server: server,
        }
    }

    pub(crate) fn store(&self) -> Arc<dyn UserStore> {
        Arc::clone(self.store.lock().as_ref().unwrap())
    }

    /// Closes the store and opens it again.
    pub(crate) fn reopen(&self) {
        drop(self.store.lock().take());
        *self.store.lock() = Some(opened(&self.section, self.folder.path(), &[]));
    }

    /// Another store on the same data, with further keys: only where it is shared, or closed.
    pub(crate) fn another(&self, keys: &str) -> Arc<dyn UserStore> {
        opened(
            &format!("{}\n{keys}", self.section),
            self.folder.path(),
            &[],
        )
    }

    /// The same data with further keys, in place of the store.
    pub(crate) fn reopen_with(&self, keys: &str) {
        drop(self.store.lock().take());
        *self.store.lock() = Some(self.another(keys));
    }
}

/// The configuration with a section `[store]`.
pub(crate) fn configured(
    section: &str,
    data: &Path,
    environment: &[(&str, &str)],
) -> Configuration {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    let text = format!("data_dir = \"{}\"\n[store]\n{section}\n", data.display());
    std::fs::write(&file, text).unwrap();
    let variables = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(&[file], variables.collect::<Vec<_>>()).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// A store by a section `[store]`.
pub(crate) fn opened(
    section: &str,
    data: &Path,
    environment: &[(&str, &str)],
) -> Arc<dyn UserStore> {
    let settings = configured(section, data, environment).settings;
    open(&settings.user_store, &settings.data_dir).unwrap()
}

/// A versioned value.
pub(crate) fn value(position: i64) -> String {
    format!("{{\"position\":{position},\"of\":\"test\"}}")
}

pub(crate) fn put(entry: Entry, user: &str, position: i64) -> Change {
    Change::Put {
        key: Key::new(entry, user),
        position,
        value: value(position),
    }
}

pub(crate) fn remove(entry: Entry, user: &str) -> Change {
    Change::Remove {
        key: Key::new(entry, user),
    }
}

/// One value by its key.
pub(crate) async fn read(store: &dyn UserStore, entry: Entry, user: &str) -> Option<Stored> {
    let values = store.read(vec![Key::new(entry, user)]).await.unwrap();
    assert_eq!(values.len(), 1);
    values.into_iter().next().unwrap()
}

/// The position of one value.
pub(crate) async fn position(store: &dyn UserStore, entry: Entry, user: &str) -> Option<i64> {
    let stored = read(store, entry, user).await?;
    assert_eq!(
        Some(stored.position),
        position_of(&stored.value).or(Some(Stored::WITHOUT))
    );
    Some(stored.position)
}

/// Repeats a call until it is possible again: for what comes back by itself.
pub(crate) async fn until<T, F: Future<Output = Result<T, StoreError>>>(
    mut call: impl FnMut() -> F,
) -> T {
    let mut last = String::new();
    for _ in 0..600 {
        match call().await {
            Ok(answer) => return answer,
            Err(StoreError::Refused(why)) => panic!("{why}"),
            Err(StoreError::Unavailable(why)) => last = why,
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it did not come back: {last}")
}
