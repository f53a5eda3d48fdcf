//! What an executor, its requests and its questions work with.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::Id;
use homeostat_logic::ledger::rehearsal::start_id;

use crate::in_force::Live;
use crate::ledger_view::LedgerView;
use crate::ports::clock::Clock;
use crate::ports::log::EventLog;
use crate::ports::observer::Observer;
use crate::traffic::Traffic;

/// What every executor needs.
#[derive(Clone)]
pub struct ExecutorContext {
    /// The event log.
    pub log: Arc<dyn EventLog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Metrics.
    pub observer: Arc<dyn Observer>,
    /// The partition as this instance sees it.
    pub view: Arc<LedgerView>,
    /// How actions reach their services; read once per bid, request or question.
    pub live: Live,
    /// Fresh random identities (ledger-protocol §3).
    pub fresh_id: fn() -> Id,
    /// Name of this instance; informs people only.
    pub owner: Arc<str>,
    /// The connections' traffic, shared by all executors.
    pub traffic: Arc<Traffic>,
    /// Requests under way and outcomes on their way into the ledger, counted over all incarnations.
    pub under_way: Arc<AtomicUsize>,
}

impl ExecutorContext {
    /// A fresh start id for a bid, which says whether its connection is in a dry run now.
    pub(crate) fn start_id(&self, fold: &Fold, action: Id) -> Id {
        let in_force = self.live.load();
        let dry_run = fold.action(action).is_some_and(|state| {
            let (step, target) = (&state.step, &state.subject.target);
            let binding = in_force
                .connections
                .find(&step.connector, step.action, target);
            binding.is_ok_and(|binding| binding.dry_run)
        });
        start_id((self.fresh_id)(), dry_run)
    }
}
