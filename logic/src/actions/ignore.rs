//! `ignore`: only record that the event was seen.

use super::kind::{ActionKind, Facts, Intents, Strength};
use crate::params::Params;
use crate::view::EventView;

pub(super) const KIND: ActionKind = ActionKind {
    in_korean: "무시",
    strength: Strength::Records,
    ..ActionKind::of::<Parameters>()
};

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {}

impl Intents for Parameters {
    fn params(&self, _: &EventView<'_>, _: &Facts<'_>) -> Params {
        Params::default()
    }
}
