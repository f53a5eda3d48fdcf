//! The ledger protocol (reference: ledger-protocol §3, §4, §6) as pure code: what is written, how it is folded, who may send.

pub mod identity;
pub mod record;
