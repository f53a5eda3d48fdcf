//! `monitor`: watch a target more closely for a while.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{ActionKind, Cooldown, Facts, Intents, Strength};
use crate::params::Params;
use crate::view::EventView;

pub(super) const KIND: ActionKind = ActionKind {
    in_korean: "집중 모니터링",
    strength: Strength::Watches,
    cooldown: Cooldown {
        minutes: 2,
        meaning: "Minutes after monitoring was raised.",
    },
    ..ActionKind::of::<Parameters>()
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Seconds between two looks at the target, 1 to 86400 (a day).
    #[schemars(range(min = 1, max = 86_400), extend("default" = 30))]
    interval_seconds: u64,
    /// Minutes after which the closer watch ends, 1 to 11520 (8 days).
    #[schemars(range(min = 1, max = 11_520), extend("default" = 120))]
    duration_minutes: u64,
}

#[derive(Serialize)]
struct Intent<'a> {
    duration_minutes: u64,
    interval_seconds: u64,
    model_name: Option<&'a str>,
    model_version: Option<&'a str>,
    target: &'a str,
}

impl Intents for Parameters {
    fn params(&self, _: &EventView<'_>, facts: &Facts<'_>) -> Params {
        Params::of(&Intent {
            duration_minutes: self.duration_minutes,
            interval_seconds: self.interval_seconds,
            model_name: facts.model,
            model_version: facts.model_version,
            target: facts.target,
        })
    }
}
