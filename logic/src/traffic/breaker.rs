//! The circuit breaker of one connection, and the pauses that its service asks for: when nothing is sent, and when one request
//! tries whether it works again.
//!
//! | State | What happens | State |
//! |---|---|---|
//! | closed | failures in a row reach the limit | open, for `open` |
//! | closed | the service asks for a pause | paused, for as long |
//! | open, paused | the time is over | half-open: one request is let through as a trial |
//! | half-open | the trial is answered | closed |
//! | half-open | the trial fails after open | open, twice as long, at most `open_max` |
//! | half-open | the trial fails after paused | closed, with one more failure |
//! | half-open | the trial is asked to pause | paused |
//! | half-open | the trial ends without a word | half-open: the next request is the trial |
//!
//! Requests that left before say nothing any more while it is open or half-open, but for their wish for a longer pause.

use std::time::Duration;

use super::limits::{BreakerLimits, Limits};

/// Where a breaker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    /// Until then nothing is let through.
    Shut {
        until: Duration,
        why: Why,
    },
    /// One request is let through.
    Trial {
        /// It is under way.
        trying: bool,
        why: Why,
    },
}

/// Why nothing was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Failures,
    Pause,
}

/// The state as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests go through.
    Closed,
    /// It failed too often in a row: nothing goes through for a time.
    Open,
    /// The service asked for a pause: nothing goes through until then.
    Paused,
    /// One request tries whether it works again.
    HalfOpen,
}

impl BreakerState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Closed, Self::Open, Self::Paused, Self::HalfOpen];

    /// The name in the API and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Paused => "paused",
            Self::HalfOpen => "half_open",
        }
    }
}

/// See the module. Times are of one monotonous clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Breaker {
    state: State,
    /// When it came into this state.
    pub(super) since: Duration,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Times opened since it was closed last: each doubles the next.
    in_a_row: u32,
    /// Times opened.
    pub(super) opened: u64,
    /// Times paused.
    pub(super) paused: u64,
}

impl Breaker {
    pub(super) const fn new(now: Duration) -> Self {
        Self {
            state: State::Closed,
            since: now,
            failures: 0,
            in_a_row: 0,
            opened: 0,
            paused: 0,
        }
    }

    /// The state at a time: one whose time is over is half-open, also before anything tries.
    pub(super) fn state(&self, now: Duration) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Shut { until, .. } if until <= now => BreakerState::HalfOpen,
            State::Shut {
                why: Why::Failures, ..
            } => BreakerState::Open,
            State::Shut {
                why: Why::Pause, ..
            } => BreakerState::Paused,
            State::Trial { .. } => BreakerState::HalfOpen,
        }
    }

    /// Whether failures opened it and nothing was answered since.
    pub(super) const fn tripped(&self) -> bool {
        matches!(
            self.state,
            State::Shut {
                why: Why::Failures,
                ..
            } | State::Trial {
                why: Why::Failures,
                ..
            }
        )
    }

    /// When it came into the state that it has at a time.
    pub(super) fn since(&self, now: Duration) -> Duration {
        match self.state {
            State::Shut { until, .. } if until <= now => until,
            _ => self.since,
        }
    }

    /// When the next request is tried, while nothing is let through.
    pub(super) fn next_try(&self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Shut { until, .. } if until > now => Some(until),
            _ => None,
        }
    }

    /// Whether a request may leave now.
    pub(super) fn admits(&self, now: Duration) -> bool {
        match self.state {
            State::Closed => true,
            State::Shut { until, .. } => until <= now,
            State::Trial { trying, .. } => !trying,
        }
    }

    /// A request that was admitted leaves; says whether it is the trial.
    pub(super) fn leaves(&mut self, now: Duration) -> bool {
        let why = match self.state {
            State::Closed => return false,
            State::Shut { until, why } => {
                self.since = until.min(now);
                why
            }
            State::Trial { why, .. } => why,
        };
        self.state = State::Trial { trying: true, why };
        true
    }

    /// The service answered, whatever it said.
    pub(super) fn answered(&mut self, trial: bool, now: Duration) {
        match self.state {
            State::Closed => self.failures = 0,
            State::Trial { .. } if trial => self.close(now),
            _ => {}
        }
    }

    /// The service was not reached, did not answer, or failed itself.
    pub(super) fn failed(&mut self, trial: bool, limits: Option<BreakerLimits>, now: Duration) {
        match self.state {
            State::Trial {
                why: Why::Failures, ..
            } if trial => {
                self.failures = self.failures.saturating_add(1);
                self.open(limits, now);
            }
            State::Trial {
                why: Why::Pause, ..
            } if trial => {
                self.enter(State::Closed, now);
                self.count(limits, now);
            }
            State::Closed => self.count(limits, now),
            _ => {}
        }
    }

    /// The service asked for a pause.
    pub(super) fn pause(&mut self, pause: Duration, now: Duration) {
        let until = now.saturating_add(pause);
        match &mut self.state {
            // What was open stays so for its own time at least.
            State::Shut { until: known, .. } if *known > now => *known = until.max(*known),
            _ => {
                self.paused = self.paused.saturating_add(1);
                let why = Why::Pause;
                self.enter(State::Shut { until, why }, now);
            }
        }
    }

    /// A request ended without a word about the service.
    pub(super) fn ended(&mut self, trial: bool) {
        if let State::Trial { trying, .. } = &mut self.state
            && trial
        {
            *trying = false;
        }
    }

    /// Closes what the limits in force know no more: without a breaker nothing is open, and where wishes for a pause are ignored
    /// nothing is paused.
    pub(super) fn follow(&mut self, limits: &Limits, now: Duration) {
        let (State::Shut { why, .. } | State::Trial { why, .. }) = self.state else {
            return;
        };
        let known = match why {
            Why::Failures => limits.breaker.is_some(),
            Why::Pause => !limits.pause_max.is_zero(),
        };
        if !known {
            self.close(now);
        }
    }

    fn close(&mut self, now: Duration) {
        self.in_a_row = 0;
        self.failures = 0;
        self.enter(State::Closed, now);
    }

    fn count(&mut self, limits: Option<BreakerLimits>, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        if limits.is_some_and(|limits| self.failures >= limits.failures) {
            self.open(limits, now);
        }
    }

    fn open(&mut self, limits: Option<BreakerLimits>, now: Duration) {
        let Some(limits) = limits else {
            return self.close(now);
        };
        let twice = 1_u32.checked_shl(self.in_a_row).unwrap_or(u32::MAX);
        let lasts = limits.open.saturating_mul(twice).min(limits.open_max);
        self.in_a_row = self.in_a_row.saturating_add(1).min(u32::BITS);
        self.opened = self.opened.saturating_add(1);
        let until = now.saturating_add(lasts);
        let why = Why::Failures;
        self.enter(State::Shut { until, why }, now);
    }

    const fn enter(&mut self, state: State, now: Duration) {
        self.state = state;
        self.since = now;
    }
}

#[cfg(test)]
mod tests;
