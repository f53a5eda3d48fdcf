//! Takes the records of one partition of the topic into the catalog.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use homeostat_actors::ports::log::{PartitionSink, RecordView};
use homeostat_actors::throttle::Throttle;
use homeostat_logic::catalog::{Change, Columns, RecordFault, read_record};
use homeostat_logic::envelope::HeaderView;
use homeostat_logic::topic::CATALOG_ITEMS;
use parking_lot::Mutex;

use super::now::CatalogNow;

/// Changes that are made at once at most: readers wait for no more.
const CHANGES_MAX: usize = 256;

/// A record that is no item is named once a minute; all are counted.
static UNREADABLE: Throttle = Throttle::every(Duration::from_mins(1));

/// How far a partition is read.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) partition: i32,
    /// Where it ended when the reading began.
    until: i64,
    next: AtomicI64,
    restored: AtomicBool,
    obstacle: Mutex<Option<String>>,
}

impl Progress {
    pub(super) const fn new(partition: i32, low: i64, until: i64) -> Self {
        Self {
            partition,
            until,
            next: AtomicI64::new(low),
            restored: AtomicBool::new(low >= until),
            obstacle: Mutex::new(None),
        }
    }

    /// Whether what was there at the start is read.
    pub(super) fn is_restored(&self) -> bool {
        self.restored.load(Ordering::Acquire)
    }

    /// Records that are not read yet of those that were there at the start.
    pub(super) fn left(&self) -> i64 {
        (self.until - self.next.load(Ordering::Relaxed)).max(0)
    }

    /// Why reading fails now.
    pub(super) fn obstacle(&self) -> Option<String> {
        self.obstacle.lock().clone()
    }

    fn reached(&self, next: i64) {
        self.next.fetch_max(next, Ordering::Relaxed);
        if next >= self.until {
            self.restored.store(true, Ordering::Release);
        }
    }
}

/// The sink of one partition.
pub(super) struct ItemSink {
    catalog: Arc<CatalogNow>,
    progress: Arc<Progress>,
    changes: Vec<Change>,
    unreadable: u64,
    next: i64,
}

impl ItemSink {
    pub(super) fn new(catalog: Arc<CatalogNow>, progress: Arc<Progress>) -> Self {
        Self {
            catalog,
            progress,
            changes: Vec::with_capacity(CHANGES_MAX),
            unreadable: 0,
            next: 0,
        }
    }

    fn unreadable(&mut self, offset: i64, fault: &RecordFault) {
        self.unreadable += 1;
        if let Some(more) = UNREADABLE.pass() {
            let partition = self.progress.partition;
            tracing::warn!(
                partition,
                offset,
                more,
                "a record of {CATALOG_ITEMS} is no item and changes nothing: {fault}; docs/catalog.md says what an item is"
            );
        }
    }

    fn apply(&mut self) {
        self.catalog.apply(&mut self.changes, self.unreadable);
        self.unreadable = 0;
    }
}

impl PartitionSink for ItemSink {
    fn credit(&self) -> usize {
        CHANGES_MAX
    }

    fn push(&mut self, record: RecordView<'_>) {
        self.next = record.offset + 1;
        let headers: Vec<HeaderView<'_>> = record.text_headers().collect();
        match read_record(record.key, record.value, &headers, &Columns::default()) {
            Ok(change) => self.changes.push(change),
            Err(fault) => self.unreadable(record.offset, &fault),
        }
        if self.changes.len() >= CHANGES_MAX {
            self.apply();
        }
    }

    fn flush(&mut self) {
        self.apply();
        self.progress.reached(self.next);
    }

    fn passed(&mut self, next: i64) {
        self.apply();
        self.next = next;
        self.progress.reached(next);
    }

    fn obstructed(&mut self, reason: Option<&str>) {
        *self.progress.obstacle.lock() = reason.map(str::to_owned);
    }
}
