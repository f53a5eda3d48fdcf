//! The traffic of a connection, as the API shows it.

use std::collections::BTreeMap;

use homeostat_actors::traffic::ConnectionTraffic;
use homeostat_logic::clock_text::format_time;
use homeostat_logic::ledger::record::FinishOutcome;
use schemars::JsonSchema;
use serde::Serialize;

/// What a connection takes and does, on this instance and since it started.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConnectionTraffic")]
pub(super) struct Traffic {
    /// `closed`: requests go through. `open`: too many failed in a row, and nothing is sent. `paused`: the service asked for it.
    /// `half_open`: one request tries whether the service works again.
    #[schemars(extend("enum" = ["closed", "open", "paused", "half_open"]))]
    state: &'static str,
    /// Since when it is in this state.
    #[schemars(extend("format" = "date-time"))]
    since: String,
    /// When the next request is tried, while nothing goes through.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    next_try: Option<String>,
    /// Failures in a row.
    failures_in_a_row: u32,
    /// Times that it was opened.
    opened: u64,
    /// Times that it was paused.
    paused: u64,
    /// Requests under way, and actions that are bid for.
    in_flight: usize,
    /// The most of them.
    concurrency_max: usize,
    /// Requests per minute at most; absent = any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_per_minute: Option<u32>,
    /// Due actions that wait for it.
    waiting: usize,
    /// What they wait for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["concurrency", "rate", "pause", "breaker"]))]
    waiting_for: Option<&'static str>,
    /// Attempts that ended, by outcome.
    attempts: BTreeMap<&'static str, u64>,
    /// The latest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Last>,
}

/// An attempt that ended.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LastAttempt")]
struct Last {
    outcome: FinishOutcome,
    #[schemars(extend("format" = "date-time"))]
    time: String,
    /// Request and answer in words, without secrets.
    detail: String,
}

impl From<ConnectionTraffic> for Traffic {
    fn from(one: ConnectionTraffic) -> Self {
        let health = one.health;
        Self {
            state: health.state.name(),
            since: format_time(one.since),
            next_try: one.next_try.map(format_time),
            failures_in_a_row: health.failures,
            opened: health.opened,
            paused: health.paused,
            in_flight: health.in_flight,
            concurrency_max: one.limits.concurrency_max,
            rate_per_minute: one.limits.rate_per_minute,
            waiting: health.waiting,
            waiting_for: health.wait.map(homeostat_logic::traffic::Wait::name),
            attempts: one.outcomes,
            last: one.last.map(|last| Last {
                outcome: last.outcome,
                time: format_time(last.at),
                detail: last.detail,
            }),
        }
    }
}
