//! The webhook connector against a real server on this machine: what is sent, and what each kind of answer means.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "in a test a panic is the verdict; clippy's own exemption does not reach helper functions"
)]

mod answers;
mod dry_run;
mod probes;
mod requests;
mod server;
mod targets;
mod transport;
