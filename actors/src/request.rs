//! One request through its connector, whatever the connector does: it always ends in an outcome of ledger-protocol §3.

use std::time::Duration;

use futures_util::FutureExt as _;
use homeostat_logic::language::Language;
use homeostat_logic::ledger::execution::{Answer, Dispatch};
use homeostat_logic::ledger::record::{FinishOutcome, Policy};
use homeostat_logic::ledger::rehearsal::is_rehearsal;
use homeostat_logic::ledger::times::REQUEST_LIMIT;
use homeostat_logic::params::Params;
use homeostat_logic::texts::{Failure, escalate};
use homeostat_logic::traffic::Signal;

use crate::executor_context::ExecutorContext;
use crate::ports::connector::{self, Heard};

/// Beyond the request limit, for a connector that breaks its promise; one that keeps it is never cut off.
pub(crate) const REQUEST_GRACE: Duration = Duration::from_secs(1);

/// What came of one request.
pub(crate) struct Requested {
    /// Kind of the connection.
    pub(crate) kind: &'static str,
    pub(crate) answer: Answer,
    /// What it says of the service.
    pub(crate) heard: Heard,
}

/// One request through its connector; a panic of the connector, or no answer within the time limit, is an unknown outcome.
pub(crate) async fn request(context: &ExecutorContext, order: &Dispatch) -> Requested {
    let not_sent = |kind, detail| Requested {
        kind,
        answer: without_answer(FinishOutcome::NotSent, detail),
        heard: Signal::Nothing.into(),
    };
    let in_force = context.live.load();
    let binding = match binding(&in_force.connections, order) {
        Ok(binding) => binding,
        // Of another configuration: an earlier one, or a newer one that is being rolled out and comes here soon.
        Err(error) => {
            return not_sent(NO_KIND, error.to_string());
        }
    };
    if context.clock.boot() > order.deadline {
        let detail = "the deadline passed before the first byte".to_owned();
        return not_sent(binding.kind, detail);
    }
    if binding.dry_run && !is_rehearsal(order.start_id) {
        let detail = "the connection became a dry run before the first byte".to_owned();
        return not_sent(binding.kind, detail);
    }
    // A connector may panic before it returns a future as well.
    let outgoing = outgoing(order, binding, context);
    let (answer, heard) = ask(async { binding.connector.send(outgoing).await }).await;
    Requested {
        kind: binding.kind,
        answer: by_policy(answer, order.step.policy),
        heard,
    }
}

/// Under `at_most_once` the fold repeats only what was not sent. A service that refuses and asks for a pause did nothing, which is
/// as certain.
fn by_policy(answer: Answer, policy: Policy) -> Answer {
    let did_nothing = answer.outcome == FinishOutcome::Failed
        && !answer.permanent
        && answer.retry_after_ms.is_some();
    if policy == Policy::AtMostOnce && did_nothing {
        let outcome = FinishOutcome::NotSent;
        return Answer { outcome, ..answer };
    }
    answer
}

/// An attempt of which nothing is sent, because its service refused a question before.
pub(crate) fn refused(
    context: &ExecutorContext,
    order: &Dispatch,
    answer: connector::Answer,
) -> Requested {
    let in_force = context.live.load();
    let binding = binding(&in_force.connections, order);
    Requested {
        kind: binding.map_or(NO_KIND, |binding| binding.kind),
        answer: recorded(answer),
        // It was heard as the answer to the question.
        heard: Signal::Nothing.into(),
    }
}

/// Label of an action whose connection the configuration does not have.
const NO_KIND: &str = "none";

/// How the order's connection carries it out.
pub(crate) fn binding<'a>(
    connections: &'a connector::Connections,
    order: &Dispatch,
) -> Result<&'a connector::Binding, connector::NotBound> {
    let step = &order.step;
    connections.find(&step.connector, step.action, &order.subject.target)
}

/// Waits for the answer, whatever the connector does; also what it says of the service.
async fn ask(request: impl Future<Output = connector::Answer>) -> (Answer, Heard) {
    let unknown = |detail: &str| {
        let detail = detail.to_owned();
        let heard = Heard {
            signal: Signal::Failed,
            detail: detail.clone(),
        };
        (without_answer(FinishOutcome::Unknown, detail), heard)
    };
    let guarded = std::panic::AssertUnwindSafe(request).catch_unwind();
    match tokio::time::timeout(REQUEST_LIMIT + REQUEST_GRACE, guarded).await {
        Ok(Ok(answer)) => {
            let heard = answer.heard();
            (recorded(answer), heard)
        }
        Ok(Err(_)) => unknown("the connector panicked during the request"),
        Err(_) => unknown("the connector did not answer within its limit"),
    }
}

/// As the ledger keeps it.
fn recorded(answer: connector::Answer) -> Answer {
    Answer {
        outcome: answer.outcome,
        detail: cut(answer.detail),
        retry_after_ms: answer.retry_after_ms,
        permanent: answer.permanent,
    }
}

const fn without_answer(outcome: FinishOutcome, detail: String) -> Answer {
    Answer {
        outcome,
        detail,
        retry_after_ms: None,
        permanent: false,
    }
}

fn cut(mut detail: String) -> String {
    detail.truncate(detail.floor_char_boundary(connector::Answer::DETAIL_BYTES_MAX));
    detail
}

/// The order as the connector sees it.
pub(crate) fn outgoing(
    order: &Dispatch,
    binding: &connector::Binding,
    context: &ExecutorContext,
) -> connector::Order {
    let subject = &order.subject;
    let mut params = order
        .resolved
        .clone()
        .map_or_else(|| order.step.params.clone(), Params::from);
    let mut reasons = vec![subject.rule.clone(), subject.severity_reason.clone()];
    reasons.extend(escalated(order, context, &mut params));
    connector::Order {
        action_id: order.action,
        attempt: order.attempt,
        action: order.step.action,
        target: subject.target.clone(),
        severity: subject.severity,
        event_type: subject.event_type.clone(),
        event_id: subject.event_id.clone(),
        params,
        reasons,
        now: context.clock.now(),
        as_of: order.as_of,
        // A bid of a dry run stays one, whatever the connection does by now.
        dry_run: binding.dry_run || is_rehearsal(order.start_id),
    }
}

/// What an escalation is about: which action, how it ended, after how many attempts. It is the reason, and the beginning of
/// what people read. The step was written down before the outcome was known. While the fold remembers the failed action
/// (eight days), every attempt says the same.
fn escalated(order: &Dispatch, context: &ExecutorContext, params: &mut Params) -> Option<String> {
    let (parent, _) = order.derived_from?;
    let state = context.view.read();
    let failed = state.fold.action(parent)?;
    let failure = Failure {
        action: failed.step.action,
        target: &failed.subject.target,
        phase: &failed.phase,
        attempts: failed.winners.len(),
        attempts_max: failed.step.max_attempts,
        id: parent,
    };
    escalate(params, &failure);
    Some(failure.sentence(Language::En))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(detail: String) -> connector::Answer {
        connector::Answer {
            outcome: FinishOutcome::Failed,
            detail,
            retry_after_ms: Some(7),
            permanent: true,
            trouble: false,
        }
    }

    #[test]
    fn what_may_be_sent_only_once_is_sent_again_after_a_refusal_that_asks_for_a_pause_and_no_other()
    {
        use FinishOutcome::{Done, Failed, NotSent, Unknown};
        let table = [
            (Policy::AtMostOnce, Failed, false, Some(0), NotSent),
            (Policy::AtMostOnce, Failed, false, Some(1_000), NotSent),
            (Policy::AtMostOnce, Failed, false, None, Failed),
            (Policy::AtMostOnce, Failed, true, Some(1_000), Failed),
            (Policy::AtMostOnce, Unknown, false, Some(1_000), Unknown),
            (Policy::AtMostOnce, Done, false, None, Done),
            (Policy::Idempotent, Failed, false, Some(1_000), Failed),
            (Policy::Verify, Failed, false, Some(1_000), Failed),
        ];
        for (policy, outcome, permanent, retry_after_ms, expected) in table {
            let answer = Answer {
                outcome,
                detail: String::new(),
                retry_after_ms,
                permanent,
            };
            assert_eq!(
                by_policy(answer, policy).outcome,
                expected,
                "{policy:?} {outcome:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_passed_on_with_its_detail_cut() {
        let (answer, heard) = ask(async { answered("ä".repeat(5_000)) }).await;
        assert_eq!(answer.detail.len(), connector::Answer::DETAIL_BYTES_MAX);
        assert_eq!(heard.signal, Signal::Pause(Duration::from_millis(7)));
        let rest = (answer.outcome, answer.retry_after_ms, answer.permanent);
        assert_eq!(rest, (FinishOutcome::Failed, Some(7), true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connector_that_panics_or_never_answers_leaves_an_unknown_outcome() {
        let panicked = ask(async { panic!("boom") }).await;
        let silent = ask(std::future::pending()).await;
        for (answer, heard) in [panicked, silent] {
            assert_eq!(
                (heard.signal, &heard.detail),
                (Signal::Failed, &answer.detail)
            );
            assert_eq!(
                (answer.outcome, answer.permanent),
                (FinishOutcome::Unknown, false)
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connector_that_answers_at_its_limit_is_not_cut_off() {
        let slow = ask(async {
            tokio::time::sleep(REQUEST_LIMIT).await;
            answered(String::new())
        });
        assert_eq!(slow.await.0.outcome, FinishOutcome::Failed);
    }
}
