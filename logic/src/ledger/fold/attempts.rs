//! `apply(Start)` and `apply(Finish)` of ledger-protocol §4: which bid wins, and what its outcome means.

use super::Fold;
use crate::ledger::change::{ChangeKind, VoidRecord};
use crate::ledger::phase::Phase;
use crate::ledger::reason::{Cause, VoidReason};
use crate::ledger::record::{Finish, FinishOutcome, Id, Policy, Start};
use crate::ledger::state::{ActionState, Winner};

impl Fold {
    pub(super) fn start(&mut self, start: Start) {
        let Start {
            action_id: action,
            attempt,
            start_id,
            ..
        } = start;
        if let Err(reason) = self.may_start(&start) {
            return self.void(VoidRecord::Start { action, start_id }, reason);
        }
        let at = self.state.now;
        let owner = start.owner;
        self.note(
            at,
            ChangeKind::BidWon {
                action,
                attempt,
                start_id,
                owner,
            },
        );
        self.update(action, |action| {
            let winner = Winner {
                start_id,
                at,
                without_effect: false,
            };
            action.winners.insert(attempt, winner);
            if action.resolved.is_none() {
                action.resolved = start.resolved_params;
            }
        });
        let phase = Phase::Started {
            attempt,
            start_id,
            at,
        };
        self.move_to(action, at, phase, Cause::Won { attempt });
    }

    fn may_start(&self, start: &Start) -> Result<(), VoidReason> {
        let now = self.state.now;
        let unknown = VoidReason::UnknownAction(start.action_id);
        let action = self.action(start.action_id).ok_or(unknown)?;
        if now > action.not_after {
            let not_after = action.not_after;
            return Err(VoidReason::TooLate { now, not_after });
        }
        if self.held(now) {
            return Err(VoidReason::Held);
        }
        match action.phase {
            Phase::Ready {
                attempt,
                from,
                window,
            } => {
                due(start.attempt, attempt)?;
                if now < from {
                    return Err(VoidReason::TooEarly { now, from });
                }
                match action.window(window) {
                    Some(window) if !(window.from..window.to).contains(&now) => {
                        Err(VoidReason::WindowClosed { now })
                    }
                    _ => Ok(()),
                }
            }
            Phase::Doubt { attempt, .. } if action.step.policy == Policy::Verify => {
                let max_attempts = action.step.max_attempts;
                due(start.attempt, attempt.saturating_add(1))?;
                if start.probe.is_none() {
                    return Err(VoidReason::NoEvidence { attempt });
                }
                if start.attempt > max_attempts {
                    return Err(VoidReason::NoAttemptLeft { max_attempts });
                }
                Ok(())
            }
            phase => Err(VoidReason::WrongPhase {
                attempt: start.attempt,
                phase: phase.name(),
            }),
        }
    }

    pub(super) fn finish(&mut self, finish: Finish) {
        let Finish {
            action_id: id,
            attempt,
            start_id,
            outcome,
            ..
        } = finish;
        let action = match self.won(id, attempt, start_id) {
            Ok(action) => action,
            Err(reason) => {
                let action = id;
                return self.void(VoidRecord::Finish { action, start_id }, reason);
            }
        };
        let (phase, evidence) = (action.phase, action.evidence_of_effect);
        let (policy, max_attempts) = (action.step.policy, action.step.max_attempts);
        let now = self.state.now;
        let detail = finish.detail;
        self.note(
            now,
            ChangeKind::Finished {
                action: id,
                attempt,
                outcome,
                via: finish.via,
                detail: detail.clone(),
            },
        );
        let cause = Cause::Finished {
            attempt,
            outcome,
            detail,
        };
        if matches!(outcome, FinishOutcome::Failed | FinishOutcome::NotSent) {
            self.update(id, |action| {
                if let Some(winner) = action.winners.get_mut(&attempt) {
                    winner.without_effect = true;
                }
            });
        }
        match (outcome, phase) {
            (
                FinishOutcome::Done,
                Phase::Started {
                    attempt: newest, ..
                },
            ) if newest > attempt => {
                // That attempt ends first; only then the action is done.
                self.update(id, |action| action.evidence_of_effect = true);
            }
            (FinishOutcome::Done, Phase::Done | Phase::Cancelled) => {}
            (FinishOutcome::Done, _) => self.close(id, now, Phase::Done, cause),
            (
                FinishOutcome::Failed | FinishOutcome::NotSent,
                Phase::Started { attempt: n, .. } | Phase::Doubt { attempt: n, .. },
            ) if n == attempt => {
                let not_sent = outcome == FinishOutcome::NotSent;
                let again = policy != Policy::AtMostOnce || not_sent;
                // An addition to the protocol: what no repetition can mend is not repeated. It only removes sends.
                let permanent = finish.permanent && !not_sent;
                if evidence {
                    self.close(id, now, Phase::Done, cause);
                } else if again && attempt < max_attempts && !permanent {
                    let wish = finish.retry_after_ms.unwrap_or(0);
                    let phase = self.retry(id, attempt, now, wish);
                    self.move_to(id, now, phase, cause);
                } else {
                    self.close(id, now, Phase::Failed, cause);
                }
            }
            (FinishOutcome::Unknown, Phase::Started { attempt: n, .. }) if n == attempt => {
                match policy {
                    Policy::Idempotent => self.in_doubt(id, attempt, now, cause),
                    Policy::AtMostOnce => self.close(id, now, Phase::Unknown { attempt }, cause),
                    // The request may still arrive: the lease goes on (V4).
                    Policy::Verify => {}
                }
            }
            // Noted only: an unknown that proves harmless is shown, never sent again by itself.
            _ => {}
        }
    }

    fn won(&self, id: Id, attempt: u32, start_id: Id) -> Result<&ActionState, VoidReason> {
        let action = self.action(id).ok_or(VoidReason::UnknownAction(id))?;
        match action.winners.get(&attempt) {
            Some(winner) if winner.start_id == start_id => Ok(action),
            _ => Err(VoidReason::NotTheWinner { attempt, start_id }),
        }
    }
}

const fn due(found: u32, due: u32) -> Result<(), VoidReason> {
    if found == due {
        Ok(())
    } else {
        Err(VoidReason::WrongAttempt { found, due })
    }
}
