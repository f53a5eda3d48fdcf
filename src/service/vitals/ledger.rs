//! The ledger as folded here: how far it is, what holds it up, and what it says of the clocks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use homeostat_actors::ledger_view::{self, LedgerView};
use homeostat_actors::supervision::{Pulse, Step, Watch};
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::ledger::times::CLOCK_STEP_MS;
use homeostat_logic::topic::LEDGER;

use super::vital::{Vital, Watching, end_process};
use crate::metrics::Metrics;
use crate::service::state::ServiceState;

/// Names of the phases of open actions, so that each has its series from the start.
const OPEN_PHASES: [&str; 5] = ["waiting", "approval", "ready", "started", "doubt"];

pub(super) struct Ledger(pub(super) Arc<ServiceState>);

impl Ledger {
    /// How far log time is ahead of the own clock, in ms; the most of any ledger partition.
    fn time_ahead(&self) -> Millis {
        let now = self.0.clock().now();
        let ahead = |view: &Arc<LedgerView>| view.read().fold.now().saturating_sub(now);
        self.0.views().iter().map(ahead).max().unwrap_or(0).max(0)
    }
}

impl Vital for Ledger {
    fn reasons(&self, now: Instant) -> Vec<String> {
        let mut reasons = Vec::new();
        for view in self.0.views() {
            let progress = view.read().progress.clone();
            if progress != ledger_view::FoldProgress::Live {
                reasons.push(format!("ledger partition {}: {progress}", view.partition));
            }
            if let Some(obstacle) = view.obstacle().filter(|_| progress.goes_on()) {
                reasons.push(format!("ledger partition {}: {obstacle}", view.partition));
            }
        }
        let still = |view: &Arc<LedgerView>| self.0.health().reason(view, now);
        reasons.extend(self.0.views().iter().filter_map(still));
        let ahead = self.time_ahead();
        if ahead > CLOCK_STEP_MS {
            reasons.push(format!(
                "the time of the ledger is {ahead} ms ahead of this machine's clock, more than {CLOCK_STEP_MS}; set the clocks of brokers and instances"
            ));
        }
        reasons
    }

    fn gauges(&self, metrics: &Metrics) {
        let mut phases: BTreeMap<&str, usize> = OPEN_PHASES.map(|name| (name, 0)).into();
        let (mut open, mut seen) = (0, 0);
        for view in self.0.views() {
            let partition = view.partition.to_string();
            let labels = [partition.as_str()];
            let state = view.read();
            metrics.ledger_position.set(labels, state.fold.offset() + 1);
            let owned = i64::from(view.owner().is_some());
            metrics.ledger_owned.set(labels, owned);
            seen += state.fold.state().actions.len();
            for (_, action) in state.fold.open_actions() {
                open += 1;
                *phases.entry(action.phase.name()).or_default() += 1;
            }
            if let Some(boundary) = state.fold.boundary() {
                let (covers, hash) = (boundary.covers, number(&boundary.hash));
                metrics.ledger_boundary_covers.set(labels, covers);
                metrics.ledger_boundary_hash.set(labels, hash);
            }
            let (holds, now) = (state.fold.holds(), state.moment(self.0.clock()).log);
            let silenced = holds.silenced_until.is_some_and(|until| now < until);
            metrics.ledger_paused.set(labels, i64::from(holds.paused));
            metrics.ledger_silenced.set(labels, i64::from(silenced));
            drop(state);
            match self.0.health().lag(view) {
                Some(lag) => metrics.ledger_lag.set(labels, lag),
                None => metrics.ledger_lag.forget(labels),
            }
        }
        for (phase, count) in phases {
            metrics.ledger_open_actions.set([phase], count);
        }
        let ahead = self.time_ahead().div_euclid(1_000);
        metrics.ledger_time_ahead.set([], ahead);
        metrics.ledger_fold_entries.set(["open_actions"], open);
        metrics.ledger_fold_entries.set(["actions"], seen);
    }

    fn watches(&self, watching: &Watching<'_>) -> Vec<Watch> {
        let watch = |view: &Arc<LedgerView>| {
            let state = Arc::clone(&self.0);
            let connected = move || state.consumption().is_some_and(|one| one.connected());
            let health = Arc::clone(self.0.health());
            let lag = move |view: &LedgerView| connected().then(|| health.lag(view)).flatten();
            watch_fold(watching, lag, view)
        };
        self.0.views().iter().map(watch).collect()
    }
}

/// The first 52 bits of a hash in hexadecimal: as many as a float, which metrics are, holds exactly.
fn number(hash: &str) -> i64 {
    let digits = hash.get(..13).unwrap_or_default();
    i64::from_str_radix(digits, 16).unwrap_or(0)
}

/// The ledger has records and its fold makes no progress: the fold starts over, then the process. One that refuses to go on says why
/// in readiness; starting over would not help it. `lag`: records left; `None` while the log is away.
fn watch_fold(
    watching: &Watching<'_>,
    lag: impl Fn(&LedgerView) -> Option<u64> + Send + 'static,
    view: &Arc<LedgerView>,
) -> Watch {
    let (probed, supervisor) = (Arc::clone(view), watching.supervisor.clone());
    let name = format!("{LEDGER}/{} folding", view.partition);
    let cooldown = format!("ledger-{}/cooldown", view.partition);
    let probe = move || {
        let state = probed.read();
        let (read_to, folds) = (state.read_to, state.progress.goes_on());
        drop(state);
        if !folds {
            return None;
        }
        Some(Pulse {
            lag: lag(&probed)?,
            position: u64::try_from(read_to).unwrap_or_default(),
        })
    };
    let restart = Step::new("restart_fold", move |_| {
        let actors = supervisor.snapshot();
        let found = actors.iter().find(|actor| actor.path.ends_with(&cooldown));
        if let Some(Err(error)) = found.map(|actor| supervisor.restart(&actor.path)) {
            tracing::warn!(%error, "a stalled fold was not restarted");
        }
    });
    let steps = vec![restart, end_process(watching.hopeless)];
    watching
        .watchdog
        .watch(name, watching.stall_max, probe, steps)
}

#[cfg(test)]
mod tests {
    use std::sync::RwLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use homeostat_actors::ports::clock::Clock;
    use homeostat_actors::supervision::{
        ActorState, ChildSpec, GroupSpec, Supervisor, Watchdog, Worker,
    };
    use homeostat_logic::history::History;
    use homeostat_logic::ledger::record::Record;
    use tokio::sync::watch;

    use super::*;

    struct Idle;

    impl Worker for Idle {}

    async fn until(so: impl Fn() -> bool) {
        let wait = async {
            while !so() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .unwrap();
    }

    struct Fixed(Millis);

    impl Clock for Fixed {
        fn now(&self) -> Millis {
            self.0
        }

        fn boot(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[test]
    fn a_ledger_whose_time_is_further_ahead_than_clocks_may_differ_is_a_reason() {
        let view = LedgerView::new(0);
        let history = Arc::new(RwLock::new(History::new(1)));
        let clock = Arc::new(Fixed(1_000_000));
        let state = ServiceState::new(clock, history, vec![Arc::clone(&view)]);
        let ledger = Ledger(Arc::new(state));
        view.write().progress = ledger_view::FoldProgress::Live;
        let reasons = || ledger.reasons(Instant::now());
        let tick = |offset, ahead| {
            let mut state = view.write();
            state
                .fold
                .apply(offset, 1_000_000 + ahead, Ok(Record::Tick));
        };
        tick(0, CLOCK_STEP_MS);
        assert_eq!(reasons(), Vec::<String>::new());
        tick(1, CLOCK_STEP_MS + 1);
        let text = reasons().concat();
        assert!(text.contains("20001 ms ahead"), "{text}");
    }

    #[actix::test]
    async fn a_fold_that_stands_with_records_left_starts_over_then_the_process_ends() {
        let tree = Supervisor::new(GroupSpec::new("homeostat"));
        let group = tree.group(GroupSpec::new("ledger-1")).unwrap();
        group
            .start(ChildSpec::new("cooldown", "cooldown", || Idle))
            .unwrap();
        // One that still starts takes no order to start over.
        until(|| {
            tree.snapshot()
                .iter()
                .any(|actor| actor.state == ActorState::Running)
        })
        .await;
        let view = LedgerView::new(1);
        view.write().progress = ledger_view::FoldProgress::Live;
        let left = Arc::new(AtomicU64::new(0));
        let records = Arc::clone(&left);
        let lag = move |_: &LedgerView| Some(records.load(Ordering::SeqCst));
        let (hopeless, second) = (watch::Sender::new(None), Duration::from_secs(1));
        let watchdog = Watchdog::new(&tree, Vec::new());
        let watching = Watching {
            watchdog: &watchdog,
            supervisor: &tree,
            stall_max: second * 3,
            hopeless: &hopeless,
        };
        let _watch = watch_fold(&watching, lag, &view);
        let look_until =
            |from: u32, to: u32| (from..to).for_each(|now| watchdog.look(second * now));
        look_until(0, 10);
        let taken = || -> Vec<_> {
            let steps = watchdog.steps_taken().into_iter();
            steps.filter(|(_, count)| *count > 0).collect()
        };
        assert_eq!(taken(), [], "nothing is left to fold");
        left.store(7, Ordering::SeqCst);
        look_until(10, 15);
        assert_eq!(taken(), [("restart_fold", 1)]);
        until(|| tree.snapshot().iter().any(|actor| actor.restarts == 1)).await;
        assert_eq!(*hopeless.borrow(), None);
        // Folding from the beginning again, it gets no further.
        view.restart();
        look_until(15, 20);
        let reason = hopeless.borrow().clone().unwrap();
        assert!(reason.contains("homeostat.ledger/1 folding"), "{reason}");
    }
}
