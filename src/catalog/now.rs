//! The catalog as this instance holds it, shared between who reads it and the tails that write it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::files::{FileError, load};
use super::settings::Catalog as Section;
use homeostat_logic::catalog::{Catalog, CatalogSettings, Change, Outcome};
use parking_lot::{RwLock, RwLockReadGuard};

/// The catalog of this instance. Readers share it; a batch of the topic is written at once.
pub struct CatalogNow {
    catalog: Arc<RwLock<Catalog>>,
    taken: Counters,
}

/// What became of the records of the topic.
#[derive(Debug, Default)]
struct Counters {
    put: AtomicU64,
    removed: AtomicU64,
    refused: AtomicU64,
    unreadable: AtomicU64,
}

/// What became of the records of the topic, by name of the outcome.
pub type Taken = [(&'static str, u64); 4];

impl CatalogNow {
    /// An empty one.
    pub fn new(settings: CatalogSettings, seed: u64) -> Self {
        Self {
            catalog: Arc::new(RwLock::new(Catalog::new(settings, seed))),
            taken: Counters::default(),
        }
    }

    /// For reading. Held for a short time, and not twice by one thread: a writer that waits in between would stop it.
    pub fn read(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read()
    }

    /// The same catalog, for the actors that read it.
    pub fn shared(&self) -> Arc<RwLock<Catalog>> {
        Arc::clone(&self.catalog)
    }

    /// Reads the files, before anything reads the catalog. Blocking.
    ///
    /// # Errors
    /// A file cannot be read, or has no column for the item's id.
    pub fn load(&self, section: &Section) -> Result<(), FileError> {
        load(section, &mut self.catalog.write())
    }

    /// What became of the records so far.
    pub fn taken(&self) -> Taken {
        let Counters {
            put,
            removed,
            refused,
            unreadable,
        } = &self.taken;
        [
            ("taken", put),
            ("removed", removed),
            ("refused", refused),
            ("unreadable", unreadable),
        ]
        .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }

    /// Records of a batch, and how many of it were no item.
    pub(super) fn apply(&self, changes: &mut Vec<Change>, unreadable: u64) {
        let taken = &self.taken;
        if unreadable > 0 {
            taken.unreadable.fetch_add(unreadable, Ordering::Relaxed);
        }
        if changes.is_empty() {
            return;
        }
        let mut catalog = self.catalog.write();
        for change in changes.drain(..) {
            let (outcome, counter) = match change {
                Change::Put(id, item) => (catalog.put(&id, &item), &taken.put),
                Change::Remove(id) => (catalog.remove(&id), &taken.removed),
            };
            let counter = if outcome == Outcome::Refused {
                &taken.refused
            } else {
                counter
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}
