//! Decisions (SPEC §3 and §4) as tables, properties and stories: what is an event, what it is about, what follows from it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the verdict; clippy's own exemption does not reach helper functions"
)]

mod age;
mod decoding;
mod degraded;
mod envelopes;
mod hours;
mod intervals;
mod ladder;
mod maintenance;
mod matrix;
mod parameters;
mod quoting;
mod sequences;
mod severities;
mod targets;
mod texts;
mod wording;

#[path = "../support/mod.rs"]
mod support;
