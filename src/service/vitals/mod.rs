//! What each part of the service reports on itself, in one place per part: reasons against readiness, warnings, gauges, and what
//! the watchdog watches. A part is a file and a line in [`Vitals::of`].

mod actors;
mod alerts;
mod catalog;
mod connections;
mod consumption;
mod execution;
mod external;
mod held;
mod ledger;
mod push;
mod start;
mod users;
mod vital;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use homeostat_actors::supervision::{RunningWatchdog, Supervisor, Watch, Watchdog};
use tokio::sync::watch;

pub(super) use self::push::Pushing;
use self::vital::{Vital, Watching, end_process};
use super::connections_now::ConnectionsNow;
use super::state::ServiceState;
use crate::http::{Health, Readiness};
use crate::metrics::Metrics;
use crate::recommendations::external::External;
use crate::users::Users;

/// Pause between two looks of the watchdog.
const PERIOD: Duration = Duration::from_secs(1);

/// Every part.
pub(super) struct Vitals {
    parts: Vec<Box<dyn Vital>>,
    watchdog: OnceLock<Watchdog>,
}

impl Vitals {
    /// The list, in the order in which people read of them. `under_way`: requests sent and outcomes not yet written.
    pub(super) fn of(
        state: &Arc<ServiceState>,
        under_way: &Arc<AtomicUsize>,
        connections: ConnectionsNow,
        pushing: Pushing,
        models: Vec<Arc<External>>,
        users: Option<Arc<Users>>,
    ) -> Self {
        let state = || Arc::clone(state);
        let parts: Vec<Box<dyn Vital>> = vec![
            Box::new(start::Start(state())),
            Box::new(ledger::Ledger(state())),
            Box::new(consumption::Consuming::new(state())),
            Box::new(execution::Executing(state(), Arc::clone(under_way))),
            Box::new(connections::Connected::new(connections)),
            Box::new(actors::Actors(state())),
            Box::new(alerts::Alerts(state())),
            Box::new(held::HeldPartitions::new(state())),
            Box::new(catalog::Items(state())),
            Box::new(pushing),
            Box::new(external::Models(models)),
            Box::new(users::OfUsers(users)),
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

    /// Watches every part from now on. What no step heals is reported through `hopeless`, and the process ends.
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
