//! What the running service knows of itself: readiness with its reasons, and the answers of the API.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use homeostat_actors::assignment::Partitions;
use homeostat_actors::ledger::SharedHistory;
use homeostat_actors::ledger_view::LedgerView;
use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::log::{EventLog, PartitionStatus};
use homeostat_actors::supervision::Supervisor;
use homeostat_logic::catalog::{CatalogItem, CatalogSettings};
use homeostat_logic::history::{DecisionStory, Filter, Page, of_state};
use homeostat_logic::ledger::listing::{ActiveBudget, ActiveCooldown};
use homeostat_logic::ledger::record::{Id, Millis};

use super::consumption::Consumption;
use super::execution::ExecutionGroup;
use super::held::Held;
use super::ledger_health::LedgerHealth;
use super::unread::Unread;
use crate::catalog::{CatalogNow, Followed};
use crate::http::{CatalogItems, Cooldowns, Decisions, Stopped, Tree};

/// Reasons against readiness that are set, beside those that are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hindrance {
    /// It waits for this.
    Starting(String),
    /// It has started.
    None,
    /// For this reason.
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
    unread: Arc<Unread>,
    held: Held,
    log: Option<Arc<dyn EventLog>>,
    catalog: Arc<CatalogNow>,
    followed: OnceLock<Followed>,
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
            unread: Arc::default(),
            held: Held::default(),
            log: None,
            catalog: Arc::new(CatalogNow::new(CatalogSettings::default(), 0)),
            followed: OnceLock::new(),
        }
    }

    /// With the log that is asked why it cannot be reached.
    pub(super) fn on(mut self, log: Arc<dyn EventLog>) -> Self {
        self.log = Some(log);
        self
    }

    /// With the catalog that it holds.
    pub(super) fn holding(mut self, catalog: CatalogNow) -> Self {
        self.catalog = Arc::new(catalog);
        self
    }

    /// Reports transactions of other producers that are open for longer than this.
    pub(super) fn tells_of_held_beyond(mut self, longest: Duration) -> Self {
        self.held = Held::beyond(longest);
        self
    }

    /// Why the log cannot be reached, in one sentence.
    pub(super) fn unreachable(&self) -> Option<String> {
        let trouble = self.log.as_ref()?.trouble()?;
        Some(format!("the event log cannot be reached: {trouble}"))
    }

    fn lock(&self) -> MutexGuard<'_, Hindrance> {
        self.hindrance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What hinders the service now.
    pub(super) fn hindrance(&self) -> Hindrance {
        self.lock().clone()
    }

    /// What the start waits for.
    pub(super) fn waiting_for(&self, what: String) {
        *self.lock() = Hindrance::Starting(what);
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
        *self.lock() = Hindrance::None;
    }

    /// The service ends, for this reason; it stays unready.
    pub(super) fn ending(&self, reason: String) {
        *self.lock() = Hindrance::Ending(reason);
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

    /// Owned partitions and how far they are read; nothing before the group is joined.
    pub(super) fn status(&self) -> Vec<PartitionStatus> {
        let status = self.consumption().map(|one| one.status());
        status.unwrap_or_default()
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
    pub(super) const fn unread(&self) -> &Arc<Unread> {
        &self.unread
    }

    /// Partitions that open transactions hold.
    pub(super) const fn held(&self) -> &Held {
        &self.held
    }

    /// What is known of items.
    pub(super) const fn catalog(&self) -> &Arc<CatalogNow> {
        &self.catalog
    }

    /// The topic of items is read, for as long as the service runs.
    pub(super) fn following(&self, followed: Followed) {
        self.followed.get_or_init(|| followed);
    }

    /// How far the topic of items is read, once that began.
    pub(super) fn followed(&self) -> Option<&Followed> {
        self.followed.get()
    }

    /// What time it is.
    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The supervision tree.
    pub(super) fn supervisor(&self) -> Option<&Supervisor> {
        self.running.get().map(|running| &running.supervisor)
    }

    fn over_views<T>(&self, ask: impl Fn(&LedgerView, Millis) -> Vec<T>) -> Vec<T> {
        let now = self.clock.now();
        self.views.iter().flat_map(|view| ask(view, now)).collect()
    }
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
        let story = history.get(id);
        // A writer of the history takes the fold first, so the two are never held together here.
        drop(history);
        let kept = |view: &Arc<LedgerView>| Some(of_state(id, view.read().fold.action(id)?));
        story.or_else(|| self.views.iter().find_map(kept))
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
            tracing::warn!(?resumed, "stopped partitions resumed by an operator");
        }
        resumed
    }
}

impl CatalogItems for ServiceState {
    fn item(&self, id: &str) -> Option<CatalogItem> {
        self.catalog.read().get(id)
    }
}
