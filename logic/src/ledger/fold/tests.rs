//! The fold, transition by transition (ledger-protocol §4), violation by violation (§11) and promise by promise (§1).

mod acknowledged;
mod attempts;
mod checkpoints;
mod forced;
mod genesis;
mod histories;
mod holds;
mod limits;
mod orders;
mod promises;
mod proposals;
mod random;
mod refires;
mod violations;
