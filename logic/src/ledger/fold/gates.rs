//! The gates: budgets, which may change the step, then the cooldown of the step chosen (ledger-protocol §4, order as in
//! SPEC §4).

use std::sync::Arc;

use super::Fold;
use super::aged::Aged;
use crate::actions::Action;
use crate::clock_text::format_time;
use crate::ledger::listing::GateVerdict;
use crate::ledger::phase::Phase;
use crate::ledger::reason::Suppression;
use crate::ledger::record::{Id, Step};
use crate::ledger::state::KeyState;
use crate::target::Target;

/// What the gates say about a ladder.
pub(super) struct Judgement {
    /// The step chosen, or asked about last.
    pub(super) step: usize,
    /// Whether it may go on: `Ok` with the waiting action that it replaces.
    pub(super) verdict: Result<Option<Id>, Suppression>,
    /// Each gate asked.
    pub(super) gates: Vec<GateVerdict>,
}

impl Fold {
    /// Asks the gates about the steps of a ladder in order. `own` is the action that asks again when its window opens.
    pub(super) fn judge<'a>(
        &self,
        target: &Target,
        ladder: impl Iterator<Item = &'a Step>,
        own: Option<Id>,
    ) -> Judgement {
        let name = target.to_string();
        let mut gates = Vec::new();
        let mut last = (0, None);
        for (index, step) in ladder.enumerate() {
            // Nothing is done about it, so nothing can be over budget or cooling down.
            let verdict = if step.action == Action::Ignore {
                Ok(None)
            } else if let Err(full) = self.budgets_have_room(&name, step, &mut gates) {
                last = (index, Some(full));
                continue;
            } else {
                self.key_is_free(&name, step, own, &mut gates)
            };
            return Judgement {
                step: index,
                verdict,
                gates,
            };
        }
        let (step, full) = last;
        Judgement {
            step,
            // A ladder has a step (limits), so the last one asked was over budget.
            verdict: full.map_or(Ok(None), Err),
            gates,
        }
    }

    fn budgets_have_room(
        &self,
        target: &str,
        step: &Step,
        gates: &mut Vec<GateVerdict>,
    ) -> Result<(), Suppression> {
        let scopes = self.state.targets.get(target).map(|target| &target.scopes);
        for gate in &step.gates {
            let scope = scopes.and_then(|scopes| scopes.get(&gate.scope));
            let used = scope.map_or(0, |scope| scope.used(self.state.now, gate.window_ms));
            let full = Suppression::Budget {
                scope: gate.scope.clone(),
                used,
                cap: gate.cap,
                window_ms: gate.window_ms,
            };
            let passed = used < gate.cap;
            gates.push(verdict(
                full.gate(),
                &gate.scope,
                step,
                passed,
                full.to_string(),
            ));
            if !passed {
                return Err(full);
            }
        }
        Ok(())
    }

    /// Whether no open action and no cooldown closes the key. The cooldown is asked before a waiting action is replaced,
    /// so that a step which is held back itself replaces nothing.
    fn key_is_free(
        &self,
        target: &str,
        step: &Step,
        own: Option<Id>,
        gates: &mut Vec<GateVerdict>,
    ) -> Result<Option<Id>, Suppression> {
        let free = KeyState::default();
        let key = self.state.targets.get(target);
        let key = key.and_then(|target| target.keys.get(&step.cooldown_key));
        let key = key.unwrap_or(&free);
        let mut judge = |gate, suppression: Option<Suppression>| {
            let detail = suppression
                .as_ref()
                .map_or_else(|| "free".to_owned(), ToString::to_string);
            let passed = suppression.is_none();
            gates.push(verdict(gate, &step.cooldown_key, step, passed, detail));
            suppression.map_or(Ok(()), Err)
        };
        let open = key.open.filter(|open| Some(*open) != own);
        let now = step.start.is_now() && !step.approval;
        let busy = open.filter(|open| !(now && self.is_waiting(*open)));
        judge(
            "in_progress",
            busy.map(|action| Suppression::InProgress { action }),
        )?;
        judge("cooldown", self.cooling(key, step))?;
        Ok(open)
    }

    fn is_waiting(&self, action: Id) -> bool {
        matches!(self.phase(action), Some(Phase::Waiting { .. }))
    }

    pub(super) fn cooling(&self, key: &KeyState, step: &Step) -> Option<Suppression> {
        let last = key.last.as_ref()?;
        let cooldown_ms = last.cooldown_ms.max(step.cooldown_ms);
        let until = last.end.saturating_add(cooldown_ms);
        (self.state.now < until).then_some(Suppression::Cooldown {
            action: last.action,
            cooldown_ms,
            until,
        })
    }

    /// Takes the slots of a step that is activated now (V14: not when it is accepted).
    pub(super) fn charge(&mut self, target: &Target, step: &Step) {
        let now = self.state.now;
        let name = target.to_string();
        for charge in &step.charges {
            let target = self.state.targets.entry(name.clone()).or_default();
            let scope = target.scopes.entry(charge.clone()).or_default();
            scope.slots.push_back(now);
            if let Some(gate) = step.gates.iter().find(|gate| gate.scope == *charge) {
                scope.window_ms = gate.window_ms;
                scope.cap = gate.cap;
            }
            let aged = Aged::Slots(Arc::from(name.as_str()), Arc::from(charge.as_str()));
            self.index.ages.insert((now, aged));
        }
    }
}

/// A verdict on a step that a gate other than budget, key and cooldown gave.
pub(super) fn refusal(step: &Step, reason: &Suppression) -> GateVerdict {
    let scope = match reason {
        Suppression::Expired { not_after, .. } => format_time(*not_after),
        Suppression::DuplicateEvent { identity } => identity.to_string(),
        _ => String::new(),
    };
    verdict(reason.gate(), &scope, step, false, reason.to_string())
}

/// That a person's order skipped the gates of a step.
pub(super) fn skipped(step: &Step) -> GateVerdict {
    let detail = "gates are skipped by an operator's order".to_owned();
    verdict("forced", &step.cooldown_key, step, true, detail)
}

fn verdict(
    gate: &'static str,
    scope: &str,
    step: &Step,
    passed: bool,
    detail: String,
) -> GateVerdict {
    GateVerdict {
        gate,
        scope: scope.to_owned(),
        action: step.action,
        passed,
        detail,
    }
}
