//! Reading one partition forward into its sink.

use std::sync::Arc;

use homeostat_actors::ports::log::{Header, LogError, PartitionSink, StoredRecord};

use super::codec::{decode_record, offset_of};
use super::store::Store;
use super::topics::{Partition, Topic};

/// Records and bytes delivered in one round at most, so that no partition starves the others of its thread.
const ROUND_RECORDS: usize = 256;
const ROUND_BYTES: usize = 4 * 1024 * 1024;

/// What a round came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Round {
    /// There is nothing to deliver.
    Idle,
    /// There is, but the sink takes nothing now.
    Full,
    /// Records were delivered; there may be more.
    Delivered,
}

/// A reader of one partition.
pub(super) struct Cursor {
    topic: Arc<Topic>,
    partition: usize,
    next: i64,
    sink: Box<dyn PartitionSink>,
    headers: Vec<Header>,
}

impl Cursor {
    /// Starts at `next`.
    pub(super) fn new(
        topic: Arc<Topic>,
        partition: usize,
        next: i64,
        sink: Box<dyn PartitionSink>,
    ) -> Self {
        Self {
            topic,
            partition,
            next,
            sink,
            headers: Vec::new(),
        }
    }

    /// Delivers what the sink takes of what there is, within the bounds of a round.
    pub(super) fn deliver(&mut self, store: &Store) -> Result<Round, LogError> {
        let Some(partition) = self.topic.partitions.get(self.partition) else {
            return Ok(Round::Idle);
        };
        let extent = partition.extent();
        self.next = self.next.max(extent.low);
        if self.next >= extent.high {
            return Ok(Round::Idle);
        }
        let credit = self.sink.credit().min(ROUND_RECORDS);
        if credit == 0 {
            return Ok(Round::Full);
        }
        let (next, sink, headers) = (&mut self.next, &mut self.sink, &mut self.headers);
        let mut bytes = 0_usize;
        let read = scan(
            store,
            partition,
            *next,
            extent.high,
            credit,
            |offset, record| {
                if let Some(stored) = decode_record(record, headers) {
                    sink.push(stored.view(offset, headers));
                } else {
                    tracing::error!(partition = ?partition.id, offset, "embedded log: a damaged record is skipped");
                }
                *next = offset.saturating_add(1);
                bytes = bytes.saturating_add(record.len());
                bytes < ROUND_BYTES
            },
        );
        self.sink.flush();
        let seen = read?;
        if seen == 0 {
            // A gap up to the end: nothing will ever fill it.
            self.next = extent.high;
        }
        Ok(Round::Delivered)
    }
}

/// Reads at most `max` records from `from` on.
pub(super) fn read(
    store: &Store,
    partition: &Partition,
    from: i64,
    max: usize,
) -> Result<Vec<StoredRecord>, LogError> {
    let extent = partition.extent();
    let mut records = Vec::new();
    let mut headers = Vec::new();
    scan(
        store,
        partition,
        from.max(extent.low),
        extent.high,
        max,
        |offset, record| {
            if let Some(stored) = decode_record(record, &mut headers) {
                records.push(StoredRecord {
                    offset,
                    timestamp: stored.timestamp,
                    key: stored.key.map(<[u8]>::to_vec),
                    value: stored.value.map(<[u8]>::to_vec),
                    headers: headers.clone(),
                });
            }
            true
        },
    )?;
    Ok(records)
}

/// Calls `each` with the records of `from..to`, `max` at most and while it answers true; returns how many there were.
pub(super) fn scan(
    store: &Store,
    partition: &Partition,
    from: i64,
    to: i64,
    max: usize,
    mut each: impl FnMut(i64, &[u8]) -> bool,
) -> Result<usize, LogError> {
    if from >= to {
        return Ok(0);
    }
    let range = partition.id.record_key(from)..partition.id.record_key(to);
    store.read(|opened| {
        let mut seen = 0;
        for guard in opened.records.range(range).take(max) {
            let (key, value) = guard.into_inner()?;
            seen += 1;
            if !offset_of(&key).is_some_and(|offset| each(offset, &value)) {
                break;
            }
        }
        Ok(seen)
    })
}
