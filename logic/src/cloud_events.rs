//! CloudEvents 1.0 turned into the bare form of SPEC §2, so that everything behind the door knows one form only
//! (action-apis §2.8).
//!
//! The fields of the data object become the event's fields; `id`, `source` and `time` become `event_id`, `source` and
//! `timestamp`; every other attribute is kept under `cloudevents`. Data that is no object is refused: rules read fields.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::enrich::{EventError, as_text, object_fields, quote};

/// Media type of a structured event; a batch has [`BATCH`].
pub const STRUCTURED: &str = "application/cloudevents+json";
/// Media type of a JSON array of structured events.
pub const BATCH: &str = "application/cloudevents-batch+json";
/// Prefix of attribute headers in HTTP's binary mode.
pub const HTTP_PREFIX: &str = "ce-";
/// Prefix of attribute headers in Kafka's binary mode.
pub const KAFKA_PREFIX: &str = "ce_";

/// A `CloudEvent` as a bare event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BareEvent {
    /// The event's JSON.
    pub text: String,
    /// The extension `partitionkey`, which is the key of the record unless the caller names one.
    pub key: Option<String>,
}

/// Why something is no `CloudEvent` that can be taken. All are rejections.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloudEventError {
    /// The envelope or its data is no event.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A required attribute is missing, empty or no string.
    #[error(
        "the CloudEvents attribute {0} is missing or is no text; specversion, id, source and type are required"
    )]
    Attribute(&'static str),
    /// Of another major version.
    #[error("CloudEvents version {0} is not known; send specversion 1.0")]
    Version(String),
    /// An attribute that stands twice has no one meaning.
    #[error("the CloudEvents attribute {0} stands more than once")]
    Repeated(String),
    /// A header's percent-encoding is broken.
    #[error("the header of the CloudEvents attribute {0} is no percent-encoded UTF-8")]
    Header(String),
    /// Binary, text, a list or a number: nothing that rules could look into, and not to be decided as an empty event.
    #[error(
        "the data of a CloudEvent must be a JSON object (application/json), because rules read its fields"
    )]
    NotAnObject,
}

/// Attributes by name, each value as JSON text.
type Attributes = BTreeMap<String, String>;

/// Reads the structured form: one JSON object with attributes and `data` side by side.
pub fn from_structured(bytes: &[u8]) -> Result<BareEvent, CloudEventError> {
    let text = as_text(bytes)?;
    let mut attributes = Attributes::new();
    let mut data = None;
    for field in object_fields(text)? {
        if field.name == "data" && data.is_none() {
            data = Some(field.value.get());
        } else if field.name == "data"
            || attributes
                .insert(field.name.to_string(), field.value.get().to_owned())
                .is_some()
        {
            return Err(CloudEventError::Repeated(field.name.into_owned()));
        }
    }
    to_bare(attributes, data)
}

/// Reads the binary form: attributes as they stood in headers, without prefix and decoded, and the data as it is.
/// `content_type` is the data's own; JSON unless told otherwise.
pub fn from_binary(
    headers: impl IntoIterator<Item = (String, String)>,
    content_type: Option<&str>,
    data: &[u8],
) -> Result<BareEvent, CloudEventError> {
    let mut attributes = Attributes::new();
    for (name, value) in headers {
        if attributes.insert(name.clone(), quote(&value)).is_some() {
            return Err(CloudEventError::Repeated(name));
        }
    }
    if let Some(content_type) = content_type {
        attributes.insert("datacontenttype".to_owned(), quote(content_type));
    }
    if data.is_empty() {
        return to_bare(attributes, None);
    }
    if content_type.is_none_or(is_json) {
        let text = as_text(data)?;
        let value: &RawValue = serde_json::from_str(text)
            .map_err(|error| crate::enrich::syntax_error(text, &error))?;
        return to_bare(attributes, Some(value.get()));
    }
    Err(CloudEventError::NotAnObject)
}

/// Decodes the percent-encoding that the HTTP binding puts on header values.
pub fn decode_header(name: &str, value: &[u8]) -> Result<String, CloudEventError> {
    let broken = || CloudEventError::Header(name.to_owned());
    let mut decoded = Vec::with_capacity(value.len());
    let mut bytes = value.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = char::from(bytes.next()?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        let (high, low) = (digit().ok_or_else(broken)?, digit().ok_or_else(broken)?);
        decoded.push(high * 16 + low);
    }
    String::from_utf8(decoded).map_err(|_| broken())
}

/// `application/json`, `text/json`, `application/anything+json`, in any case, with or without parameters.
pub fn is_json(content_type: &str) -> bool {
    let media = media_type(content_type);
    media.ends_with("/json") || media.ends_with("+json")
}

/// The media type in lower case without parameters.
pub fn media_type(content_type: &str) -> String {
    let media = content_type.split(';').next().unwrap_or_default();
    media.trim().to_ascii_lowercase()
}

fn to_bare(mut attributes: Attributes, data: Option<&str>) -> Result<BareEvent, CloudEventError> {
    let version = required(&attributes, "specversion")?;
    if version != "1" && !version.starts_with("1.") {
        return Err(CloudEventError::Version(version));
    }
    let event_type = required(&attributes, "type")?;
    let object = data.is_none_or(|data| data == "null" || data.starts_with('{'));
    if !object || attributes.contains_key("data_base64") {
        return Err(CloudEventError::NotAnObject);
    }
    let mut envelope = Vec::new();
    for (attribute, field) in [("id", "event_id"), ("source", "source")] {
        envelope.push((field, quote(&required(&attributes, attribute)?)));
        attributes.remove(attribute);
    }
    for (attribute, field) in [("time", "timestamp"), ("subject", "subject")] {
        if attributes
            .get(attribute)
            .is_some_and(|value| value != "null")
        {
            envelope.extend(attributes.remove(attribute).map(|value| (field, value)));
        }
    }
    let key = attributes
        .get("partitionkey")
        .and_then(|value| serde_json::from_str::<String>(value).ok());
    Ok(BareEvent {
        text: merge(&envelope, &event_type, attributes, data)?,
        key,
    })
}

/// Data first, then the envelope. Fields of the data that the envelope names too are kept under `cloudevents.data`,
/// because (source, id) of the envelope is what identifies a `CloudEvent`.
fn merge(
    envelope: &[(&str, String)],
    event_type: &str,
    attributes: Attributes,
    data: Option<&str>,
) -> Result<String, CloudEventError> {
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut displaced: Vec<(String, String)> = Vec::new();
    match data.map(str::trim_start) {
        Some(object) if object.starts_with('{') => {
            for field in object_fields(object)? {
                let taken = field.name == "cloudevents"
                    || envelope.iter().any(|(name, _)| *name == field.name);
                let kept = (field.name.into_owned(), field.value.get().to_owned());
                if taken { &mut displaced } else { &mut fields }.push(kept);
            }
        }
        Some(value) => fields.push(("data".to_owned(), value.to_owned())),
        None => {}
    }
    if !fields.iter().any(|(name, _)| name == "event_type") {
        let derived = quote(&event_type.replace('.', "_"));
        fields.push(("event_type".to_owned(), derived));
    }
    let named = envelope.iter();
    fields.extend(named.map(|(name, value)| ((*name).to_owned(), value.clone())));
    let mut kept: Vec<(String, String)> = attributes.into_iter().collect();
    if !displaced.is_empty() {
        kept.push(("data".to_owned(), object(&displaced)));
    }
    fields.push(("cloudevents".to_owned(), object(&kept)));
    Ok(object(&fields))
}

fn required(attributes: &Attributes, name: &'static str) -> Result<String, CloudEventError> {
    attributes
        .get(name)
        .and_then(|value| serde_json::from_str::<String>(value).ok())
        .filter(|value| !value.is_empty())
        .ok_or(CloudEventError::Attribute(name))
}

fn object(fields: &[(String, String)]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}: {value}", quote(name)))
        .collect();
    format!("{{{}}}", fields.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIFT: &str = r#"{"severity": "high", "drift_score": 0.70}"#;

    fn attributes() -> Vec<(String, String)> {
        [
            ("specversion", "1.0"),
            ("id", "A-1"),
            ("source", "/census"),
            ("type", "data.drift.detected"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    fn with(name: &str, value: &str) -> Vec<(String, String)> {
        let mut all = attributes();
        all.retain(|(present, _)| present != name);
        all.push((name.to_owned(), value.to_owned()));
        all
    }

    #[test]
    fn structured_and_binary_forms_give_the_same_event() {
        let structured = format!(
            r#"{{"specversion":"1.0","id":"A-1","source":"/census","type":"data.drift.detected","datacontenttype":"application/json","data":{DRIFT}}}"#
        );
        let from_structured = from_structured(structured.as_bytes()).unwrap();
        let from_binary =
            from_binary(attributes(), Some("application/json"), DRIFT.as_bytes()).unwrap();
        assert_eq!(from_structured, from_binary);
        assert_eq!(
            from_binary.text,
            r#"{"severity": "high", "drift_score": 0.70, "event_type": "data_drift_detected", "event_id": "A-1", "source": "/census", "cloudevents": {"datacontenttype": "application/json", "specversion": "1.0", "type": "data.drift.detected"}}"#
        );
    }

    #[test]
    fn attributes_find_their_fields_and_nothing_of_the_data_is_lost() {
        let mut all = attributes();
        all.push(("time".to_owned(), "2026-01-01T00:00:00Z".to_owned()));
        all.push(("subject".to_owned(), "m@1".to_owned()));
        all.push(("partitionkey".to_owned(), "m".to_owned()));
        let data =
            br#"{"event_type":"own","event_id":"inner","timestamp":5,"cloudevents":1,"x":1.0}"#;
        let event = from_binary(all, None, data).unwrap();
        assert_eq!(event.key.as_deref(), Some("m"));
        assert_eq!(
            event.text,
            r#"{"event_type": "own", "x": 1.0, "event_id": "A-1", "source": "/census", "timestamp": "2026-01-01T00:00:00Z", "subject": "m@1", "cloudevents": {"partitionkey": "m", "specversion": "1.0", "type": "data.drift.detected", "data": {"event_id": "inner", "timestamp": 5, "cloudevents": 1}}}"#
        );
    }

    #[test]
    fn data_that_is_no_object_is_refused_and_no_data_is_an_event_without_fields() {
        for (content_type, data) in [
            (None, "[1, 2]"),
            (Some("text/plain"), "hello"),
            (Some("application/vnd.x+JSON; charset=utf-8"), "7"),
            (Some("image/png"), "ab"),
        ] {
            let refused = from_binary(attributes(), content_type, data.as_bytes());
            assert_eq!(refused, Err(CloudEventError::NotAnObject), "{data}");
        }
        let base64 =
            r#"{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"AAE="}"#;
        assert_eq!(
            from_structured(base64.as_bytes()),
            Err(CloudEventError::NotAnObject)
        );
        let empty = from_binary(attributes(), None, b"").unwrap();
        assert!(empty.text.starts_with(r#"{"event_type""#), "{}", empty.text);
    }

    #[test]
    fn what_is_no_cloud_event_is_refused_with_its_reason() {
        for name in ["specversion", "id", "source", "type"] {
            let error = from_binary(with(name, ""), None, b"{}").unwrap_err();
            assert_eq!(error, CloudEventError::Attribute(name));
        }
        for version in ["0.3", "2.0", "10.0", "one"] {
            let error = from_binary(with("specversion", version), None, b"{}").unwrap_err();
            assert_eq!(error, CloudEventError::Version(version.to_owned()));
        }
        let mut twice = attributes();
        twice.extend(attributes());
        assert!(matches!(
            from_binary(twice, None, b"{}"),
            Err(CloudEventError::Repeated(_))
        ));
        assert!(matches!(
            from_structured(br#"{"specversion":"1.0","id":"1","id":"2"}"#),
            Err(CloudEventError::Repeated(_))
        ));
        assert!(matches!(
            from_binary(attributes(), None, b"{\"a\":"),
            Err(CloudEventError::Event(EventError::Syntax { .. }))
        ));
        assert!(matches!(
            from_structured(b"[]"),
            Err(CloudEventError::Event(EventError::NotAnObject { .. }))
        ));
    }

    #[test]
    fn header_values_are_percent_decoded() {
        for (encoded, decoded) in [
            ("plain", Some("plain")),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", Some("Euro € 😀")),
            ("%25", Some("%")),
            ("%", None),
            ("%2", None),
            ("%zz", None),
            ("%ff", None),
        ] {
            assert_eq!(
                decode_header("subject", encoded.as_bytes()).ok().as_deref(),
                decoded
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn what_comes_out_is_an_event_whatever_goes_in(
            id in ".{1,10}", data in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)
        ) {
            if let Ok(event) = from_binary(with("id", &id), Some("text/plain"), &data) {
                let value: serde_json::Value = serde_json::from_str(&event.text).unwrap();
                proptest::prop_assert_eq!(value["event_id"].as_str(), Some(id.as_str()));
            }
            if let Ok(event) = from_structured(&data) {
                proptest::prop_assert!(object_fields(&event.text).is_ok());
            }
        }
    }
}
