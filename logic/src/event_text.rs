//! The text of an event: its encoding, its size, the fields of its object, and what is wrong with them.

use std::borrow::Cow;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::field::name_of;
use crate::form::FormError;
use crate::formats::stumbled;

/// Largest event in bytes; also the largest record of the shipped topics.
pub const EVENT_BYTES_MAX: usize = 1_048_576;
/// Deepest nesting of an event: deeper ones could not be shown by the API, whose reader stops at 128.
pub const DEPTH_MAX: usize = 64;
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
    Undecidable(String),
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
        Some(0xEF) => "text after a byte order mark, which JSON does not allow",
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

/// Where brackets outside strings first nest deeper than [`DEPTH_MAX`], if they do; looked for before any parser
/// recurses. Text that is not JSON may answer either way: the parser rejects it afterwards.
pub fn too_deep_at(bytes: &[u8]) -> Option<usize> {
    // Most events have fewer opening brackets than levels allowed; counting them needs no state and runs many at a time.
    // With one bit cleared, `{` is `[`. Counted in bytes, of which a register holds more than of words.
    let count =
        |chunk: &[u8]| -> u8 { chunk.iter().map(|byte| u8::from(byte & 0xDF == b'[')).sum() };
    let opening: usize = bytes
        .chunks(255)
        .map(|chunk| usize::from(count(chunk)))
        .sum();
    if opening <= DEPTH_MAX {
        return None;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    bytes.iter().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEPTH_MAX
    })
}
