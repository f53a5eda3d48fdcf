//! Payloads of other tools turned into events of the platform's topics: one file a form, pure.
//!
//! A payload becomes no event, one, or several. Each has a topic, a type, a severity by the form's own rule, the model or
//! service that it is about, and an identity derived from the payload, so that the same payload sent again is the same event
//! and no second action. What the payload holds beside that stays in the event, under the form's name. A payload that names
//! no model gets it from [`Said`]; where that is silent, too, the payload is refused: nothing is decided about a default
//! model that was never named.
//!
//! To add a form: its file here, its `mod` line and its line in [`FORMS`].

mod alertmanager;
mod alerts;
mod draft;
mod evidently;
mod grafana;
mod lookup;
mod measure;
mod mlflow;
mod nannyml;
pub mod opening;
mod sagemaker;
mod seldon;
mod table;

use std::collections::BTreeMap;

use serde_json::Value;

pub use draft::TypedEvent;

pub use crate::payload_fault::{EVENTS_MAX, PayloadFault};

use crate::event_text::{EVENT_BYTES_MAX, EventError, syntax_error, too_deep_at};

/// Every form.
pub const FORMS: [&dyn Form; 7] = [
    &alertmanager::Alertmanager,
    &evidently::Evidently,
    &grafana::Grafana,
    &mlflow::MlFlow,
    &nannyml::NannyMl,
    &sagemaker::SageMaker,
    &seldon::Seldon,
];

/// The payload of one tool.
pub trait Form: Sync {
    /// Its name in addresses and in the configuration: lower case.
    fn name(&self) -> &'static str;

    /// What sends it, for people.
    fn sender(&self) -> &'static str;

    /// A payload of this form, for documents; it becomes at least one event about the model `fraud`.
    fn example(&self) -> Value;

    /// The events that a payload means.
    ///
    /// # Errors
    /// When it is another payload, or lacks what an event needs.
    fn read(&self, payload: &Payload<'_>) -> Result<Read, PayloadFault>;
}

/// The form of that name.
pub fn find(name: &str) -> Option<&'static dyn Form> {
    FORMS.into_iter().find(|form| form.name() == name)
}

/// What is said about a payload beside it: by parameters of the address, or by the configuration of its topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Model of a payload that names none, in any form of a reference.
    pub model: Option<String>,
    /// Service of a payload that names none.
    pub service: Option<String>,
    /// When a payload without a time was made.
    pub timestamp: Option<String>,
}

/// A payload, read as JSON.
#[derive(Clone, Debug)]
pub struct Payload<'a> {
    /// Its JSON as it was sent.
    pub text: &'a str,
    /// The same, read.
    pub value: Value,
    /// Attributes of a `CloudEvent` around it, by their names in lower case.
    pub attributes: BTreeMap<String, String>,
    /// What was said beside it.
    pub said: &'a Said,
    /// Where it was read, if at one place only: identity of a payload that has none of its own.
    pub position: Option<&'a str>,
}

impl<'a> Payload<'a> {
    /// Reads the text of a payload. If a `CloudEvent` was around it, [`opening`] left the attributes in it.
    ///
    /// # Errors
    /// When it is too large, too deep or no JSON.
    pub fn of(text: &'a str, said: &'a Said) -> Result<Self, EventError> {
        let bytes = text.len();
        if bytes > EVENT_BYTES_MAX {
            return Err(EventError::TooLarge { bytes });
        }
        if let Some(offset) = too_deep_at(text.as_bytes()) {
            return Err(EventError::TooDeep { offset });
        }
        let value = serde_json::from_str(text).map_err(|error| syntax_error(text, &error))?;
        Ok(Self {
            text: text.trim(),
            attributes: attributes(&value),
            value,
            said,
            position: None,
        })
    }
}

/// The attributes of an opened `CloudEvent`.
fn attributes(value: &Value) -> BTreeMap<String, String> {
    let Some(Value::Object(kept)) = value.get("cloudevents") else {
        return BTreeMap::new();
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let others = kept
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), text(value)?)));
    let moved = [
        ("id", "event_id"),
        ("source", "source"),
        ("time", "timestamp"),
    ];
    let moved = moved.into_iter();
    let moved = moved.filter_map(|(name, field)| Some((name.to_owned(), text(value.get(field)?)?)));
    others.chain(moved).collect()
}

/// What a payload means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Its events, at most [`EVENTS_MAX`].
    pub events: Vec<TypedEvent>,
    /// Why it means no event, if it means none.
    pub nothing: Option<String>,
}

/// The events that a payload of this form means.
///
/// # Errors
/// When it is no such payload, lacks what an event needs, or means too many events.
pub fn read(form: &dyn Form, payload: &Payload<'_>) -> Result<Read, PayloadFault> {
    let read = form.read(payload)?;
    let events = read.events.len();
    if events > EVENTS_MAX {
        let form = form.name();
        return Err(PayloadFault::TooMany { form, events });
    }
    Ok(read)
}

#[cfg(test)]
mod tests;
