//! Attempts of unknown outcome: the target is asked, once the request can no longer be under way
//! (ledger-protocol §6). In doubt (`verify`), its word decides; of an unknown action it can only say that it was done.
//!
//! | Phase | The target says | Step |
//! |---|---|---|
//! | doubt | found | append `Finish(done)` |
//! | doubt | absent, and an attempt is left | bid for it, with the evidence |
//! | doubt | absent, and none is left or it is too late | append `Finish(failed)` |
//! | unknown | found | append `Finish(done)` |
//! | unknown | absent | nothing: a person decides |
//! | either | nothing | ask again after a pause |

use std::collections::BTreeMap;
use std::time::Duration;

use super::bidding::order;
use super::{Admission, DETAIL_BYTES_MAX, Effect, Execution, Moment};
use crate::ledger::fold::{Fold, backoff};
use crate::ledger::phase::Phase;
use crate::ledger::record::{AbsentProbe, Finish, FinishOutcome, Id, Millis, Via};

/// Times that the target of an unknown action is asked in one incarnation. With the pauses of the shipped steps that is
/// half an hour; later a person decides.
const UNKNOWN_ASKED_MAX: u32 = 10;

/// Questions are due before everything else over their connection: they are about attempts made before.
const ASKED_FIRST: Millis = Millis::MIN;

/// What a target says of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// It, or an earlier one of the action, had its effect.
    Found(String),
    /// It had none and never will.
    Absent(String),
    /// It did not say.
    NoAnswer(String),
    /// It cannot be asked at all.
    CannotAsk,
}

/// An attempt of which the target is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    attempt: u32,
    /// Times asked.
    asked: u32,
    /// Boot time before which it is not asked again.
    not_before: Duration,
    /// An answer is awaited.
    pub(super) under_way: bool,
    /// This incarnation asks nothing more.
    closed: bool,
}

impl Execution {
    /// What the target said; `fresh` yields the start id of a bid for an action. An answer that the fold has overtaken means nothing.
    pub fn probed(
        &mut self,
        fold: &Fold,
        action: Id,
        attempt: u32,
        said: Probed,
        now: Moment,
        fresh: &mut dyn FnMut(Id) -> Id,
    ) -> Option<Effect> {
        let question = self.questions.get_mut(&action)?;
        if question.attempt != attempt || !question.under_way {
            return None;
        }
        question.under_way = false;
        let state = fold.action(action)?;
        let doubt = match state.phase {
            Phase::Doubt { attempt: n, .. } if n == attempt => true,
            Phase::Unknown { attempt: n } if n == attempt => false,
            _ => return None,
        };
        let pause = backoff(action, &state.step, question.asked);
        let later = now
            .boot
            .saturating_add(Duration::from_millis(pause.unsigned_abs()));
        match said {
            Probed::Found(evidence) => {
                question.closed = true;
                report(fold, action, attempt, FinishOutcome::Done, evidence)
            }
            Probed::Absent(_) if !doubt => {
                question.closed = true;
                None
            }
            Probed::Absent(evidence) => {
                let left = attempt < state.step.max_attempts && now.log <= state.not_after;
                if !left {
                    question.closed = true;
                    return report(fold, action, attempt, FinishOutcome::Failed, evidence);
                }
                // The evidence is of now: it is asked again before another bid.
                question.not_before = later;
                let free = self.live && !fold.held(now.log) && !self.bids.contains_key(&action);
                let evidence = cut(evidence);
                let probe = Some(AbsentProbe { evidence });
                free.then(|| self.bid(action, attempt + 1, fresh(action), now.boot, probe))
            }
            Probed::NoAnswer(_) => {
                question.not_before = later;
                question.closed = !doubt && question.asked >= UNKNOWN_ASKED_MAX;
                None
            }
            Probed::CannotAsk => {
                question.closed = true;
                None
            }
        }
    }

    /// Follows an action into or out of a phase of which the target is asked.
    pub(super) fn follow_doubt(&mut self, action: Id, phase: Option<Phase>) {
        let Some(Phase::Doubt { attempt, .. } | Phase::Unknown { attempt }) = phase else {
            self.questions.remove(&action);
            if !phase.is_some_and(Phase::is_open) {
                self.started.remove(&action);
            }
            return;
        };
        let known = self.questions.get(&action);
        // From doubt to unknown the same attempt is asked about; a pause goes on.
        let (asked, not_before, under_way) = known
            .filter(|question| question.attempt == attempt)
            .map_or((0, Duration::ZERO, false), |question| {
                (question.asked, question.not_before, question.under_way)
            });
        let question = Question {
            attempt,
            asked,
            not_before,
            under_way,
            closed: false,
        };
        self.questions.insert(action, question);
    }

    /// Asks about every attempt whose lease is over by the own clock as well, as far as its connection has room: the log's clock
    /// may have stepped ahead, while the request is still under way (V3).
    pub(super) fn ask_due(
        &mut self,
        fold: &Fold,
        boot: Duration,
        admission: &mut dyn Admission,
        effects: &mut Vec<Effect>,
    ) {
        let mut forgotten = Vec::new();
        let mut full: BTreeMap<&str, usize> = BTreeMap::new();
        for (&action, question) in &mut self.questions {
            let busy = question.closed || question.under_way || self.bids.contains_key(&action);
            if busy || boot < question.not_before {
                continue;
            }
            let Some(state) = fold.action(action) else {
                forgotten.push(action);
                continue;
            };
            let attempt = question.attempt;
            let Some(winner) = state.winners.get(&attempt) else {
                continue;
            };
            let read = self.started.get(&action).filter(|(n, _)| *n == attempt);
            let read = read.map_or(self.began, |(_, at)| *at);
            let lease = Duration::from_millis(state.step.lease_ms.unsigned_abs());
            if boot.saturating_sub(read) <= lease {
                continue;
            }
            let connection = state.step.connector.as_str();
            if full.contains_key(connection) || !admission.admit(connection, action, ASKED_FIRST) {
                *full.entry(connection).or_default() += 1;
                continue;
            }
            question.asked += 1;
            question.under_way = true;
            let order = order(state, action, attempt, winner.start_id, Duration::MAX);
            effects.push(Effect::Probe(Box::new(order)));
        }
        for (connection, count) in full {
            admission.waits(connection, count, ASKED_FIRST);
        }
        for action in forgotten {
            self.questions.remove(&action);
        }
    }
}

/// The target's word, for the ledger.
fn report(
    fold: &Fold,
    action: Id,
    attempt: u32,
    outcome: FinishOutcome,
    evidence: String,
) -> Option<Effect> {
    let winner = fold.action(action)?.winners.get(&attempt)?;
    Some(Effect::AppendFinish(Finish {
        action_id: action,
        attempt,
        start_id: winner.start_id,
        outcome,
        via: Via::Probe,
        detail: cut(evidence),
        retry_after_ms: None,
        permanent: false,
    }))
}

fn cut(mut evidence: String) -> String {
    evidence.truncate(evidence.floor_char_boundary(DETAIL_BYTES_MAX));
    evidence
}
