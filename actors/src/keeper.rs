//! What remains of done actions of one ledger partition: alerts that are posted again while they last, changes that are restored
//! after a time. Each connector says which of its actions it tends, and when it wants to be called again
//! ([`Connector::tend`](crate::ports::connector::Connector::tend)).
//!
//! It works while the partition belongs to this instance, from the fold alone. An instance that takes the partition over, after a crash too,
//! begins with every done action that the fold remembers. Calls are safe to repeat, so that nothing is written down.
//!
//! A call is a request like others: it takes a place at the gate of its connection, and waits while there is none. Nothing that waits
//! is dropped, however long that takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use homeostat_logic::ledger::change::ChangeKind;
use homeostat_logic::ledger::execution::{Admission as _, Dispatch, Execution};
use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::{Id, Millis};
use homeostat_logic::ledger::rehearsal::is_rehearsal;
use homeostat_logic::ledger::state::ActionState;
use homeostat_logic::ledger::times::REQUEST_LIMIT;
use homeostat_logic::traffic::Signal;

use crate::changes::{News, Reader};
use crate::executor_context::ExecutorContext;
use crate::ledger_view::{FoldProgress, State};
use crate::ports::connector::{Binding, Due, Heard, Order, Tended, Tending};
use crate::ports::log::Epoch;
use crate::request::{REQUEST_GRACE, binding, outgoing};
use crate::supervision::{Failure, Scope, Worker};
use crate::traffic::{Permit, Places};

/// How often due calls are looked for: more often than what waits at a gate is forgotten.
const TICK: Duration = Duration::from_millis(250);
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
    /// At the gates of the connections, under a number that no executor has.
    places: Places,
}

/// What waits for one connection at one look.
struct Waiting {
    count: usize,
    since: Millis,
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
            places: Places::new(Arc::clone(&context.traffic), !context.view.partition),
            context,
            epoch: None,
            kept: BTreeMap::new(),
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
            self.places.clear();
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
        if action.phase != Phase::Done || was_shown(action) || !self.is_tended(action) {
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
        let context = self.context.clone();
        let (now, wall) = (context.clock.boot(), context.clock.now());
        let due = self.kept.iter().filter_map(|(id, turn)| match turn {
            Turn::Due(at) if *at <= now => Some((*at, *id)),
            _ => None,
        });
        let mut due: Vec<(Duration, Id)> = due.collect();
        due.sort_unstable();
        let in_force = context.live.load();
        let mut admitting = self.places.admitting(&in_force.connections);
        let mut waiting: BTreeMap<String, Waiting> = BTreeMap::new();
        let mut admitted = Vec::new();
        for (at, id) in due {
            let Some((order, tending)) = found(&context, id) else {
                self.kept.remove(&id);
                continue;
            };
            let connection = &order.step.connector;
            if let Some(waiting) = waiting.get_mut(connection) {
                waiting.count += 1;
                continue;
            }
            let Ok(binding) = binding(&in_force.connections, &order) else {
                self.kept.remove(&id);
                continue;
            };
            match due_of(binding, &outgoing(&order, binding, &context), tending) {
                Due::Now => {}
                Due::In(pause) => {
                    let next = now.saturating_add(pause.max(TICK));
                    self.kept.insert(id, Turn::Due(next));
                    continue;
                }
                Due::Over => {
                    self.kept.remove(&id);
                    continue;
                }
            }
            let waited = Millis::try_from(now.saturating_sub(at).as_millis());
            let since = wall.saturating_sub(waited.unwrap_or(Millis::MAX));
            if admitting.admit(connection, id, since) {
                admitted.push((id, order, tending));
            } else {
                let first = Waiting { count: 1, since };
                waiting.insert(connection.clone(), first);
            }
        }
        for (connection, Waiting { count, since }) in waiting {
            admitting.waits(&connection, count, since);
        }
        drop(admitting);
        for (id, order, tending) in admitted {
            let permit = self.places.take(id);
            self.kept.insert(id, Turn::Calling { again: false });
            let called = call(self.context.clone(), order, tending, permit);
            scope.spawn(called, move |worker, tended, scope| {
                worker.tended(id, tended);
                worker.call_due(scope);
                Ok(())
            });
        }
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

/// Whether its last attempt was that of a dry run: it left nothing behind.
fn was_shown(action: &ActionState) -> bool {
    let last = action.winners.values().next_back();
    last.is_some_and(|winner| is_rehearsal(winner.start_id))
}

/// The order of a done action as its last attempt had it, and what is known of it since.
fn found(context: &ExecutorContext, id: Id) -> Option<(Dispatch, Tending)> {
    let state = context.view.read();
    let order = Execution::done_order(&state.fold, id)?;
    let action = state.fold.action(id)?;
    let tending = Tending {
        done_at: action.end?,
        acknowledged: action.acknowledged,
    };
    Some((order, tending))
}

/// A connector that panics is asked again later.
fn due_of(binding: &Binding, order: &Order, tending: Tending) -> Due {
    let asked = std::panic::AssertUnwindSafe(|| binding.connector.due(order, tending));
    std::panic::catch_unwind(asked).unwrap_or(Due::In(PAUSE))
}

/// Calls the connector once; its place at the gate comes back with the end of that, whatever it is.
async fn call(
    context: ExecutorContext,
    order: Dispatch,
    tending: Tending,
    permit: Option<Permit>,
) -> Tended {
    let in_force = context.live.load();
    let Ok(binding) = binding(&in_force.connections, &order) else {
        return Tended::Over;
    };
    let outgoing = outgoing(&order, binding, &context);
    // A connector may panic before it returns a future as well.
    let call =
        std::panic::AssertUnwindSafe(async { binding.connector.tend(outgoing, tending).await });
    let called = tokio::time::timeout(REQUEST_LIMIT + REQUEST_GRACE, call.catch_unwind());
    let (tended, heard) = if let Ok(Ok(called)) = called.await {
        called
    } else {
        let detail = "the connector panicked or did not end in time while it tended an action";
        tracing::warn!(action_id = %order.action, detail);
        let heard = Heard {
            signal: Signal::Failed,
            detail: detail.to_owned(),
        };
        (Tended::Again(PAUSE), heard)
    };
    if let Some(mut permit) = permit {
        permit.hear(&heard);
    }
    tended
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
