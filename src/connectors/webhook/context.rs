//! What templates see of an order, and what is sent without one.

use chrono::{DateTime, SecondsFormat};
use homeostat_actors::ports::connector::Order;
use homeostat_logic::action::Action;
use homeostat_logic::ledger::record::Id;
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;
use serde::Serialize;

/// Names a template may use.
pub(super) const NAMES: [&str; 10] = [
    "action_id",
    "attempt",
    "action",
    "target",
    "severity",
    "event_type",
    "event_id",
    "params",
    "reasons",
    "timestamp",
];

/// The fields of the default body.
#[derive(Serialize)]
pub(super) struct Context<'a> {
    action_id: Id,
    attempt: u32,
    action: Action,
    target: &'a Target,
    severity: Severity,
    event_type: &'a str,
    event_id: &'a str,
    params: &'a serde_json::Value,
    reasons: &'a [String],
    timestamp: String,
}

impl<'a> From<&'a Order> for Context<'a> {
    fn from(order: &'a Order) -> Self {
        Self {
            action_id: order.action_id,
            attempt: order.attempt,
            action: order.action,
            target: &order.target,
            severity: order.severity,
            event_type: &order.event_type,
            event_id: &order.event_id,
            params: &order.params,
            reasons: &order.reasons,
            timestamp: DateTime::from_timestamp_millis(order.now)
                .unwrap_or_default()
                .to_rfc3339_opts(SecondsFormat::Millis, false),
        }
    }
}
