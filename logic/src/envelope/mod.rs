//! Envelopes around events: what a record or a request body holds is opened until the bare form of SPEC §2 is left, so that
//! everything behind this module knows one form only (issue 13, row 5).
//!
//! One file a form: [`bytes`] looks at what precedes the JSON (a byte order mark, Confluent's prefix, a foreign format),
//! [`cloud_events`], `connect`, `debezium` and `alertmanager` open JSON objects, `json` reads and writes them. Forms may be nested in
//! any order, at most [`LAYERS_MAX`] deep. What is recognised and cannot be read is refused with its name. An event that
//! only has a field of a name that envelopes use, too, is bare.

pub(crate) mod alertmanager;
pub mod bytes;
pub mod cloud_events;
mod connect;
mod debezium;
pub(crate) mod json;

use crate::event::{EVENT_BYTES_MAX, Event, Names, Reject, Wire, decode, event_of};
use crate::event_text::{EventError, object_fields, too_deep_at};
use crate::form::{CloudEventFault, FormError, LAYERS_MAX};
use crate::topic::Topic;
use cloud_events::{BareEvent, KAFKA_PREFIXES};

/// What a record holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The event.
    pub event: Event,
    /// Its bare text, where that is not the record's value itself. Dead letters keep the value.
    pub text: Option<Box<str>>,
}

/// A header of a record.
pub type HeaderView<'a> = (&'a str, &'a [u8]);

/// Whether [`decode_record`] reads a header of this name. Others need not be handed to it.
pub fn reads_header(name: &str) -> bool {
    name.eq_ignore_ascii_case(CONTENT_TYPE) || attribute_of(name).is_some()
}

const CONTENT_TYPE: &str = "content-type";

/// The attribute that a header of Kafka's binary mode carries. Bridges from HTTP write `ce-` where the standard has `ce_`.
fn attribute_of(name: &str) -> Option<&str> {
    KAFKA_PREFIXES.iter().find_map(|prefix| {
        let start = name.get(..prefix.len())?;
        start
            .eq_ignore_ascii_case(prefix)
            .then(|| name.get(prefix.len()..))?
    })
}

/// Decodes a record of a topic: opens its envelopes and reads the event. Costs a bare event one look at its first byte
/// and at four names.
///
/// # Errors
/// The [`Reject`] that belongs into the dead letter.
pub fn decode_record(
    value: Option<&[u8]>,
    headers: &[HeaderView<'_>],
    topic: &Topic,
    names: &mut Names,
) -> Result<Decoded, Reject> {
    if !headers.is_empty()
        && let Some(bare) = open_by_headers(value, headers)?
    {
        return decode_bare(bare.text, topic, names);
    }
    let bytes = value.ok_or(Reject::NoValue)?;
    if bytes.len() > EVENT_BYTES_MAX {
        return Err(Reject::TooLarge { bytes: bytes.len() });
    }
    let text = bytes::text_of(bytes)?;
    if too_deep_at(text.as_bytes()).is_some() {
        return Err(Reject::TooDeep);
    }
    let wire = Wire::of(text)?;
    if wire.may_be_an_envelope()
        && let Some(bare) = open(text, 0)?
    {
        return decode_bare(bare.text, topic, names);
    }
    Ok(Decoded {
        event: event_of(&wire, topic, names)?,
        text: (text.len() != bytes.len()).then(|| text.into()),
    })
}

/// What is inside a `CloudEvent` that headers declare; `None` when they declare none.
pub(crate) fn cloud_event_in_headers(
    value: Option<&[u8]>,
    headers: &[HeaderView<'_>],
) -> Result<Option<BareEvent>, EventError> {
    if headers.is_empty() {
        return Ok(None);
    }
    open_by_headers(value, headers)
}

/// What is inside a structured `CloudEvent`; `None` when the text of an object is none.
pub(crate) fn cloud_event_in_text(text: &str) -> Result<Option<BareEvent>, EventError> {
    let fields = object_fields(text)?;
    if !cloud_events::is_one(&fields) {
        return Ok(None);
    }
    // As deep as envelopes may be nested: what is inside is the payload, not a further envelope.
    cloud_events::open(fields, LAYERS_MAX).map(Some)
}

fn decode_bare(text: String, topic: &Topic, names: &mut Names) -> Result<Decoded, Reject> {
    Ok(Decoded {
        event: decode(Some(text.as_bytes()), topic, names)?,
        text: Some(text.into_boxed_str()),
    })
}

/// Opens what headers declare to be a `CloudEvent`; `None` when they declare nothing.
fn open_by_headers(
    value: Option<&[u8]>,
    headers: &[HeaderView<'_>],
) -> Result<Option<BareEvent>, EventError> {
    let content_type = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE))
        .and_then(|(_, value)| std::str::from_utf8(value).ok());
    // Spring writes header values as JSON.
    let content_type = content_type.map(|text| text.trim().trim_matches('"'));
    let media = content_type.map(cloud_events::media_type);
    match media.as_deref() {
        Some(cloud_events::STRUCTURED) => {
            let value = value.ok_or_else(|| FormError::from(CloudEventFault::NoData))?;
            return cloud_events::from_structured(value).map(Some);
        }
        Some(media) if media.starts_with(cloud_events::ANY) => {
            return Err(FormError::from(CloudEventFault::Media(media.to_owned())).into());
        }
        _ => {}
    }
    let attributes: Vec<(&str, &[u8])> = headers
        .iter()
        .filter_map(|(name, value)| Some((attribute_of(name)?, *value)))
        .collect();
    if !cloud_events::is_declared(attributes.iter().map(|(name, _)| *name)) {
        return Ok(None);
    }
    let attributes = attributes.into_iter().map(|(name, value)| {
        let text = std::str::from_utf8(value);
        let text = text.map_err(|_| CloudEventFault::Header(name.to_owned()));
        Ok((name.to_ascii_lowercase(), text?.to_owned()))
    });
    let attributes: Vec<_> = attributes
        .collect::<Result<_, _>>()
        .map_err(FormError::CloudEvent)?;
    let data = value.unwrap_or_default();
    cloud_events::from_binary(attributes, content_type, data).map(Some)
}

/// Opens the envelopes around an event: its bare text, and the key that a `CloudEvent` names. `None` when it is bare already.
///
/// # Errors
/// What is wrong with an envelope, or with the JSON.
pub fn open_text(text: &str) -> Result<Option<BareEvent>, EventError> {
    open(text, 0)
}

/// `layers`: how many were opened before.
fn open(text: &str, layers: usize) -> Result<Option<BareEvent>, EventError> {
    let fields = object_fields(text)?;
    let opened = if cloud_events::is_one(&fields) {
        cloud_events::open(fields, deeper(layers)?)
    } else if let Some(payload) = connect::payload(&fields) {
        connect::open(&payload, deeper(layers)?)
    } else if let Some(change) = debezium::change(&fields) {
        debezium::open(&change, deeper(layers)?)
    } else if let Some(text) = alertmanager::open(&fields) {
        Ok(BareEvent { text, key: None })
    } else {
        return Ok(None);
    };
    opened.map(Some)
}

fn deeper(layers: usize) -> Result<usize, EventError> {
    if layers < LAYERS_MAX {
        Ok(layers + 1)
    } else {
        Err(FormError::Layers.into())
    }
}

/// The event inside an envelope, opened further if it is one itself.
fn inner(text: &str, layers: usize) -> Result<BareEvent, EventError> {
    let bare = || BareEvent {
        text: text.to_owned(),
        key: None,
    };
    Ok(open(text, layers)?.unwrap_or_else(bare))
}
