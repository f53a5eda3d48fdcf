//! The identity of an embedded store: a UUID in its database and in a file beside it, so that a database that is gone is noticed
//! and does not look like a new one.

use std::io::Write as _;
use std::path::Path;

use super::OpenError;
use super::database::{Database, Durability};

/// Key in the database, and name of the file.
const IDENTITY: &str = "identity";

/// Reads the identity; a new store gets one.
pub(super) fn establish(directory: &Path, database: &Database) -> Result<String, OpenError> {
    let failed = |reason: String| OpenError::Store {
        directory: directory.to_owned(),
        reason,
    };
    let damaged = |reason: String| OpenError::Damaged {
        directory: directory.to_owned(),
        reason,
    };
    let file = directory.join(IDENTITY);
    let written = match std::fs::read_to_string(&file) {
        Ok(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(format!("{}: {error}", file.display()))),
    };
    let kept = database
        .read(|opened| opened.about.get(IDENTITY))
        .map_err(|error| failed(error.to_string()))?;
    let kept = kept.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    match (kept, written) {
        (Some(kept), Some(written)) if kept != written => Err(damaged(format!(
            "its database is that of the store {kept}, and its file {IDENTITY} says {written}"
        ))),
        (Some(kept), Some(_)) => Ok(kept),
        (None, Some(_)) => Err(damaged("its database is gone".to_owned())),
        // New, or stopped between the two.
        (kept, None) => {
            let identity = kept.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
            database
                .commit(Durability::Disk, |opened, batch| {
                    batch.insert(&opened.about, IDENTITY, identity.as_str());
                    Ok(())
                })
                .map_err(|error| failed(error.to_string()))?;
            let write = || {
                let mut new = std::fs::File::create(&file)?;
                new.write_all(identity.as_bytes())?;
                new.sync_all()
            };
            write().map_err(|error| failed(format!("{}: {error}", file.display())))?;
            Ok(identity)
        }
    }
}
