//! Restart policies, strategies, backoff and intensity: pure values and the history that applies them.

use std::collections::VecDeque;
use std::time::Duration;

/// Whether a child that ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Always, also when it stopped by itself.
    #[default]
    Permanent,
    /// Only when it failed; a child that stopped by itself has done its work.
    Transient,
    /// Never; it also ends when a strategy or an escalation restarts its group.
    Temporary,
}

impl RestartPolicy {
    /// Whether a child of this policy comes back.
    pub const fn restarts(self, failed: bool) -> bool {
        match self {
            Self::Permanent => true,
            Self::Transient => failed,
            Self::Temporary => false,
        }
    }
}

/// Which siblings are restarted with a child that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// None.
    #[default]
    OneForOne,
    /// Those started after it.
    RestForOne,
    /// All.
    OneForAll,
}

/// How long a restart waits: `first · 2^n`, at most `max`, shortened by a random share up to `jitter`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// Delay of the first restart after a quiet period.
    pub first: Duration,
    /// Longest delay.
    pub max: Duration,
    /// Largest share (0 to 1) taken off at random, so that children failing together do not return together.
    pub jitter: f64,
    /// Running this long after a restart makes the next failure a first one again.
    pub quiet: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(50),
            max: Duration::from_secs(10),
            jitter: 0.2,
            quiet: Duration::from_mins(1),
        }
    }
}

impl Backoff {
    /// Delay of the restart after `level` others in a row; `random` in 0..1.
    pub fn delay(&self, level: u32, random: f64) -> Duration {
        let grown = self
            .first
            .saturating_mul(1_u32.checked_shl(level).unwrap_or(u32::MAX));
        let share = (self.jitter * random).clamp(0.0, 1.0);
        grown.min(self.max).mul_f64(1.0 - share)
    }
}

/// At most `restarts` within `within`; one more is for the parent to handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// Restarts allowed; 0 = none.
    pub restarts: u32,
    /// Length of the sliding window.
    pub within: Duration,
}

impl Intensity {
    /// At most `restarts` within `within`.
    pub const fn new(restarts: u32, within: Duration) -> Self {
        Self { restarts, within }
    }
}

impl Default for Intensity {
    fn default() -> Self {
        Self::new(5, Duration::from_mins(1))
    }
}

/// The restarts of one node: at most `intensity.restarts` instants are kept.
#[derive(Debug, Default)]
pub(super) struct History {
    recent: VecDeque<Duration>,
    level: u32,
    last: Option<Duration>,
}

impl History {
    /// Grants a restart and says after which delay, or refuses it as one too many. `now` counts from any fixed start.
    pub(super) fn grant(
        &mut self,
        now: Duration,
        intensity: Intensity,
        backoff: &Backoff,
        random: f64,
    ) -> Option<Duration> {
        while self
            .recent
            .front()
            .is_some_and(|at| now.saturating_sub(*at) >= intensity.within)
        {
            self.recent.pop_front();
        }
        if self.recent.len() >= usize::try_from(intensity.restarts).unwrap_or(usize::MAX) {
            return None;
        }
        if self
            .last
            .is_some_and(|last| now.saturating_sub(last) >= backoff.quiet)
        {
            self.level = 0;
        }
        let delay = backoff.delay(self.level, random);
        self.level = self.level.saturating_add(1);
        self.last = Some(now.saturating_add(delay));
        self.recent.push_back(now);
        Some(delay)
    }

    /// Forgets everything: the node was restarted by its parent.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_window_ever_holds_more_restarts_than_allowed(
            gaps in proptest::collection::vec(0_u64..5, 0..60), restarts in 0_u32..5, within in 1_u64..20,
        ) {
            let (mut history, mut now, mut granted) = (History::default(), 0, Vec::new());
            let intensity = Intensity::new(restarts, seconds(within));
            for gap in gaps {
                now += gap;
                if history.grant(seconds(now), intensity, &BACKOFF, 0.5).is_some() {
                    granted.push(now);
                }
            }
            for start in &granted {
                let inside = granted.iter().filter(|at| (*start..start + within).contains(*at));
                prop_assert!(inside.count() <= restarts as usize);
            }
        }

        #[test]
        fn a_delay_stays_between_its_jittered_and_its_full_value(
            level: u32, random in 0.0_f64..1.0, jitter in 0.0_f64..1.0,
        ) {
            let backoff = Backoff { jitter, ..BACKOFF };
            let (delay, full) = (backoff.delay(level, random), BACKOFF.delay(level, 0.0));
            prop_assert!(delay <= full && delay >= full.mul_f64((1.0 - jitter).max(0.0)));
        }
    }

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    const BACKOFF: Backoff = Backoff {
        first: seconds(1),
        max: seconds(5),
        jitter: 0.0,
        quiet: seconds(30),
    };

    #[test]
    fn the_policy_table_holds() {
        for (policy, failed, restarts) in [
            (RestartPolicy::Permanent, true, true),
            (RestartPolicy::Permanent, false, true),
            (RestartPolicy::Transient, true, true),
            (RestartPolicy::Transient, false, false),
            (RestartPolicy::Temporary, true, false),
            (RestartPolicy::Temporary, false, false),
        ] {
            assert_eq!(
                policy.restarts(failed),
                restarts,
                "{policy:?} failed: {failed}"
            );
        }
    }

    #[test]
    fn backoff_doubles_up_to_its_maximum_and_jitter_only_shortens() {
        for (level, expected) in [
            (0, 1),
            (1, 2),
            (2, 4),
            (3, 5),
            (31, 5),
            (32, 5),
            (u32::MAX, 5),
        ] {
            assert_eq!(
                BACKOFF.delay(level, 0.9),
                seconds(expected),
                "level {level}"
            );
        }
        let jittered = Backoff {
            jitter: 0.5,
            ..BACKOFF
        };
        assert_eq!(jittered.delay(1, 0.0), seconds(2));
        assert_eq!(jittered.delay(1, 1.0), seconds(1));
    }

    #[test]
    fn a_quiet_period_makes_the_next_delay_the_first_again() {
        let mut history = History::default();
        let intensity = Intensity::new(100, seconds(1000));
        let mut grant = |now| history.grant(seconds(now), intensity, &BACKOFF, 0.0);
        assert_eq!(grant(0), Some(seconds(1)));
        assert_eq!(grant(2), Some(seconds(2)));
        // Restarted at 4; failing 29 seconds later continues the series, 30 seconds later does not.
        assert_eq!(grant(33), Some(seconds(4)));
        assert_eq!(grant(67), Some(seconds(1)));
    }

    #[test]
    fn intensity_refuses_one_too_many_within_the_window_and_forgets_after_it() {
        let mut history = History::default();
        let intensity = Intensity::new(2, seconds(10));
        let mut grant = |now| {
            history
                .grant(seconds(now), intensity, &BACKOFF, 0.0)
                .is_some()
        };
        assert_eq!([grant(0), grant(1), grant(9)], [true, true, false]);
        assert!(grant(10), "the first restart has left the window");
        assert!(!grant(10));
    }

    #[test]
    fn intensity_zero_never_grants() {
        let mut history = History::default();
        assert_eq!(
            history.grant(seconds(0), Intensity::new(0, seconds(1)), &BACKOFF, 0.0),
            None
        );
    }
}
