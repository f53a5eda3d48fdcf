//! Bids: an order is made absolute, where it has to be, then its Start is appended.

use homeostat_logic::ledger::execution::Execution;
use homeostat_logic::ledger::record::{Id, Record, Start};
use homeostat_logic::traffic::Signal;

use super::Executor;
use crate::fail_point::{self, Point};
use crate::inquiry::{self, Resolved};
use crate::supervision::Scope;
use crate::throttle::Throttle;

static NOT_RESOLVED: Throttle = Throttle::new();

impl Executor {
    pub(super) fn bid(&mut self, start: Start, scope: &mut Scope<'_, Self>) {
        fail_point::pass(Point::BeforeStart);
        let (action, start_id) = (start.action_id, start.start_id);
        let state = self.context.view.read();
        let relative = Execution::first_order(&state.fold, &start);
        drop(state);
        let Some(order) = relative else {
            let appended = self.append(action, &Record::Start(start));
            return Self::report(action, start_id, appended, scope);
        };
        if let Some(resolved_params) = self.foresight.of(&order) {
            let start = Start {
                resolved_params: Some(resolved_params),
                ..start
            };
            let appended = self.append(action, &Record::Start(start));
            return Self::report(action, start_id, appended, scope);
        }
        if let Some(execution) = self.execution.as_mut() {
            execution.asks(action, start_id);
        }
        let context = self.context.clone();
        let resolved = async move { inquiry::resolve(&context, &order).await };
        scope.spawn(resolved, move |worker, (resolved, heard), scope| {
            worker.places.hear(action, &heard);
            if heard.signal != Signal::Nothing {
                // That was a request of its own.
                worker.places.charge(action);
            }
            let boot = worker.context.clock.boot();
            let execution = worker.execution.as_mut();
            let is_wanted = execution.is_some_and(|one| one.absolute(action, start_id, boot));
            match worker.resolved(start, resolved).filter(|_| is_wanted) {
                Some(start) => {
                    let appended = worker.append(action, &Record::Start(start));
                    Self::report(action, start_id, appended, scope);
                }
                None => Self::report(action, start_id, std::future::ready(false), scope),
            }
            Ok(())
        });
    }

    /// The bid by what came of the question before it; `None`: it is not made, and the action waits.
    fn resolved(&mut self, start: Start, resolved: Resolved) -> Option<Start> {
        let action = start.action_id;
        match resolved {
            Resolved::Absolute(resolved_params) => Some(Start {
                resolved_params,
                ..start
            }),
            // Only who won an attempt may say what came of it, so it is bid for. A later attempt asks again.
            Resolved::Refused(answer) => {
                self.refused.insert(action, (start.start_id, answer));
                Some(start)
            }
            Resolved::Unanswered(reason) => {
                if let Some(more) = NOT_RESOLVED.pass() {
                    tracing::warn!(%action, reason, more, "parameters cannot be made absolute; the action waits");
                }
                None
            }
        }
    }

    /// Hands the delivery report of a bid to the execution.
    pub(super) fn report(
        action: Id,
        start_id: Id,
        appended: impl Future<Output = bool> + 'static,
        scope: &mut Scope<'_, Self>,
    ) {
        scope.spawn(appended, move |worker, appended, scope| {
            fail_point::pass(Point::AfterStart);
            let state = worker.context.view.read();
            let boot = worker.context.clock.boot();
            let effects = worker
                .execution
                .as_mut()
                .map_or_else(Vec::new, |execution| {
                    execution.reported(&state.fold, action, start_id, appended, boot)
                });
            drop(state);
            worker.perform(effects, scope);
            Ok(())
        });
    }
}
