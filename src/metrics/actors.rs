//! Gauges and counters of the actors, read from supervision's own counters at each scrape.

use super::Metrics;

/// What one actor shows at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is the metric of its name")]
pub struct ActorSample {
    /// Path in the supervision tree.
    pub path: String,
    pub depth: u64,
    pub high_water: u64,
    pub capacity: u64,
    pub enqueued: u64,
    pub handled: u64,
    pub rejected: u64,
    pub restarts: u64,
}

/// Most actors shown one by one; a service has about one per owned partition and a dozen roles. The others are summed
/// up as `other`, so that a mistake in naming cannot flood the time series database.
pub const ACTORS_MAX: usize = 512;

impl Metrics {
    /// Shows these actors, and no others: those that are gone leave no stale series behind.
    pub fn actors(&self, samples: &[ActorSample]) {
        let gauges = [
            &self.mailbox_depth,
            &self.mailbox_high_water,
            &self.mailbox_capacity,
        ];
        let counters = [
            &self.mailbox_enqueued,
            &self.mailbox_handled,
            &self.mailbox_rejected,
            &self.actor_restarts,
        ];
        for family in gauges {
            family.reset();
        }
        for family in counters {
            family.reset();
        }
        for (index, sample) in samples.iter().enumerate() {
            let is_shown = index < ACTORS_MAX;
            let actor = if is_shown {
                sample.path.as_str()
            } else {
                "other"
            };
            let levels = [sample.depth, sample.high_water, sample.capacity];
            for (family, value) in gauges.iter().zip(levels) {
                family.add([actor], value);
            }
            let counts = [
                sample.enqueued,
                sample.handled,
                sample.rejected,
                sample.restarts,
            ];
            for (family, value) in counters.iter().zip(counts) {
                family.add([actor], value);
            }
        }
    }
}
