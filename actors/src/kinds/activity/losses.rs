//! How often the user store lost what was written, and what was written again.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// For how long a loss is shown to people.
const SHOWN: Duration = Duration::from_hours(1);

/// What was lost since the start.
#[derive(Debug, Default)]
pub struct StoreLosses(Mutex<Losses>);

/// What was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Partitions of users that had lost what was written; each loss counts.
    pub partitions: u64,
    /// Users that were in memory and are written again.
    pub restored: u64,
    /// When the last one was noticed.
    pub last: Option<Instant>,
}

impl StoreLosses {
    /// A partition lost what was written of it, and so many users are written again.
    pub(super) fn noted(&self, restored: usize) {
        let mut losses = self.0.lock();
        losses.partitions += 1;
        losses.restored += u64::try_from(restored).unwrap_or(u64::MAX);
        losses.last = Some(Instant::now());
    }

    /// All since the start.
    pub fn all(&self) -> Losses {
        *self.0.lock()
    }

    /// What people should know of a loss of the last hour.
    pub fn in_words(&self, now: Instant) -> Option<String> {
        let Losses {
            partitions,
            restored,
            last,
        } = self.all();
        let is_recent = |last: Instant| now.saturating_duration_since(last) < SHOWN;
        last.is_some_and(is_recent).then(|| {
            format!(
                "the user store lost what was written of {partitions} partitions of users: {restored} users who were in memory are written again, the others begin again with nothing; docs/store.md says how to read their events again"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_shown_for_an_hour_and_counts_for_good() {
        let losses = StoreLosses::default();
        assert_eq!(losses.in_words(Instant::now()), None);
        losses.noted(3);
        losses.noted(4);
        let words = losses.in_words(Instant::now()).unwrap();
        assert!(
            words.contains("2 partitions") && words.contains("7 users"),
            "{words}"
        );
        let later = Instant::now() + SHOWN + Duration::from_secs(1);
        assert_eq!(losses.in_words(later), None);
        let all = losses.all();
        assert_eq!((all.partitions, all.restored), (2, 7));
    }
}
