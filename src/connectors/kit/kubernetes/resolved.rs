//! What a relative order was resolved to. It is kept in the ledger before the first attempt, so that every attempt, on whatever
//! instance, means the same. That it cannot be carried out is not kept: it may be mended.

use homeostat_actors::ports::connector::{Answer, Order, Probe};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::meaning::{done, refusal};
use crate::connectors::kit::exchange::not_sent;
use crate::connectors::kit::refused;

/// The parameter that holds it.
const KEY: &str = "resolved";

/// What was found when the order was resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Resolved<T> {
    /// This is to be done.
    Plan(T),
    /// Nothing has to be done.
    Nothing {
        /// Why.
        because: String,
    },
    /// It cannot be done now. Only earlier versions kept it.
    Refused {
        /// Why, and what to do.
        because: String,
    },
}

impl<T: Serialize + DeserializeOwned> Resolved<T> {
    /// The order's parameters with what was found; `None` = it cannot be done now. That is not kept: the attempt asks again and says
    /// why, and a person who mended it may fire the action again.
    ///
    /// # Errors
    /// Why the cluster could not be asked now.
    pub(crate) fn keep(
        found: Result<Self, Answer>,
        order: &Order,
    ) -> Result<Option<serde_json::Value>, Answer> {
        let found = match found {
            Ok(Self::Refused { .. }) => return Ok(None),
            Ok(found) => found,
            Err(answer) if answer.permanent => return Ok(None),
            Err(answer) => return Err(answer),
        };
        let found = serde_json::to_value(found).map_err(|error| refused(error.to_string()))?;
        let mut params = order.params.clone();
        params.set(KEY, &found);
        Ok(Some(params.value()))
    }

    /// The plan of an order; `now` resolves it at this moment.
    ///
    /// # Errors
    /// The answer to the order: there is nothing to do, it cannot be done, or it was not resolved before. What is found now is not on
    /// the ledger, and another attempt might find something else: the next one resolves it first.
    pub(crate) async fn plan(
        order: &Order,
        now: impl Future<Output = Result<Self, Answer>>,
    ) -> Result<T, Answer> {
        let kept = match Self::kept(order)? {
            Some(Self::Plan(plan)) => return Ok(plan),
            Some(kept) => kept,
            None => now.await?,
        };
        Err(match kept {
            Self::Plan(_) => not_sent(
                "nothing was sent, because what to do was not fixed before this attempt; the next one fixes it".to_owned(),
            ),
            Self::Nothing { because } => done(order.dry_run, &because),
            Self::Refused { because } => refused(because),
        })
    }

    /// The plan that an order carries, without asking.
    pub(crate) fn planned(order: &Order) -> Option<T> {
        match Self::kept(order) {
            Ok(Some(Self::Plan(plan))) => Some(plan),
            _ => None,
        }
    }

    /// The plan of an attempt in doubt.
    ///
    /// # Errors
    /// What is known of it without asking: an order without a plan changes nothing.
    pub(crate) fn asked(order: &Order) -> Result<T, Probe> {
        match Self::kept(order) {
            Ok(Some(Self::Plan(plan))) => Ok(plan),
            Ok(Some(Self::Nothing { because })) => Err(Probe::Found(because)),
            Ok(Some(Self::Refused { because })) => Err(Probe::Absent(because)),
            Ok(None) => Err(Probe::Absent(
                "what to do was not fixed for this order, so that nothing was sent".to_owned(),
            )),
            Err(answer) => Err(Probe::NoAnswer(answer.detail)),
        }
    }

    fn kept(order: &Order) -> Result<Option<Self>, Answer> {
        let params = order.params.value();
        let kept = params.get(KEY).cloned();
        kept.map(serde_json::from_value)
            .transpose()
            .map_err(|error| {
                refusal(
                    format!("what the order was resolved to cannot be read: {error}"),
                    "order the action again",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use futures_util::FutureExt as _;
    use homeostat_logic::actions::Action;
    use homeostat_logic::ledger::record::{FinishOutcome, Id};
    use homeostat_logic::severity::Severity;
    use homeostat_logic::target::Target;
    use serde_json::json;

    use super::*;

    fn order(params: serde_json::Value) -> Order {
        Order {
            action_id: Id([7; 16]),
            attempt: 1,
            action: Action::Rollback,
            target: Target::model("fraud"),
            severity: Severity::High,
            event_type: "data_drift_detected".to_owned(),
            event_id: "event-1".to_owned(),
            params: params.into(),
            reasons: Vec::new(),
            now: 0,
            as_of: 0,
            dry_run: false,
        }
    }

    const fn found(number: i64) -> Resolved<i64> {
        Resolved::Plan(number)
    }

    fn refusing() -> Resolved<i64> {
        Resolved::Refused {
            because: "it is paused; resume it, and refire the action".to_owned(),
        }
    }

    fn planned(
        order: &Order,
        now: Result<Resolved<i64>, Answer>,
    ) -> Result<i64, (FinishOutcome, bool)> {
        let plan = Resolved::plan(order, ready(now)).now_or_never().unwrap();
        plan.map_err(|answer| (answer.outcome, answer.permanent))
    }

    #[test]
    fn a_refusal_is_asked_for_again_and_a_plan_is_kept() {
        let plain = order(json!({"change": 2}));
        for refused in [Ok(refusing()), Err(refused("403".to_owned()))] {
            // Nothing is kept, the attempt says it, and a person mends it.
            assert_eq!(Resolved::keep(refused.clone(), &plain), Ok(None));
            assert_eq!(planned(&plain, refused), Err((FinishOutcome::Failed, true)));
        }
        assert_eq!(
            planned(&plain, Ok(found(5))),
            Err((FinishOutcome::NotSent, false))
        );
        assert!(matches!(
            Resolved::<i64>::asked(&plain),
            Err(Probe::Absent(_))
        ));
        let kept = Resolved::keep(Ok(found(5)), &plain).unwrap().unwrap();
        assert_eq!(kept, json!({"change": 2, "resolved": {"plan": 5}}));
        let fixed = order(kept);
        assert_eq!(planned(&fixed, Ok(refusing())), Ok(5));
        assert_eq!(Resolved::asked(&fixed), Ok(5));
        let silent = Err(not_sent("no answer".to_owned()));
        assert!(Resolved::<i64>::keep(silent, &plain).is_err());
    }
}
