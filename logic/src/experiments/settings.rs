//! What an experiment is and how clicks are counted, as configured. A key is declared once, by its field.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::Metric;

/// Arms at most, the control included.
pub const ARMS_MAX: usize = 10;
/// Experiments that are declared at the same time, at most. A list counts for as many.
pub const EXPERIMENTS_MAX: usize = 8;

/// An experiment: users are divided between arms, and the arms are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExperimentSettings {
    /// Weight of each arm, two to ten of them: the share of users that it gets is its weight divided by the sum. 0 = no new users.
    #[schemars(schema_with = "weights")]
    pub arms: BTreeMap<String, f64>,
    /// The arm that the others are compared with.
    #[schemars(extend("default" = "control"))]
    pub control: String,
    /// Model that serves an arm: builtin, or the name of a model in recommendations.external. An arm that is not named is served as users outside of the experiment are.
    #[schemars(extend("default" = {}))]
    pub models: BTreeMap<String, String>,
    /// Constants of our own scores by arm, named as in recommendations.model. Only those that change nothing that is learned: all arms learn the same.
    #[schemars(extend("default" = {}))]
    pub settings: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    /// Text that the division of users depends on; without it, the name of the experiment. Another salt divides users again.
    #[schemars(length(max = 64), extend("pattern" = "^[^:]*$", "default" = ""))]
    pub salt: String,
    /// Share of all users that take part. A larger share keeps those who do already.
    #[schemars(range(min = 0.0, max = 1.0), extend("default" = 1.0))]
    pub share: f64,
    /// Ids of users that never take part, such as those of employees and tests. At most 1,000.
    #[schemars(length(max = 1000), extend("default" = []))]
    pub exclude: Vec<String>,
    /// When it starts, as 2026-03-02T00:00:00Z; without it, at once.
    #[schemars(extend("format" = "date-time"))]
    pub start: Option<String>,
    /// When it ends. Users are then served as without it.
    #[schemars(extend("format" = "date-time"))]
    pub end: Option<String>,
    /// What must not become worse than in the control, by metric.
    #[schemars(schema_with = "guardrails")]
    pub guardrails: BTreeMap<Metric, Guardrail>,
}

/// How much worse a metric may be in an arm than in the control.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Guardrail {
    /// Share of the control's value: 0.1 = at most 10 % worse.
    #[schemars(range(min = 0.0, max = 10.0), extend("default" = 0.1))]
    pub margin: f64,
}

/// When a list that is pushed counts as shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountPushed {
    /// Once it is handed to a connected client of the user.
    #[default]
    Delivered,
    /// Once it is published, connected or not.
    Published,
}

/// How impressions and clicks are counted, and when a difference is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatisticsSettings {
    /// When a pushed list counts as shown: delivered = once it is handed to a client that is connected here; published = at once, for teams that read push.recommendations themselves.
    #[schemars(extend("default" = "delivered"))]
    pub count_pushed: CountPushed,
    /// Minutes after an impression in which a click on the item counts for it.
    #[schemars(range(min = 1, max = 1440), extend("default" = 30))]
    pub attribution_minutes: u32,
    /// Minutes by which the time of a click may be before that of its impression: clocks differ.
    #[schemars(range(min = 0, max = 60), extend("default" = 5))]
    pub out_of_order_minutes: u32,
    /// Items shown to a user in an hour that count. What is beyond is counted as excluded: no person looks at as many.
    #[schemars(range(min = 1, max = 100_000), extend("default" = 1000))]
    pub impressions_per_hour_max: u32,
    /// Clicks, and negative feedback, of a user in an hour that count. What is beyond is counted as excluded.
    #[schemars(range(min = 1, max = 100_000), extend("default" = 100))]
    pub reactions_per_hour_max: u32,
    /// Days that are kept apart. Older ones are added up.
    #[schemars(range(min = 8, max = 400), extend("default" = 35))]
    pub days_max: u32,
    /// Counters of one shard: day, experiment, arm, model, segment, position. Beyond it, a day's further ones are counted as other.
    #[schemars(range(min = 100, max = 1_000_000), extend("default" = 20_000))]
    pub counters_max: usize,
    /// Probability that a difference is reported although there is none, however often it is looked at.
    #[schemars(range(min = 0.000_001, max = 0.5), extend("default" = 0.05))]
    pub alpha: f64,
    /// Users of each arm before anything is said of a difference.
    #[schemars(range(min = 20, max = 1_000_000), extend("default" = 200))]
    pub users_min: u64,
    /// Clicks of both arms together before anything is said of a difference.
    #[schemars(range(min = 10, max = 1_000_000), extend("default" = 50))]
    pub clicks_min: u64,
    /// Relative difference that is found fastest: 0.1 = 10 % of the control's rate. It changes no error rate.
    #[schemars(range(min = 0.001, max = 2.0), extend("default" = 0.1))]
    pub expected_effect: f64,
    /// Seconds between two looks for drops of arms and models. It changes no error rate: intervals hold at all times together.
    #[schemars(range(min = 1, max = 3600), extend("default" = 60))]
    pub look_seconds: u32,
    /// Relative drop below which a significant one is reported and not published: 0.05 = 5 % of the baseline's rate.
    #[schemars(range(min = 0.0, max = 1.0), extend("default" = 0.05))]
    pub drop_min: f64,
    /// Days of its own past that today is compared with. 0 = it is compared with other arms only.
    #[schemars(range(min = 0, max = 60), extend("default" = 14))]
    pub baseline_days: u32,
    /// Probability below which users are not divided as declared, and the experiment cannot be trusted.
    #[schemars(range(min = 0.000_000_001, max = 0.05), extend("default" = 0.001))]
    pub mismatch_alpha: f64,
}

impl Default for ExperimentSettings {
    fn default() -> Self {
        Self {
            arms: BTreeMap::new(),
            control: "control".to_owned(),
            models: BTreeMap::new(),
            settings: BTreeMap::new(),
            salt: String::new(),
            share: 1.0,
            exclude: Vec::new(),
            start: None,
            end: None,
            guardrails: BTreeMap::new(),
        }
    }
}

impl Default for Guardrail {
    fn default() -> Self {
        Self { margin: 0.1 }
    }
}

impl Default for StatisticsSettings {
    fn default() -> Self {
        Self {
            count_pushed: CountPushed::Delivered,
            attribution_minutes: 30,
            out_of_order_minutes: 5,
            impressions_per_hour_max: 1_000,
            reactions_per_hour_max: 100,
            days_max: 35,
            counters_max: 20_000,
            alpha: 0.05,
            users_min: 200,
            clicks_min: 50,
            expected_effect: 0.1,
            look_seconds: 60,
            drop_min: 0.05,
            baseline_days: 14,
            mismatch_alpha: 0.001,
        }
    }
}

/// Names of arms with their weights.
fn weights(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object", "maxProperties": ARMS_MAX, "default": {},
        "propertyNames": { "pattern": "^[A-Za-z0-9_-]{1,64}$" },
        "additionalProperties": { "type": "number", "minimum": 0.0, "maximum": 1e6 }
    })
}

/// Guardrails by the metrics that are counted.
fn guardrails(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let guardrail = generator.subschema_for::<Guardrail>();
    let properties = Metric::ALL.map(|metric| (metric.name().to_owned(), guardrail.clone().into()));
    let properties = serde_json::Map::from_iter(properties);
    schemars::json_schema!({
        "type": "object", "additionalProperties": false, "default": {}, "properties": properties
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_that_the_schema_states() {
        let both = [
            (
                schemars::schema_for!(StatisticsSettings),
                serde_json::to_value(StatisticsSettings::default()).unwrap(),
            ),
            (
                schemars::schema_for!(ExperimentSettings),
                serde_json::to_value(ExperimentSettings::default()).unwrap(),
            ),
            (
                schemars::schema_for!(Guardrail),
                serde_json::to_value(Guardrail::default()).unwrap(),
            ),
        ];
        for (schema, values) in both {
            for (name, property) in schema.get("properties").unwrap().as_object().unwrap() {
                let (stated, real) = (&property["default"], &values[name]);
                let same = stated == real || stated.as_f64() == real.as_f64();
                assert!(same || real.is_null(), "{name}: {stated} {real}");
            }
        }
    }

    #[test]
    fn an_experiment_is_read_as_it_is_documented() {
        let text = r#"
            arms = { control = 1, candidate = 1 }
            start = "2026-03-02T00:00:00Z"
            guardrails.negative_feedback.margin = 0.2
            guardrails.latency_ms = {}
        "#;
        let settings: ExperimentSettings = toml::from_str(text).unwrap();
        assert_eq!(settings.arms.len(), 2);
        let margins: Vec<f64> = settings.guardrails.values().map(|one| one.margin).collect();
        assert_eq!(margins, [0.2, 0.1], "in the order of the metrics");
        for wrong in [
            "arm = {}",
            "guardrails.speed = {}",
            "guardrails.coverage = { by = 1 }",
        ] {
            assert!(
                toml::from_str::<ExperimentSettings>(wrong).is_err(),
                "{wrong}"
            );
        }
    }
}
