//! Which records of a ledger partition may go (ledger-protocol §8): those behind a checkpoint that are older than the
//! configured age, which is more than H, so that a start from that checkpoint finds all it needs.

use std::collections::VecDeque;

use super::record::Millis;
use super::times::{CHECKPOINT_MS, HORIZON_MS, RESTORE_MARGIN_MS};

/// Least age of a record that may go: H, and the margin of a start twice.
pub const KEEP_MS_MIN: Millis = HORIZON_MS + 2 * RESTORE_MARGIN_MS;

/// Where the log stood at which time, in steps of C.
///
/// Bound: one mark per C of log time within the age kept; as the marks of a month, about 4,000.
#[derive(Clone, Debug)]
pub struct Retention {
    keep_ms: Millis,
    marks: VecDeque<(Millis, i64)>,
}

impl Retention {
    /// Keeps records for `keep_ms`, at least [`KEEP_MS_MIN`].
    pub fn new(keep_ms: Millis) -> Self {
        Self {
            keep_ms: keep_ms.max(KEEP_MS_MIN),
            marks: VecDeque::new(),
        }
    }

    /// The record at `offset` was folded, and log time is `now` since then.
    pub fn folded(&mut self, now: Millis, offset: i64) {
        let step = |time: Millis| time / CHECKPOINT_MS;
        if (self.marks.back()).is_none_or(|(last, _)| step(now) > step(*last)) {
            self.marks.push_back((now, offset));
        }
    }

    /// A complete checkpoint of the state at log time `now` is in the log: the first record to be kept, if older ones may
    /// go. Each answer is given once.
    pub fn behind(&mut self, now: Millis) -> Option<i64> {
        let oldest = now.saturating_sub(self.keep_ms);
        let mut keep_from = None;
        while self.marks.front().is_some_and(|(time, _)| *time <= oldest) {
            keep_from = self.marks.pop_front().map(|(_, offset)| offset);
        }
        keep_from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Millis = 24 * 3_600_000;

    #[test]
    fn records_go_only_when_they_are_older_than_what_is_kept() {
        let mut retention = Retention::new(30 * DAY);
        for day in 0..40 {
            retention.folded(day * DAY + 1, day * 10);
            retention.folded(day * DAY + 2, day * 10 + 1);
        }
        assert_eq!(retention.behind(29 * DAY), None);
        assert_eq!(retention.behind(32 * DAY + 1), Some(20));
        assert_eq!(retention.behind(32 * DAY + 1), None, "once only");
        assert_eq!(retention.behind(39 * DAY + 1), Some(90));
    }

    #[test]
    fn less_than_a_start_needs_is_never_kept() {
        let mut retention = Retention::new(0);
        retention.folded(0, 0);
        retention.folded(DAY, 7);
        assert_eq!(retention.behind(KEEP_MS_MIN - 1), None);
        assert_eq!(retention.behind(KEEP_MS_MIN), Some(0));
        assert_eq!(retention.behind(KEEP_MS_MIN + DAY), Some(7));
    }
}
