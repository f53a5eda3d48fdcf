//! Whose the ledger partition is, as this instance knows it.

use crate::ports::log::Epoch;

/// How far this actor is in executing the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tenure {
    /// Another instance executes it.
    None,
    /// It was assigned in this epoch; the log is being asked how far the ledger goes.
    Asking(Epoch),
    /// The fold has to come this far first.
    CatchingUp(Epoch, i64),
    /// It is executed here.
    Acting(Epoch),
}

impl Tenure {
    pub(super) const fn epoch(self) -> Option<Epoch> {
        match self {
            Self::None => None,
            Self::Asking(epoch) | Self::CatchingUp(epoch, _) | Self::Acting(epoch) => Some(epoch),
        }
    }
}
