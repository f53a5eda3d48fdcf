//! How far the fold of each ledger partition is behind the log: asked of the log now and then, with a bound on each wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use homeostat_actors::ledger_view::{FoldProgress, LedgerView};
use homeostat_actors::ports::log::{EventLog, Watermarks};
use homeostat_logic::topic::LEDGER;

/// Pause between two questions to the log.
const PERIOD: Duration = Duration::from_secs(5);
/// Longest wait for an answer; an unreachable log is reported elsewhere.
const ANSWER: Duration = Duration::from_secs(15);
/// A fold with records left that has not moved for this long is a reason against readiness.
const STILL_MAX: Duration = Duration::from_secs(30);
/// Answers in a row that make it certain that the log ends before what was folded: a broker that has just become leader
/// may know less for a moment.
const SHORT_MAX: u32 = 3;

/// What was seen of a partition at the last answer.
#[derive(Clone, Copy, Debug)]
struct Seen {
    high: i64,
    position: i64,
    /// Since when the fold is at this position with records left.
    still_since: Option<Instant>,
    /// Answers in a row by which the log ends before what was folded.
    short: u32,
}

/// The log ends before what was folded from it: it has lost records, or its topic was created again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) partition: i32,
    /// Where the log ends; 0 as well when there is no topic.
    pub(super) end: i64,
    /// Everything before this offset was folded.
    pub(super) folded: i64,
}

/// The answers so far. Bound: one entry per ledger partition.
#[derive(Debug, Default)]
pub(super) struct LedgerHealth {
    seen: Mutex<BTreeMap<i32, Seen>>,
}

/// Ends the questions when dropped.
pub(super) struct Asking(pub(super) tokio::task::JoinHandle<()>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl LedgerHealth {
    /// Asks from now on.
    pub(super) fn start(
        self: &Arc<Self>,
        log: Arc<dyn EventLog>,
        views: Vec<Arc<LedgerView>>,
    ) -> Asking {
        let health = Arc::clone(self);
        Asking(tokio::spawn(async move {
            loop {
                // Before the question: while it is under way the fold goes on, and so does the log.
                let folded: Vec<i64> = views.iter().map(|view| folded(view)).collect();
                let asked = log.describe_topics(vec![LEDGER.to_owned()]);
                match tokio::time::timeout(ANSWER, asked).await {
                    Ok(Ok(topics)) => {
                        let marks = topics.into_iter().next().map(|topic| topic.partitions);
                        health.answered(
                            &marks.unwrap_or_default(),
                            &folded,
                            &views,
                            Instant::now(),
                        );
                    }
                    Ok(Err(error)) => {
                        tracing::debug!(%error, "the end of the ledger is not known now");
                        health.unknown();
                    }
                    Err(_) => health.unknown(),
                }
                tokio::time::sleep(PERIOD).await;
            }
        }))
    }

    /// `folded`: where the views were when the question was asked.
    fn answered(
        &self,
        marks: &[Watermarks],
        folded: &[i64],
        views: &[Arc<LedgerView>],
        now: Instant,
    ) {
        let mut seen = self.lock();
        for (view, folded) in views.iter().zip(folded) {
            let index = usize::try_from(view.partition).unwrap_or(usize::MAX);
            let high = marks.get(index).map_or(0, |marks| marks.high);
            let position = position(view);
            let last = seen.get(&view.partition);
            let before = last.filter(|one| one.position == position);
            let still_since =
                (position < high).then(|| before.and_then(|one| one.still_since).unwrap_or(now));
            let short = if *folded > high {
                last.map_or(0, |one| one.short).saturating_add(1)
            } else {
                0
            };
            let one = Seen {
                high,
                position,
                still_since,
                short,
            };
            seen.insert(view.partition, one);
        }
    }

    /// A partition of which the log certainly has less than was folded.
    pub(super) fn lost(&self) -> Option<Lost> {
        let seen = self.lock();
        let lost = seen.iter().find(|(_, one)| one.short >= SHORT_MAX);
        lost.map(|(partition, one)| Lost {
            partition: *partition,
            end: one.high,
            folded: one.position,
        })
    }

    /// While the log does not answer, standing still is not a fault of the fold.
    fn unknown(&self) {
        self.lock().clear();
    }

    /// Records between the fold and the end of the log; `None` while the end is not known.
    pub(super) fn lag(&self, view: &LedgerView) -> Option<u64> {
        let high = self.lock().get(&view.partition)?.high;
        Some(u64::try_from(high.saturating_sub(position(view))).unwrap_or(0))
    }

    /// Why a live fold is not as far as it should be.
    pub(super) fn reason(&self, view: &LedgerView, now: Instant) -> Option<String> {
        let seen = *self.lock().get(&view.partition)?;
        if seen.short > 1 {
            return Some(format!(
                "ledger partition {}: the log ends at offset {}, and everything before {} was folded",
                view.partition, seen.high, seen.position
            ));
        }
        let still = now.saturating_duration_since(seen.still_since?);
        let still_there =
            view.read().progress == FoldProgress::Live && position(view) == seen.position;
        (still_there && still > STILL_MAX).then(|| {
            format!(
                "ledger partition {}: the fold has been at offset {} for {} s, and the log goes on to {}",
                view.partition,
                seen.position,
                still.as_secs(),
                seen.high
            )
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Offset that the fold waits for: everything before it was folded, or is no record.
pub(super) fn position(view: &LedgerView) -> i64 {
    view.read().position()
}

/// Offset behind the last record folded.
fn folded(view: &LedgerView) -> i64 {
    view.read().fold.offset().saturating_add(1)
}

#[cfg(test)]
mod tests {
    use homeostat_logic::ledger::record::Record;

    use super::*;

    #[test]
    fn a_fold_that_stands_with_records_left_is_told_and_one_at_the_end_is_not() {
        let (health, view) = (LedgerHealth::default(), LedgerView::new(0));
        view.write().progress = FoldProgress::Live;
        let views = [Arc::clone(&view)];
        let start = Instant::now();
        assert_eq!(health.lag(&view), None, "not known yet");
        let marks = |high| [Watermarks { low: 0, high }];
        health.answered(&marks(0), &[0], &views, start);
        let later = start + STILL_MAX * 2;
        assert_eq!(
            (health.lag(&view), health.reason(&view, later)),
            (Some(0), None)
        );
        health.answered(&marks(7), &[0], &views, start);
        assert_eq!(
            (health.lag(&view), health.reason(&view, start)),
            (Some(7), None)
        );
        health.answered(&marks(9), &[0], &views, later);
        let reason = health.reason(&view, later).unwrap();
        assert!(reason.contains("offset 0 for 60 s"), "{reason}");
        health.unknown();
        assert_eq!(health.reason(&view, later), None, "the log is away");
    }

    #[test]
    fn a_log_that_ends_before_what_was_folded_is_told_and_then_certain() {
        let (health, view) = (LedgerHealth::default(), LedgerView::new(0));
        let mut state = view.write();
        state.progress = FoldProgress::Live;
        state.fold.apply(6, 1_000, Ok(Record::Tick));
        drop(state);
        let views = [Arc::clone(&view)];
        let now = Instant::now();
        let marks = |high| [Watermarks { low: 0, high }];
        let lost = Some(Lost {
            partition: 0,
            end: 2,
            folded: 7,
        });
        for (answers, high, reported, certain) in [
            (1, 7, false, None),
            (2, 6, true, None),
            (1, 7, false, None),
            (3, 2, true, lost),
        ] {
            for _ in 0..answers {
                health.answered(&marks(high), &[7], &views, now);
            }
            assert_eq!(
                health.reason(&view, now).is_some(),
                reported,
                "{answers} {high}"
            );
            assert_eq!(health.lost(), certain, "{answers} {high}");
        }
        // The topic itself is gone.
        health.answered(&[], &[7], &views, now);
        assert_eq!(health.lost().map(|lost| lost.end), Some(0));
        // What was folded while the question was under way is nothing that the answer lacks.
        for _ in 0..9 {
            health.answered(&marks(5), &[4], &views, now);
        }
        assert_eq!((health.reason(&view, now), health.lost()), (None, None));
    }
}
