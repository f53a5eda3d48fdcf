//! Configuration from the outside: defaults, layers, every fault at once with its place and remedy, and what is written of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "in a test a panic is the verdict; clippy's own exemption does not reach helper functions"
)]

mod cluster;
mod connections;
mod defaults;
mod effective;
mod ingest;
mod intervals;
mod layers;
mod loading;
mod mistakes;
mod reference;
mod relations;
mod store;
mod texts;
mod values;
