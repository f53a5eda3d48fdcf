//! What remains of done actions of one ledger partition: alerts that are posted again while they last, changes that are restored
//! after a time. Each connector says which of its actions it tends, and when it wants to be called again
//! ([`Connector::tend`](crate::ports::connector::Connector::tend)).
//!
//! It works while the partition belongs to this instance, from the fold alone. An instance that takes the partition over, after a crash too,
//! begins with every done action that the fold remembers. Calls are safe to repeat, so that nothing is written down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use homeostat_logic::ledger::change::ChangeKind;
use homeostat_logic::ledger::execution::Execution;
use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::Id;
use homeostat_logic::ledger::state::ActionState;
use homeostat_logic::ledger::times::REQUEST_LIMIT;

use crate::changes::{News, Reader};
use crate::executor_context::ExecutorContext;
use crate::ledger_view::{FoldProgress, State};
use crate::ports::connector::{Tended, Tending};
use crate::ports::log::Epoch;
use crate::request::{REQUEST_GRACE, binding, outgoing};
use crate::supervision::{Failure, Scope, Worker};

/// How often due calls are looked for.
const TICK: Duration = Duration::from_secs(1);
/// Calls under way at the same time; the others wait, the longest due first.
const CALLS_MAX: usize = 16;
/// Pause after a call that panicked or did not end in time.
const PAUSE: Duration = Duration::from_mins(1);

/// The actor.
pub struct Keeper {
    context: ExecutorContext,
    changes: Reader,
    /// The epoch whose actions are kept; `None` while another instance executes the partition.
    epoch: Option<Epoch>,
    /// Bound: the actions that the fold remembers.
    kept: BTreeMap<Id, Turn>,
    under_way: usize,
}

/// When an action is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// At this boot time.
    Due(Duration),
    /// Now; once more afterwards if it changed in the meantime.
    Calling { again: bool },
}

impl Keeper {
    /// With the same means as the executor of the partition.
    pub fn new(context: ExecutorContext) -> Self {
        Self {
            changes: context.view.changes().reader(),
            context,
            epoch: None,
            kept: BTreeMap::new(),
            under_way: 0,
        }
    }

    fn tick(&mut self, scope: &mut Scope<'_, Self>) {
        let view = Arc::clone(&self.context.view);
        let owner = view.owner();
        let state = view.read();
        let news = self.changes.read(view.changes());
        let (Some(epoch), FoldProgress::Live) = (owner, &state.progress) else {
            self.epoch = None;
            self.kept.clear();
            return;
        };
        match news {
            News::Changes(changes) if self.epoch == Some(epoch) => {
                for published in changes {
                    self.follow(&published.change.kind, &state);
                }
            }
            _ => {
                self.epoch = Some(epoch);
                self.kept.clear();
                for (id, action) in &state.fold.state().actions {
                    self.consider(*id, action);
                }
            }
        }
        drop(state);
        self.call_due(scope);
    }

    fn follow(&mut self, change: &ChangeKind, state: &State) {
        match change {
            // A person's word or a late answer may end it as well.
            ChangeKind::Moved { action, .. } | ChangeKind::Acknowledged { action, .. } => {
                match state.fold.action(*action) {
                    Some(known) => self.consider(*action, known),
                    None => drop(self.kept.remove(action)),
                }
            }
            ChangeKind::Emptied { .. } => self.kept.clear(),
            _ => {}
        }
    }

    /// Due now if it is to be tended.
    fn consider(&mut self, id: Id, action: &ActionState) {
        if action.phase != Phase::Done || !self.is_tended(action) {
            self.kept.remove(&id);
            return;
        }
        let turn = match self.kept.get(&id) {
            Some(Turn::Calling { .. }) => Turn::Calling { again: true },
            _ => Turn::Due(self.context.clock.boot()),
        };
        self.kept.insert(id, turn);
    }

    fn is_tended(&self, action: &ActionState) -> bool {
        let in_force = self.context.live.load();
        let (step, target) = (&action.step, &action.subject.target);
        let binding = in_force
            .connections
            .find(&step.connector, step.action, target);
        binding.is_ok_and(|binding| binding.connector.is_tended())
    }

    fn call_due(&mut self, scope: &mut Scope<'_, Self>) {
        let now = self.context.clock.boot();
        let mut due: Vec<(Duration, Id)> = self
            .kept
            .iter()
            .filter_map(|(id, turn)| match turn {
                Turn::Due(at) if *at <= now => Some((*at, *id)),
                _ => None,
            })
            .collect();
        due.sort_unstable();
        for (_, id) in due
            .into_iter()
            .take(CALLS_MAX.saturating_sub(self.under_way))
        {
            self.call(id, scope);
        }
    }

    fn call(&mut self, id: Id, scope: &mut Scope<'_, Self>) {
        let state = self.context.view.read();
        let found = Execution::done_order(&state.fold, id);
        let tending = state.fold.action(id).and_then(|action| {
            Some(Tending {
                done_at: action.end?,
                acknowledged: action.acknowledged,
            })
        });
        drop(state);
        let (Some(order), Some(tending)) = (found, tending) else {
            self.kept.remove(&id);
            return;
        };
        self.kept.insert(id, Turn::Calling { again: false });
        self.under_way += 1;
        let context = self.context.clone();
        let called = async move {
            let in_force = context.live.load();
            let Ok(binding) = binding(&in_force.connections, &order) else {
                return Tended::Over;
            };
            let outgoing = outgoing(&order, binding, &context);
            // A connector may panic before it returns a future as well.
            let call = std::panic::AssertUnwindSafe(async {
                binding.connector.tend(outgoing, tending).await
            });
            let called = tokio::time::timeout(REQUEST_LIMIT + REQUEST_GRACE, call.catch_unwind());
            if let Ok(Ok(tended)) = called.await {
                tended
            } else {
                tracing::warn!(action_id = %id, "the connector panicked or did not end in time while it tended an action");
                Tended::Again(PAUSE)
            }
        };
        scope.spawn(called, move |worker, tended, scope| {
            worker.under_way = worker.under_way.saturating_sub(1);
            worker.tended(id, tended);
            worker.call_due(scope);
            Ok(())
        });
    }

    fn tended(&mut self, id: Id, tended: Tended) {
        let now = self.context.clock.boot();
        match (self.kept.get(&id), tended) {
            (Some(Turn::Calling { again: true }), _) => {
                self.kept.insert(id, Turn::Due(now));
            }
            (Some(Turn::Calling { again: false }), Tended::Again(pause)) => {
                let next = now.saturating_add(pause.max(TICK));
                self.kept.insert(id, Turn::Due(next));
            }
            (Some(Turn::Calling { again: false }), Tended::Over) => {
                self.kept.remove(&id);
            }
            // The partition went, and may have come back: what the call said is of before.
            (Some(Turn::Due(_)) | None, _) => {}
        }
    }
}

impl Worker for Keeper {
    fn started(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        scope.run_interval(TICK, |worker, scope| {
            worker.tick(scope);
            Ok(())
        });
        Ok(())
    }
}
