//! Whether the records of a ledger partition go on where the last one ended. A fold that jumps over records that were there
//! is another fold (ledger-protocol V8), and the log's client goes to the first record left without a word.

use crate::ports::log::Watermarks;

/// Where the offsets of a batch do not follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// No record has this offset: it is a marker of a transaction, or the record was removed before it was read.
    Missing(i64),
    /// This offset had been read before.
    Again(i64),
}

/// What is done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Nothing was missed.
    GoOn,
    /// Fold again from what there is, for this reason.
    StartOver(String),
    /// Fold nothing more, for this reason.
    Refuse(String),
}

/// The first break in a batch read by who waits for `next`.
pub(crate) fn first_break(next: i64, offsets: impl Iterator<Item = i64>) -> Option<Break> {
    let mut expected = next;
    for offset in offsets {
        if offset > expected {
            return Some(Break::Missing(expected));
        }
        if offset < expected {
            return Some(Break::Again(offset));
        }
        expected = offset.saturating_add(1);
    }
    None
}

impl Break {
    /// Judges by what the log has, asked after the batch was read. The first offset kept only grows: a missing offset at
    /// or behind it was never a record.
    pub(crate) fn remedy(self, next: i64, log: Watermarks) -> Remedy {
        match self {
            Self::Missing(offset) if log.low <= offset => Remedy::GoOn,
            Self::Missing(offset) => Remedy::StartOver(format!(
                "records from offset {offset} on were removed before they were folded; the first one left is at {}",
                log.low
            )),
            Self::Again(offset) if log.high < next => Remedy::Refuse(format!(
                "the log has lost records of the ledger, or its topic was created again: offset {offset} is written a second time, and everything before {next} was folded; restore the topic, or start this instance again to continue from what is left, which forgets actions, cooldowns and budgets"
            )),
            Self::Again(offset) => Remedy::StartOver(format!(
                "the log goes back to offset {offset}, and everything before {next} was folded"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_break_is_found_and_judged_by_what_the_log_has() {
        use Break::{Again, Missing};
        // (next, offsets read, break, low, high, remedy)
        let cases: [(i64, &[i64], _, _, _, _); 9] = [
            (0, &[0, 1, 2], None, 0, 3, ""),
            (5, &[], None, 0, 5, ""),
            (5, &[6], Some(Missing(5)), 0, 7, "go on"),
            (5, &[6], Some(Missing(5)), 5, 7, "go on"),
            (5, &[6], Some(Missing(5)), 6, 7, "start over"),
            (5, &[5, 8], Some(Missing(6)), 6, 9, "go on"),
            (5, &[5, 8], Some(Missing(6)), 8, 9, "start over"),
            (5, &[0, 1], Some(Again(0)), 0, 4, "refuse"),
            (5, &[0, 1], Some(Again(0)), 0, 5, "start over"),
        ];
        for (next, offsets, found, low, high, expected) in cases {
            let break_ = first_break(next, offsets.iter().copied());
            assert_eq!(break_, found, "{next} {offsets:?}");
            let remedy = break_.map(|one| one.remedy(next, Watermarks { low, high }));
            let found = match remedy {
                None => "",
                Some(Remedy::GoOn) => "go on",
                Some(Remedy::StartOver(_)) => "start over",
                Some(Remedy::Refuse(_)) => "refuse",
            };
            assert_eq!(found, expected, "{next} {offsets:?} {low} {high}");
        }
    }
}
