//! `apply(Observe)` and `apply(Upgrade)` of ledger-protocol §8, §9.

use super::Fold;
use crate::ledger::change::{ChangeKind, Halt, VoidRecord};
use crate::ledger::phase::Phase;
use crate::ledger::reason::VoidReason;
use crate::ledger::record::{Observe, Upgrade};

impl Fold {
    /// A recovery ends the verification of a done action; its absence is left to the time it has.
    pub(super) fn observe(&mut self, observe: Observe) {
        let Observe {
            action_id: action,
            recovered,
            evidence,
        } = observe;
        let known = self.action(action);
        let verifies =
            known.map(|action| action.phase == Phase::Done && action.verify_by.is_some());
        let reason = match verifies {
            None => VoidReason::UnknownAction(action),
            Some(false) => VoidReason::NotVerifying,
            Some(true) => {
                if recovered {
                    self.update(action, |action| action.verify_by = None);
                }
                let kind = ChangeKind::Observed {
                    action,
                    recovered,
                    evidence,
                };
                return self.note(self.state.now, kind);
            }
        };
        self.void(VoidRecord::Observe { action }, reason);
    }

    /// Other rules from here on, on all instances alike; one that does not know them folds nothing more.
    pub(super) fn upgrade(&mut self, upgrade: &Upgrade) {
        let (found, version) = (upgrade.fold_version, self.state.version);
        if found <= version {
            return self.void(
                VoidRecord::Upgrade,
                VoidReason::OldVersion { found, version },
            );
        }
        if found > self.knows {
            return self.stop_at(found);
        }
        self.state.version = found;
        self.note(self.state.now, ChangeKind::Upgraded { version: found });
    }

    /// Rules come into force here that this program does not know.
    pub(super) fn stop_at(&mut self, found: u32) {
        let known = self.knows;
        let why = Halt::NewerRules { found, known };
        self.halted = Some(why);
        self.note(self.state.now, ChangeKind::Halted(why));
    }
}
