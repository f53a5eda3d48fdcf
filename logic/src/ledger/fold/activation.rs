//! The window of a scheduled action opens: the gates are asked again, and only now slots are taken (V14).

use std::sync::Arc;

use super::Fold;
use crate::action::Action;
use crate::ledger::change::{ChangeKind, Judged};
use crate::ledger::phase::Phase;
use crate::ledger::reason::Cause;
use crate::ledger::record::{Id, Millis, Step};

impl Fold {
    pub(super) fn activate(&mut self, id: Id, window: usize, time: Millis) {
        let Some(action) = self.state.actions.get(&id) else {
            return;
        };
        if action.window(Some(window)).is_none() {
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
            return self.fall_back(id, &step, judgement.step, time);
        }
        self.charge(&target, &step);
        let phase = Phase::Ready {
            attempt: 1,
            from: time,
            window: Some(window),
        };
        self.move_to(id, time, phase, Cause::WindowOpened);
    }

    /// Goes on with a lower step of the ladder.
    fn fall_back(&mut self, id: Id, step: &Arc<Step>, below: usize, time: Millis) {
        // The key of the step given up is free again; its cooldown does not start, for nothing was done.
        self.release_key(id, time, Phase::Superseded);
        self.update(id, |action| {
            action.step = Arc::clone(step);
            action.later.drain(..below.min(action.later.len()));
        });
        if step.action == Action::Ignore {
            return self.move_to(id, time, Phase::Done, Cause::WindowOpened);
        }
        let Some(target) = self.action(id).map(|action| action.subject.target.clone()) else {
            return;
        };
        self.hold_key(&target, step, id);
        if step.windows.is_empty() {
            self.charge(&target, step);
        }
        let phase = self.first_phase(step);
        self.move_to(id, time, phase, Cause::WindowOpened);
    }
}
