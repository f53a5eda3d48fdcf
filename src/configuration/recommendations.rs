//! Section `[recommendations]`: what users are recommended, and how it reaches them.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::collections::BTreeMap;

use homeostat_logic::experiments::StatisticsSettings;
use homeostat_logic::recommend::RecommendSettings;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::recommendations::external::ExternalSettings;

/// Section `[recommendations]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recommendations {
    /// Whether events about users are learned from; else they are only counted.
    #[schemars(extend("default" = true))]
    pub enabled: bool,
    /// Partitions of homeostat.users, which share the users between instances; fixed once that topic exists.
    #[schemars(range(min = 1, max = 1_024), extend("default" = 12))]
    pub partitions: i32,
    /// Whether to go on where another store has the users, who then begin again with nothing. For one start.
    #[schemars(extend("default" = false))]
    pub take_over_users: bool,
    /// Recommendations that are computed and cached for a user at once.
    #[schemars(range(min = 1, max = 1_000), extend("default" = 20))]
    pub cached_max: usize,
    /// Of those, how many are pushed when the user acts.
    #[schemars(range(min = 1, max = 1_000), extend("default" = 10))]
    pub pushed_max: usize,
    /// Users held in memory by one instance; others are loaded from the store when they act.
    #[schemars(range(min = 100, max = 100_000_000), extend("default" = 200_000))]
    pub users_in_memory_max: usize,
    /// Users who were active last and are brought into the model after a start, in the background, so that others have somebody
    /// to be similar to. 0 = none.
    #[schemars(range(min = 0, max = 10_000_000), extend("default" = 50_000))]
    pub warm_users_max: usize,
    /// Constants and bounds of the model; docs/recommendations.md has each with its default.
    #[schemars(schema_with = "model")]
    pub model: Option<RecommendSettings>,
    /// How impressions and clicks are counted, and when a difference is one; docs/experiments.md has each with its default.
    #[schemars(schema_with = "statistics")]
    pub statistics: Option<StatisticsSettings>,
    /// Experiments by name, which divide users between arms (docs/experiments.md).
    #[schemars(schema_with = "experiments")]
    pub experiments: Option<BTreeMap<String, toml::Value>>,
    /// Secret that signs users' tokens (docs/push.md), as a reference. Empty = users need no token.
    #[schemars(extend("default" = ""))]
    pub push_secret: String,
    /// The external model that makes the lists, by its name in recommendations.external. Empty = ours alone.
    #[schemars(extend("default" = ""))]
    pub served_by: String,
    /// Updates to connected users.
    pub push: Push,
    /// Models of yours behind a server (docs/external-models.md), by names of yours.
    #[serde(default)]
    pub external: BTreeMap<String, ExternalSettings>,
}

/// `recommendations.push`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// Connections of one user at once; one more closes his oldest.
    #[schemars(range(min = 1, max = 1_000), extend("default" = 5))]
    pub per_user_max: usize,
    /// Connections of all users at this instance; one more is refused (503). Each takes two open files.
    #[schemars(range(min = 0, max = 1_000_000), extend("default" = 20_000))]
    pub total_max: usize,
    /// Seconds between two signs of life; a WebSocket whose client answers none of three is closed.
    #[schemars(range(min = 1, max = 600), extend("default" = 15))]
    pub heartbeat_seconds: u64,
    /// Seconds after which a client that does not read is dropped.
    #[schemars(range(min = 1, max = 600), extend("default" = 30))]
    pub unread_seconds: u64,
}

/// Least `users_max` of a service: the model must not let go of a user whose last events are not written yet, and all partitions
/// together may have thousands of these.
const USERS_MIN: u32 = 20_000;

/// The constants without their defaults, which are in docs/recommendations.md and not in the default file.
fn model(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let mut schema = without_defaults(RecommendSettings::json_schema(generator));
    if let Some(users) = schema.pointer_mut("/properties/users_max") {
        users["minimum"] = USERS_MIN.into();
    }
    schema
}

/// The same of statistics.
fn statistics(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    without_defaults(StatisticsSettings::json_schema(generator))
}

/// Tables that the operator names; what is in them is checked as a whole (`build.rs`).
fn experiments(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "additionalProperties": true })
}

fn without_defaults(mut schema: schemars::Schema) -> schemars::Schema {
    let keys = schema
        .get_mut("properties")
        .and_then(|keys| keys.as_object_mut());
    for key in keys.into_iter().flat_map(|keys| keys.values_mut()) {
        if let Some(key) = key.as_object_mut() {
            key.remove("default");
        }
    }
    schema
}
