//! Questions to an action's target that change nothing there, whatever the connector does: each ends in time, with an
//! answer or without one.

use std::time::Duration;

use futures_util::FutureExt as _;
use homeostat_logic::ledger::execution::{Dispatch, Probed};
use homeostat_logic::ledger::times::REQUEST_LIMIT;
use homeostat_logic::traffic::Signal;

use crate::executor_context::ExecutorContext;
use crate::ports::connector::{Answer, Heard, Probe};
use crate::request::{REQUEST_GRACE, binding, outgoing};

/// Asks whether an attempt had its effect (ledger-protocol §6); also what that says of the service. A connector's own word that
/// there is no answer says nothing: it may be about the thing asked for.
pub(crate) async fn probe(context: &ExecutorContext, order: &Dispatch) -> (Probed, Heard) {
    let in_force = context.live.load();
    let Ok(binding) = binding(&in_force.connections, order) else {
        return (Probed::CannotAsk, Signal::Nothing.into());
    };
    let outgoing = outgoing(order, binding, context);
    // A connector may panic before it returns a future as well.
    let asked = guarded(REQUEST_LIMIT + REQUEST_GRACE, async {
        binding.connector.probe(outgoing).await
    });
    match asked.await {
        Ok(Some(Probe::Found(evidence))) => (Probed::Found(evidence), Signal::Answered.into()),
        Ok(Some(Probe::Absent(evidence))) => (Probed::Absent(evidence), Signal::Answered.into()),
        Ok(Some(Probe::NoAnswer(reason))) => (Probed::NoAnswer(reason), Signal::Nothing.into()),
        Ok(None) => (Probed::CannotAsk, Signal::Nothing.into()),
        Err(reason) => (Probed::NoAnswer(reason.to_owned()), failed(reason)),
    }
}

/// What came of the question that makes an order absolute.
#[derive(Debug)]
pub(crate) enum Resolved {
    /// These parameters; `None`: they were absolute already.
    Absolute(Option<serde_json::Value>),
    /// The service refuses: this is the outcome of the attempt, of which nothing is sent.
    Refused(Answer),
    /// It did not say, for this reason.
    Unanswered(String),
}

/// Makes the parameters of an action absolute before its first bid; also what that says of the service.
pub(crate) async fn resolve(context: &ExecutorContext, order: &Dispatch) -> (Resolved, Heard) {
    let in_force = context.live.load();
    let Ok(binding) = binding(&in_force.connections, order) else {
        // Said when it is sent, as an outcome.
        return (Resolved::Absolute(None), Signal::Nothing.into());
    };
    let outgoing = outgoing(order, binding, context);
    // Nothing of the action has begun: neither the bid's deadline nor the lease of an attempt runs yet.
    let asked = guarded(REQUEST_LIMIT + REQUEST_GRACE, async {
        binding.connector.resolve(outgoing).await
    });
    match asked.await {
        // Absolute already: there was nothing to ask.
        Ok(Ok(None)) => (Resolved::Absolute(None), Signal::Nothing.into()),
        Ok(Ok(params)) => (Resolved::Absolute(params), Signal::Answered.into()),
        Ok(Err(answer)) if answer.refuses() => (Resolved::Refused(answer), Signal::Answered.into()),
        Ok(Err(answer)) => {
            let heard = answer.heard();
            (Resolved::Unanswered(answer.detail), heard)
        }
        Err(reason) => (Resolved::Unanswered(reason.to_owned()), failed(reason)),
    }
}

fn failed(reason: &str) -> Heard {
    Heard {
        signal: Signal::Failed,
        detail: reason.to_owned(),
    }
}

/// Waits for the answer as long as `limit`; a panic is no answer.
async fn guarded<T>(limit: Duration, question: impl Future<Output = T>) -> Result<T, &'static str> {
    let question = std::panic::AssertUnwindSafe(question).catch_unwind();
    match tokio::time::timeout(limit, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err("the connector panicked while it asked its target"),
        Err(_) => Err("the connector did not answer within its limit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connector_that_panics_or_never_answers_ends_in_no_answer() {
        let limit = Duration::from_secs(1);
        assert_eq!(guarded(limit, async { 7 }).await, Ok(7));
        assert!(guarded(limit, async { panic!("boom") }).await.is_err());
        assert!(guarded(limit, std::future::pending::<()>()).await.is_err());
    }
}
