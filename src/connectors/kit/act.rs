//! What a kind of connection does of an action. [`Acting`] makes the connector of it that the actors work with, so that a kind writes
//! only what differs.
//!
//! `Err` is an answer that ends the matter early, such as a refusal by a question that is asked before the change.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use homeostat_actors::ports::connector::{
    Answer, Connector, Due, Finding, Heard, Order, Probe, Tended, Tending,
};
use homeostat_actors::ports::log::EventLog;
use homeostat_logic::ledger::record::FinishOutcome;
use homeostat_logic::traffic::Signal;
use serde_json::Value;

use super::exchange::either;

/// Pause before what remains of a done action is tried again.
const TRIED_AGAIN: Duration = Duration::from_mins(1);

/// One action over its connection.
pub(crate) trait Act: Sized + Send + Sync + 'static {
    /// Sends one attempt; see [`Connector::send`].
    fn carry_out(&self, order: &Order) -> impl Future<Output = Result<Answer, Answer>> + Send;

    /// Whether the target can be asked what came of an attempt.
    fn can_be_asked(&self) -> bool {
        false
    }

    /// Asks the target what came of an attempt; see [`Connector::probe`].
    fn ask(&self, _order: &Order) -> impl Future<Output = Result<Probe, Answer>> + Send {
        std::future::ready(Ok(Probe::NoAnswer(String::new())))
    }

    /// Looks whether an order like this one could be carried out; see [`Connector::examine`].
    fn look(&self, order: &Order) -> impl Future<Output = Result<Vec<Finding>, Answer>> + Send;

    /// Makes a relative order absolute; see [`Connector::resolve`].
    fn fix(&self, _order: &Order) -> impl Future<Output = Result<Option<Value>, Answer>> + Send {
        std::future::ready(Ok(None))
    }

    /// Whether something remains to be done of a done action.
    fn is_tended(&self) -> bool {
        false
    }

    /// Whether a request is due of it; see [`Connector::due`].
    fn due(&self, _order: &Order, _state: Tending) -> Due {
        Due::Over
    }

    /// Does what is due of it; what could not be done is logged, and tried again after a minute.
    fn tend(
        &self,
        _order: &Order,
        _state: Tending,
    ) -> impl Future<Output = Result<Tended, Answer>> + Send {
        std::future::ready(Ok(Tended::Over))
    }

    /// As [`Connector::over`].
    fn over(&self, _events: &Arc<dyn EventLog>) -> Option<Self> {
        None
    }
}

/// The connector of a kind.
pub(crate) struct Acting<A>(A);

impl<A: Act> Acting<A> {
    /// As the configuration keeps it.
    pub(crate) fn connector(act: A) -> Arc<dyn Connector> {
        Arc::new(Self(act))
    }
}

impl<A: Act> Connector for Acting<A> {
    fn send(&self, order: Order) -> BoxFuture<'_, Answer> {
        async move { either(self.0.carry_out(&order).await) }.boxed()
    }

    fn can_be_probed(&self) -> bool {
        self.0.can_be_asked()
    }

    fn probe(&self, order: Order) -> BoxFuture<'_, Option<Probe>> {
        async move {
            if !self.0.can_be_asked() {
                return None;
            }
            let said = self.0.ask(&order).await;
            Some(said.unwrap_or_else(|answer| Probe::NoAnswer(answer.detail)))
        }
        .boxed()
    }

    fn examine(&self, order: Order) -> BoxFuture<'_, Vec<Finding>> {
        async move {
            let findings = self.0.look(&order).await;
            findings.unwrap_or_else(|answer| vec![unanswered(answer)])
        }
        .boxed()
    }

    fn is_tended(&self) -> bool {
        self.0.is_tended()
    }

    fn due(&self, order: &Order, state: Tending) -> Due {
        self.0.due(order, state)
    }

    fn tend(&self, order: Order, state: Tending) -> BoxFuture<'_, (Tended, Heard)> {
        async move {
            match self.0.tend(&order, state).await {
                Ok(tended) => (tended, Signal::Answered.into()),
                Err(answer) => {
                    tracing::warn!(
                        action_id = %order.action_id, action = %order.action, detail = answer.detail,
                        "what remains of a done action could not be done; it is tried again"
                    );
                    (Tended::Again(TRIED_AGAIN), answer.heard())
                }
            }
        }
        .boxed()
    }

    fn over(&self, events: &Arc<dyn EventLog>) -> Option<Arc<dyn Connector>> {
        self.0.over(events).map(Self::connector)
    }

    fn resolve(&self, order: Order) -> BoxFuture<'_, Result<Option<Value>, Answer>> {
        async move { self.0.fix(&order).await }.boxed()
    }
}

/// A question that found no answer, or could not be put.
pub(crate) fn unanswered(answer: Answer) -> Finding {
    if answer.permanent {
        Finding::wrong(answer.detail, "correct it")
    } else {
        Finding::Unsure(answer.detail)
    }
}

/// What comes of a change that a done action leaves behind and that is worth another try only if a repetition can mend it.
pub(crate) fn once(answer: Answer) -> Result<Tended, Answer> {
    if answer.outcome == FinishOutcome::Done || answer.permanent {
        Ok(Tended::Over)
    } else {
        Err(answer)
    }
}

/// The findings of a service that has nothing to look at but itself, and of the order's own texts.
pub(crate) fn with_texts<T>(reached: Finding, texts: Result<T, Answer>) -> Vec<Finding> {
    let texts = texts
        .err()
        .map(|answer| Finding::wrong(answer.detail, "correct the template"));
    std::iter::once(reached).chain(texts).collect()
}
