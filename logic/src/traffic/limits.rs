//! How much traffic a connection takes, as configured.

use std::time::Duration;

/// Limits of one connection. Each comes into force with the next request; what is in flight already stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests at the same time: attempts from their bid to their outcome, and questions. At least 1 counts.
    pub concurrency_max: usize,
    /// Requests per minute, spread evenly; at most a second's worth leaves at once. `None`: no limit.
    pub rate_per_minute: Option<u32>,
    /// Longest pause that the service can ask for; a longer wish is cut to it. Zero: wishes are ignored.
    pub pause_max: Duration,
    /// `None`: the connection is used however often it fails.
    pub breaker: Option<BreakerLimits>,
}

/// When a connection is left alone, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Failures in a row that open it. At least 1 counts.
    pub failures: u32,
    /// How long it stays open first; each time that the trial request fails as well, twice as long as before.
    pub open: Duration,
    /// Longest time that it stays open.
    pub open_max: Duration,
}

impl Limits {
    /// Requests at the same time that one connection can be given.
    pub const CONCURRENCY_MAX: usize = 1_024;

    /// Those of a connection that was given none.
    pub const DEFAULT: Self = Self {
        concurrency_max: 16,
        rate_per_minute: None,
        pause_max: Duration::from_mins(1),
        breaker: Some(BreakerLimits {
            failures: 5,
            open: Duration::from_secs(5),
            open_max: Duration::from_mins(1),
        }),
    };

    /// Those of a connection that reaches nothing outside: bounded in memory, never paused or opened.
    pub const INTERNAL: Self = Self {
        concurrency_max: Self::CONCURRENCY_MAX,
        rate_per_minute: None,
        pause_max: Duration::ZERO,
        breaker: None,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
