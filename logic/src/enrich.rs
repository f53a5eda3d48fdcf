//! What publishing adds to an event (SPEC §2): its id, its time, its source, and nothing else.
//!
//! Works on the text: unknown fields, number formats and the order of keys come out byte for byte as they came in.

use std::borrow::Cow;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::envelope::bytes::stumbled;
use crate::envelope::{self, FormError};
use crate::event::{Names, too_deep_at};
use crate::field::name_of;
use crate::ledger::record::Millis;
use crate::topic::{SOURCE, Topic};

pub use crate::event::{DEPTH_MAX, EVENT_BYTES_MAX};

/// What is given to an event that does not have it.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// A fresh UUID v4.
    pub event_id: &'a str,
    /// Now.
    pub time: Millis,
}

/// An event ready to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enriched {
    /// The event's JSON.
    pub text: String,
    /// Its id: its own, else the stamp's. An own id that is no string is given as its JSON text.
    pub event_id: String,
    /// Key that the event names itself ([`envelope::cloud_events::BareEvent::key`]); for the record unless the caller
    /// names one.
    pub key: Option<String>,
}

/// Why bytes are not an event. All are rejections: the same bytes never become one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Larger than [`EVENT_BYTES_MAX`].
    #[error(
        "the event has {bytes} bytes with its id, time and source; at most {EVENT_BYTES_MAX} are taken"
    )]
    TooLarge {
        /// Size in bytes.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("byte {offset} is not UTF-8")]
    NotUtf8 {
        /// Counted from 0.
        offset: usize,
    },
    /// Not JSON.
    #[error("byte {offset}: {problem}")]
    Syntax {
        /// Counted from 0.
        offset: usize,
        /// What the parser says.
        problem: String,
    },
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("byte {offset}: nested deeper than {DEPTH_MAX}")]
    TooDeep {
        /// Of the bracket that is one too many.
        offset: usize,
    },
    /// Nothing that could be decided: it would be acknowledged only to become a dead letter.
    #[error("{0}")]
    Undecidable(crate::event::Reject),
    /// An envelope or a form that is recognised and cannot be read.
    #[error(transparent)]
    Form(#[from] FormError),
    /// JSON, but no object.
    #[error("byte {offset}: an event is a JSON object, this is {found}")]
    NotAnObject {
        /// Where the value begins.
        offset: usize,
        /// What it is.
        found: &'static str,
    },
}

impl EventError {
    /// Where in the text the fault is, in bytes from 0.
    pub const fn offset(&self) -> usize {
        match self {
            Self::TooLarge { .. } => EVENT_BYTES_MAX,
            Self::Undecidable(_) | Self::Form(_) => 0,
            Self::NotUtf8 { offset }
            | Self::Syntax { offset, .. }
            | Self::TooDeep { offset }
            | Self::NotAnObject { offset, .. } => *offset,
        }
    }
}

/// A field of an object, its value verbatim.
pub(crate) struct Field<'a> {
    pub(crate) name: Cow<'a, str>,
    /// The name as it is written, with its quotes.
    pub(crate) quoted_name: &'a str,
    pub(crate) value: &'a RawValue,
}

/// Adds `event_id`, `timestamp` and `source` where the event has none. A null counts as none and is replaced in
/// place; of a repeated name the last counts, as in every JSON reader.
pub fn enrich(event: &[u8], stamp: Stamp<'_>) -> Result<Enriched, EventError> {
    let text = as_text(event)?;
    let fields = object_fields(text)?;
    let last = |name: &str| fields.iter().rev().find(|field| field.name == name);

    let own_id = last("event_id").filter(|field| field.value.get() != "null");
    let event_id = own_id.map_or_else(
        || stamp.event_id.to_owned(),
        |field| {
            serde_json::from_str(field.value.get()).unwrap_or_else(|_| field.value.get().to_owned())
        },
    );

    let additions = [
        ("event_id", quote(stamp.event_id)),
        ("timestamp", quote(&rfc3339(stamp.time))),
        ("source", quote(SOURCE)),
    ];
    let mut replaced = Vec::new();
    let mut appended = String::new();
    for (name, value) in additions {
        match last(name) {
            None => {
                let comma = if fields.is_empty() && appended.is_empty() {
                    ""
                } else {
                    ", "
                };
                appended.extend([comma, "\"", name, "\": ", &value]);
            }
            Some(field) if field.value.get() == "null" => {
                replaced.push((position_in(text, field.value.get()), value));
            }
            Some(_) => {}
        }
    }
    let text = splice(text, replaced, &appended);
    if text.len() > EVENT_BYTES_MAX {
        return Err(EventError::TooLarge { bytes: text.len() });
    }
    Ok(Enriched {
        text,
        event_id,
        key: None,
    })
}

/// As [`enrich`], but opens the event's envelopes first and checks that a consumer of the topic can decide about it.
pub fn enrich_for(topic: &Topic, event: &[u8], stamp: Stamp<'_>) -> Result<Enriched, EventError> {
    let text = envelope::bytes::text_of(event)?;
    let enriched = match envelope::open_text(text)? {
        None => enrich(text.as_bytes(), stamp)?,
        Some(bare) => Enriched {
            key: bare.key,
            ..enrich(bare.text.as_bytes(), stamp)?
        },
    };
    let text = Some(enriched.text.as_bytes());
    match envelope::decode_record(text, &[], topic, &mut Names::default()) {
        Ok(_) => Ok(enriched),
        Err(reject) => Err(EventError::Undecidable(reject)),
    }
}

/// The text with each `null` at a position replaced and `appended` put before the closing brace.
fn splice(text: &str, mut replaced: Vec<(usize, String)>, appended: &str) -> String {
    replaced.sort();
    let end = text.trim_end().len().saturating_sub(1);
    let mut result = String::with_capacity(text.len() + appended.len() + 128);
    let mut done = 0;
    for (position, value) in replaced {
        result.push_str(text.get(done..position).unwrap_or_default());
        result.push_str(&value);
        done = position + "null".len();
    }
    let body = text.get(done..end).unwrap_or_default();
    // Blanks before the closing brace stay behind the addition, so that a pretty-printed event stays readable.
    let trimmed = if appended.is_empty() {
        body
    } else {
        body.trim_end()
    };
    result.push_str(trimmed);
    result.push_str(appended);
    result.push_str(body.get(trimmed.len()..).unwrap_or_default());
    result.push_str(text.get(end..).unwrap_or_default());
    result
}

/// The bytes as text of bounded size.
pub(crate) fn as_text(bytes: &[u8]) -> Result<&str, EventError> {
    if bytes.len() > EVENT_BYTES_MAX {
        return Err(EventError::TooLarge { bytes: bytes.len() });
    }
    utf8(bytes)
}

/// The bytes as text of any size.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, EventError> {
    std::str::from_utf8(bytes).map_err(|error| EventError::NotUtf8 {
        offset: error.valid_up_to(),
    })
}

/// The fields of a JSON object of bounded depth, in their order.
pub(crate) fn object_fields(text: &str) -> Result<Vec<Field<'_>>, EventError> {
    if let Some(offset) = too_deep_at(text.as_bytes()) {
        return Err(EventError::TooDeep { offset });
    }
    fields_of(text)
}

/// The fields of a JSON object of any depth; reading them does not recurse.
pub(crate) fn fields_of(text: &str) -> Result<Vec<Field<'_>>, EventError> {
    let offset = text.len() - text.trim_start().len();
    let found = match text.trim_start().bytes().next() {
        Some(b'{') => {
            let mut parser = serde_json::Deserializer::from_str(text);
            let fields = parser
                .deserialize_map(FieldsVisitor)
                .and_then(|fields| parser.end().map(|()| fields));
            return fields.map_err(|error| syntax_error(text, &error));
        }
        None => {
            return Err(EventError::Syntax {
                offset,
                problem: "empty; an event is a JSON object".to_owned(),
            });
        }
        Some(b'[') => "an array",
        Some(b'"') if holds_json(text) => "a string that holds JSON: it was encoded twice",
        Some(b'"') => "a string",
        Some(b't') if text.trim() == "true" => "true",
        Some(b'f') if text.trim() == "false" => "false",
        Some(b'n') if text.trim() == "null" => "null",
        Some(b'-' | b'0'..=b'9') => "a number",
        Some(0xEF) => "text behind a byte order mark, which JSON does not allow",
        Some(b'<') => "XML or HTML",
        Some(_) => match stumbled(text, offset) {
            Some(problem) => return Err(EventError::Syntax { offset, problem }),
            None => "no JSON at all",
        },
    };
    Err(EventError::NotAnObject { offset, found })
}

fn holds_json(text: &str) -> bool {
    let held = serde_json::from_str::<String>(text);
    held.is_ok_and(|held| held.trim_start().starts_with(['{', '[']))
}

/// Where the parser stopped, as an offset instead of line and column.
pub fn syntax_error(text: &str, error: &serde_json::Error) -> EventError {
    let line_start = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum::<usize>();
    let offset = (line_start + error.column().saturating_sub(1)).min(text.len());
    let problem = stumbled(text, offset).unwrap_or_else(|| {
        let message = error.to_string();
        message
            .split(" at line ")
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    EventError::Syntax { offset, problem }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Vec<Field<'de>>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<&'de RawValue>()? {
            fields.push(Field {
                name: name_of(name.get()),
                quoted_name: name.get(),
                value: map.next_value()?,
            });
        }
        Ok(fields)
    }
}

/// Position of a part within the text that it was borrowed from.
pub(crate) fn position_in(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// A string as JSON.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn rfc3339(time: Millis) -> String {
    chrono::DateTime::from_timestamp_millis(time).map_or_else(
        || time.to_string(),
        |time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, false),
    )
}

#[cfg(test)]
#[path = "enrich_tests.rs"]
mod tests;
