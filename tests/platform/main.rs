//! Connections to services of the platform: the registry of MLflow and Airflow, against the real ones where they run, and against
//! servers that misbehave.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::type_complexity,
    clippy::format_push_string,
    clippy::unused_self,
    reason = "in a test a panic is the verdict; clippy's own exemption does not reach helper functions"
)]

mod airflow;
mod bench;
mod mlflow;
#[path = "../webhook/server.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod server;
mod stub;
