//! `rollback`: return a model to its previous stable version, or a service's deployment where its model is not known.

use serde::Serialize;

use super::kind::{ActionKind, ActsOn, Cooldown, Facts, Intents};
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

#[derive(Serialize)]
struct Intent<'a> {
    current_version: Option<&'a str>,
    model_name: Option<&'a str>,
    reason: &'static str,
    service: Option<&'a str>,
    to: &'static str,
}

impl Intents for Parameters {
    /// A service of which it is not known which model it serves has its own deployment rolled back, never the default
    /// model on its behalf.
    fn params(&self, _: &EventView<'_>, facts: &Facts<'_>) -> Params {
        Params::of(&Intent {
            current_version: facts.model_version,
            model_name: facts.model.filter(|_| !facts.serves_unknown_model),
            reason: "auto_response_rollback",
            service: facts.named_service,
            to: "previous_stable",
        })
    }
}
