//! Whether the directory still holds what was written into it: the database does not notice removed files
//! and starts over without them. What a crash can leave is never taken for damage.

use std::path::Path;

use homeostat_actors::ports::log::{LogError, TopicPartition};

use super::codec::offset_of;
use super::groups::Groups;
use super::store::Store;
use super::topics::Topics;

/// Beside the database: there from the first topic on.
const BEGUN: &str = "homeostat-event-log";
const BEGUN_TEXT: &str =
    "This directory holds the event log of Homeostat. Copy, move or remove it as a whole.\n";

/// Notes that topics have been created here.
pub(super) fn note_begun(directory: &Path) -> Result<(), LogError> {
    let file = directory.join(BEGUN);
    let noted = if file.exists() {
        Ok(())
    } else {
        std::fs::write(&file, BEGUN_TEXT)
    };
    noted.map_err(|error| {
        LogError::Unavailable(format!("{} cannot be written: {error}", file.display()))
    })
}

/// What is known to have been written and is gone.
pub(super) fn damage(
    directory: &Path,
    store: &Store,
    topics: &Topics,
    groups: &Groups,
) -> Result<Option<String>, LogError> {
    // Topics are durable before their first record, and before the note.
    if topics.all().is_empty() && (directory.join(BEGUN).exists() || !holds_nothing(store)?) {
        return Ok(Some("its topics are gone".to_owned()));
    }
    if let Some(gap) = gap_at_the_beginning(store, topics)? {
        return Ok(Some(gap));
    }
    Ok(settled_beyond_the_end(topics, groups))
}

fn holds_nothing(store: &Store) -> Result<bool, LogError> {
    store.read(|opened| opened.records.is_empty())
}

/// Offsets are dense, and records are removed together with the mark of where the partition begins.
fn gap_at_the_beginning(store: &Store, topics: &Topics) -> Result<Option<String>, LogError> {
    for topic in topics.all() {
        for partition in &topic.partitions {
            let (id, extent) = (partition.id, partition.extent());
            let left = id.record_key(extent.low)..id.record_key(extent.high);
            let first = store.read(|opened| match opened.records.range(left).next() {
                Some(guard) => Ok(offset_of(&guard.key()?)),
                None => Ok(None),
            })?;
            if extent.low < extent.high && first != Some(extent.low) {
                return Ok(Some(format!(
                    "the records of partition {} of {} should begin at offset {} but do not",
                    id.partition, topic.name, extent.low
                )));
            }
        }
    }
    Ok(None)
}

/// Records are durable before anybody can settle them.
fn settled_beyond_the_end(topics: &Topics, groups: &Groups) -> Option<String> {
    let end = |place: &TopicPartition| {
        let topic = topics.get(&place.topic)?;
        let index = usize::try_from(place.partition).ok()?;
        Some(topic.partitions.get(index)?.extent().high)
    };
    let mut settled = groups.settled().into_iter();
    settled.find_map(|(group, place, settled)| {
        let end = end(&place).unwrap_or(0);
        (settled > end).then(|| {
            format!(
                "group {group} has settled {place} up to offset {settled}, and its records end at {end}"
            )
        })
    })
}
