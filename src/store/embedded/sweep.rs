//! Removes what is over, slice by slice, so that a sweep of millions of entries never keeps changes waiting.

use std::ops::Bound;
use std::time::{Duration, Instant};

use super::Shared;
use super::codec::is_over;
use super::database::Durability;

/// Pause between two slices.
const PAUSE: Duration = Duration::from_secs(1);
/// Entries looked at in a slice: a million users' streams are looked through in some eight minutes.
const SLICE: usize = 2_048;

/// How far the sweep has come.
pub(super) struct Sweep {
    due: Instant,
    /// The key looked at last; `None` = at the beginning.
    after: Option<Vec<u8>>,
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            due: Instant::now() + PAUSE,
            after: None,
        }
    }
}

impl Sweep {
    /// How long until the next slice.
    pub(super) fn due_in(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Looks at the next entries and removes those that are over. One that is lost with power is removed in the next round.
    pub(super) fn slice(&mut self, shared: &Shared) {
        self.due = Instant::now() + PAUSE;
        let now = shared.clock.now();
        let from = self.after.take().map_or(Bound::Unbounded, Bound::Excluded);
        let found = shared.database.read(|opened| {
            let (mut seen, mut over, mut last) = (0, Vec::new(), None);
            for guard in opened
                .ending
                .range::<Vec<u8>, _>((from, Bound::Unbounded))
                .take(SLICE)
            {
                let (key, value) = guard.into_inner()?;
                seen += 1;
                if is_over(&value, now) {
                    over.push(key.clone());
                }
                last = Some(key);
            }
            Ok((seen, over, last))
        });
        let swept = found.and_then(|(seen, over, last)| {
            self.after = last.filter(|_| seen == SLICE).map(|key| key.to_vec());
            if over.is_empty() {
                return Ok(());
            }
            shared
                .database
                .commit(Durability::Process, |opened, batch| {
                    for key in over {
                        batch.remove(&opened.ending, key);
                    }
                    Ok(())
                })
        });
        if let Err(error) = swept {
            tracing::warn!(%error, "user store: removing what is over failed");
        }
    }
}
