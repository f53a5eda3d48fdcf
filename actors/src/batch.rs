//! Records of one partition, copied once into one buffer: what travels between actors, and what a dead letter is made of.

use std::ops::Range;

use homeostat_logic::ledger::record::Millis;
use homeostat_logic::topic::ORIGIN_HEADER;

use crate::ports::log::{Header, RecordView};

/// Records handed over together. Immutable once built, shared by reference count.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    records: Vec<Entry>,
    /// Everything before it was delivered or never is; for a batch without records.
    end: Option<i64>,
}

#[derive(Debug)]
struct Entry {
    offset: i64,
    timestamp: Millis,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Vec<Header>,
}

impl Batch {
    /// No records, and the word that everything before `next` was delivered or never is.
    pub fn up_to(next: i64) -> Self {
        Self {
            end: Some(next),
            ..Self::default()
        }
    }

    /// The offset behind its last record, or of [`Self::up_to`].
    pub fn next(&self) -> Option<i64> {
        let last = self.records.last();
        last.map(|last| last.offset.saturating_add(1)).or(self.end)
    }

    /// Appends a copy of a record.
    pub fn push(&mut self, record: RecordView<'_>) {
        let key = record.key.map(|bytes| self.copy(bytes));
        let value = record.value.map(|bytes| self.copy(bytes));
        self.records.push(Entry {
            offset: record.offset,
            timestamp: record.timestamp,
            key,
            value,
            headers: record.headers.to_vec(),
        });
    }

    fn copy(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of keys and values.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// A record by index.
    pub fn get(&self, index: usize) -> Option<RecordView<'_>> {
        self.records.get(index).map(|entry| self.view(entry))
    }

    /// Index of the record at an offset.
    pub fn index_of(&self, offset: i64) -> Option<usize> {
        self.records
            .binary_search_by_key(&offset, |entry| entry.offset)
            .ok()
    }

    /// All records in offset order.
    pub fn iter(&self) -> impl Iterator<Item = RecordView<'_>> {
        self.records.iter().map(|entry| self.view(entry))
    }

    fn view<'a>(&'a self, entry: &'a Entry) -> RecordView<'a> {
        let bytes =
            |range: &Option<Range<usize>>| range.clone().and_then(|range| self.bytes.get(range));
        RecordView {
            offset: entry.offset,
            timestamp: entry.timestamp,
            key: bytes(&entry.key),
            value: bytes(&entry.value),
            headers: &entry.headers,
        }
    }
}

impl RecordView<'_> {
    /// Whether the service wrote it itself; such records never trigger it.
    pub fn is_own(&self) -> bool {
        self.headers
            .iter()
            .any(|header| header.name == ORIGIN_HEADER.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_as_they_went_in_also_behind_gaps() {
        let headers = [Header::new("trace", "t")];
        let own = [Header::new(ORIGIN_HEADER, "")];
        let record = |offset, key, value, headers| RecordView {
            offset,
            timestamp: offset * 10,
            key,
            value,
            headers,
        };
        let records = [
            record(3, Some(&b"k"[..]), Some(&b"value"[..]), &headers[..]),
            record(4, None, None, &[]),
            record(9, Some(&b""[..]), Some(&b""[..]), &own[..]),
        ];
        let mut batch = Batch::default();
        assert!(batch.is_empty());
        for record in records {
            batch.push(record);
        }
        let fields = |one: RecordView<'_>| format!("{one:?}");
        let read: Vec<_> = batch.iter().map(fields).collect();
        assert_eq!(read, records.map(fields));
        assert_eq!((batch.len(), batch.size()), (3, 6));
        assert_eq!((batch.next(), Batch::up_to(7).next()), (Some(10), Some(7)));
        let at = |offset| Some(batch.get(batch.index_of(offset)?)?.offset);
        assert_eq!(
            [3, 4, 5, 9, 10].map(at),
            [Some(3), Some(4), None, Some(9), None]
        );
        let is_own: Vec<_> = batch.iter().map(|one| one.is_own()).collect();
        assert_eq!(is_own, [false, false, true]);
    }
}
