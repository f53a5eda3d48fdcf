//! The ledger protocol (reference: ledger-protocol §3, §4, §6) as pure code: what is written, how it is folded, who may send.
//!
//! ```text
//! Propose ─┐                        ┌─► history, metrics
//! Start   ─┼─► codec ─► fold ─► change ─► execution ─► Start, Finish, Tick (appended), requests (sent)
//! Finish  ─┘
//! ```

pub mod change;
pub mod codec;
pub mod execution;
pub mod fold;
mod id;
pub mod identity;
pub mod limits;
pub mod listing;
pub mod phase;
pub mod placement;
pub mod reason;
pub mod record;
pub mod rehearsal;
pub mod retention;
pub mod state;
pub mod times;
pub mod version;
pub mod when;
