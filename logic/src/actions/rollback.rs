//! `rollback`: return a model to its previous stable version, or a service's deployment where its model is not known.

use serde::Serialize;

use super::kind::{ActionKind, ActsOn, Cooldown, Facts, Intents};
use crate::field::Word;
use crate::params::Params;
use crate::view::EventView;

pub(super) const KIND: ActionKind = ActionKind {
    in_korean: "롤백",
    acts_on: ActsOn::ModelOrDeployment,
    in_working_hours: true,
    cooldown: Cooldown {
        minutes: 30,
        meaning: "Minutes after a rollback.",
    },
    ..ActionKind::of::<Parameters>()
};

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {}

/// The version to go back to, where the event says it.
const TO_VERSION: &str = "to_version";
/// What is gone back to without one: the platform's service knows which.
const PREVIOUS: &str = "previous_stable";

#[derive(Serialize)]
struct Intent<'a> {
    current_version: Option<&'a str>,
    model_name: Option<&'a str>,
    reason: &'static str,
    service: Option<&'a str>,
    to: &'a str,
}

impl Intents for Parameters {
    /// A service of which it is not known which model it serves has its own deployment rolled back, never the default
    /// model on its behalf.
    fn params(&self, view: &EventView<'_>, facts: &Facts<'_>) -> Params {
        let named = view.field::<Word<'_>>(TO_VERSION).value();
        let named = named
            .map(|word| word.0)
            .filter(|word| !word.trim().is_empty());
        Params::of(&Intent {
            current_version: facts.model_version,
            model_name: facts.model.filter(|_| !facts.serves_unknown_model),
            reason: "auto_response_rollback",
            service: facts.named_service,
            to: named.as_deref().map_or(PREVIOUS, str::trim),
        })
    }
}
