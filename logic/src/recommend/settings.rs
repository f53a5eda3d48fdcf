//! Constants and bounds of the recommender. The defaults are measured ones (docs/recommendations.md).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Constants and bounds of the recommender.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RecommendSettings {
    /// Items of a user that are remembered in order, and with which the next one is paired.
    #[schemars(range(min = 1, max = 200), extend("default" = 30))]
    pub history_max: usize,
    /// Newest items of a user that a recommendation looks at.
    #[schemars(range(min = 1, max = 200), extend("default" = 20))]
    pub scored_max: usize,
    /// A pair counts e^(-d / this), d being how many items of the user lie between its two.
    #[schemars(range(min = 0.1, max = 1000.0), extend("default" = 12.0))]
    pub learn_decay: f64,
    /// A user's item counts e^(-d / this) in a recommendation, d being how many newer ones there are.
    #[schemars(range(min = 0.1, max = 1000.0), extend("default" = 4.0))]
    pub score_decay: f64,
    /// Damping of frequent items: scores are divided by (events of the item)^this, for the item recommended and for the user's.
    #[schemars(range(max = 1.0), extend("default" = 0.2))]
    pub frequency_power: f64,
    /// Pairs that every item has with all others before any is seen, shared out by how frequent those are: how much has to be seen
    /// before pairs count. 0: what made past events the likeliest.
    #[schemars(range(max = 1_000_000_000.0), extend("default" = 0.0))]
    pub prior: f64,
    /// Events, shared out by how frequent items are, that are added to the trend: how much has to be seen lately before it
    /// counts. 0: what made past events the likeliest.
    #[schemars(range(max = 1_000_000_000.0), extend("default" = 0.0))]
    pub trend_prior: f64,
    /// Minutes after which a user's item counts `idle_factor`, and after which a user who is back gets what is trending first.
    #[schemars(range(max = 525_600.0), extend("default" = 60.0))]
    pub idle_after_minutes: f64,
    /// What an item older than `idle_after_minutes` counts, from 0 to 1.
    #[schemars(range(max = 1.0), extend("default" = 0.3))]
    pub idle_factor: f64,
    /// Share of the trend beside the score by pairs, which counts 1.
    #[schemars(range(max = 1000.0), extend("default" = 0.05))]
    pub trend_weight: f64,
    /// The same for a user without history, or idle for longer than `idle_after_minutes`.
    #[schemars(range(max = 1000.0), extend("default" = 0.6))]
    pub idle_trend_weight: f64,
    /// Hours after which an event counts half in the trend.
    #[schemars(range(min = 0.01, max = 100_000.0), extend("default" = 168.0))]
    pub trend_half_life_hours: f64,
    /// Most frequent items, and as many trending ones, that every recommendation considers beside the neighbours.
    #[schemars(range(min = 1, max = 100_000), extend("default" = 500))]
    pub candidates_max: usize,
    /// Neighbours of an item. At the bound the eighth of them with the smallest counts leaves.
    #[schemars(range(min = 8, max = 100_000), extend("default" = 1000))]
    pub neighbours_max: usize,
    /// Neighbours of all items together, 16 to 28 bytes each. At the bound every item with 8 neighbours or more loses the eighth
    /// with the smallest counts; if that frees too little, new pairs are not kept.
    #[schemars(range(min = 1, max = 1_000_000_000), extend("default" = 20_000_000))]
    pub pairs_max: usize,
    /// Items that are known. At the bound the eighth with the fewest events leaves, of equals the one quiet for longest.
    #[schemars(range(min = 8, max = 100_000_000), extend("default" = 1_000_000))]
    pub items_max: usize,
    /// Users that are known. At the bound the eighth of which nothing came for longest leaves.
    #[schemars(range(min = 8, max = 100_000_000), extend("default" = 1_000_000))]
    pub users_max: usize,
    /// Items that a user has seen, so that they are not recommended. At the bound the eighth seen first leaves.
    #[schemars(range(min = 8, max = 100_000), extend("default" = 2000))]
    pub seen_max: usize,
    /// Users of an item that are compared for similar items and users. At the bound the eighth that came first leaves.
    #[schemars(range(min = 8, max = 100_000), extend("default" = 300))]
    pub holders_max: usize,
    /// Different items of one event that are learned. Further ones are left out and counted.
    #[schemars(range(min = 1, max = 10_000), extend("default" = 100))]
    pub items_per_event_max: usize,
    /// What an interaction of a type counts. Below zero: the user does not want the item. Zero: it is only remembered as seen.
    pub weights: BTreeMap<String, f64>,
    /// What an interaction of any other type counts.
    #[schemars(range(min = -1.0, max = 100.0), extend("default" = 0.1))]
    pub other_weight: f64,
    /// Recommend what a user has seen already, too: for shops and media where people return to an item. What a user does not
    /// want is never recommended.
    #[schemars(extend("default" = false))]
    pub recommend_seen: bool,
    /// Share of what the user chose lately in the score, if `recommend_seen` is on: the newest item counts this, others less by
    /// `learn_decay`.
    #[schemars(range(max = 1000.0), extend("default" = 1.0))]
    pub repeat_weight: f64,
    /// Items of at least this similarity are boosted after a click, from 0 to 1.
    #[schemars(range(max = 1.0), extend("default" = 0.8))]
    pub similar_items_min: f64,
    /// At most this many of them.
    #[schemars(range(max = 1000), extend("default" = 10))]
    pub similar_items_max: usize,
    /// Users in common at which an item's similarity is believed by half.
    #[schemars(range(max = 1000.0), extend("default" = 10.0))]
    pub similar_items_shrink: f64,
    /// Users of at least this similarity share boosts after a purchase, from 0 to 1.
    #[schemars(range(max = 1.0), extend("default" = 0.7))]
    pub similar_users_min: f64,
    /// At most this many of them.
    #[schemars(range(max = 1000), extend("default" = 50))]
    pub similar_users_max: usize,
    /// Items in common at which a user's similarity is believed by half.
    #[schemars(range(max = 1000.0), extend("default" = 5.0))]
    pub similar_users_shrink: f64,
    /// Factor on the score of items similar to a clicked one.
    #[schemars(range(min = 1.0, max = 10.0), extend("default" = 1.5))]
    pub click_boost: f64,
    /// Factor on the score of items that similar users bought or rated high.
    #[schemars(range(min = 1.0, max = 10.0), extend("default" = 1.2))]
    pub similar_user_boost: f64,
    /// Largest factor that boosts of one item reach together.
    #[schemars(range(min = 1.0, max = 100.0), extend("default" = 2.0))]
    pub boost_max: f64,
    /// Hours after which half of a boost is left.
    #[schemars(range(min = 0.01, max = 100_000.0), extend("default" = 24.0))]
    pub boost_half_life_hours: f64,
    /// Items that are boosted for one user. At the bound the weakest boost leaves.
    #[schemars(range(min = 1, max = 1000), extend("default" = 50))]
    pub boosts_max: usize,
}

impl Default for RecommendSettings {
    fn default() -> Self {
        let weights = [
            ("view", 0.1),
            ("click", 0.3),
            ("like", 0.7),
            ("purchase", 1.0),
            ("high_rating", 1.2),
            ("add_to_cart", 0.1),
            ("dislike", -1.0),
            ("low_rating", -1.0),
            ("not_interested", -1.0),
            ("hide", -1.0),
            ("return", -1.0),
            ("remove_from_cart", -1.0),
        ];
        Self {
            history_max: 30,
            scored_max: 20,
            learn_decay: 12.0,
            score_decay: 4.0,
            frequency_power: 0.2,
            prior: 0.0,
            trend_prior: 0.0,
            idle_after_minutes: 60.0,
            idle_factor: 0.3,
            trend_weight: 0.05,
            idle_trend_weight: 0.6,
            trend_half_life_hours: 168.0,
            candidates_max: 500,
            neighbours_max: 1_000,
            pairs_max: 20_000_000,
            items_max: 1_000_000,
            users_max: 1_000_000,
            seen_max: 2_000,
            holders_max: 300,
            items_per_event_max: 100,
            weights: weights
                .map(|(kind, weight)| (kind.to_owned(), weight))
                .into(),
            other_weight: 0.1,
            recommend_seen: false,
            repeat_weight: 1.0,
            similar_items_min: 0.8,
            similar_items_max: 10,
            similar_items_shrink: 10.0,
            similar_users_min: 0.7,
            similar_users_max: 50,
            similar_users_shrink: 5.0,
            click_boost: 1.5,
            similar_user_boost: 1.2,
            boost_max: 2.0,
            boost_half_life_hours: 24.0,
            boosts_max: 50,
        }
    }
}

/// Why settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// There is no setting of that name.
    #[error("there is no setting \"{name}\"; there are {known}")]
    Unknown {
        /// As it was written.
        name: String,
        /// Those with a number, separated by commas.
        known: String,
    },
    /// A value is outside its range.
    #[error("{name} cannot be {value}: it has to be {wanted}")]
    Value {
        /// The setting.
        name: String,
        /// Its value.
        value: String,
        /// What it can be.
        wanted: String,
    },
}

impl RecommendSettings {
    /// What an interaction of this type counts.
    pub fn weight(&self, kind: &str) -> f64 {
        self.weights.get(kind).copied().unwrap_or(self.other_weight)
    }

    /// The same settings, with the number of this name replaced.
    ///
    /// # Errors
    /// No setting with a number has that name, or the value is outside its range.
    pub fn with(&self, name: &str, value: f64) -> Result<Self, SettingsError> {
        let mut all = serde_json::to_value(self).unwrap_or_default();
        let unknown = |all: &serde_json::Value| SettingsError::Unknown {
            name: name.to_owned(),
            known: all
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(_, value)| value.is_number())
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        };
        let Some(place) = all.get(name).filter(|place| place.is_number()) else {
            return Err(unknown(&all));
        };
        let refused = |wanted: String| SettingsError::Value {
            name: name.to_owned(),
            value: value.to_string(),
            wanted,
        };
        let new = if place.is_u64() {
            if value.fract() != 0.0 || !(0.0..=4e9).contains(&value) {
                return Err(refused("a whole number".to_owned()));
            }
            serde_json::Value::from(value as u64)
        } else {
            serde_json::Value::from(value)
        };
        if let Some(place) = all.get_mut(name) {
            *place = new;
        }
        let settings: Self =
            serde_json::from_value(all).map_err(|_| refused("a finite number".to_owned()))?;
        settings.check()?;
        Ok(settings)
    }

    /// Whether every number is within the range that the schema declares.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), SettingsError> {
        let schema = schemars::schema_for!(Self);
        let values = serde_json::to_value(self).unwrap_or_default();
        let properties = schema.get("properties").and_then(|all| all.as_object());
        for (name, property) in properties.into_iter().flatten() {
            let value = values.get(name);
            if property.get("type").and_then(|kind| kind.as_str()) == Some("object")
                || value.is_some_and(serde_json::Value::is_boolean)
            {
                continue;
            }
            let bound = |name: &str| property.get(name).and_then(serde_json::Value::as_f64);
            let least = bound("minimum").unwrap_or(0.0);
            let most = bound("maximum").unwrap_or(f64::MAX);
            let number = value.and_then(serde_json::Value::as_f64);
            if !number.is_some_and(|number| (least..=most).contains(&number)) {
                return Err(SettingsError::Value {
                    name: name.clone(),
                    value: value.map_or_else(|| "absent".to_owned(), ToString::to_string),
                    wanted: format!("from {least} to {most}"),
                });
            }
        }
        for (kind, weight) in &self.weights {
            if !(-100.0..=100.0).contains(weight) {
                return Err(SettingsError::Value {
                    name: format!("weights.{kind}"),
                    value: weight.to_string(),
                    wanted: "from -100 to 100".to_owned(),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "exact figures of small examples")]

    use super::*;

    #[test]
    fn the_defaults_are_those_that_the_schema_states_and_within_their_ranges() {
        let settings = RecommendSettings::default();
        assert_eq!(settings.check(), Ok(()));
        let schema = schemars::schema_for!(RecommendSettings);
        let values = serde_json::to_value(&settings).unwrap();
        for (name, property) in schema.get("properties").unwrap().as_object().unwrap() {
            assert!(property["description"].is_string(), "{name}");
            if name != "weights" {
                let (stated, real) = (&property["default"], &values[name]);
                assert_eq!(stated.as_f64(), real.as_f64(), "{name}");
            }
        }
    }

    #[test]
    fn a_number_is_replaced_by_name_and_anything_else_is_refused() {
        let settings = RecommendSettings::default();
        assert_eq!(settings.with("score_decay", 8.0).unwrap().score_decay, 8.0);
        assert_eq!(settings.with("history_max", 50.0).unwrap().history_max, 50);
        for (name, value, part) in [
            ("history_max", 1.5, "a whole number"),
            ("history_max", 0.0, "from 1 to 200"),
            ("score_decay", 0.0, "from 0.1 to 1000"),
            ("score_decay", f64::NAN, "number"),
            ("tau", 1.0, "score_decay"),
            ("weights", 1.0, "there is no setting"),
            ("recommend_seen", 1.0, "there is no setting"),
        ] {
            let problem = settings.with(name, value).unwrap_err().to_string();
            assert!(problem.contains(part), "{name} {value}: {problem}");
        }
    }
}
