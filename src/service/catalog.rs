//! The catalog at the start: its files, then its topic, until what was there is read.

use std::sync::Arc;

use homeostat_actors::ports::log::{EventLog, LogError};

use super::state::ServiceState;
use super::{LOOK, RETRY};
use crate::catalog::{FileError, Followed};
use crate::configuration::Settings;

/// Reads the files, begins to follow the topic, and waits until everything that is there now was read.
///
/// # Errors
/// A file that cannot be read, or a log that will never let its topic be read.
pub(super) async fn read(
    settings: &Settings,
    log: &Arc<dyn EventLog>,
    state: &Arc<ServiceState>,
) -> anyhow::Result<()> {
    let (section, catalog) = (settings.catalog.clone(), Arc::clone(state.catalog()));
    if !section.files.is_empty() {
        state.waiting_for("the files of catalog.files are being read".to_owned());
        let files = tokio::task::spawn_blocking(move || catalog.load(&section)).await;
        let read: Result<(), FileError> = files?;
        read?;
    }
    let followed = loop {
        match Followed::begin(&**log, state.catalog()).await {
            Ok(followed) => break followed,
            Err(error @ (LogError::Unavailable(_) | LogError::Denied(_))) => {
                state.waiting_for(error.to_string());
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(error.into()),
        }
    };
    state.following(followed);
    let waiting = || state.followed().and_then(Followed::waiting_for);
    while let Some(what) = waiting() {
        state.waiting_for(what);
        tokio::time::sleep(LOOK).await;
    }
    let known = state.catalog().read().len();
    tracing::info!(items = known, "the catalog is read");
    Ok(())
}
