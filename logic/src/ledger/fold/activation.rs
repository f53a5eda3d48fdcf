//! The window of a scheduled action opens, or a person approves one: the gates are asked again, and only now slots are
//! taken (V14).

use std::sync::Arc;

use super::Fold;
use crate::actions::Action;
use crate::ledger::change::{ChangeKind, Judged};
use crate::ledger::phase::Phase;
use crate::ledger::reason::Cause;
use crate::ledger::record::{Id, Millis, Step};

impl Fold {
    pub(super) fn activate(&mut self, id: Id, window: Option<usize>, time: Millis, cause: Cause) {
        let Some(action) = self.state.actions.get(&id) else {
            return;
        };
        if window.is_some() && action.window(window).is_none() {
            // Cannot be: a waiting action has its window. Closing keeps the fold going whatever happens.
            let cause = Cause::WindowOver { to: time };
            return self.close(id, time, Phase::Expired, cause);
        }
        let target = action.subject.target.clone();
        let ladder: Vec<Arc<Step>> = [&action.step]
            .into_iter()
            .chain(&action.later)
            .cloned()
            .collect();
        let judgement = self.judge(&target, ladder.iter().map(Arc::as_ref), Some(id));
        let Some(step) = ladder.get(judgement.step).cloned() else {
            return;
        };
        let judged = Judged {
            action: id,
            step: Arc::clone(&step),
            gates: judgement.gates,
        };
        self.note(time, ChangeKind::Judged(Box::new(judged)));
        let replaced = match judgement.verdict {
            Ok(replaced) => replaced,
            Err(reason) => {
                return self.close(id, time, Phase::Suppressed, Cause::Suppressed(reason));
            }
        };
        if judgement.step > 0 {
            if let Some(replaced) = replaced {
                self.close(replaced, time, Phase::Superseded, Cause::SupersededBy(id));
            }
            return self.fall_back(id, &step, judgement.step, time, cause);
        }
        self.charge(&target, &step);
        let phase = Phase::Ready {
            attempt: 1,
            from: time,
            window,
        };
        self.move_to(id, time, phase, cause);
    }

    /// Goes on with a lower step of the ladder.
    fn fall_back(&mut self, id: Id, step: &Arc<Step>, below: usize, time: Millis, cause: Cause) {
        // The key of the step given up is free again; its cooldown does not start, for nothing was done.
        self.release_key(id, time, Phase::Superseded);
        self.update(id, |action| {
            action.step = Arc::clone(step);
            action.later.drain(..below.min(action.later.len()));
        });
        if step.action == Action::Ignore {
            return self.move_to(id, time, Phase::Done, cause);
        }
        let Some(target) = self.action(id).map(|action| action.subject.target.clone()) else {
            return;
        };
        self.hold_key(&target, step, id);
        let phase = self.first_phase(step);
        if matches!(phase, Phase::Ready { .. }) {
            self.charge(&target, step);
        }
        self.move_to(id, time, phase, cause);
    }
}
