//! What a relative order was resolved to. It is kept in the ledger before the first attempt, so that every attempt, on whatever
//! instance, means the same; also that it cannot be carried out, so that it is not tried again and again.

use homeostat_actors::ports::connector::{Answer, Order};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::meaning::{done, refusal};
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
    /// It cannot be done.
    Refused {
        /// Why, and what to do.
        because: String,
    },
}

impl<T: Serialize + DeserializeOwned> Resolved<T> {
    /// The order's parameters with what was found; an answer that no repetition can mend is found too.
    ///
    /// # Errors
    /// Why the cluster could not be asked now.
    pub(crate) fn keep(
        found: Result<Self, Answer>,
        order: &Order,
    ) -> Result<Option<serde_json::Value>, Answer> {
        let found = match found {
            Ok(found) => found,
            Err(answer) if answer.permanent => Self::Refused {
                because: answer.detail,
            },
            Err(answer) => return Err(answer),
        };
        let found = serde_json::to_value(found).map_err(|error| refused(error.to_string()))?;
        let mut params = order.params.clone();
        params.set(KEY, &found);
        Ok(Some(params.value()))
    }

    /// The plan of an order.
    ///
    /// # Errors
    /// The answer to the order: there is nothing to do, it cannot be done, or it was never resolved.
    pub(crate) fn plan(order: &Order) -> Result<T, Answer> {
        match Self::of(order)? {
            Self::Plan(plan) => Ok(plan),
            Self::Nothing { because } => Err(done(order.dry_run, &because)),
            Self::Refused { because } => Err(refused(because)),
        }
    }

    fn of(order: &Order) -> Result<Self, Answer> {
        let params = order.params.value();
        let kept = params.get(KEY).cloned().ok_or_else(|| {
            refusal(
                "the order was not resolved before its first attempt, by a connection of another kind",
                "order the action again",
            )
        })?;
        serde_json::from_value(kept).map_err(|error| {
            refusal(
                format!("what the order was resolved to cannot be read: {error}"),
                "order the action again",
            )
        })
    }
}
