//! The built binary: help, usage, completions, messages, and every command against a server or a log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the verdict; clippy's own exemption does not reach helper functions"
)]

mod connections;
mod dead_letters;
mod decisions_tail;
mod embedded_log;
mod evaluate;
mod input;
mod interrupted;
mod ledger;
mod orders;
mod publishing;
mod running;
mod templates;
mod usage;

#[path = "../outside/mod.rs"]
mod outside;
