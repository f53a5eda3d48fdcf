//! `apply(Genesis)` of ledger-protocol §13.2: the first one names the installation for good. Two instances that start
//! together on an empty ledger each append one; the first in the log wins, on every instance alike.

use super::Fold;
use crate::ledger::change::{ChangeKind, VoidRecord};
use crate::ledger::reason::VoidReason;
use crate::ledger::record::Genesis;

impl Fold {
    pub(super) fn genesis(
        &mut self,
        Genesis {
            installation: found,
        }: Genesis,
    ) {
        if let Some(installation) = self.state.installation {
            let reason = VoidReason::LaterGenesis {
                found,
                installation,
            };
            return self.void(VoidRecord::Genesis, reason);
        }
        self.state.installation = Some(found);
        let founded = ChangeKind::Founded {
            installation: found,
        };
        self.note(self.state.now, founded);
    }
}
