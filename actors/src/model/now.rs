//! The model of recommendations as this instance has it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use homeostat_logic::recommend::{RecommendSettings, SharedModel};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::watch;

use crate::statistics::Statistics;

/// The model as this instance has it.
pub struct ModelNow {
    shared: RwLock<SharedModel>,
    /// Offset behind the last record applied.
    pub(super) next: watch::Sender<i64>,
    pub(super) live: AtomicBool,
    /// Token of this instance's claim of the first shard; 0: it has none.
    leads_with: AtomicU64,
    pub(super) unreadable: AtomicU64,
    pub(super) snapshot_at: AtomicI64,
    /// The store has no snapshot any more.
    pub(super) snapshot_lost: AtomicBool,
    /// What was shown and clicked.
    pub statistics: Statistics,
}

impl ModelNow {
    /// An empty one.
    ///
    /// # Errors
    /// A setting is outside its range.
    pub fn new(
        settings: RecommendSettings,
        seed: u64,
        statistics: Statistics,
    ) -> Result<Self, homeostat_logic::recommend::SettingsError> {
        Ok(Self {
            shared: RwLock::new(SharedModel::new(settings, seed)?),
            next: watch::Sender::new(0),
            live: AtomicBool::new(false),
            leads_with: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            snapshot_at: AtomicI64::new(-1),
            snapshot_lost: AtomicBool::new(false),
            statistics,
        })
    }

    /// For questions.
    pub fn read(&self) -> RwLockReadGuard<'_, SharedModel> {
        self.shared.read()
    }

    /// To learn apart, and to put users in.
    pub fn write(&self) -> RwLockWriteGuard<'_, SharedModel> {
        self.shared.write()
    }

    /// Whether everything was applied that the topic held when it was opened.
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    /// Resolves when the record at this offset was applied.
    pub async fn applied(&self, offset: i64) {
        let mut next = self.next.subscribe();
        // The sender lives as long as this.
        next.wait_for(|next| *next > offset)
            .await
            .map(drop)
            .unwrap_or_default();
    }

    /// Resolves when everything was applied that the topic held when it was opened.
    pub async fn caught_up(&self) {
        let mut next = self.next.subscribe();
        next.wait_for(|_| self.is_live())
            .await
            .map(drop)
            .unwrap_or_default();
    }

    /// Offset behind the last record applied.
    pub fn next(&self) -> i64 {
        *self.next.borrow()
    }

    /// Records that could not be read.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// The store has no snapshot any more: one is due at once, for the records before it are removed.
    pub(crate) fn lost_snapshot(&self) {
        self.snapshot_lost.store(true, Ordering::Relaxed);
    }

    /// This instance owns the first shard by this claim, and keeps snapshots; 0: it does not any more.
    pub(crate) fn lead(&self, token: u64) {
        self.leads_with.store(token, Ordering::Relaxed);
    }

    pub(crate) fn leads(&self) -> bool {
        let token = self.leads_with.load(Ordering::Relaxed);
        let shared = self.read();
        token != 0
            && shared
                .progress(0)
                .is_some_and(|progress| progress.token == token)
    }
}
