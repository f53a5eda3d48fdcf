//! `scale_down`: remove instances from a service.

use schemars::JsonSchema;
use serde::Deserialize;

use super::kind::{ActionKind, ActsOn, Cooldown, Facts, Intents};
use super::scale_up::{Intent, on_instances};
use crate::params::Params;
use crate::view::EventView;

pub(super) const KIND: ActionKind = ActionKind {
    in_korean: "인스턴스 감축",
    acts_on: ActsOn::Service,
    remarks: on_instances,
    cooldown: Cooldown {
        minutes: 10,
        meaning: "Minutes after removing an instance.",
    },
    ..ActionKind::of::<Parameters>()
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Instances that are removed, as a negative number, -1000 to -1. One instance always remains.
    #[schemars(range(min = -1_000, max = -1), extend("default" = -1))]
    change: i64,
}

impl Intents for Parameters {
    fn params(&self, view: &EventView<'_>, facts: &Facts<'_>) -> Params {
        Params::of(&Intent::new(self.change, view, facts))
    }
}
