//! The kinds of connections to Kubernetes against a real control plane, in a namespace of each test's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::similar_names,
    clippy::match_wild_err_arm,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::unnecessary_debug_formatting,
    reason = "in a test a panic is the verdict; clippy's own exemption does not reach helper functions"
)]

mod access;
mod between;
mod jobs;
mod lab;
mod manifests;
mod monitors;
mod rollouts;
mod scales;
mod service;
mod workflows;
