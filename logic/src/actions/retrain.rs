//! `retrain`: start a training job for a model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{ActionKind, ActsOn, Cooldown, Facts, Intents, Quoted};
use crate::params::Params;
use crate::view::EventView;

pub(super) const KIND: ActionKind = ActionKind {
    in_korean: "재학습",
    acts_on: ActsOn::Model,
    in_working_hours: true,
    schedulable: true,
    cooldown: Cooldown {
        minutes: 60,
        meaning: "Minutes after a retraining: training takes long, and its effect shows late.",
    },
    ..ActionKind::of::<Parameters>()
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Priority that the training job is started with, a word that the training system knows.
    #[schemars(length(min = 1), extend("default" = "high"))]
    priority: String,
}

#[derive(Serialize)]
struct Intent<'a> {
    metadata: Quoted<'a>,
    model_name: Option<&'a str>,
    model_version: Option<&'a str>,
    priority: &'a str,
    reason: &'a str,
}

impl Intents for Parameters {
    fn params(&self, _: &EventView<'_>, facts: &Facts<'_>) -> Params {
        Params::of(&Intent {
            metadata: facts.event,
            model_name: facts.model,
            model_version: facts.model_version,
            priority: &self.priority,
            reason: facts.reason,
        })
    }
}
