//! Random bits, for identities that must never be drawn twice.

use homeostat_logic::ledger::record::Id;

/// 128 random bits: hashed from two version 4 UUIDs, each of which has 122.
pub(crate) fn fresh_id() -> Id {
    let (first, second) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    Id::hash(&[first.as_bytes(), second.as_bytes()])
}

/// Bits of the seed that protects tables in memory from ids made to collide.
pub(crate) fn seed() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

/// 64 random bits, never 0.
pub(crate) fn fresh_number() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    (high ^ low) | 1
}

/// An id for an event.
pub(crate) fn fresh_event_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
