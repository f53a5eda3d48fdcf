//! Housekeeping: stores settled positions, reopens a broken store, and has records removed by age and by size.

use std::sync::Arc;
use std::time::{Duration, Instant};

use homeostat_actors::ports::log::LogError;
use homeostat_logic::ledger::record::Millis;

use super::codec::decode_record;
use super::cursor::scan;
use super::removal::trim;
use super::shared::Shared;
use super::topics::{Partition, Topic};

/// Settled positions are stored at most this often.
const POSITIONS: Duration = Duration::from_millis(200);

/// Starts the thread; it ends when the log is closed.
pub(super) fn start(shared: Arc<Shared>) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new()
        .name("log-keeper".to_owned())
        .spawn(move || run(&shared))
}

fn run(shared: &Shared) {
    let mut checked: Option<Instant> = None;
    while !shared.closed.wait(POSITIONS) {
        let due = checked.is_none_or(|at| at.elapsed() >= shared.settings.retention_check);
        let kept = shared.writable().map(drop).and_then(|()| {
            shared.groups.flush(&shared.store)?;
            if due {
                enforce_retention(shared)
            } else {
                Ok(())
            }
        });
        if due {
            checked = Some(Instant::now());
        }
        if let Err(error) = kept {
            tracing::warn!(%error, "embedded log: housekeeping failed");
        }
    }
}

/// Removes what is older than its topic keeps, then the oldest records while there are too many bytes.
fn enforce_retention(shared: &Shared) -> Result<(), LogError> {
    let topics = shared.topics.all();
    let now = shared.now();
    for topic in topics.iter().filter(|topic| !topic.compacted) {
        let Some(retention) = topic.retention else {
            continue;
        };
        let oldest = now.saturating_sub(i64::try_from(retention.as_millis()).unwrap_or(i64::MAX));
        for partition in &topic.partitions {
            while trim(shared, partition, |_, timestamp| timestamp < oldest)? {}
        }
    }
    match shared.settings.max_bytes {
        Some(max_bytes) => enforce_size(shared, &topics, max_bytes),
        None => Ok(()),
    }
}

/// Trims the partition with the oldest record until the rest fits. Topics of the ledger's kind are left alone, because a fold
/// of a truncated log would decide differently, and those that hold the newest record of each key.
fn enforce_size(shared: &Shared, topics: &[Arc<Topic>], max_bytes: u64) -> Result<(), LogError> {
    let partitions: Vec<_> = topics
        .iter()
        .filter(|topic| !topic.append_time && !topic.compacted)
        .flat_map(|topic| &topic.partitions)
        .collect();
    loop {
        let bytes: u64 = partitions
            .iter()
            .map(|partition| partition.extent().bytes())
            .sum();
        let excess = bytes.saturating_sub(max_bytes);
        if excess == 0 {
            return Ok(());
        }
        let mut first = Vec::new();
        for partition in &partitions {
            if let Some(timestamp) = first_timestamp(shared, partition)? {
                first.push((timestamp, *partition));
            }
        }
        first.sort_by_key(|(timestamp, _)| *timestamp);
        let Some((_, oldest)) = first.first() else {
            return Ok(());
        };
        let until = first
            .get(1)
            .map_or(Millis::MAX, |(timestamp, _)| *timestamp);
        let start = oldest.extent().bytes_before_low;
        trim(shared, oldest, |bytes_before, timestamp| {
            timestamp <= until && bytes_before.saturating_sub(start) < excess
        })?;
    }
}

fn first_timestamp(shared: &Shared, partition: &Partition) -> Result<Option<Millis>, LogError> {
    let extent = partition.extent();
    let mut first = None;
    scan(
        &shared.store,
        partition,
        extent.low,
        extent.high,
        1,
        |_, record| {
            first = decode_record(record, &mut Vec::new()).map(|stored| stored.timestamp);
            false
        },
    )?;
    Ok(first)
}
