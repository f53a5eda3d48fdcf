//! Keys of every connection, whatever its kind.

use std::time::Duration;

use homeostat_logic::traffic::{BreakerLimits, Limits};
use schemars::JsonSchema;
use serde::Deserialize;

use super::kit::Compile;

/// Requests at the same time that can be written.
const CONCURRENCY_WRITTEN_MAX: u32 = 256;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// Keys of `[connections.NAME]` besides `kind` and those of the kind.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(crate) struct Common {
    /// Whether actions only show what they would send: they are decided and recorded as done, and nothing is changed outside.
    /// Questions are asked all the same. `homeostat run --dry-run` and the key `dry_run` at the top do so for all connections.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// Requests to the service at the same time, over all its actions: attempts and questions. Further actions wait, the longest
    /// due first, and delay none over other connections.
    #[serde(default = "concurrency_max")]
    #[schemars(range(min = 1, max = CONCURRENCY_WRITTEN_MAX))]
    concurrency_max: u32,
    /// Requests to the service per minute, spread evenly (at most a second's worth leaves at once); without it any number.
    /// Further actions wait.
    #[schemars(range(min = 1, max = 60_000))]
    rate_per_minute: Option<u32>,
    /// Longest pause in milliseconds that the service can ask the whole connection for, by a Retry-After header; longer ones
    /// are cut to it. 0 = only the action that was asked to wait does.
    #[serde(default = "pause_max_ms")]
    #[schemars(range(min = 0, max = HOUR_MS))]
    pause_max_ms: u64,
    #[serde(default)]
    breaker: Breaker,
}

/// When a connection is left alone.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
struct Breaker {
    /// Failures in a row (not reached, no answer in time, a failure of the service itself) that open the connection: its actions
    /// wait and spend no attempt. 0 = never.
    #[serde(default = "failures")]
    #[schemars(range(min = 0, max = 1_000))]
    failures: u32,
    /// Milliseconds that it stays open, before one request tries whether the service works again; each trial that fails doubles
    /// the time.
    #[serde(default = "open_ms")]
    #[schemars(range(min = 100, max = HOUR_MS))]
    open_ms: u64,
    /// Longest time in milliseconds that it stays open.
    #[serde(default = "open_max_ms")]
    #[schemars(range(min = 100, max = HOUR_MS))]
    open_max_ms: u64,
}

const fn concurrency_max() -> u32 {
    16
}

const fn pause_max_ms() -> u64 {
    MINUTE_MS
}

const fn failures() -> u32 {
    5
}

const fn open_ms() -> u64 {
    5_000
}

const fn open_max_ms() -> u64 {
    MINUTE_MS
}

impl Default for Common {
    fn default() -> Self {
        Self {
            dry_run: false,
            concurrency_max: concurrency_max(),
            rate_per_minute: None,
            pause_max_ms: pause_max_ms(),
            breaker: Breaker::default(),
        }
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failures: failures(),
            open_ms: open_ms(),
            open_max_ms: open_max_ms(),
        }
    }
}

impl Common {
    /// Records what does not fit together.
    pub(crate) fn check(&self, compile: &mut Compile<'_>) {
        let Breaker {
            open_ms,
            open_max_ms,
            ..
        } = self.breaker;
        if open_max_ms < open_ms {
            compile.within("breaker", |compile| {
                compile.problem(
                    "open_max_ms",
                    format!("is less than open_ms, which is {open_ms}"),
                    "raise it, or lower open_ms",
                );
            });
        }
    }

    /// How much traffic the connection takes.
    pub(crate) fn limits(&self) -> Limits {
        let breaker = BreakerLimits {
            failures: self.breaker.failures,
            open: Duration::from_millis(self.breaker.open_ms),
            open_max: Duration::from_millis(self.breaker.open_max_ms),
        };
        Limits {
            concurrency_max: self.concurrency_max as usize,
            rate_per_minute: self.rate_per_minute,
            pause_max: Duration::from_millis(self.pause_max_ms),
            breaker: (breaker.failures > 0).then_some(breaker),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_is_what_a_connection_takes_by_default() {
        assert_eq!(Common::default().limits(), Limits::DEFAULT);
        let written: Common = toml::from_str("").unwrap();
        assert_eq!(written.limits(), Limits::DEFAULT);
    }

    #[test]
    fn every_key_is_a_limit_and_no_failures_are_no_breaker() {
        let written: Common = toml::from_str(
            "concurrency_max = 2\nrate_per_minute = 30\npause_max_ms = 0\nbreaker.failures = 0",
        )
        .unwrap();
        let expected = Limits {
            concurrency_max: 2,
            rate_per_minute: Some(30),
            pause_max: Duration::ZERO,
            breaker: None,
        };
        assert_eq!(written.limits(), expected);
    }
}
