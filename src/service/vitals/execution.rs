//! The executor: whether the loop of its group goes round, and what is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::vital::Vital;
use crate::metrics::Metrics;
use crate::service::consumption::IDLE_MAX;
use crate::service::state::ServiceState;

/// With the number of requests sent whose outcomes are not yet written.
pub(super) struct Executing(pub(super) Arc<ServiceState>, pub(super) Arc<AtomicUsize>);

impl Vital for Executing {
    fn reasons(&self, _: Instant) -> Vec<String> {
        let idle = self.0.execution().and_then(|execution| execution.idle());
        let long = idle.filter(|idle| *idle > IDLE_MAX);
        let reason = long.map(|idle| {
            format!(
                "the loop of the executor's group has made no progress for {} s",
                idle.as_secs()
            )
        });
        reason.into_iter().collect()
    }

    fn gauges(&self, metrics: &Metrics) {
        let under_way = self.1.load(Ordering::Relaxed);
        metrics.actions_in_flight.set([], under_way);
    }
}
