//! Families of the inventory as counters, gauges and histograms of the `prometheus` crate. How many labels a family has is part
//! of its type, so that none can be forgotten.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

/// How a family is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

impl Kind {
    /// The name in the exposition format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One family. Label values come from closed sets only: never ids, users, models or versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Full name.
    pub name: &'static str,
    /// How it is counted.
    pub kind: Kind,
    /// Names of its labels, in the order of their values.
    pub labels: &'static [&'static str],
    /// What it says, one sentence.
    pub help: &'static str,
}

/// From a millisecond (a decision on the embedded log) to ten minutes (a slow training service), in seconds.
const BUCKETS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0,
    600.0,
];

/// A family that only grows while the process lives.
pub struct Counter<const LABELS: usize>(IntCounterVec);

impl<const LABELS: usize> Counter<LABELS> {
    pub(super) fn registered(registry: &Registry, family: &Family) -> prometheus::Result<Self> {
        let options = Opts::new(family.name, family.help);
        register(registry, IntCounterVec::new(options, family.labels)?).map(Self)
    }

    /// Counts so many; 0 makes the series appear.
    pub fn add(&self, labels: [&str; LABELS], count: u64) {
        self.0.with_label_values(&labels).inc_by(count);
    }

    /// Shows what is counted elsewhere; a counter never goes back.
    pub fn raise_to(&self, labels: [&str; LABELS], count: u64) {
        let counter = self.0.with_label_values(&labels);
        counter.inc_by(count.saturating_sub(counter.get()));
    }

    /// Forgets every series.
    pub fn reset(&self) {
        self.0.reset();
    }
}

/// A family that goes up and down.
pub struct Gauge<const LABELS: usize>(IntGaugeVec);

impl<const LABELS: usize> Gauge<LABELS> {
    pub(super) fn registered(registry: &Registry, family: &Family) -> prometheus::Result<Self> {
        let options = Opts::new(family.name, family.help);
        register(registry, IntGaugeVec::new(options, family.labels)?).map(Self)
    }

    /// Shows this value, or the largest that it can.
    pub fn set(&self, labels: [&str; LABELS], value: impl TryInto<i64>) {
        self.0.with_label_values(&labels).set(saturated(value));
    }

    /// Adds to what it shows.
    pub fn add(&self, labels: [&str; LABELS], value: impl TryInto<i64>) {
        self.0.with_label_values(&labels).add(saturated(value));
    }

    /// Forgets a series, if it was there: it would only go stale.
    pub fn forget(&self, labels: [&str; LABELS]) {
        self.0.remove_label_values(&labels).unwrap_or_default();
    }

    /// Forgets every series.
    pub fn reset(&self) {
        self.0.reset();
    }
}

/// A family of observations in buckets.
pub struct Histogram<const LABELS: usize>(HistogramVec);

impl<const LABELS: usize> Histogram<LABELS> {
    pub(super) fn registered(registry: &Registry, family: &Family) -> prometheus::Result<Self> {
        let options = HistogramOpts::new(family.name, family.help).buckets(BUCKETS.to_vec());
        register(registry, HistogramVec::new(options, family.labels)?).map(Self)
    }

    /// Something took this long.
    pub fn observe(&self, labels: [&str; LABELS], took: Duration) {
        self.0
            .with_label_values(&labels)
            .observe(took.as_secs_f64());
    }
}

fn saturated(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    family: C,
) -> prometheus::Result<C> {
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}
