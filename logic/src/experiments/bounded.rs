//! What is kept of the names that come with events, so that each is small.

use super::arms::{Assigned, is_name};
use super::seen::ASSIGNED_MAX;

/// The experiments that a list counts for: each once, with a name that can be declared.
pub(super) fn declared(assigned: &[Assigned]) -> impl Iterator<Item = &Assigned> {
    let named = assigned.iter().enumerate().filter(|(index, one)| {
        let earlier = assigned.iter().take(*index);
        let is_first = earlier
            .into_iter()
            .all(|other| other.experiment != one.experiment);
        is_first && is_name(&one.experiment) && is_name(&one.arm)
    });
    named.map(|(_, one)| one).take(ASSIGNED_MAX)
}

/// Text of a segment or a model that is kept; a longer one is counted as other.
pub(super) fn bounded(text: &str) -> &str {
    if text.len() <= TEXT_BYTES_MAX {
        text
    } else {
        "other"
    }
}

/// Longest segment and longest model, in bytes.
const TEXT_BYTES_MAX: usize = 128;

/// FNV-1a, 64 bits folded to 32: the same for ever, for it is stored.
pub(super) fn hash(item: &str) -> u32 {
    let mixed = item.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    #[allow(clippy::cast_possible_truncation, reason = "both halves are used")]
    let folded = (mixed ^ (mixed >> 32)) as u32;
    folded
}
