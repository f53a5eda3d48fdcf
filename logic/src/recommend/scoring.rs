//! Constants that apply when items are scored and to nothing that is learned: an arm of an experiment may have its own, while
//! all arms learn the same.

use std::collections::BTreeMap;

use schemars::JsonSchema as _;
use serde_json::Value;

use super::settings::{RecommendSettings, SettingsError};

/// Their names, which are those of [`RecommendSettings`].
pub const SCORING_NAMES: [&str; 10] = [
    "scored_max",
    "score_decay",
    "prior",
    "trend_prior",
    "idle_after_minutes",
    "idle_factor",
    "trend_weight",
    "idle_trend_weight",
    "recommend_seen",
    "repeat_weight",
];

/// Those of one model or arm, ready to be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Scoring {
    pub(super) scored_max: usize,
    /// e^(-d / `score_decay`) by distance.
    pub(super) decay: Vec<f32>,
    pub(super) prior: f64,
    pub(super) trend_prior: f64,
    pub(super) idle_after_seconds: f64,
    pub(super) idle_factor: f32,
    pub(super) trend_weight: f64,
    pub(super) idle_trend_weight: f64,
    pub(super) recommend_seen: bool,
    pub(super) repeat_weight: f32,
}

impl Scoring {
    /// Those of these settings.
    pub fn of(settings: &RecommendSettings) -> Self {
        Self {
            scored_max: settings.scored_max,
            decay: decays(settings.score_decay, settings),
            prior: settings.prior,
            trend_prior: settings.trend_prior,
            idle_after_seconds: settings.idle_after_minutes * 60.0,
            idle_factor: settings.idle_factor as f32,
            trend_weight: settings.trend_weight,
            idle_trend_weight: settings.idle_trend_weight,
            recommend_seen: settings.recommend_seen,
            repeat_weight: settings.repeat_weight as f32,
        }
    }
}

/// e^(-d / `decay`) for every distance between two of a user's items.
pub(super) fn decays(decay: f64, settings: &RecommendSettings) -> Vec<f32> {
    (0..=settings.history_max.max(settings.scored_max))
        .map(|distance| (-(distance as f64) / decay).exp() as f32)
        .collect()
}

impl RecommendSettings {
    /// The same settings with these constants in place of their own. Only [`SCORING_NAMES`] can be replaced.
    ///
    /// # Errors
    /// A name is none of them, or a value is of another type or outside its range.
    pub fn with_scoring(&self, constants: &BTreeMap<String, Value>) -> Result<Self, SettingsError> {
        let mut all = serde_json::to_value(self).unwrap_or_default();
        for (name, value) in constants {
            let place = all.get_mut(name.as_str());
            let Some(place) = place.filter(|_| SCORING_NAMES.contains(&name.as_str())) else {
                return Err(SettingsError::Unknown {
                    name: name.clone(),
                    known: SCORING_NAMES.join(", "),
                });
            };
            let before = std::mem::replace(place, value.clone());
            if serde_json::from_value::<Self>(all.clone()).is_err() {
                return Err(SettingsError::Value {
                    name: name.clone(),
                    value: value.to_string(),
                    wanted: wanted(&before).to_owned(),
                });
            }
        }
        let settings: Self = serde_json::from_value(all).map_err(|error| SettingsError::Value {
            name: "settings".to_owned(),
            value: error.to_string(),
            wanted: "constants of the recommender".to_owned(),
        })?;
        settings.check()?;
        Ok(settings)
    }

    /// The schema of a table with these constants, each with type and bounds as everywhere.
    pub fn scoring_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = Self::json_schema(generator);
        let keys = schema
            .get_mut("properties")
            .and_then(|keys| keys.as_object_mut());
        if let Some(keys) = keys {
            keys.retain(|name, _| SCORING_NAMES.contains(&name.as_str()));
            for key in keys.values_mut().filter_map(Value::as_object_mut) {
                // Without one, it is as for all users.
                key.remove("default");
                if key.get("type").is_some_and(|kind| kind == "number") {
                    key.entry("minimum").or_insert_with(|| 0.0.into());
                }
            }
        }
        schema.remove("required");
        schema
    }
}

fn wanted(before: &Value) -> &'static str {
    match before {
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_u64() => "a whole number",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "exact figures of small examples")]

    use serde_json::json;

    use super::*;

    fn with(name: &str, value: Value) -> Result<RecommendSettings, SettingsError> {
        RecommendSettings::default().with_scoring(&BTreeMap::from([(name.to_owned(), value)]))
    }

    #[test]
    fn constants_of_scoring_are_replaced_and_what_is_learned_by_is_not() {
        assert_eq!(with("trend_weight", json!(1)).unwrap().trend_weight, 1.0);
        assert!(with("recommend_seen", json!(true)).unwrap().recommend_seen);
        for (name, value, part) in [
            ("learn_decay", json!(3), "there is no setting"),
            ("frequency_power", json!(0.1), "trend_weight"),
            ("weights", json!({}), "there is no setting"),
            ("scored_max", json!(1.5), "a whole number"),
            ("recommend_seen", json!(1), "true or false"),
            ("trend_weight", json!("much"), "a number"),
            ("idle_factor", json!(1.5), "from 0 to 1"),
        ] {
            let problem = with(name, value).unwrap_err().to_string();
            assert!(problem.contains(part), "{name}: {problem}");
        }
    }

    #[test]
    fn every_name_is_a_constant_of_the_recommender_with_its_bounds() {
        let schema = RecommendSettings::scoring_schema(&mut schemars::SchemaGenerator::default());
        let keys = schema.get("properties").unwrap().as_object().unwrap();
        for name in SCORING_NAMES {
            assert!(keys[name]["description"].is_string(), "{name}");
        }
        assert_eq!(keys.len(), SCORING_NAMES.len());
    }
}
