//! The model of ledger-protocol §11, on the real fold and the real executor: every state within some bounds is searched, and
//! the promises of §1 are asked of each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "clippy does not see that helpers of a test are part of it"
)]
#![allow(
    clippy::struct_excessive_bools,
    clippy::too_many_lines,
    reason = "a setup is a list of independent choices, and the searches are a table"
)]
#![allow(
    clippy::disallowed_types,
    reason = "what is iterated over is never in one of the unordered maps"
)]

mod canon;
mod execution;
mod folding;
mod founding;
mod ledger;
mod prints;
mod promises;
mod proposals;
mod records;
mod search;
mod size;
