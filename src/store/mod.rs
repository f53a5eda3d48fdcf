//! The user store adapters behind [`homeostat_actors::ports::user_store::UserStore`]: [`embedded`] (no server, one instance) and
//! [`redis`] (shared by all instances). docs/store.md says what they keep and how.

pub mod embedded;
mod folded;
pub mod redis;
pub(crate) mod settings;

use std::path::Path;
use std::sync::Arc;

use homeostat_actors::ports::user_store::UserStore;

pub use self::settings::{Store, StoreSettings};

/// Folder of the embedded store, below `data_dir`.
const FOLDER: &str = "users";

/// Why a user store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The embedded one.
    #[error(transparent)]
    Embedded(#[from] embedded::OpenError),
    /// No thread could be started for Redis.
    #[error("the user store cannot start: {0}; raise the limit of threads of this user")]
    Thread(std::io::Error),
}

/// Writes the embedded store of a `data_dir` again, so that nothing that was removed is left in its files. No process may have it
/// open. Blocking.
///
/// # Errors
/// See [`embedded::OpenError`].
pub fn rewrite(data_dir: &Path) -> Result<embedded::Rewritten, embedded::OpenError> {
    embedded::rewrite(&data_dir.join(FOLDER))
}

/// Opens the user store of a configuration (`Settings::user_store`, `Settings::data_dir`). The embedded one is read here, which
/// blocks. Redis is connected to in the background: while it is away, calls answer `Unavailable`.
///
/// # Errors
/// The embedded store is damaged or in use by another process.
pub fn open(settings: &StoreSettings, data_dir: &Path) -> Result<Arc<dyn UserStore>, OpenError> {
    let lifetimes = settings.lifetimes;
    if let Some(redis) = &settings.redis {
        return Ok(Arc::new(redis::RedisStore::start(
            redis.clone(),
            lifetimes,
        )?));
    }
    let directory = data_dir.join(FOLDER);
    Ok(Arc::new(embedded::EmbeddedStore::open(
        &directory, lifetimes,
    )?))
}
