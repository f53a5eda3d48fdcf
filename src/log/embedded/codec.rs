//! The stored form of keys, records and marks. Decoding never panics: damaged bytes give `None`.

use homeostat_actors::ports::log::{Header, NewRecord, RecordView};
use homeostat_logic::ledger::record::Millis;

use crate::log::payload_size;

const FORMAT: u8 = 1;
const HAS_KEY: u8 = 1;
const HAS_VALUE: u8 = 2;
/// The length written for a header value that is null; no value is so long.
const NULL: usize = u32::MAX as usize;

/// Place of a partition in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PartitionId {
    pub(super) topic: u32,
    pub(super) partition: u32,
}

impl PartitionId {
    /// Sort key of the record at `offset`: records of a partition stand together, in offset order.
    pub(super) fn record_key(self, offset: i64) -> [u8; 16] {
        let place = (u128::from(self.topic) << 96)
            | (u128::from(self.partition) << 64)
            | u128::from(offset.max(0).cast_unsigned());
        place.to_be_bytes()
    }

    /// Key of the partition's mark.
    pub(super) fn mark_key(self) -> [u8; 8] {
        ((u64::from(self.topic) << 32) | u64::from(self.partition)).to_be_bytes()
    }
}

/// The offset in a record's sort key.
pub(super) fn offset_of(record_key: &[u8]) -> Option<i64> {
    let bytes: [u8; 16] = record_key.try_into().ok()?;
    i64::try_from(u128::from_be_bytes(bytes) & u128::from(u64::MAX)).ok()
}

/// What retention left of a partition: kept so that offsets and sizes go on when no record is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// First offset kept.
    pub(super) low: i64,
    /// Bytes of all records before it.
    pub(super) bytes_before: u64,
    /// Time of the last record removed.
    pub(super) timestamp: Millis,
}

impl Mark {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(24);
        bytes.extend_from_slice(&self.low.to_be_bytes());
        bytes.extend_from_slice(&self.bytes_before.to_be_bytes());
        bytes.extend_from_slice(&self.timestamp.to_be_bytes());
        bytes
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let input = &mut bytes;
        Some(Self {
            low: i64::from_be_bytes(take(input)?),
            bytes_before: u64::from_be_bytes(take(input)?),
            timestamp: i64::from_be_bytes(take(input)?),
        })
    }
}

/// A record as it is stored, borrowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stored<'a> {
    pub(super) timestamp: Millis,
    /// Bytes of all records of the partition up to and including this one.
    pub(super) bytes_through: u64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
}

impl<'a> Stored<'a> {
    /// As the sinks take it.
    pub(super) fn view(&self, offset: i64, headers: &'a [Header]) -> RecordView<'a> {
        RecordView {
            offset,
            timestamp: self.timestamp,
            key: self.key,
            value: self.value,
            headers,
        }
    }
}

/// Encodes a record. Lengths fit in 32 bits because a record is at most [`crate::log::MAX_RECORD_BYTES`].
pub(super) fn encode_record(record: &NewRecord, timestamp: Millis, bytes_through: u64) -> Vec<u8> {
    let key = record.key.as_deref();
    let value = record.value.as_deref();
    let flags =
        if key.is_some() { HAS_KEY } else { 0 } | if value.is_some() { HAS_VALUE } else { 0 };
    let mut bytes = Vec::with_capacity(payload_size(record) + 32 + 8 * record.headers.len());
    bytes.extend_from_slice(&[FORMAT, flags]);
    bytes.extend_from_slice(&timestamp.to_be_bytes());
    bytes.extend_from_slice(&bytes_through.to_be_bytes());
    put_length(&mut bytes, record.headers.len());
    for Header { name, value } in &record.headers {
        put_length(&mut bytes, name.len());
        bytes.extend_from_slice(name);
        put_length(&mut bytes, value.as_ref().map_or(NULL, Vec::len));
        bytes.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    put_length(&mut bytes, key.map_or(0, <[u8]>::len));
    bytes.extend_from_slice(key.unwrap_or_default());
    bytes.extend_from_slice(value.unwrap_or_default());
    bytes
}

/// Decodes a record; its headers replace what `headers` held, so that one buffer serves a whole batch.
pub(super) fn decode_record<'a>(
    mut bytes: &'a [u8],
    headers: &mut Vec<Header>,
) -> Option<Stored<'a>> {
    let input = &mut bytes;
    let [format, flags] = take::<2>(input)?;
    if format != FORMAT {
        return None;
    }
    let timestamp = i64::from_be_bytes(take(input)?);
    let bytes_through = u64::from_be_bytes(take(input)?);
    headers.clear();
    for _ in 0..take_length(input)? {
        let length = take_length(input)?;
        let name = take_slice(input, length)?.to_vec();
        let value = match take_length(input)? {
            NULL => None,
            length => Some(take_slice(input, length)?.to_vec()),
        };
        headers.push(Header { name, value });
    }
    let length = take_length(input)?;
    let key = take_slice(input, length)?;
    Some(Stored {
        timestamp,
        bytes_through,
        key: (flags & HAS_KEY != 0).then_some(key),
        value: (flags & HAS_VALUE != 0).then_some(*input),
    })
}

fn put_length(bytes: &mut Vec<u8>, length: usize) {
    bytes.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

fn take<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*head)
}

fn take_length(input: &mut &[u8]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(take(input)?)).ok()
}

fn take_slice<'a>(input: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_header() -> impl Strategy<Value = Header> {
        let name = proptest::collection::vec(any::<u8>(), 0..8);
        let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..8));
        (name, value).prop_map(|(name, value)| Header { name, value })
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_went_in(
            key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
            value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
            headers in proptest::collection::vec(any_header(), 0..4),
            timestamp in any::<i64>(),
            bytes_through in any::<u64>(),
        ) {
            let record = NewRecord { key, value, headers, ..NewRecord::default() };
            let bytes = encode_record(&record, timestamp, bytes_through);
            let mut decoded = Vec::new();
            let stored = decode_record(&bytes, &mut decoded).expect("decodes");
            prop_assert_eq!(stored.key, record.key.as_deref());
            prop_assert_eq!(stored.value, record.value.as_deref());
            prop_assert_eq!((stored.timestamp, stored.bytes_through), (timestamp, bytes_through));
            prop_assert_eq!(decoded, record.headers);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            // Any answer is right; what is tested is that there is one.
            let decoded = decode_record(&bytes, &mut Vec::new()).is_some();
            prop_assert!(!decoded || bytes.first() == Some(&FORMAT));
        }

        #[test]
        fn record_keys_sort_by_topic_partition_offset(
            a in (0_u32..3, 0_u32..3, 0_i64..1000), b in (0_u32..3, 0_u32..3, 0_i64..1000),
        ) {
            let key = |(topic, partition, offset): (u32, u32, i64)| PartitionId { topic, partition }.record_key(offset);
            prop_assert_eq!(a.cmp(&b), key(a).cmp(&key(b)));
            prop_assert_eq!(offset_of(&key(a)), Some(a.2));
        }
    }
}
