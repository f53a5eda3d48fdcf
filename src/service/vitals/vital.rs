//! What a part implements to report on itself, and what helps with it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use homeostat_actors::ports::log::TopicPartition;
use homeostat_actors::supervision::{Step, Supervisor, Watch, Watchdog};
use tokio::sync::watch;

use crate::metrics::{Gauge, Metrics};

/// What a part reports on itself. Called on the HTTP worker: answers at once, from memory.
pub(super) trait Vital: Send + Sync {
    /// What keeps the service from its work, one sentence each.
    fn reasons(&self, _now: Instant) -> Vec<String> {
        Vec::new()
    }

    /// What people should look at although the service does its work, one sentence each.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Brings its gauges up to date, before each scrape.
    fn gauges(&self, _metrics: &Metrics) {}

    /// What the watchdog watches of it, and how it heals.
    fn watches(&self, _watching: &Watching<'_>) -> Vec<Watch> {
        Vec::new()
    }
}

/// What a part needs to be watched.
pub(super) struct Watching<'a> {
    pub(super) watchdog: &'a Watchdog,
    pub(super) supervisor: &'a Supervisor,
    pub(super) stall_max: Duration,
    pub(super) hopeless: &'a watch::Sender<Option<String>>,
}

/// The last step: nothing smaller helped.
pub(super) fn end_process(hopeless: &watch::Sender<Option<String>>) -> Step {
    let hopeless = hopeless.clone();
    Step::new("end_process", move |name| {
        hopeless.send_replace(Some(format!(
            "{name} makes no progress and no smaller step helped"
        )));
    })
}

/// Partitions of which gauges show something.
#[derive(Default)]
pub(super) struct Shown(Mutex<BTreeSet<TopicPartition>>);

impl Shown {
    /// These are owned now: gauges of others would only go stale.
    pub(super) fn only(
        &self,
        owned: BTreeSet<TopicPartition>,
        metrics: &Metrics,
        gauges: &[&Gauge<2>],
    ) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in shown.difference(&owned) {
            let partition = gone.partition.to_string();
            let labels = [metrics.topic_label(&gone.topic), partition.as_str()];
            for gauge in gauges {
                gauge.forget(labels);
            }
        }
        *shown = owned;
    }
}
