//! `advance(now)` of ledger-protocol §4: what log time alone brings about.

use std::sync::Arc;

use super::Fold;
use crate::ledger::phase::{DerivedKind, Phase};
use crate::ledger::reason::Cause;
use crate::ledger::record::{Id, Millis};

impl Fold {
    /// Fires every timer that is due, the earliest first. Each firing moves its action on, so it ends.
    pub(super) fn advance(&mut self) {
        while let Some(&(time, id)) = self.index.timers.first()
            && time < self.state.now
        {
            self.fire(id, time);
        }
    }

    fn fire(&mut self, id: Id, time: Millis) {
        let Some(action) = self.state.actions.get(&id) else {
            // Cannot be: the index follows the actions. Dropping the entry keeps the loop finite whatever happens.
            self.index.timers.remove(&(time, id));
            return;
        };
        let not_after = action.not_after;
        match action.phase {
            Phase::Started { attempt, .. } => {
                let lease_ms = action.step.lease_ms;
                self.in_doubt(id, attempt, time, Cause::LeaseOver { attempt, lease_ms });
            }
            Phase::Doubt { attempt, .. } => {
                let probe_for_ms = action.step.probe_for_ms;
                let cause = Cause::ProbeOver {
                    attempt,
                    probe_for_ms,
                };
                self.close(id, time, Phase::Unknown { attempt }, cause);
            }
            Phase::Approval => {
                self.close(id, time, Phase::Expired, Cause::NotAfter { not_after });
            }
            Phase::Ready {
                attempt, window, ..
            } => match window {
                Some(window) if time < not_after => self.window_over(id, window, time),
                _ if attempt == 1 => {
                    self.close(id, time, Phase::Expired, Cause::NotAfter { not_after });
                }
                _ => self.close(id, time, Phase::Failed, Cause::NotAfter { not_after }),
            },
            Phase::Waiting { window } => self.activate(id, Some(window), time, Cause::WindowOpened),
            Phase::Done => self.unverified(id),
            // Cannot be: these have no timer.
            _ => {
                self.index.timers.remove(&(time, id));
            }
        }
    }

    /// A window ended without a start: the next one, or the end.
    fn window_over(&mut self, id: Id, window: usize, time: Millis) {
        let next = window + 1;
        let more = self
            .action(id)
            .is_some_and(|action| action.window(Some(next)).is_some());
        let cause = Cause::WindowOver { to: time };
        if more {
            self.move_to(id, time, Phase::Waiting { window: next }, cause);
        } else {
            self.close(id, time, Phase::Expired, cause);
        }
    }

    /// Done, and nothing showed that it helped.
    fn unverified(&mut self, id: Id) {
        self.update(id, |action| action.verify_by = None);
        let Some(action) = self.state.actions.get(&id) else {
            return;
        };
        let next = action.step.verify.as_ref();
        let next = next.and_then(|verify| verify.next.clone()).map(Arc::new);
        match next {
            Some(_) => self.derive(id, DerivedKind::Next, next),
            None => self.derive(id, DerivedKind::Unverified, action.escalation.clone()),
        }
    }
}
