//! Events on which templates are tried before any real one comes: complete, empty, hostile and of wrong types.

use minijinja::value::Value;
use serde_json::{Map, json};

use super::DEFAULT;
use super::variables::{self, Parts};
use crate::actions::Action;
use crate::events::{KINDS, Shape, Subject, kind_of};
use crate::language::Language;
use crate::severity::Severity;
use crate::target::TargetKind;
use crate::topic::{SYSTEM_ALERTS, TOPICS, Use};
use crate::view::EventView;

/// Text that breaks out of careless templates: quotes, escapes, line breaks, template syntax, other scripts.
pub const HOSTILE: &str = "a\"b'c\\d\ne\tf</g>&{{ h }}{% i %} 모델-\u{1F600}%2F?x=1#\u{7f}";

/// Longest hostile text, in bytes.
const LONG_BYTES: usize = 10_000;

/// A type that has no rule and no file of its own.
const PLAIN_TYPE: &str = "disk_full";

/// An event to try templates on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What is particular to it, as the object of a sentence.
    pub what: String,
    /// Its type.
    pub event_type: String,
    /// The topic that it comes on.
    pub topic: &'static str,
    /// Its JSON.
    pub text: String,
}

/// Samples of one type.
pub fn samples(event_type: &str) -> Vec<Sample> {
    let of_type = TOPICS
        .iter()
        .find(|topic| topic.event_type == event_type && matches!(topic.usage, Use::Decide(_)));
    let sample = |what: &str, mut fields: Map<String, serde_json::Value>| {
        fields.insert("event_type".to_owned(), event_type.into());
        Sample {
            what: format!("{what} (type {event_type})"),
            event_type: event_type.to_owned(),
            topic: of_type.map_or(SYSTEM_ALERTS, |topic| topic.name),
            text: serde_json::Value::Object(fields).to_string(),
        }
    };
    vec![
        sample("a complete event", complete(event_type)),
        sample("an event without optional fields", Map::new()),
        sample("an event with hostile values", hostile(event_type)),
        sample("an event with values of wrong types", wrong(event_type)),
    ]
}

/// Samples for a table of texts: of its type, or of every kind of event.
pub(super) fn of_table(table: &str) -> Vec<Sample> {
    if table == DEFAULT {
        let kinds = KINDS.iter().map(|kind| kind.name());
        kinds.chain([PLAIN_TYPE]).flat_map(samples).collect()
    } else {
        samples(table)
    }
}

impl Sample {
    /// The variables that its texts are written from.
    pub(super) fn values(&self, language: Language) -> Value {
        let view = EventView::new(&self.text);
        let subject = Subject {
            event_type: &self.event_type,
            target_kind: TargetKind::Model,
            target: "churn",
            severity: Severity::High,
            language,
        };
        let parts = Parts {
            subject,
            view: &view,
            model: Some("churn"),
            model_version: None,
            service: None,
            event_id: "0f6c1f3e-9a57-4a8e-8c7a-2f6a4f3f9b11",
            proposed: Action::Retrain,
            now: "2026-03-02T12:00:00.000Z",
        };
        let built_in = kind_of(&self.event_type).alert(&view, &subject);
        variables::values(&parts, &built_in)
    }
}

fn complete(event_type: &str) -> Map<String, serde_json::Value> {
    let mut fields = named(json!({
        "event_id": "0f6c1f3e-9a57-4a8e-8c7a-2f6a4f3f9b11",
        "severity": "HIGH",
        "model_name": "churn",
        "model_version": "churn@7",
        "service": "mlops-api",
        "current_instances": 3,
        "message": "more than usual",
    }));
    for fact in kind_of(event_type).facts() {
        let value = match fact.shape {
            Shape::Number | Shape::Either => json!(0.91),
            Shape::List => json!(["age", "income"]),
        };
        fields.insert(fact.name.to_owned(), value);
    }
    fields
}

fn hostile(event_type: &str) -> Map<String, serde_json::Value> {
    let long = HOSTILE.repeat(LONG_BYTES / HOSTILE.len());
    let mut fields = named(json!({
        "event_id": HOSTILE,
        "severity": HOSTILE,
        "model_name": "a\"b'c\\d {{ e }}",
        "service": "a\"b'c\\d {{ e }}",
        "message": long,
        HOSTILE: HOSTILE,
    }));
    for fact in kind_of(event_type).facts() {
        let value = match fact.shape {
            Shape::Number | Shape::Either => json!(-1e300),
            Shape::List => json!([HOSTILE, null, { HOSTILE: [] }, 1e300]),
        };
        fields.insert(fact.name.to_owned(), value);
    }
    fields
}

fn wrong(event_type: &str) -> Map<String, serde_json::Value> {
    let mut fields = named(json!({
        "event_id": 7, "severity": [], "model_version": {}, "service": false, "message": 97,
    }));
    for fact in kind_of(event_type).facts() {
        fields.insert(fact.name.to_owned(), json!({ "value": HOSTILE }));
    }
    fields
}

fn named(value: serde_json::Value) -> Map<String, serde_json::Value> {
    match value {
        serde_json::Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
