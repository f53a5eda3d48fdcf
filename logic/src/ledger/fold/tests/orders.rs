//! Each line of the table of ledger-protocol §9.

mod actions;
mod approvals;
mod forced;
mod holds;
mod versions;

use crate::actions::Action::Retrain;
use crate::ledger::fold::samples::*;
use crate::ledger::record::{Millis, OverrideOrder, Policy, Propose, Step};

const HOUR: Millis = 60 * MINUTE;

fn with(policy: Policy) -> Step {
    Step {
        policy,
        ..step(Retrain)
    }
}

fn force(propose: Propose) -> OverrideOrder {
    OverrideOrder::Force(Box::new(propose))
}
