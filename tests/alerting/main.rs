//! The kinds of connections that reach people, against real services where they run here, else against strict stubs that the
//! vendors' own clients accept.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "in a test a panic is the verdict; clippy's own exemption does not reach helper functions"
)]

mod alertmanager;
mod bench;
mod kafka;
mod pagerduty;
mod python;
#[path = "../webhook/server.rs"]
#[allow(dead_code, reason = "its connector is the webhook's")]
mod server;
mod slack;
mod smtp;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod support;
mod teams;
