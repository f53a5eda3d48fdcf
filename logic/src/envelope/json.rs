//! JSON objects as text: read field by field, written again byte for byte.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::event_text::{Field, quote};

/// An object being written; fields keep their order and their bytes.
#[derive(Default)]
pub(super) struct ObjectText(Vec<String>);

impl ObjectText {
    /// Adds a field under a name.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.push(&quote(name), value);
    }

    /// Adds a field under a name in quotes, as it stood in another object.
    pub(super) fn push(&mut self, quoted_name: &str, value: &str) {
        self.0.push(format!("{quoted_name}: {value}"));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for ObjectText {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{{{}}}", self.0.join(", "))
    }
}

/// The last field of that name: of a repeated name the last counts, as in every JSON reader.
pub(super) fn last<'a>(fields: &[Field<'a>], name: &str) -> Option<&'a RawValue> {
    let field = fields.iter().rev().find(|field| field.name == name)?;
    Some(field.value)
}

/// The text of an object: the value itself, or what a string holds (Debezium for `MongoDB`, Connect's string converter).
pub(super) fn object_in(value: &RawValue) -> Option<Cow<'_, str>> {
    let text = value.get();
    if text.starts_with('{') {
        return Some(Cow::Borrowed(text));
    }
    let held = string(value)?;
    held.trim_start()
        .starts_with('{')
        .then_some(Cow::Owned(held))
}

/// The text of a string.
pub(super) fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// What kind of value it is, in words.
pub(super) fn kind(value: &RawValue) -> &'static str {
    match value.get().bytes().next() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}
