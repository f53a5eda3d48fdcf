//! `apply(Genesis)` of ledger-protocol §13.2: the first one names the installation for good. Two instances that start
//! together on an empty ledger each append one; the first in the log wins, on every instance alike.

use super::{FOLD_VERSION, Fold};
use crate::ledger::change::{ChangeKind, VoidRecord};
use crate::ledger::reason::VoidReason;
use crate::ledger::record::{Genesis, Id};

impl Genesis {
    /// As this program writes it: its own rules are in force from the first record on.
    pub const fn new(installation: Id) -> Self {
        Self {
            installation,
            fold_version: FOLD_VERSION,
        }
    }
}

impl Fold {
    pub(super) fn genesis(
        &mut self,
        Genesis {
            installation: found,
            fold_version,
        }: Genesis,
    ) {
        if let Some(installation) = self.state.installation {
            let reason = VoidReason::LaterGenesis {
                found,
                installation,
            };
            return self.void(VoidRecord::Genesis, reason);
        }
        if fold_version > self.knows {
            return self.stop_at(fold_version);
        }
        self.state.version = fold_version.max(self.state.version);
        self.state.installation = Some(found);
        let founded = ChangeKind::Founded {
            installation: found,
        };
        self.note(self.state.now, founded);
    }
}
