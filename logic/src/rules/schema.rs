//! Schemas of values that a type alone does not describe: time zones, times of day, tables by action.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

use crate::actions::Action;
use crate::ledger::times::HORIZON_MS;
use crate::severity::Severity;

/// The horizon of the ledger in minutes: no cooldown, window, age or pause may be longer.
pub const HORIZON_MINUTES: f64 = HORIZON_MS as f64 / 60_000.0;

/// Name of the table of actions that holds what is the same for all of them.
pub const DEFAULT_ACTION: &str = "default";

/// Names of the actions that are carried out; `ignore` is only recorded.
pub fn executed_actions() -> Vec<&'static str> {
    Action::executed().map(Action::name).collect()
}

/// An IANA time zone.
pub(super) fn time_zone(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "time-zone" })
}

/// `HH:MM`.
pub(super) fn time_of_day(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "time-of-day" })
}

/// A list of days without repetition.
pub(super) fn days(_: &mut SchemaGenerator) -> Schema {
    words(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"])
}

/// A list of names of `[time_intervals]`, without repetition.
pub(super) fn names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "format": "names", "uniqueItems": true, "items": { "type": "string", "minLength": 1 }
    })
}

/// A list of actions that are carried out, without repetition.
pub(super) fn actions(_: &mut SchemaGenerator) -> Schema {
    words(&executed_actions())
}

/// A list of severities without repetition.
pub(super) fn severities(_: &mut SchemaGenerator) -> Schema {
    words(&Severity::ALL.map(Severity::name))
}

fn words(words: &[&str]) -> Schema {
    json_schema!({ "type": "array", "uniqueItems": true, "items": { "type": "string", "enum": words } })
}

/// Thresholds by severity and field. They are compared with scores, shares and counts, none of which is negative or endless.
pub(super) fn thresholds(_: &mut SchemaGenerator) -> Schema {
    let fields = json_schema!({
        "type": "object", "additionalProperties": { "type": "number", "minimum": 0.0, "maximum": 1e15 }
    });
    by_name(&Severity::ALL.map(Severity::name), &fields)
}

/// Tables by action, each with the parameters that its kind declares, and one for all actions under `default`.
pub(super) fn by_action<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let general = generator.subschema_for::<T>().to_value();
    let mut tables = Map::from_iter([(DEFAULT_ACTION.to_owned(), general.clone())]);
    for action in Action::executed() {
        let mut table = general.clone();
        if let Some(keys) = table.get_mut("properties").and_then(Value::as_object_mut) {
            let parameters = (action.kind().parameters)(generator);
            keys.insert("parameters".to_owned(), parameters.to_value());
        }
        tables.insert(action.name().to_owned(), table);
    }
    json_schema!({ "type": "object", "properties": tables, "additionalProperties": false })
}

fn by_name(names: &[&str], value: &Schema) -> Schema {
    json_schema!({
        "type": "object", "propertyNames": { "enum": names }, "additionalProperties": value
    })
}
