//! The built-in connection `log`: it changes nothing outside, and publishes on `system.alerts` what it would have done. For `alert`
//! that publication is the action itself.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use homeostat_actors::ports::connector::{Answer, Connector, Order};
use homeostat_actors::ports::log::{Appended, ErrorClass, EventLog, Header, LogError, NewRecord};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::{FinishOutcome, Id, Millis};
use homeostat_logic::params::Params;
use homeostat_logic::topic::{ORIGIN_HEADER, SOURCE, SYSTEM_ALERTS};
use serde_json::{Value, json};

/// Name in configuration and records.
pub const NAME: &str = "log";
/// Value of the header that marks what it publishes.
pub const ORIGIN: &[u8] = b"homeostat";

/// See the module.
pub struct LogConnector {
    events: Arc<dyn EventLog>,
}

impl LogConnector {
    /// Publishes through `events`.
    pub fn new(events: Arc<dyn EventLog>) -> Self {
        Self { events }
    }
}

impl Connector for LogConnector {
    fn send(&self, order: Order) -> BoxFuture<'_, Answer> {
        tracing::info!(
            action = order.action.name(),
            about = %order.target,
            action_id = %order.action_id,
            attempt = order.attempt,
            "log connector carries out an action"
        );
        let append = self.events.append(vec![record(&order)]);
        async move { appended(SYSTEM_ALERTS, append.await.pop()) }.boxed()
    }
}

/// Nothing but an acknowledged append is done. An append that was refused or denied had certainly no effect, and one that was
/// refused never will; one without answer may have been written, and the next attempt publishes the same event id again.
pub(super) fn appended(topic: &str, answer: Option<Result<Appended, LogError>>) -> Answer {
    let (outcome, permanent, detail) = match answer {
        Some(Ok(at)) => (
            FinishOutcome::Done,
            false,
            format!("published on {topic}/{} at {}", at.partition, at.offset),
        ),
        Some(Err(error)) if error.class() == ErrorClass::Reject => {
            (FinishOutcome::Failed, true, error.to_string())
        }
        Some(Err(error @ LogError::Denied(_))) => (FinishOutcome::Failed, false, error.to_string()),
        Some(Err(error)) => (FinishOutcome::Unknown, false, error.to_string()),
        None => (
            FinishOutcome::Unknown,
            false,
            "the event log gave no answer".to_owned(),
        ),
    };
    Answer {
        // It has no breaker.
        trouble: false,
        outcome,
        detail,
        retry_after_ms: None,
        permanent,
    }
}

/// What would be published, in words.
pub fn shown(order: &Order) -> String {
    format!(
        "published on {SYSTEM_ALERTS}, key {}\n\n{}",
        order.target,
        event(order)
    )
}

fn record(order: &Order) -> NewRecord {
    NewRecord {
        topic: SYSTEM_ALERTS.to_owned(),
        partition: None,
        key: Some(order.target.to_string().into_bytes()),
        value: Some(event(order).to_string().into_bytes()),
        headers: vec![Header::new(ORIGIN_HEADER, ORIGIN)],
    }
}

/// The event published. All attempts of an action carry the same `event_id`.
fn event(order: &Order) -> Params {
    let mut event = match order.action {
        Action::Alert => order.params.clone(),
        _ => Params::default(),
    };
    let mut set = |name: &str, value: Value| event.set(name, &value);
    set("event_id", json!(event_id(order.action_id)));
    set("timestamp", json!(rfc3339(order.now)));
    set("source", json!(SOURCE));
    set("severity", json!(order.severity));
    set("action_id", json!(order.action_id));
    set("attempt", json!(order.attempt));
    set("target", json!(order.target));
    set("reasons", json!(order.reasons));
    let source = json!({ "event_id": order.event_id, "event_type": order.event_type });
    if order.action == Action::Alert {
        set("event_type", json!("alert"));
        let title = format!("{} on {}", order.event_type, order.target);
        let message = order.reasons.last().unwrap_or(&title).clone();
        for (name, value) in [
            ("title", json!(title)),
            ("message", json!(message)),
            ("source_event", source),
        ] {
            if !event.has(name) {
                event.set(name, &value);
            }
        }
    } else {
        set("event_type", json!("automatic_response"));
        set("source_event", source);
        set("action", json!(order.action));
        set("simulated", json!(true));
        event.set_params("params", &order.params);
    }
    event
}

/// A UUID made of the action's id, in the form of version 4.
fn event_id(action_id: Id) -> String {
    uuid::Builder::from_random_bytes(action_id.0)
        .into_uuid()
        .to_string()
}

/// ISO 8601 with milliseconds and offset. A time that no calendar has is the epoch.
fn rfc3339(now: Millis) -> String {
    DateTime::from_timestamp_millis(now)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, false)
}

#[cfg(test)]
mod tests;
