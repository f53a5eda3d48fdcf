//! What each part of the service tells of itself, in one place per part: reasons against readiness, warnings, gauges, and what
//! the watchdog watches. A part is a file and a line in [`Vitals::of`].

mod actors;
mod alerts;
mod consumption;
mod execution;
mod held;
mod ledger;
mod start;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use homeostat_actors::ports::log::TopicPartition;
use homeostat_actors::supervision::{RunningWatchdog, Step, Supervisor, Watch, Watchdog};
use tokio::sync::watch;

use super::state::ServiceState;
use crate::http::{Health, Readiness};
use crate::metrics::{Gauge, Metrics, topic_label};

/// Pause between two looks of the watchdog.
const PERIOD: Duration = Duration::from_secs(1);

/// What a part tells of itself. Called on the HTTP worker: answers at once, from memory.
trait Vital: Send + Sync {
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

/// Every part.
pub(super) struct Vitals {
    parts: Vec<Box<dyn Vital>>,
    watchdog: OnceLock<Watchdog>,
}

impl Vitals {
    /// The list, in the order in which people read of them. `under_way`: requests sent and outcomes not yet written.
    pub(super) fn of(state: &Arc<ServiceState>, under_way: &Arc<AtomicUsize>) -> Self {
        let state = || Arc::clone(state);
        let parts: Vec<Box<dyn Vital>> = vec![
            Box::new(start::Start(state())),
            Box::new(ledger::Ledger(state())),
            Box::new(consumption::Consuming::new(state())),
            Box::new(execution::Executing(state(), Arc::clone(under_way))),
            Box::new(actors::Actors(state())),
            Box::new(alerts::Alerts(state())),
            Box::new(held::HeldPartitions::new(state())),
        ];
        Self {
            parts,
            watchdog: OnceLock::new(),
        }
    }

    /// From now on every scrape shows the present.
    pub(super) fn show(self: &Arc<Self>, metrics: &Metrics) {
        let vitals = Arc::clone(self);
        metrics.before_scrape(Box::new(move |metrics| {
            vitals.parts.iter().for_each(|part| part.gauges(metrics));
            let steps = vitals.watchdog.get().map(Watchdog::steps_taken);
            for (step, taken) in steps.unwrap_or_default() {
                metrics.watchdog_steps.raise_to([step], taken);
            }
        }));
    }

    /// Watches every part from now on. What no step heals is told through `hopeless`, and the process ends.
    pub(super) fn watch(
        &self,
        supervisor: &Supervisor,
        stall_max: Duration,
        hopeless: &watch::Sender<Option<String>>,
    ) -> std::io::Result<Watched> {
        let watchdog = Watchdog::new(supervisor, vec![end_process(hopeless)]);
        let watching = Watching {
            watchdog: &watchdog,
            supervisor,
            stall_max,
            hopeless,
        };
        let watches = self.parts.iter().flat_map(|part| part.watches(&watching));
        let watches = watches.collect();
        let running = watchdog.run(PERIOD)?;
        self.watchdog.get_or_init(|| watchdog);
        Ok(Watched {
            _watches: watches,
            _running: running,
        })
    }
}

impl Health for Vitals {
    fn readiness(&self) -> Readiness {
        let now = Instant::now();
        let reasons = self.parts.iter().flat_map(|part| part.reasons(now));
        let reasons: Vec<String> = reasons.collect();
        let warnings = self.parts.iter().flat_map(|part| part.warnings());
        Readiness {
            ready: reasons.is_empty(),
            reasons,
            warnings: warnings.collect(),
        }
    }
}

/// The watchdog at work, until it is dropped.
pub(super) struct Watched {
    _watches: Vec<Watch>,
    _running: RunningWatchdog,
}

/// What a part needs to be watched.
struct Watching<'a> {
    watchdog: &'a Watchdog,
    supervisor: &'a Supervisor,
    stall_max: Duration,
    hopeless: &'a watch::Sender<Option<String>>,
}

/// The last step: nothing smaller helped.
fn end_process(hopeless: &watch::Sender<Option<String>>) -> Step {
    let hopeless = hopeless.clone();
    Step::new("end_process", move |name| {
        hopeless.send_replace(Some(format!(
            "{name} stands still and no smaller step helped"
        )));
    })
}

/// Partitions of which gauges show something.
#[derive(Default)]
struct Shown(Mutex<BTreeSet<TopicPartition>>);

impl Shown {
    /// These are owned now: gauges of others would only go stale.
    fn only(&self, owned: BTreeSet<TopicPartition>, gauges: &[&Gauge<2>]) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in shown.difference(&owned) {
            let partition = gone.partition.to_string();
            let labels = [topic_label(&gone.topic), partition.as_str()];
            for gauge in gauges {
                gauge.forget(labels);
            }
        }
        *shown = owned;
    }
}
