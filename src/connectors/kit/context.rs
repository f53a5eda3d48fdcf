//! What templates see of an order, and what is sent without one.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat};
use homeostat_actors::ports::connector::Order;
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::Id;
use homeostat_logic::params::Params;
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;
use serde::Serialize;
use serde_json::Value;

/// Names a template may use.
pub(crate) const NAMES: [&str; 10] = [
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
pub(crate) struct Context<'a, P> {
    action_id: Id,
    attempt: u32,
    action: Action,
    target: &'a Target,
    severity: Severity,
    event_type: &'a str,
    event_id: &'a str,
    params: P,
    reasons: Cow<'a, [String]>,
    timestamp: String,
}

/// What a template sees: values.
pub(crate) type Plain<'a> = Context<'a, Value>;

impl<'a> Context<'a, &'a Params> {
    /// With parameters byte for byte.
    pub(crate) fn exact(order: &'a Order) -> Self {
        Self::new(order, &order.params, Cow::Borrowed(&order.reasons))
    }
}

impl<'a> Plain<'a> {
    /// With parameters as values; what no value can hold is named in the reasons.
    pub(crate) fn plain(order: &'a Order) -> Self {
        let (params, changed) = order.params.plain();
        let mut reasons = Cow::Borrowed(order.reasons.as_slice());
        if !changed.is_empty() {
            reasons.to_mut().push(format!(
                "params: templates cannot hold {} as sent; its JSON text is shown",
                changed.join(", ")
            ));
        }
        Self::new(order, params, reasons)
    }
}

impl<'a, P> Context<'a, P> {
    fn new(order: &'a Order, params: P, reasons: Cow<'a, [String]>) -> Self {
        Self {
            action_id: order.action_id,
            attempt: order.attempt,
            action: order.action,
            target: &order.target,
            severity: order.severity,
            event_type: &order.event_type,
            event_id: &order.event_id,
            params,
            reasons,
            timestamp: DateTime::from_timestamp_millis(order.now)
                .unwrap_or_default()
                .to_rfc3339_opts(SecondsFormat::Millis, false),
        }
    }
}
