//! Schemas of values that a type alone does not describe: time zones, times of day, tables by action.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::action::Action;
use crate::ledger::times::HORIZON_MS;
use crate::severity::Severity;

/// The horizon of the ledger in minutes: no cooldown, window, age or pause may be longer.
pub const HORIZON_MINUTES: f64 = HORIZON_MS as f64 / 60_000.0;

/// Name of the table of actions that holds what is the same for all of them.
pub const DEFAULT_ACTION: &str = "default";

/// Names of the actions that are carried out; `ignore` is only recorded.
pub fn executed_actions() -> Vec<&'static str> {
    Action::ALL
        .into_iter()
        .filter(|action| *action != Action::Ignore)
        .map(Action::name)
        .collect()
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

/// Tables by action, and one for all actions under `default`.
pub(super) fn by_action<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut names = executed_actions();
    names.push(DEFAULT_ACTION);
    by_name(&names, &generator.subschema_for::<T>())
}

fn by_name(names: &[&str], value: &Schema) -> Schema {
    json_schema!({
        "type": "object", "propertyNames": { "enum": names }, "additionalProperties": value
    })
}
