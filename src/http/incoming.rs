//! Splits a request body into events: one object, an array, JSON Lines, or `CloudEvents` in each mode.
//! All or nothing: the first bad event refuses the whole request, before anything is published.

use std::borrow::Cow;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use homeostat_logic::enrich::{EventError, syntax_error};
use homeostat_logic::envelope::bytes::text_of;
use homeostat_logic::envelope::cloud_events::{self, BareEvent};
use homeostat_logic::form::{CloudEventFault as Fault, FormError};
use homeostat_logic::forms::opening::unwrapped;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer as _, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::body::Content;
use super::describe::Operation;
use super::problem::{Kind, Problem};
use crate::addressed_event::Event;

/// Most events in a request.
pub const EVENTS_MAX: usize = 10_000;

/// A body of events, for the document.
pub(super) struct Events;

impl Content for Events {
    fn content(operation: &mut Operation<'_>) -> Value {
        let event = operation.read::<Event>();
        let cloud_event = operation.read::<CloudEvent>();
        let several = |one: &Schema| json!({"type": "array", "minItems": 1, "maxItems": EVENTS_MAX, "items": one});
        let lines = lines_of(&event);
        json!({
            "application/json": {"schema": {"oneOf": [event, several(&event)]}},
            "application/x-ndjson": {"schema": lines},
            "application/jsonl": {"schema": lines},
            cloud_events::STRUCTURED: {"schema": cloud_event},
            cloud_events::BATCH: {"schema": several(&cloud_event)},
        })
    }
}

/// Several on lines, for the document.
pub(super) fn lines_of(one: &Schema) -> Value {
    json!({
        "type": "array",
        "minItems": 1,
        "maxItems": EVENTS_MAX,
        "items": one,
        "description": "One a line.",
    })
}

struct CloudEvent;

impl JsonSchema for CloudEvent {
    fn schema_name() -> Cow<'static, str> {
        "CloudEvent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "A CloudEvent 1.0 whose data is an object; data_base64 in place of data is read too.",
            "required": ["specversion", "id", "source", "type", "data"],
            "properties": {
                "specversion": {"type": "string", "pattern": r"^1(\.[0-9]+)?$"},
                "id": {"type": "string", "minLength": 1},
                "source": {"type": "string", "minLength": 1},
                "type": {"type": "string", "minLength": 1},
                "partitionkey": {"description": "Key of the record, if it is text."},
                "data": {"type": "object"},
                "data_base64": {"type": "null"},
                "cloudEventsVersion": false,
            },
        })
    }
}

/// What kind of problem an unusable event is.
pub(super) const fn kind_of(error: &EventError) -> Kind {
    match error {
        EventError::TooLarge { .. } => Kind::TooLarge,
        EventError::Form(_) => Kind::UnreadableForm,
        _ => Kind::MalformedEvent,
    }
}

/// An event of the body, bare, and where it is.
pub(super) struct Incoming {
    pub(super) event: BareEvent,
    place: Place,
}

/// Where in the body an event is.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Counted from 0.
    index: usize,
    /// First byte.
    offset: usize,
    /// Line of JSON Lines, counted from 1.
    line: Option<usize>,
}

impl Place {
    const WHOLE: Self = Self {
        index: 0,
        offset: 0,
        line: None,
    };

    /// The problem of this event.
    fn problem(self, error: &EventError) -> Problem {
        self.refuse(kind_of(error), error)
            .with("offset", self.offset + error.offset())
    }

    fn refuse(self, kind: Kind, error: &dyn std::fmt::Display) -> Problem {
        let place = match self.line {
            Some(line) => format!("line {line}, {error}"),
            None if self.offset > 0 => {
                format!("event {} (from byte {}), {error}", self.index, self.offset)
            }
            None => error.to_string(),
        };
        let problem = Problem::new(kind, format!("{place}; nothing was published"));
        let problem = problem.with("index", self.index);
        match self.line {
            Some(line) => problem.with("line", line),
            None => problem,
        }
    }
}

impl Incoming {
    /// The problem of this event, found later.
    pub(super) fn problem(&self, error: &EventError) -> Problem {
        self.place.problem(error)
    }

    fn bare(place: Place, text: &str) -> Self {
        let text = text.to_owned();
        Self {
            event: BareEvent { text, key: None },
            place,
        }
    }

    fn cloud(place: Place, event: Result<BareEvent, EventError>) -> Result<Self, Problem> {
        let event = event.map_err(|error| place.problem(&error))?;
        Ok(Self { event, place })
    }
}

/// The text of one payload: what is inside a `CloudEvent`, in each of its modes, else the body.
pub(super) fn payload<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Cow<'a, str>, EventError> {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if content_type.map(cloud_events::media_type).as_deref() == Some(cloud_events::STRUCTURED) {
        return Ok(Cow::Owned(cloud_events::from_structured(body)?.text));
    }
    if cloud_events::is_declared(attribute_headers(headers).map(|(name, _)| name)) {
        let event = cloud_events::from_binary(attributes(headers)?, content_type, body)?;
        return Ok(Cow::Owned(event.text));
    }
    let text = text_of(body)?;
    Ok(unwrapped(text)?.map_or(Cow::Borrowed(text), Cow::Owned))
}

/// Refuses a compressed body.
pub(super) fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let encoding = headers.get(CONTENT_ENCODING);
    if encoding.is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    let detail = "compressed bodies are not read; send it without Content-Encoding";
    Err(Problem::new(Kind::UnsupportedMediaType, detail))
}

/// The events of a body, at least one and at most [`EVENTS_MAX`].
pub(super) fn split(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Incoming>, Problem> {
    check_encoding(headers)?;
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let events = match content_type.map(cloud_events::media_type).as_deref() {
        Some(cloud_events::STRUCTURED) => {
            vec![Incoming::cloud(
                Place::WHOLE,
                cloud_events::from_structured(body),
            )?]
        }
        Some(cloud_events::BATCH) => {
            let structured = |(place, text): (Place, &str)| {
                Incoming::cloud(place, cloud_events::from_structured(text.as_bytes()))
            };
            array(as_text(body)?)?
                .into_iter()
                .map(structured)
                .collect::<Result<_, _>>()?
        }
        Some(media) if media.starts_with(cloud_events::ANY) => {
            let detail = format!(
                "{media} is not read; send {} or {}",
                cloud_events::STRUCTURED,
                cloud_events::BATCH
            );
            return Err(Problem::new(Kind::UnsupportedMediaType, detail));
        }
        _ if cloud_events::is_declared(attribute_headers(headers).map(|(name, _)| name)) => {
            let attributes =
                attributes(headers).map_err(|error| Place::WHOLE.problem(&error.into()))?;
            let event = cloud_events::from_binary(attributes, content_type, body);
            vec![Incoming::cloud(Place::WHOLE, event)?]
        }
        Some("application/x-ndjson" | "application/jsonl" | "application/ndjson") => {
            lines(as_text(body)?)
        }
        _ => plain(as_text(body)?)?,
    };
    match events.len() {
        0 => Err(Problem::new(
            Kind::MalformedEvent,
            "the body contains no event",
        )),
        1..=EVENTS_MAX => Ok(events),
        _ => Err(too_many()),
    }
}

/// An array, one object over any number of lines, or one object per line.
fn plain(text: &str) -> Result<Vec<Incoming>, Problem> {
    if text.trim_start().starts_with('[') {
        let bare = |(place, text)| Incoming::bare(place, text);
        return Ok(array(text)?.into_iter().map(bare).collect());
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    if matches!(values.next(), Some(Ok(_))) {
        let rest = text.get(values.byte_offset()..).unwrap_or_default();
        // Several values are JSON Lines only if the first one ends its line.
        if !rest.trim().is_empty() && rest.trim_start_matches([' ', '\t', '\r']).starts_with('\n') {
            return Ok(lines(text));
        }
    }
    Ok(vec![Incoming::bare(Place::WHOLE, text)])
}

/// One event per line, blank lines left out; one more than allowed is enough to know that it is too many.
fn lines(text: &str) -> Vec<Incoming> {
    let mut offset = 0;
    let mut numbered = Vec::new();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if !line.trim().is_empty() && numbered.len() <= EVENTS_MAX {
            let index = numbered.len();
            let place = Place {
                index,
                offset,
                line: Some(number + 1),
            };
            numbered.push(Incoming::bare(place, line.trim_end_matches(['\n', '\r'])));
        }
        offset += line.len();
    }
    numbered
}

/// The elements of an array with their places.
fn array(text: &str) -> Result<Vec<(Place, &str)>, Problem> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let elements = parser
        .deserialize_seq(Elements)
        .and_then(|elements| parser.end().map(|()| elements))
        .map_err(|error| {
            if error.to_string().starts_with(TOO_MANY) {
                return too_many();
            }
            Place::WHOLE.problem(&syntax_error(text, &error))
        })?;
    let place = |index, element: &str| Place {
        index,
        offset: (element.as_ptr() as usize).saturating_sub(text.as_ptr() as usize),
        line: None,
    };
    let elements = elements.into_iter().map(RawValue::get).enumerate();
    Ok(elements
        .map(|(index, element)| (place(index, element), element))
        .collect())
}

/// Elements verbatim, at most [`EVENTS_MAX`]: an array of eight million commas must not become as many slices.
struct Elements;

const TOO_MANY: &str = "too many events";

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element()? {
            if elements.len() == EVENTS_MAX {
                return Err(A::Error::custom(TOO_MANY));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

pub(super) fn too_many() -> Problem {
    let detail =
        format!("a request has at most {EVENTS_MAX} events; send several; nothing was published");
    Problem::new(Kind::TooLarge, detail)
}

fn as_text(body: &[u8]) -> Result<&str, Problem> {
    text_of(body).map_err(|error| Place::WHOLE.problem(&error))
}

/// `ce-*` headers, decoded, without their prefix.
pub(super) fn attributes(headers: &HeaderMap) -> Result<Vec<(String, String)>, FormError> {
    let decoded = attribute_headers(headers).map(|(name, value)| {
        let value = cloud_events::decode_header(name, value.as_bytes())?;
        Ok((name.to_owned(), value))
    });
    let decoded: Result<_, Fault> = decoded.collect();
    decoded.map_err(FormError::CloudEvent)
}

fn attribute_headers(headers: &HeaderMap) -> impl Iterator<Item = (&str, &HeaderValue)> {
    headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(cloud_events::HTTP_PREFIX)?;
        Some((name, value))
    })
}
