//! When is something stalled, and which step is due: the pure part of the watchdog.

use std::time::Duration;

/// How far something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Work there is; 0 = idle, which is never a stall.
    pub lag: u64,
    /// Changes whenever work is done.
    pub position: u64,
}

/// What to do about a watched thing now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// Nothing.
    Fine,
    /// Take the step of this number (from 0); beyond the last step, the last again.
    Heal {
        /// Which step.
        step: usize,
        /// How long there has been no progress.
        stalled: Duration,
    },
}

/// The memory of one watch. Pure: time comes in as the duration since any fixed start.
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchState {
    position: Option<u64>,
    progressed: Duration,
    acted: Duration,
    steps: usize,
}

impl WatchState {
    /// Judges what a probe saw. A step is due when there was work and no progress for `limit`, and again each `limit`
    /// after the step before; progress, idleness or nothing to see (`None`) starts over.
    pub fn observe(
        &mut self,
        now: Duration,
        progress: Option<Pulse>,
        limit: Duration,
    ) -> Observation {
        let Some(busy) = progress.filter(|progress| progress.lag > 0) else {
            *self = Self::default();
            return Observation::Fine;
        };
        if self.position != Some(busy.position) {
            *self = Self {
                position: Some(busy.position),
                progressed: now,
                acted: now,
                steps: 0,
            };
            return Observation::Fine;
        }
        if now.saturating_sub(self.acted) < limit {
            return Observation::Fine;
        }
        self.acted = now;
        let step = self.steps;
        self.steps = step.saturating_add(1);
        Observation::Heal {
            step,
            stalled: now.saturating_sub(self.progressed),
        }
    }

    /// What is watched cannot advance now, rightly (its restart is under way): the limit starts again, the steps
    /// already taken count.
    pub const fn pause(&mut self, now: Duration) {
        self.acted = now;
    }

    /// Whether a step was taken and nothing has moved since.
    pub const fn is_stalled(&self) -> bool {
        self.steps > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks once a second with a limit of three; one progress per second, `(lag, position)`.
    fn steps(seen: &[Option<(u64, u64)>]) -> Vec<Option<usize>> {
        let mut state = WatchState::default();
        let limit = Duration::from_secs(3);
        seen.iter()
            .zip(0..)
            .map(|(progress, second)| {
                let progress = progress.map(|(lag, position)| Pulse { lag, position });
                match state.observe(Duration::from_secs(second), progress, limit) {
                    Observation::Fine => None,
                    Observation::Heal { step, stalled } => {
                        assert!(stalled >= limit);
                        Some(step)
                    }
                }
            })
            .collect()
    }

    #[test]
    fn a_stall_escalates_step_by_step_each_limit() {
        let seen = [Some((5, 1)); 10];
        let n = None;
        assert_eq!(
            steps(&seen),
            [n, n, n, Some(0), n, n, Some(1), n, n, Some(2)]
        );
    }

    #[test]
    fn progress_idleness_and_nothing_to_see_start_over() {
        let stalled = Some((5, 1));
        for reset in [Some((5, 2)), Some((0, 1)), None] {
            let seen = [
                stalled, stalled, stalled, stalled, reset, stalled, stalled, stalled,
            ];
            let expected = [None, None, None, Some(0), None, None, None, None];
            assert_eq!(steps(&seen), expected, "{reset:?}");
            let seen = [stalled, stalled, reset, stalled, stalled, stalled, stalled];
            assert_eq!(steps(&seen).last(), Some(&Some(0)), "{reset:?}");
        }
    }

    #[test]
    fn a_pause_starts_the_limit_again_and_keeps_the_step() {
        let (mut state, limit) = (WatchState::default(), Duration::from_secs(3));
        let mut look = |now| {
            let progress = Some(Pulse {
                lag: 1,
                position: 1,
            });
            let now = Duration::from_secs(now);
            if now == Duration::from_secs(100) {
                state.pause(now);
            }
            match state.observe(now, progress, limit) {
                Observation::Fine => None,
                Observation::Heal { step, .. } => Some(step),
            }
        };
        assert_eq!([look(0), look(3)], [None, Some(0)]);
        assert_eq!([look(100), look(102), look(103)], [None, None, Some(1)]);
    }

    #[test]
    fn slow_but_steady_progress_is_no_stall() {
        let seen: Vec<_> = (0..100).map(|second| Some((1_000, second / 3))).collect();
        assert!(steps(&seen).iter().all(Option::is_none));
    }
}
