//! From what a form found to an event of a topic: its text, its key and its identity.

use serde_json::Value;

use super::{Form, Payload};
use crate::event_text::quote;
use crate::ledger::record::Id;
use crate::model_reference;
use crate::payload_fault::PayloadFault;

/// Longest text that is repeated in a fault, in characters.
const SHOWN_CHARS_MAX: usize = 100;

/// An event of a topic, ready to be published or decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedEvent {
    /// Its topic.
    pub topic: &'static str,
    /// The model or service that it is about, which keeps its events in order.
    pub key: Option<String>,
    /// Its JSON, with the identity of a `CloudEvent`.
    pub text: String,
}

/// What makes an event the same event when it is sent again.
pub(super) enum Identity {
    /// What the tool itself calls it, with everything that distinguishes it from its siblings.
    Own(Vec<String>),
    /// Nothing: its content does, or the place where it was read if that is known. The text distinguishes siblings.
    Content(&'static str),
}

/// An event in the making.
pub(super) struct Draft {
    pub(super) topic: &'static str,
    pub(super) event_type: String,
    /// The `type` of the `CloudEvent`.
    pub(super) kind: &'static str,
    /// A word that rules know, or the tool's own.
    pub(super) severity: Option<String>,
    pub(super) message: Option<String>,
    pub(super) model: Option<String>,
    pub(super) service: Option<String>,
    /// JSON of a time.
    pub(super) timestamp: Option<Value>,
    pub(super) identity: Identity,
    /// Further fields.
    pub(super) facts: Vec<(&'static str, Value)>,
    /// What is kept as it came: name and JSON.
    pub(super) kept: (&'static str, String),
}

impl Draft {
    /// The event.
    pub(super) fn event(self, form: &dyn Form, payload: &Payload<'_>) -> TypedEvent {
        let id = self.id(form, payload);
        let mut fields: Vec<(&str, String)> = vec![("event_type", quote(&self.event_type))];
        let texts = [
            ("severity", &self.severity),
            ("model_name", &self.model),
            ("service", &self.service),
            ("message", &self.message),
        ];
        for (name, text) in texts {
            fields.extend(text.as_ref().map(|text| (name, quote(text))));
        }
        let said = payload.said.timestamp.as_deref().map(quote);
        let own = self.timestamp.as_ref().map(Value::to_string);
        fields.extend(own.or(said).map(|time| ("timestamp", time)));
        let facts = self.facts.iter().filter(|(_, value)| !value.is_null());
        fields.extend(facts.map(|(name, value)| (*name, value.to_string())));
        let mut envelope = vec![("specversion", quote("1.0")), ("type", quote(self.kind))];
        let attributes = payload.attributes.iter();
        let attributes = attributes.map(|(name, value)| (name.as_str(), quote(value)));
        envelope.extend(attributes.filter(|(name, _)| *name != "specversion" && *name != "type"));
        fields.extend([
            ("event_id", quote(&id)),
            ("source", quote(form.name())),
            ("cloudevents", object(&envelope)),
        ]);
        fields.push((self.kept.0, self.kept.1));
        TypedEvent {
            topic: self.topic,
            key: self.model.or(self.service),
            text: object(&fields),
        }
    }

    fn id(&self, form: &dyn Form, payload: &Payload<'_>) -> String {
        let about = [&self.model, &self.service].map(|name| name.clone().unwrap_or_default());
        let mut parts = vec![form.name().to_owned(), self.topic.to_owned()];
        parts.extend([self.event_type.clone()].into_iter().chain(about));
        match (&self.identity, payload.position) {
            (Identity::Own(own), _) => parts.extend(own.iter().cloned()),
            (Identity::Content(which), Some(position)) => {
                parts.extend([(*which).to_owned(), position.to_owned()]);
            }
            // Names of objects are in order here, so blanks and order count for nothing.
            (Identity::Content(which), None) => {
                let time = payload.said.timestamp.clone().unwrap_or_default();
                parts.extend([(*which).to_owned(), payload.value.to_string(), time]);
            }
        }
        let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
        Id::hash(&parts).as_uuid()
    }
}

fn object(fields: &[(&str, String)]) -> String {
    let fields = fields.iter();
    let fields: Vec<String> = fields
        .map(|(name, value)| format!("{}: {value}", quote(name)))
        .collect();
    format!("{{{}}}", fields.join(", "))
}

/// The model that a payload is about: the one that it names itself, else the one that is said beside it.
pub(super) fn model(
    form: &dyn Form,
    payload: &Payload<'_>,
    own: Option<String>,
    where_: &'static str,
) -> Result<String, PayloadFault> {
    let named = own.or_else(|| payload.said.model.clone());
    let Some(named) = named.filter(|name| !name.trim().is_empty()) else {
        let form = form.name();
        return Err(PayloadFault::NoModel { form, where_ });
    };
    readable(&named)?;
    Ok(named)
}

/// Refuses what is no reference to a model.
pub(super) fn readable(model: &str) -> Result<(), PayloadFault> {
    if model_reference::parse(model).is_some() {
        return Ok(());
    }
    let given = model.chars().take(SHOWN_CHARS_MAX).collect();
    Err(PayloadFault::ModelReference { given })
}
