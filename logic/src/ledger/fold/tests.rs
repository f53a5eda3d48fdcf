//! The fold, transition by transition (ledger-protocol §4), violation by violation (§11) and promise by promise (§1).

mod promises;
mod transitions;
mod violations;
