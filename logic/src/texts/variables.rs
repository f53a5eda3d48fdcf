//! What a template of a text may name: what the event is about, its facts by their names, and the event itself.

use std::collections::BTreeMap;

use minijinja::value::{Serde, Value};

use super::DEFAULT;
use crate::actions::Action;
use crate::events::{AlertText, KINDS, Shape, Subject, kind_of};
use crate::field::{Field, Length};
use crate::params::plain;
use crate::view::EventView;

/// Names of every type of event.
const COMMON: [&str; 15] = [
    "target",
    "target_kind",
    "model",
    "model_version",
    "service",
    "severity",
    "severity_in_words",
    "event_type",
    "event_id",
    "proposed_action",
    "timestamp",
    "language",
    "default_title",
    "default_message",
    "event",
];

/// What a text is written from.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// What it is about.
    pub subject: Subject<'a>,
    /// The event's fields.
    pub view: &'a EventView<'a>,
    /// The model that the event names, else the default one.
    pub model: Option<&'a str>,
    /// Its version, if the event names it.
    pub model_version: Option<&'a str>,
    /// The service that the event names, else the default one.
    pub service: Option<&'a str>,
    /// Id of the event.
    pub event_id: &'a str,
    /// What the rules ask for.
    pub proposed: Action,
    /// The present, ISO 8601.
    pub now: &'a str,
}

/// Names that a template of a table may use: those of every type, and the facts of its type; of the table for all types, the
/// facts of all.
pub fn names(table: &str) -> Vec<&'static str> {
    let facts: Vec<&str> = if table == DEFAULT {
        let all = KINDS.iter().flat_map(|kind| kind.facts());
        all.map(|fact| fact.name).collect()
    } else {
        kind_of(table)
            .facts()
            .iter()
            .map(|fact| fact.name)
            .collect()
    };
    COMMON.into_iter().chain(facts).collect()
}

/// Their values for an event. A fact of another shape than its own counts as missing, as it does for the rules.
pub(super) fn values(parts: &Parts<'_>, built_in: &AlertText) -> Value {
    let Subject {
        event_type,
        target_kind,
        target,
        severity,
        language,
    } = parts.subject;
    let (event, _) = plain(parts.view.text());
    let mut values = BTreeMap::from([
        ("target", Value::from(target)),
        ("target_kind", language.target_kind(target_kind).into()),
        ("severity", severity.name().into()),
        ("severity_in_words", language.severity(severity).into()),
        ("event_type", event_type.into()),
        ("event_id", parts.event_id.into()),
        ("proposed_action", parts.proposed.name().into()),
        ("timestamp", parts.now.into()),
        ("language", language.name().into()),
        ("default_title", built_in.title.as_str().into()),
        ("default_message", built_in.message.as_str().into()),
    ]);
    // What is missing is undefined, so that `default(…)` takes its place.
    let named = [
        ("model", parts.model),
        ("model_version", parts.model_version),
        ("service", parts.service),
    ];
    values.extend(
        named
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?.into()))),
    );
    // Those of other types, too: the table for all types may name them.
    for fact in KINDS.iter().flat_map(|kind| kind.facts()) {
        let value = match fact.shape {
            Shape::List => list(parts.view, fact.name, &event),
            Shape::Number | Shape::Either => fact
                .shape
                .read(parts.view, fact.name)
                .value()
                .map(Value::from),
        };
        values.extend(value.map(|value| (fact.name, value)));
    }
    values.insert("event", Value::from(Serde(&event)));
    Value::from(values)
}

fn list(view: &EventView<'_>, name: &str, event: &serde_json::Value) -> Option<Value> {
    matches!(view.field(name), Field::Value(Length(_)))
        .then(|| event.get(name).map(|list| Value::from(Serde(list))))
        .flatten()
}
