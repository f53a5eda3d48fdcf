//! The supervision runtime on running actors: failures, mailboxes, the tree, the watchdog.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not see that helpers of a test are part of it"
)]

mod failure;
mod mailbox;
mod tree;
mod watchdog;

#[path = "../support/mod.rs"]
mod support;
