//! Bids of a dry run, known by their start ids. The fold keeps the winner of every attempt, so that it is known of a done action
//! that it was only shown, also after a restart, and whatever its connection does by now. To the fold an id is an id.

use super::id::Id;

/// First bytes of the start id of a dry run's bid. The other 96 bits are random.
const MARK: [u8; 4] = *b"dry\0";

/// A start id of these random bits, for an attempt that is sent or only shown.
pub fn start_id(random: Id, dry_run: bool) -> Id {
    let Id(mut bytes) = random;
    let (first, _) = bytes.split_at_mut(MARK.len());
    if dry_run {
        first.copy_from_slice(&MARK);
    } else if *first == MARK {
        // One in four billion looks like a dry run by chance.
        first.reverse();
    }
    Id(bytes)
}

/// Whether the attempt of this bid was only shown.
pub fn is_rehearsal(start_id: Id) -> bool {
    start_id.0.starts_with(&MARK)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_start_id_says_whether_its_attempt_was_a_dry_run_and_stays_random(
            random: [u8; 16], dry_run: bool, by_chance: bool,
        ) {
            let mut random = random;
            if by_chance {
                random[..4].copy_from_slice(&MARK);
            }
            let id = start_id(Id(random), dry_run);
            prop_assert_eq!(is_rehearsal(id), dry_run);
            prop_assert_eq!(&id.0[4..], &random[4..]);
        }
    }
}
