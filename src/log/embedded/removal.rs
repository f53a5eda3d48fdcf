//! Removing records from the beginning of a partition: by the keeper (age, size) and on request.

use homeostat_actors::ports::log::{LogError, TopicPartition};
use homeostat_logic::ledger::record::Millis;

use super::codec::{Mark, decode_record};
use super::cursor::scan;
use super::shared::Shared;
use super::store::Durability;
use super::topics::Partition;
use crate::log::sync::lock;

/// Records removed in one commit at most.
const REMOVALS: usize = 4096;

/// Removes what is before `offset`, on the disk when it returns. Blocking.
pub(super) fn delete_before(
    shared: &Shared,
    name: &TopicPartition,
    partition: &Partition,
    offset: i64,
) -> Result<(), LogError> {
    let high = partition.extent().high;
    if offset > high {
        return Err(LogError::Refused(format!(
            "cannot remove records before offset {offset} of {name}: its next offset is {high}"
        )));
    }
    drop(shared.writable()?);
    while remove(shared, partition, offset, Durability::Disk, |_, _| true)? {}
    let low = partition.extent().low;
    if low < offset {
        return Err(LogError::Refused(format!(
            "the record at offset {low} of {name} is damaged, it and those after it are kept; restore the embedded log"
        )));
    }
    Ok(())
}

/// Removes records from the beginning while `goes` (bytes before the record, its time) holds, at most [`REMOVALS`];
/// returns whether there may be more.
pub(super) fn trim(
    shared: &Shared,
    partition: &Partition,
    goes: impl FnMut(u64, Millis) -> bool,
) -> Result<bool, LogError> {
    // What age and size ask for they ask for again, so a removal that a power loss undoes is no loss.
    remove(shared, partition, i64::MAX, Durability::Process, goes)
}

/// As [`trim`], of the records before `until`.
fn remove(
    shared: &Shared,
    partition: &Partition,
    until: i64,
    durability: Durability,
    mut goes: impl FnMut(u64, Millis) -> bool,
) -> Result<bool, LogError> {
    // Of two at a time the one that is behind would move the mark back.
    let _one_by_one = lock(&shared.removing);
    let extent = partition.extent();
    let mut mark = Mark {
        low: extent.low,
        bytes_before: extent.bytes_before_low,
        timestamp: extent.timestamp,
    };
    let mut offsets = Vec::new();
    let mut headers = Vec::new();
    scan(
        &shared.store,
        partition,
        extent.low,
        extent.high.min(until),
        REMOVALS,
        |offset, record| {
            let Some(stored) = decode_record(record, &mut headers) else {
                return false;
            };
            if !goes(mark.bytes_before, stored.timestamp) {
                return false;
            }
            offsets.push(offset);
            mark.low = offset.saturating_add(1);
            mark.bytes_before = stored.bytes_through;
            true
        },
    )?;
    if offsets.is_empty() {
        return Ok(false);
    }
    shared.store.commit(durability, |opened, batch| {
        for offset in &offsets {
            batch.remove(&opened.records, partition.id.record_key(*offset));
        }
        batch.insert(&opened.marks, partition.id.mark_key(), mark.encode());
    })?;
    partition.trimmed(mark);
    Ok(offsets.len() == REMOVALS)
}
