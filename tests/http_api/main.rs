//! The HTTP API over a real socket: every route, and what becomes of bad requests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "in a test a panic is the verdict; clippy's own exemption does not reach helper functions"
)]

mod asking;
mod control;
mod dead_letters;
mod envelopes;
mod inbound;
mod limits;
mod lines;
mod pages;
mod publishing;
mod reading;
mod routes;
mod serving;
mod users;

#[path = "../outside/mod.rs"]
mod outside;
