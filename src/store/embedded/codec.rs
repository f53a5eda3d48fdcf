//! Keys and values as bytes: profiles by user; the other entries by entry and user, each behind the time at which it is over.

use std::ops::Bound;

use homeostat_actors::ports::user_store::{Entry, Key, Stored, position_of};
use homeostat_logic::ledger::record::Millis;

use super::database::Opened;
use super::is_lasting;

/// Bytes of the time before a value that ends.
const TIME: usize = size_of::<Millis>();
/// Bytes within which a value's position ends.
const POSITION: usize = 48;

/// Key of an entry that ends: a byte for the entry, then the user.
pub(super) fn ending_key(key: &Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + key.user.len());
    bytes.push(match key.entry {
        Entry::Stream => b's',
        Entry::Recommendations => b'c',
        Entry::Realtime => b'r',
        Entry::Profile => b'p',
        Entry::Shard => b'n',
    });
    bytes.extend_from_slice(key.user.as_bytes());
    bytes
}

/// A value with the time at which it is over.
pub(super) fn ending_value(over_at: Millis, value: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(TIME + value.len());
    bytes.extend_from_slice(&over_at.to_be_bytes());
    bytes.extend_from_slice(value.as_bytes());
    bytes
}

/// The time and the value; `None` for bytes that were not written here.
fn split(bytes: &[u8]) -> Option<(Millis, &[u8])> {
    let (time, value) = bytes.split_first_chunk::<TIME>()?;
    Some((Millis::from_be_bytes(*time), value))
}

/// Whether a value's time is over. One that cannot be read is none.
pub(super) fn is_over(bytes: &[u8], now: Millis) -> bool {
    split(bytes).is_none_or(|(over_at, _)| over_at <= now)
}

fn stored(bytes: &[u8]) -> Stored {
    Stored::read(String::from_utf8_lossy(bytes).into_owned())
}

/// The value of a key, if there is one and its time is not over.
pub(super) fn get(opened: &Opened, key: &Key, now: Millis) -> fjall::Result<Option<Stored>> {
    if is_lasting(key.entry) {
        let found = opened.profiles.get(key.user.as_bytes())?;
        return Ok(found.map(|bytes| stored(&bytes)));
    }
    let found = opened.ending.get(ending_key(key))?;
    let value = found.as_deref().and_then(split);
    Ok(value
        .filter(|(over_at, _)| *over_at > now)
        .map(|(_, value)| stored(value)))
}

/// The position of a key's value, if it has one and its time is not over.
pub(super) fn position(opened: &Opened, key: &Key, now: Millis) -> fjall::Result<Option<i64>> {
    let found = if is_lasting(key.entry) {
        opened.profiles.get(key.user.as_bytes())?
    } else {
        let found = opened.ending.get(ending_key(key))?;
        found.filter(|bytes| !is_over(bytes, now))
    };
    let skipped = if is_lasting(key.entry) { 0 } else { TIME };
    let value = found.as_deref().and_then(|bytes| bytes.get(skipped..));
    let start = value.map(|value| value.get(..POSITION).unwrap_or(value));
    Ok(start.and_then(|start| position_of(&String::from_utf8_lossy(start))))
}

/// At most `max` profiles behind a user, in the order of their bytes.
pub(super) fn profiles(
    opened: &Opened,
    after: Option<&str>,
    max: usize,
) -> fjall::Result<Vec<(String, Stored)>> {
    let from = after.map_or(Bound::Unbounded, |user| {
        Bound::Excluded(user.as_bytes().to_vec())
    });
    let range = opened
        .profiles
        .range::<Vec<u8>, _>((from, Bound::Unbounded));
    let mut found = Vec::new();
    for guard in range.take(max) {
        let (user, value) = guard.into_inner()?;
        // Users were text when they were written.
        found.push((String::from_utf8_lossy(&user).into_owned(), stored(&value)));
    }
    Ok(found)
}
