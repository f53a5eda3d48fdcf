//! What the running service knows of itself: readiness with its reasons, and the answers of the API.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use homeostat_actors::assignment::Partitions;
use homeostat_actors::cooldown::SharedHistory;
use homeostat_actors::flight::Standstill;
use homeostat_actors::ledger_view::{LedgerView, Progress};
use homeostat_actors::lost_alerts::Delivered;
use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::log::{EventLog, PartitionStatus};
use homeostat_actors::supervision::{ActorState, Supervisor};
use homeostat_logic::history::{
    ActiveBudget, ActiveCooldown, DecisionStory, Filter, Page, of_state,
};
use homeostat_logic::ledger::record::{Id, Millis};
use homeostat_logic::ledger::times::CLOCK_STEP_MS;

use super::consumption::Consumption;
use super::execution::ExecutionGroup;
use super::held::Held;
use super::ledger_health::LedgerHealth;
use super::unread::Unread;
use super::warnings;
use crate::http::{Cooldowns, Decisions, Health, Readiness, Stopped, Tree};

/// A consumer loop that has not gone round for this long, or a partition whose records in flight do not get settled for so
/// long, is not progressing. The longest regular pause is the drain of a rebalance, below five seconds.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(10);

/// Why the service is not ready for reasons of its own, beside what it can look up.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Hindrance {
    Starting(String),
    None,
    Ending(String),
}

/// What the service knows of itself. Filled as it starts; the HTTP API is there first.
pub(super) struct ServiceState {
    clock: Arc<dyn Clock>,
    history: SharedHistory,
    views: Vec<Arc<LedgerView>>,
    hindrance: Mutex<Hindrance>,
    running: OnceLock<Running>,
    consumption: OnceLock<Arc<Consumption>>,
    execution: OnceLock<Arc<ExecutionGroup>>,
    health: Arc<LedgerHealth>,
    unread: Unread,
    held: Held,
    log: Option<Arc<dyn EventLog>>,
}

/// The parts that exist once the actors run.
#[derive(Clone)]
struct Running {
    supervisor: Supervisor,
    partitions: Arc<Partitions>,
}

impl ServiceState {
    /// A service that is about to start.
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        history: SharedHistory,
        views: Vec<Arc<LedgerView>>,
    ) -> Self {
        let hindrance = Hindrance::Starting("the service is starting".to_owned());
        Self {
            clock,
            history,
            views,
            hindrance: Mutex::new(hindrance),
            running: OnceLock::new(),
            consumption: OnceLock::new(),
            execution: OnceLock::new(),
            health: Arc::default(),
            unread: Unread::default(),
            held: Held::default(),
            log: None,
        }
    }

    /// With the log that is asked why it cannot be reached.
    pub(super) fn on(mut self, log: Arc<dyn EventLog>) -> Self {
        self.log = Some(log);
        self
    }

    /// Tells of transactions of other producers that are open for longer than this.
    pub(super) fn tells_of_held_beyond(mut self, longest: Duration) -> Self {
        self.held = Held::beyond(longest);
        self
    }

    /// Why the log cannot be reached, in one sentence.
    fn unreachable(&self) -> Option<String> {
        let trouble = self.log.as_ref()?.trouble()?;
        Some(format!("the event log cannot be reached: {trouble}"))
    }

    fn hindrance(&self) -> MutexGuard<'_, Hindrance> {
        self.hindrance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What the start waits for.
    pub(super) fn waiting_for(&self, what: String) {
        *self.hindrance() = Hindrance::Starting(what);
    }

    /// The actors run.
    pub(super) fn running(&self, supervisor: Supervisor, partitions: Arc<Partitions>) {
        self.running.get_or_init(|| Running {
            supervisor,
            partitions,
        });
    }

    /// The group has been joined: from now on readiness is what can be looked up.
    pub(super) fn joined(&self, consumption: Arc<Consumption>) {
        self.consumption.get_or_init(|| consumption);
        *self.hindrance() = Hindrance::None;
    }

    /// The service ends, for this reason; it stays unready.
    pub(super) fn ending(&self, reason: String) {
        *self.hindrance() = Hindrance::Ending(reason);
    }

    /// The executor's group has been joined.
    pub(super) fn executing(&self, execution: Arc<ExecutionGroup>) {
        self.execution.get_or_init(|| execution);
    }

    /// Membership in the executor's group, once joined.
    pub(super) fn execution(&self) -> Option<&Arc<ExecutionGroup>> {
        self.execution.get()
    }

    /// Membership in the group, once joined.
    pub(super) fn consumption(&self) -> Option<&Arc<Consumption>> {
        self.consumption.get()
    }

    /// Owned partitions.
    pub(super) fn partitions(&self) -> Option<&Arc<Partitions>> {
        self.running.get().map(|running| &running.partitions)
    }

    /// The ledger as folded here.
    pub(super) fn views(&self) -> &[Arc<LedgerView>] {
        &self.views
    }

    /// How far the ledger is folded, against the log's end.
    pub(super) const fn health(&self) -> &Arc<LedgerHealth> {
        &self.health
    }

    /// Where the partitions end that cannot be read.
    pub(super) const fn unread(&self) -> &Unread {
        &self.unread
    }

    /// Partitions that open transactions hold.
    pub(super) const fn held(&self) -> &Held {
        &self.held
    }

    /// What time it is.
    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// How far log time is ahead of the own clock, in ms; the most of any ledger partition.
    pub(super) fn time_ahead(&self) -> Millis {
        let now = self.clock.now();
        let ahead = |view: &Arc<LedgerView>| view.read().fold.now().saturating_sub(now);
        self.views.iter().map(ahead).max().unwrap_or(0).max(0)
    }

    /// Derived alerts of the last eight days that reached nobody; a warning, for an instance that is taken out of service
    /// delivers them no better.
    pub(super) fn undelivered(&self) -> usize {
        let delivered = Delivered::of(&self.views);
        let count = |view: &Arc<LedgerView>| delivered.lost(&view.read().fold).count();
        self.views.iter().map(count).sum()
    }

    /// What the ledger itself says against being ready.
    fn ledger_reasons(&self) -> Vec<String> {
        let now = Instant::now();
        let still = |view: &Arc<LedgerView>| self.health.reason(view, now);
        let mut reasons: Vec<_> = self.views.iter().filter_map(still).collect();
        let ahead = self.time_ahead();
        if ahead > CLOCK_STEP_MS {
            reasons.push(format!(
                "the time of the ledger is {ahead} ms ahead of this machine's clock, more than {CLOCK_STEP_MS}; set the clocks of brokers and instances right"
            ));
        }
        reasons
    }

    /// The supervision tree.
    pub(super) fn supervisor(&self) -> Option<&Supervisor> {
        self.running.get().map(|running| &running.supervisor)
    }

    fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        match &*self.hindrance() {
            Hindrance::Starting(what) => {
                reasons.extend(self.unreachable());
                reasons.push(format!("starting: {what}"));
            }
            Hindrance::Ending(reason) => reasons.push(format!("ending: {reason}")),
            Hindrance::None => {}
        }
        for view in &self.views {
            let progress = view.read().progress.clone();
            if progress != Progress::Live {
                reasons.push(format!("ledger partition {}: {progress}", view.partition));
            }
            if let Some(obstacle) = view.obstacle().filter(|_| progress.goes_on()) {
                reasons.push(format!("ledger partition {}: {obstacle}", view.partition));
            }
        }
        reasons.extend(self.ledger_reasons());
        reasons.extend(
            self.partitions()
                .into_iter()
                .flat_map(|all| partition_reasons(all)),
        );
        if let Some(consumption) = self.consumption() {
            if !consumption.connected() {
                let unknown = || "the event log cannot be reached".to_owned();
                reasons.push(self.unreachable().unwrap_or_else(unknown));
            }
            let in_flight = |status: &PartitionStatus| {
                self.partitions()
                    .and_then(|partitions| partitions.in_flight_of(&status.partition))
                    .unwrap_or_default()
            };
            let now = Instant::now();
            let unread =
                |status: &PartitionStatus| self.unread.reason(status, in_flight(status), now);
            reasons.extend(consumption.status().iter().filter_map(unread));
            if let Some(idle) = consumption.idle().filter(|idle| *idle > IDLE_MAX) {
                reasons.push(format!(
                    "the consumer loop has stood still for {} s",
                    idle.as_secs()
                ));
            }
        }
        let idle = self.execution().and_then(|execution| execution.idle());
        if let Some(idle) = idle.filter(|idle| *idle > IDLE_MAX) {
            reasons.push(format!(
                "the loop of the executor's group has stood still for {} s",
                idle.as_secs()
            ));
        }
        let actors = self
            .supervisor()
            .map(Supervisor::snapshot)
            .unwrap_or_default();
        for actor in actors
            .iter()
            .filter(|actor| !matches!(actor.state, ActorState::Running | ActorState::Draining))
        {
            reasons.push(format!("actor {} is {}", actor.path, actor.state.name()));
        }
        reasons
    }

    fn over_views<T>(&self, ask: impl Fn(&LedgerView, Millis) -> Vec<T>) -> Vec<T> {
        let now = self.clock.now();
        self.views.iter().flat_map(|view| ask(view, now)).collect()
    }
}

/// What the owned partitions say against being ready.
fn partition_reasons(partitions: &Partitions) -> Vec<String> {
    let mut reasons = Vec::new();
    if partitions.count() == 0 {
        reasons.push("no partition is assigned to this instance".to_owned());
    }
    reasons.extend(partitions.stopped().into_iter().map(|(partition, stop)| {
        format!(
            "{partition} has stopped: {} of its last {} records are dead letters; mend what reads or writes them, then `homeostat dead-letters resume --topic {}`",
            stop.dead, stop.records, partition.topic
        )
    }));
    let standstills = partitions.standstills(Instant::now()).into_iter();
    let long = standstills.filter(|(_, standstill)| standstill.lasting > IDLE_MAX);
    reasons.extend(long.map(
        |(
            partition,
            Standstill {
                lasting, obstacle, ..
            },
        )| {
            let why = obstacle
                .unwrap_or_else(|| "neither the log nor an actor has answered yet".to_owned());
            format!(
                "{partition}: nothing has been settled for {} s: {why}",
                lasting.as_secs()
            )
        },
    ));
    reasons
}

impl Decisions for ServiceState {
    fn decisions(&self, filter: &Filter) -> Page {
        self.history
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .list(filter)
    }

    /// Of an action whose story has left the history, what the fold still knows: people can order about it.
    fn decision(&self, id: Id) -> Option<DecisionStory> {
        let history = self.history.read().unwrap_or_else(PoisonError::into_inner);
        let told = history.get(id);
        // Whoever writes the history takes the fold first, so the two are never held together here.
        drop(history);
        let kept = |view: &Arc<LedgerView>| Some(of_state(id, view.read().fold.action(id)?));
        told.or_else(|| self.views.iter().find_map(kept))
    }
}

impl Cooldowns for ServiceState {
    fn cooldowns(&self) -> Vec<ActiveCooldown> {
        self.over_views(|view, now| {
            let fold = &view.read().fold;
            fold.cooldowns(now.max(fold.now()))
        })
    }

    fn budgets(&self) -> Vec<ActiveBudget> {
        self.over_views(|view, now| {
            let fold = &view.read().fold;
            fold.budgets(now.max(fold.now()))
        })
    }
}

impl Tree for ServiceState {
    fn actors(&self) -> serde_json::Value {
        let actors = self
            .supervisor()
            .map(Supervisor::snapshot)
            .unwrap_or_default();
        serde_json::json!({ "items": actors })
    }
}

impl Stopped for ServiceState {
    fn resume_stopped(&self, topic: Option<&str>) -> Vec<String> {
        let resumed = self.partitions().map(|partitions| partitions.resume(topic));
        let resumed: Vec<String> = resumed.iter().flatten().map(ToString::to_string).collect();
        if !resumed.is_empty() {
            tracing::warn!(?resumed, "stopped partitions go on, as ordered");
        }
        resumed
    }
}

impl Health for ServiceState {
    fn readiness(&self) -> Readiness {
        let reasons = self.reasons();
        let status = self.consumption().map(|one| one.status());
        let mut warnings = warnings::undelivered(&self.views);
        warnings.extend(self.held.warnings(&status.unwrap_or_default()));
        Readiness {
            ready: reasons.is_empty(),
            reasons,
            warnings,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::RwLock;

    use homeostat_logic::history::History;
    use homeostat_logic::ledger::record::Record;

    use super::*;

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
        let tick = |offset, ahead| {
            let mut state = view.write();
            state
                .fold
                .apply(offset, 1_000_000 + ahead, Ok(Record::Tick));
        };
        tick(0, CLOCK_STEP_MS);
        assert_eq!(state.ledger_reasons(), Vec::<String>::new());
        tick(1, CLOCK_STEP_MS + 1);
        let told = state.ledger_reasons().concat();
        assert!(told.contains("20001 ms ahead"), "{told}");
    }
}
