//! `apply(Propose)` of ledger-protocol §4: duplicates, age, gates, acceptance.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::Fold;
use super::gates::{Judgement, refusal};
use crate::actions::Action;
use crate::ledger::change::{ChangeKind, Entered, VoidRecord};
use crate::ledger::identity;
use crate::ledger::limits;
use crate::ledger::phase::Phase;
use crate::ledger::reason::{Cause, Suppression, VoidReason};
use crate::ledger::record::{Decision, Id, Propose, Step};
use crate::ledger::state::{ActionState, Subject};

impl Fold {
    pub(super) fn propose(&mut self, installation: Id, propose: Propose) {
        let event_key = propose.event_key;
        match self.admit(&propose) {
            Err(reason) => self.void(VoidRecord::Propose { event_key }, reason),
            Ok(duplicate) => {
                let propose = Arc::new(propose);
                for (index, decision) in propose.decisions.iter().enumerate() {
                    let id = identity::action_id(installation, event_key, &propose.target, index);
                    self.decide(id, &propose, index, decision, duplicate.as_ref());
                }
            }
        }
    }

    /// Whether the proposal counts, and whether another position carried the same event. Position and name are refreshed
    /// by duplicates as well, so that a memory rebuilt from the last H equals the full one (ledger-protocol §8).
    fn admit(&mut self, propose: &Propose) -> Result<Option<Suppression>, VoidReason> {
        limits::validate(propose)?;
        let event_key = propose.event_key;
        let position = identity::for_target(event_key, &propose.target);
        let known = self.remember_position(position, &propose.src);
        let named = propose.event_identity.filter(|name| {
            let name = identity::for_target(*name, &propose.target);
            self.remember_identity(name)
        });
        if known {
            return Err(VoidReason::DuplicateProposal { event_key });
        }
        if let Some(low) = self.older_than_memory(&propose.src) {
            let src = &propose.src;
            let partition = format!("{}-{}", src.topic, src.partition);
            return Err(VoidReason::OlderThanMemory {
                first: self.state.told_old.insert(partition.clone()),
                partition,
                offset: src.offset,
                low,
            });
        }
        Ok(named.map(|identity| Suppression::DuplicateEvent { identity }))
    }

    fn decide(
        &mut self,
        id: Id,
        propose: &Arc<Propose>,
        index: usize,
        decision: &Decision,
        duplicate: Option<&Suppression>,
    ) {
        let judgement = match self.refused(propose, decision, duplicate) {
            Some(judgement) => judgement,
            None => self.judge(&propose.target, decision.ladder.iter(), None),
        };
        self.enter(id, propose, index, judgement);
    }

    /// Takes a judged decision in.
    pub(super) fn enter(
        &mut self,
        id: Id,
        propose: &Arc<Propose>,
        index: usize,
        judgement: Judgement,
    ) {
        let phase = self.accept(id, propose, index, &judgement);
        let entered = Entered {
            action: id,
            propose: Arc::clone(propose),
            decision: index,
            step: judgement.step,
            gates: judgement.gates,
            phase,
        };
        self.note(self.state.now, ChangeKind::Entered(Box::new(entered)));
    }

    /// Carries a judgement out; the phase that the decision gets.
    fn accept(&mut self, id: Id, propose: &Propose, index: usize, judgement: &Judgement) -> Phase {
        let (Ok(replaced), Some(decision)) = (&judgement.verdict, propose.decisions.get(index))
        else {
            return Phase::Suppressed;
        };
        let Some(step) = decision.ladder.get(judgement.step) else {
            return Phase::Suppressed;
        };
        // An addition to the protocol: an event without response is recorded as a decision that is done at once. It
        // sends nothing, takes no slot, holds no key, and so touches no promise.
        if step.action == Action::Ignore {
            return Phase::Done;
        }
        if let Some(replaced) = *replaced {
            let now = self.state.now;
            self.close(replaced, now, Phase::Superseded, Cause::SupersededBy(id));
        }
        let phase = self.first_phase(step);
        let waits = !matches!(phase, Phase::Ready { .. });
        let below = decision.ladder.iter().skip(judgement.step + 1);
        let action = ActionState {
            subject: Arc::new(Subject::new(propose, decision)),
            step: Arc::new(step.clone()),
            later: below
                .filter(|_| waits)
                .map(|step| Arc::new(step.clone()))
                .collect::<VecDeque<_>>(),
            escalation: Some(Arc::new(decision.escalation.clone())),
            not_after: propose.not_after,
            phase,
            winners: BTreeMap::new(),
            resolved: None,
            evidence_of_effect: false,
            changed: self.state.offset,
            accepted_at: self.state.now,
            accepted: (self.state.offset, index),
            end: None,
            derived_from: None,
            derived: BTreeMap::new(),
            verify_by: None,
            refires: 0,
            acknowledged: false,
        };
        self.hold_key(&propose.target, step, id);
        if !waits {
            self.charge(&propose.target, step);
        }
        self.insert(id, action);
        phase
    }

    /// Where a step begins.
    pub(super) const fn first_phase(&self, step: &Step) -> Phase {
        if step.approval {
            Phase::Approval
        } else if step.start.is_now() {
            Phase::Ready {
                attempt: 1,
                from: self.state.now,
                window: None,
            }
        } else {
            Phase::Waiting { window: 0 }
        }
    }

    /// What is refused before any gate is asked. A decision to do nothing is neither too old nor held back from doing
    /// nothing.
    fn refused(
        &self,
        propose: &Propose,
        decision: &Decision,
        duplicate: Option<&Suppression>,
    ) -> Option<Judgement> {
        let first = decision.ladder.first()?;
        let (now, holds) = (self.state.now, self.holds());
        let not_after = propose.not_after;
        let reason = match duplicate {
            Some(duplicate) => duplicate.clone(),
            None if first.action == Action::Ignore => return None,
            None if now > not_after => Suppression::Expired { not_after, now },
            None if holds.active(now) => {
                let until = holds.silenced_until.filter(|_| !holds.paused);
                Suppression::Held { until }
            }
            None => return None,
        };
        Some(Judgement {
            step: 0,
            gates: vec![refusal(first, &reason)],
            verdict: Err(reason),
        })
    }
}
