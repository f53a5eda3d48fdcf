//! What the end-to-end tests share: the built binary as a running service, a webhook's target, a Kafka broker.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod broker;
pub(crate) mod client;
pub(crate) mod load;
#[path = "../../support/kafka.rs"]
pub(crate) mod producers;
#[path = "../../support/segments.rs"]
pub(crate) mod segments;
pub(crate) mod service;
pub(crate) mod target;

use std::time::{Duration, Instant};

/// Longest wait for anything; generous, because it is only reached when a test fails.
/// The longest regular one is the lease of an attempt whose sender was killed: 60 s.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(25);

/// Looks until there is something, and fails with `what` when there never is.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "never happened: {what}");
        std::thread::sleep(LOOK);
    }
}

/// Looks until it holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}
