//! `scale_up`: add instances to a service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{ActionKind, ActsOn, Cooldown, Facts, Intents};
use crate::params::Params;
use crate::view::EventView;

pub(super) const KIND: ActionKind = ActionKind {
    in_korean: "인스턴스 증설",
    acts_on: ActsOn::Service,
    remarks: on_instances,
    cooldown: Cooldown {
        minutes: 10,
        meaning: "Minutes after adding instances: they need time to take load.",
    },
    ..ActionKind::of::<Parameters>()
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Instances that are added, 1 to 1000.
    #[schemars(range(min = 1, max = 1_000), extend("default" = 2))]
    change: i64,
}

impl Intents for Parameters {
    fn params(&self, view: &EventView<'_>, facts: &Facts<'_>) -> Params {
        Params::of(&Intent::new(self.change, view, facts))
    }
}

/// What a change of a service's size asks for: absolute where the event says how many instances there are.
#[derive(Serialize)]
pub(super) struct Intent<'a> {
    change: i64,
    instances: Option<i64>,
    service: Option<&'a str>,
}

impl<'a> Intent<'a> {
    pub(super) fn new(change: i64, view: &EventView<'_>, facts: &Facts<'a>) -> Self {
        let running = view.field::<f64>(INSTANCES).value();
        let running = running.and_then(whole_instances);
        Self {
            change,
            instances: running.map(|count| (count + change).max(1)),
            service: facts.service,
        }
    }
}

const INSTANCES: &str = "current_instances";
/// Largest number of instances that is believed.
const INSTANCES_MAX: f64 = 1e6;

pub(super) fn on_instances(view: &EventView<'_>) -> Vec<String> {
    let instances = view.field::<f64>(INSTANCES);
    let wrong = instances.remark(INSTANCES, "a number; only the change is reported");
    let count = instances.value();
    let count = count.filter(|count| whole_instances(*count).is_none());
    let unbelieved = count.map(|count| {
        format!("{INSTANCES} is {count}, not a whole number below {INSTANCES_MAX}; only the change is reported")
    });
    wrong.into_iter().chain(unbelieved).collect()
}

/// A number of instances as a whole number, if it is one.
#[allow(
    clippy::cast_possible_truncation,
    reason = "checked to be a small whole number first"
)]
fn whole_instances(count: f64) -> Option<i64> {
    (count.fract() == 0.0 && (0.0..INSTANCES_MAX).contains(&count)).then_some(count as i64)
}
