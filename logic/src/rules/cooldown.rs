//! Cooldowns: a map by action, written `retrain_minutes = 60`, one key for each action that is carried out.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::schema::HORIZON_MINUTES;
use crate::actions::Action;

/// Minutes by action; fractions are allowed, 0 switches a cooldown off. An overlay names only what it changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cooldown(BTreeMap<Action, f64>);

impl Cooldown {
    /// The minutes of an action, if they are given.
    pub fn minutes(&self, action: Action) -> Option<f64> {
        self.0.get(&action).copied()
    }

    /// All that are given.
    pub fn iter(&self) -> impl Iterator<Item = (Action, f64)> {
        self.0.iter().map(|(action, minutes)| (*action, *minutes))
    }
}

impl Serialize for Cooldown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let keys = self
            .iter()
            .map(|(action, minutes)| (action.cooldown_key(), minutes));
        serializer.collect_map(keys)
    }
}

impl<'de> Deserialize<'de> for Cooldown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let keys = BTreeMap::<String, f64>::deserialize(deserializer)?;
        let known = |(key, minutes): (String, f64)| {
            let action = Action::executed().find(|action| action.cooldown_key() == key);
            let action = action.ok_or_else(|| D::Error::unknown_field(&key, &[]))?;
            Ok((action, minutes))
        };
        keys.into_iter()
            .map(known)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl JsonSchema for Cooldown {
    fn schema_name() -> Cow<'static, str> {
        "Cooldown".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema(|_, minutes| minutes)
    }
}

/// The schema of the section that holds all of them: each with its default.
pub(super) fn with_defaults(_: &mut SchemaGenerator) -> Schema {
    schema(|action, mut minutes| {
        if let Value::Object(fields) = &mut minutes {
            fields.insert("default".to_owned(), json!(action.kind().cooldown.minutes));
        }
        minutes
    })
}

/// No cooldown may be longer than the ledger remembers.
fn schema(finish: impl Fn(Action, Value) -> Value) -> Schema {
    let minutes = |action: Action| {
        let minutes = json!({
            "description": action.kind().cooldown.meaning,
            "type": "number", "minimum": 0.0, "maximum": HORIZON_MINUTES,
        });
        (action.cooldown_key().to_owned(), finish(action, minutes))
    };
    let keys: Map<_, _> = Action::executed().map(minutes).collect();
    json_schema!({ "type": "object", "properties": keys, "additionalProperties": false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cooldown_is_written_as_minutes_of_its_action() {
        let read = |text: &str| serde_json::from_str::<Cooldown>(text);
        let cooldown = read(r#"{"scale_up_minutes":2.5,"alert_minutes":0}"#).unwrap();
        assert_eq!(cooldown.minutes(Action::ScaleUp), Some(2.5));
        assert_eq!(cooldown.minutes(Action::Alert), Some(0.0));
        assert_eq!(cooldown.minutes(Action::Retrain), None);
        let written = serde_json::to_string(&cooldown).unwrap();
        assert_eq!(read(&written).unwrap(), cooldown);
        for unknown in ["scale_up", "ignore_minutes", "scale_up_hours"] {
            let text = format!("{{\"{unknown}\":1}}");
            assert!(read(&text).unwrap_err().to_string().contains(unknown));
        }
    }
}
