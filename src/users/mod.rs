//! What the API answers about users: streams, profiles and recommendations, from the store and the model, and erasure.
//!
//! Any instance answers about any user: what its actors know is in the store before an event counts as settled.

mod asked;
mod delivered;
mod erasure;
mod items;
mod kept;
mod lists;

use std::sync::Arc;

use homeostat_actors::kinds::activity::{CatalogNow, StoreLosses};
use homeostat_actors::model::ModelNow;
use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::log::EventLog;
use homeostat_actors::ports::user_store::{Entry, Key, StoreError, UserStore};
use homeostat_actors::serving::Servings;
use homeostat_logic::activity::stored::{StoredProfile, StoredStream, StoredUser};
use homeostat_logic::experiments::RecommendationStats;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

pub use asked::Asked;
pub use erasure::{Erased, Erasing};
pub use items::Alike;

/// Working memories of computations that are kept for the next one.
const SCRATCHES_MAX: usize = 8;
/// Lists that were served and are on their way to be counted; one more is not counted.
const SERVED_MAX: usize = 1_024;

/// Users as any part of the service may ask about them.
pub struct Users {
    pub(crate) store: Arc<dyn UserStore>,
    /// How often it lost what was written.
    pub(crate) losses: Arc<StoreLosses>,
    pub(crate) model: Arc<ModelNow>,
    pub(crate) catalog: CatalogNow,
    /// What makes the lists.
    pub(crate) servings: Servings,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Partitions of `homeostat.users`.
    pub(crate) partitions: usize,
    /// Recommendations that are computed at once and cached.
    pub(crate) cached_max: usize,
    /// Of those, how many are pushed.
    pub(crate) pushed_max: usize,
    scratches: Mutex<Vec<homeostat_logic::recommend::Scratch>>,
    /// Places for lists on their way to be counted.
    served: Arc<Semaphore>,
}

/// Why a question about a user has no answer.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The store does not answer now.
    #[error("{0}")]
    Unavailable(String),
    /// What is kept cannot be read.
    #[error("what is kept of the user cannot be read: {0}")]
    Unreadable(String),
}

impl From<StoreError> for UserError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Unavailable(error.to_string()),
            StoreError::Refused(_) => Self::Unreadable(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for UserError {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl Users {
    /// A view of these parts.
    pub fn new(
        (store, losses): (Arc<dyn UserStore>, Arc<StoreLosses>),
        model: Arc<ModelNow>,
        (catalog, servings): (CatalogNow, Servings),
        (log, clock): (Arc<dyn EventLog>, Arc<dyn Clock>),
        (partitions, cached_max, pushed_max): (usize, usize, usize),
    ) -> Self {
        Self {
            store,
            losses,
            model,
            catalog,
            servings,
            log,
            clock,
            partitions,
            cached_max,
            pushed_max,
            scratches: Mutex::default(),
            served: Arc::new(Semaphore::new(SERVED_MAX)),
        }
    }

    /// What was shown and clicked.
    pub fn stats(&self) -> RecommendationStats {
        self.model.statistics.report(self.clock.now())
    }

    /// The newest activities, those of the last hour; `None`: there are none.
    ///
    /// # Errors
    /// The store does not answer, or holds something else.
    pub async fn stream(&self, user: &str) -> Result<Option<StoredStream>, UserError> {
        Ok(self.stored(user).await?.stream)
    }

    /// The profile; `None`: the user is not known, or was erased.
    ///
    /// # Errors
    /// The store does not answer, or holds something else.
    pub async fn profile(&self, user: &str) -> Result<Option<StoredProfile>, UserError> {
        let profile = self.stored(user).await?.profile;
        // What was only served to, or of whom nothing is left, is no profile.
        Ok(profile.filter(|profile| !profile.erased && profile.interactions > 0))
    }

    async fn stored(&self, user: &str) -> Result<StoredUser, UserError> {
        let keys = vec![
            Key::new(Entry::Stream, user),
            Key::new(Entry::Profile, user),
        ];
        let mut found = self.store.read(keys).await?.into_iter();
        let (stream, profile) = (found.next().flatten(), found.next().flatten());
        let text = |stored: &Option<homeostat_actors::ports::user_store::Stored>| {
            stored.as_ref().map(|stored| stored.value.clone())
        };
        let mut stored = StoredUser::read(text(&stream).as_deref(), text(&profile).as_deref())?;
        let erased_at = stored.profile.as_ref().filter(|profile| profile.erased);
        if let Some(erased) = erased_at {
            // An owner that was late could have written it afterwards.
            let position = erased.position;
            stored.stream = stored.stream.filter(|stream| stream.position > position);
        }
        Ok(stored)
    }
}
