//! Gauges and counters of the actors, read from supervision's own counters when somebody scrapes.

use std::sync::OnceLock;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGaugeVec};

use super::families::{counter, gauge};
use super::inventory::{
    ACTOR_RESTARTS, MAILBOX_CAPACITY, MAILBOX_DEPTH, MAILBOX_ENQUEUED, MAILBOX_HANDLED,
    MAILBOX_HIGH_WATER, MAILBOX_REJECTED,
};

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

/// Asked at every scrape; must not block.
pub type ActorSource = Box<dyn Fn() -> Vec<ActorSample> + Send + Sync>;

/// Most actors shown one by one; a service has about one per owned partition and a dozen roles. The others are summed
/// up as `other`, so that a mistake in naming cannot flood the time series database.
pub const ACTORS_MAX: usize = 512;

/// The collector; empty until a source is set.
pub(super) struct Actors {
    pub(super) source: std::sync::Arc<OnceLock<ActorSource>>,
    descriptions: Vec<Desc>,
}

impl Actors {
    pub(super) fn new() -> prometheus::Result<Self> {
        let families = Families::new()?;
        let descriptions = families
            .collectors()
            .iter()
            .flat_map(|all| all.desc())
            .cloned()
            .collect();
        Ok(Self {
            source: std::sync::Arc::default(),
            descriptions,
        })
    }
}

impl Collector for Actors {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let samples = self.source.get().map(|source| source()).unwrap_or_default();
        let Ok(families) = Families::new() else {
            return Vec::new();
        };
        for (index, sample) in samples.iter().enumerate() {
            families.add(
                sample,
                if index < ACTORS_MAX {
                    &sample.path
                } else {
                    "other"
                },
            );
        }
        families
            .collectors()
            .iter()
            .flat_map(|family| family.collect())
            .collect()
    }
}

/// Built afresh at each scrape: actors that are gone leave no stale series behind.
struct Families {
    depth: IntGaugeVec,
    high_water: IntGaugeVec,
    capacity: IntGaugeVec,
    enqueued: IntCounterVec,
    handled: IntCounterVec,
    rejected: IntCounterVec,
    restarts: IntCounterVec,
}

impl Families {
    fn new() -> prometheus::Result<Self> {
        Ok(Self {
            depth: gauge(&MAILBOX_DEPTH)?,
            high_water: gauge(&MAILBOX_HIGH_WATER)?,
            capacity: gauge(&MAILBOX_CAPACITY)?,
            enqueued: counter(&MAILBOX_ENQUEUED)?,
            handled: counter(&MAILBOX_HANDLED)?,
            rejected: counter(&MAILBOX_REJECTED)?,
            restarts: counter(&ACTOR_RESTARTS)?,
        })
    }

    fn add(&self, sample: &ActorSample, actor: &str) {
        for (family, value) in [
            (&self.depth, sample.depth),
            (&self.high_water, sample.high_water),
            (&self.capacity, sample.capacity),
        ] {
            family
                .with_label_values(&[actor])
                .add(i64::try_from(value).unwrap_or(i64::MAX));
        }
        for (family, value) in [
            (&self.enqueued, sample.enqueued),
            (&self.handled, sample.handled),
            (&self.rejected, sample.rejected),
            (&self.restarts, sample.restarts),
        ] {
            family.with_label_values(&[actor]).inc_by(value);
        }
    }

    fn collectors(&self) -> [&dyn Collector; 7] {
        [
            &self.depth,
            &self.high_water,
            &self.capacity,
            &self.enqueued,
            &self.handled,
            &self.rejected,
            &self.restarts,
        ]
    }
}
