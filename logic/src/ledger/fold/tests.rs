//! The fold, transition by transition (ledger-protocol §4), violation by violation (§11) and promise by promise (§1).

mod attempts;
mod checkpoints;
mod limits;
mod orders;
mod promises;
mod proposals;
mod random;
mod violations;
