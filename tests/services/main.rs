//! Services that answer slowly, twice, wrongly or never, storms of 429, secrets that are replaced; and the built binary, killed between
//! an action and its outcome: every kind of connection by the same tables.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::type_complexity,
    clippy::format_push_string,
    reason = "in a test a panic is the verdict; clippy's own exemption does not reach helper functions"
)]

#[path = "../platform/bench.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod bench;
mod faults;
mod killed;
mod kinds;
#[path = "../webhook/server.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod server;
mod slow;
#[path = "../platform/airflow/stand_in.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod stand_in;
#[path = "../platform/stub.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod stub;
#[path = "../end_to_end/support/mod.rs"]
mod support;
