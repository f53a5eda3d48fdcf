//! Writing the database of an embedded store again, so that its files hold what is there and nothing that was: values that were
//! replaced or removed stay in journals and tables until the database has no use for them, which can take long.
//!
//! The copy is made beside the database and then takes its place. A copy that was not finished is begun again the next time.

use std::fs::File;
use std::path::Path;

use fjall::PersistMode;
use homeostat_actors::ports::clock::Clock;

use super::OpenError;
use super::codec::is_over;
use super::database::{FOLDER, Opened, open_database};
use crate::clock::SystemClock;

/// The copy, and the database that it took the place of.
const COPY: &str = "database.new";
const REPLACED: &str = "database.old";
/// Entries of a batch.
const BATCH: usize = 1_000;

/// What was written again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// Profiles, tombstones of erased users among them.
    pub profiles: u64,
    /// Streams, lists and what else ends.
    pub others: u64,
}

/// Writes the database of a folder again. No process may have the store open. Blocking, for as long as it takes to copy it.
///
/// # Errors
/// See [`OpenError`]; the database is as it was then.
pub(in crate::store) fn rewrite(directory: &Path) -> Result<Rewritten, OpenError> {
    let failed = |error: std::io::Error| OpenError::Store {
        directory: directory.to_owned(),
        reason: error.to_string(),
    };
    let place = |name: &str| directory.join(name);
    if !place(FOLDER).exists() && place(REPLACED).exists() {
        std::fs::rename(place(REPLACED), place(FOLDER)).map_err(failed)?;
    }
    for left in [COPY, REPLACED] {
        if place(left).exists() {
            std::fs::remove_dir_all(place(left)).map_err(failed)?;
        }
    }
    if !place(FOLDER).exists() {
        return Ok(Rewritten::default());
    }
    let rewritten = {
        let (old, new) = (
            open_database(directory, FOLDER)?,
            open_database(directory, COPY)?,
        );
        copy(&old, &new).map_err(|error| OpenError::Store {
            directory: directory.to_owned(),
            reason: format!("it cannot be copied (is the disk full?): {error:?}"),
        })?
    };
    std::fs::rename(place(FOLDER), place(REPLACED)).map_err(failed)?;
    std::fs::rename(place(COPY), place(FOLDER)).map_err(failed)?;
    File::open(directory)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    std::fs::remove_dir_all(place(REPLACED)).map_err(failed)?;
    Ok(rewritten)
}

fn copy(old: &Opened, new: &Opened) -> fjall::Result<Rewritten> {
    let now = SystemClock.now();
    let mut rewritten = Rewritten::default();
    let parts = [
        (&old.profiles, &new.profiles, 0),
        (&old.ending, &new.ending, 1),
        (&old.about, &new.about, 2),
    ];
    for (from, to, part) in parts {
        let (mut batch, mut count) = (new.database.batch(), 0);
        for guard in from.iter() {
            let (key, value) = guard.into_inner()?;
            if part == 1 && is_over(&value, now) {
                continue;
            }
            batch.insert(to, key, value);
            count += 1;
            match part {
                0 => rewritten.profiles += 1,
                1 => rewritten.others += 1,
                _ => {}
            }
            if count == BATCH {
                std::mem::replace(&mut batch, new.database.batch()).commit()?;
                count = 0;
            }
        }
        batch.commit()?;
    }
    new.database.persist(PersistMode::SyncAll)?;
    Ok(rewritten)
}
