//! Warnings that would repeat while something is away: the first is logged at once, then one per period, with the number
//! of those left out.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Time between two warnings of one kind: seldom enough for any log, often enough to see that it still holds.
const PERIOD: Duration = Duration::from_secs(5);

/// One kind of warning.
#[derive(Debug)]
pub struct Throttle {
    period: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    logged: Option<Instant>,
    left_out: u64,
}

impl Throttle {
    /// A kind of warning that was never logged.
    pub const fn new() -> Self {
        Self::every(PERIOD)
    }

    /// As [`Self::new`], with another period.
    pub const fn every(period: Duration) -> Self {
        Self {
            period,
            state: Mutex::new(State {
                logged: None,
                left_out: 0,
            }),
        }
    }

    /// Whether to log this one; with the number of those left out since the last one logged.
    pub fn pass(&self) -> Option<u64> {
        self.pass_at(Instant::now())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        let recent = |logged: Instant| now.saturating_duration_since(logged) < self.period;
        if state.logged.is_some_and(recent) {
            state.left_out += 1;
            return None;
        }
        state.logged = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_then_one_per_period_with_the_number_left_out() {
        let (throttle, start) = (Throttle::new(), Instant::now());
        let at = |milliseconds| throttle.pass_at(start + Duration::from_millis(milliseconds));
        assert_eq!([at(0), at(1), at(4_999)], [Some(0), None, None]);
        assert_eq!([at(5_000), at(9_999), at(20_000)], [Some(2), None, Some(1)]);
    }
}
