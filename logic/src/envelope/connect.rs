//! The envelope of Kafka Connect's `JsonConverter` with `schemas.enable`: exactly `{schema, payload}`. The payload is the
//! event; the schema only describes it, and stays in the record.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::bytes::text_of;
use super::cloud_events::BareEvent;
use super::inner;
use super::json::{kind, last, object_in, string};
use crate::event_text::{EventError, Field, object_fields};
use crate::form::FormError;

/// What is inside.
pub(super) struct Payload<'a> {
    value: &'a RawValue,
    /// Bytes, which the converter writes in base64.
    is_bytes: bool,
}

/// The payload, if these are the fields of such an envelope: no others, as the converter demands it too, and a schema that
/// is null (schemaless data) or names its type.
pub(super) fn payload<'a>(fields: &[Field<'a>]) -> Option<Payload<'a>> {
    let others = |field: &Field<'_>| field.name != "schema" && field.name != "payload";
    if fields.iter().any(others) {
        return None;
    }
    let (schema, value) = (last(fields, "schema")?, last(fields, "payload")?);
    if schema.get() == "null" {
        return Some(Payload {
            value,
            is_bytes: false,
        });
    }
    let kind = schema
        .get()
        .starts_with('{')
        .then(|| object_fields(schema.get()));
    let kind = string(last(&kind?.ok()?, "type")?)?;
    Some(Payload {
        value,
        is_bytes: kind == "bytes",
    })
}

/// The event in it.
pub(super) fn open(payload: &Payload<'_>, layers: usize) -> Result<BareEvent, EventError> {
    let held = payload
        .is_bytes
        .then(|| string(payload.value))
        .flatten()
        .and_then(|text| STANDARD.decode(text).ok());
    let text = match &held {
        Some(bytes) => Some(Cow::Borrowed(text_of(bytes)?)),
        None => object_in(payload.value),
    };
    let text = text.ok_or_else(|| FormError::Connect(kind(payload.value)))?;
    inner(&text, layers)
}
