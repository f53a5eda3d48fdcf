//! What rollbacks that wait are to do. Others may change the target while an action waits for a person or a window: it is made
//! absolute as soon as it waits, and its attempt then finds out that the target is another by now.
//!
//! What is known here ends with this incarnation: the ledger keeps it from the first bid on. An action of which nothing is known is made
//! absolute before its first bid, as all others are; its connector sees by the order's `as_of` that it waited.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use homeostat_logic::actions::Action;
use homeostat_logic::ledger::change::{Change, ChangeKind};
use homeostat_logic::ledger::execution::{Dispatch, Execution};
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::{Id, Millis, Step};
use serde_json::Value;

use super::Executor;
use crate::inquiry::{self, Resolved};
use crate::supervision::Scope;

/// Actions of which it is known; beyond it, nothing is known of further ones.
const KNOWN_MAX: usize = 256;
/// Pause before a target that did not say is asked again.
const ASKED_AGAIN: Duration = Duration::from_secs(5);

/// What is known, by action.
#[derive(Default)]
pub(super) struct Foresight(BTreeMap<Id, Known>);

/// What is known of an action that waits.
enum Known {
    /// The target is being asked, or will be again.
    Asked,
    /// The absolute parameters of a step.
    Params(Arc<Step>, Value),
}

impl Foresight {
    /// Begins an incarnation: what was known before is of another time. The orders to ask about.
    pub(super) fn begin(&mut self, fold: &Fold, now: Millis) -> Vec<Dispatch> {
        self.0.clear();
        let actions = fold.state().actions.keys();
        actions
            .filter_map(|action| self.waits(fold, *action, now))
            .collect()
    }

    /// Follows the fold's changes. The orders to ask about.
    pub(super) fn follow<'a>(
        &mut self,
        fold: &Fold,
        changes: impl Iterator<Item = &'a Change>,
        now: Millis,
    ) -> Vec<Dispatch> {
        let mut orders = Vec::new();
        for change in changes {
            let action = match &change.kind {
                ChangeKind::Entered(entered) => entered.action,
                ChangeKind::Judged(judged) => judged.action,
                ChangeKind::Moved { action, .. } => *action,
                _ => continue,
            };
            // Its end, or another step.
            let is_over = fold.phase(action).is_none_or(|phase| !phase.is_open());
            let is_other = |step: &Arc<Step>| {
                Execution::waiting_order(fold, action, now).is_some_and(|order| order.step != *step)
            };
            let is_stale =
                matches!(self.0.get(&action), Some(Known::Params(step, _)) if is_other(step));
            if is_over || is_stale {
                self.0.remove(&action);
            }
            orders.extend(self.waits(fold, action, now));
        }
        orders
    }

    /// The order of a rollback that waits and of which nothing is known yet; it is to be asked about.
    fn waits(&mut self, fold: &Fold, action: Id, now: Millis) -> Option<Dispatch> {
        let known = self.0.contains_key(&action) || self.0.len() >= KNOWN_MAX;
        let order = Execution::waiting_order(fold, action, now).filter(|_| !known)?;
        let relative = order.step.action == Action::Rollback;
        relative.then(|| {
            self.0.insert(action, Known::Asked);
            order
        })
    }

    /// The absolute parameters of an order.
    pub(super) fn of(&self, order: &Dispatch) -> Option<Value> {
        match self.0.get(&order.action)? {
            Known::Params(step, params) if *step == order.step => Some(params.clone()),
            _ => None,
        }
    }

    fn learn(&mut self, action: Id, step: Arc<Step>, params: Value) {
        // One that ended meanwhile is not waited for any more.
        if let Some(known) = self.0.get_mut(&action) {
            *known = Known::Params(step, params);
        }
    }
}

impl Executor {
    /// Asks what orders that wait are to do.
    pub(super) fn foresee(&self, orders: Vec<Dispatch>, scope: &mut Scope<'_, Self>) {
        for order in orders {
            let (action, step) = (order.action, Arc::clone(&order.step));
            let context = self.context.clone();
            let asked = async move { inquiry::resolve(&context, &order).await.0 };
            scope.spawn(asked, move |worker, resolved, scope| {
                match resolved {
                    Resolved::Absolute(Some(params)) => {
                        worker.foresight.learn(action, step, params);
                    }
                    // It cannot be carried out now: asked again before it is sent.
                    Resolved::Absolute(None) | Resolved::Refused(_) => {
                        worker.foresight.0.remove(&action);
                    }
                    Resolved::Unanswered(reason) => {
                        tracing::debug!(%action, reason, "it is not known yet what a rollback that waits is to do");
                        scope.run_later(ASKED_AGAIN, move |worker, scope| {
                            worker.ask_again(action, scope);
                            Ok(())
                        });
                    }
                }
                Ok(())
            });
        }
    }

    fn ask_again(&mut self, action: Id, scope: &mut Scope<'_, Self>) {
        if !matches!(self.foresight.0.remove(&action), Some(Known::Asked)) {
            return;
        }
        let view = Arc::clone(&self.context.view);
        let state = view.read();
        let now = state.moment(&*self.context.clock).log;
        let order = self.foresight.waits(&state.fold, action, now);
        drop(state);
        self.foresee(order.into_iter().collect(), scope);
    }
}
