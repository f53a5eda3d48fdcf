//! The connector port: how one attempt of an action reaches the platform's services.

use futures_util::future::BoxFuture;
use homeostat_logic::action::Action;
use homeostat_logic::ledger::params::Params;
use homeostat_logic::ledger::record::{FinishOutcome, Id, Millis};
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;

/// One attempt to be sent, complete: a connector reads nothing else.
#[derive(Clone, Debug)]
pub struct Order {
    /// Same for all attempts; the idempotency key.
    pub action_id: Id,
    /// Counted from 1.
    pub attempt: u32,
    /// What to do.
    pub action: Action,
    /// About what.
    pub target: Target,
    /// Severity of the event.
    pub severity: Severity,
    /// Type of the event.
    pub event_type: String,
    /// Id of the event.
    pub event_id: String,
    /// The action's parameters.
    pub params: Params,
    /// Why, one sentence each.
    pub reasons: Vec<String>,
    /// Wall time of the send.
    pub now: Millis,
}

/// What came of an attempt. Classes are those of ledger-protocol §3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Class of the outcome.
    pub outcome: FinishOutcome,
    /// Request and answer in words, at most [`Answer::DETAIL_BYTES_MAX`] bytes, without secrets.
    pub detail: String,
    /// Pause the target asked for.
    pub retry_after_ms: Option<Millis>,
    /// No repetition can mend it.
    pub permanent: bool,
}

impl Answer {
    /// Longest detail kept on the ledger, in bytes; longer ones are cut by the executor.
    pub const DETAIL_BYTES_MAX: usize = 2_048;
}

/// What the target says about an attempt in doubt (ledger-protocol §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// The attempt, or an earlier one of the same action, had its effect.
    Found(String),
    /// It had none and, past the target's lateness E, never will.
    Absent(String),
    /// The target did not say; it is asked again.
    NoAnswer(String),
}

/// A way to reach a service. Implementations never retry, never follow redirects and answer within their time limit.
pub trait Connector: Send + Sync + 'static {
    /// Name in configuration and records.
    fn name(&self) -> &'static str;

    /// Sends one attempt. The future must be resolved within the request limit T of ledger-protocol §7.
    fn send(&self, order: Order) -> BoxFuture<'static, Answer>;

    /// Asks the target whether an action had its effect; changes nothing there. `None`: this target cannot be asked.
    /// Bounded in time as [`Connector::send`] is.
    fn probe(&self, _order: Order) -> BoxFuture<'static, Option<Probe>> {
        Box::pin(std::future::ready(None))
    }

    /// Turns a relative order into absolute parameters before the first bid (`+2 replicas` into `5 replicas`), so that
    /// every attempt means the same. `Ok(None)`: they are absolute already. Asks only, changes nothing.
    ///
    /// # Errors
    /// Why the target could not say; the bid is tried again later.
    fn resolve(
        &self,
        _order: Order,
    ) -> BoxFuture<'static, Result<Option<serde_json::Value>, String>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}
