//! CloudEvents 1.0 turned into the bare form of SPEC §2 (action-apis §2.8).
//!
//! The fields of the data object become the event's fields; `id`, `source` and `time` become `event_id`, `source` and
//! `timestamp`; every other attribute is kept under `cloudevents`. Data may be an envelope itself. Without data, or with
//! data that is not an object, a `CloudEvent` is refused: rules read fields, and an event without any would be decided on
//! the default model.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::bytes::text_of;
use super::json::{ObjectText, kind, object_in};
use super::{deeper, inner};
use crate::event_text::{EventError, Field, object_fields, quote};
use crate::form::{CloudEventFault as Fault, FormError};

/// Media type of a structured event; a batch has [`BATCH`].
pub const STRUCTURED: &str = "application/cloudevents+json";
/// Media type of a JSON array of structured events.
pub const BATCH: &str = "application/cloudevents-batch+json";
/// How every media type of CloudEvents begins.
pub const ANY: &str = "application/cloudevents";
/// Prefix of attribute headers in HTTP's binary mode.
pub const HTTP_PREFIX: &str = "ce-";
/// Prefixes of attribute headers in Kafka's binary mode: the standard's, and what bridges from HTTP write.
pub(super) const KAFKA_PREFIXES: [&str; 2] = ["ce_", HTTP_PREFIX];

/// A `CloudEvent`, or another envelope, as a bare event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BareEvent {
    /// The event's JSON.
    pub text: String,
    /// The extension `partitionkey`, which is the key of the record unless the caller names one.
    pub key: Option<String>,
}

/// Attributes by name, each value as JSON text.
type Attributes = BTreeMap<String, String>;

const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];

/// Whether names of headers declare a `CloudEvent` in binary mode.
pub fn is_declared<'a>(names: impl Iterator<Item = &'a str>) -> bool {
    let names: Vec<&str> = names.collect();
    looks_like_one(|wanted| names.iter().any(|name| name.eq_ignore_ascii_case(wanted)))
}

/// Whether these are the fields of a `CloudEvent`, of this version or the first one. With `cloudevents` it was opened
/// before; a bare event that was published here has an `event_id`, and may have got its `source` there.
pub(super) fn is_one(fields: &[Field<'_>]) -> bool {
    let has = |wanted: &str| fields.iter().any(|field| field.name == wanted);
    let whole = REQUIRED.into_iter().all(has) && (has("data") || has("data_base64"));
    let broken = !has("event_id") && looks_like_one(has);
    let first = has("cloudEventsVersion") && has("eventType");
    !has("cloudevents") && (whole || broken || first)
}

/// One required attribute may be forgotten, which is then named in the reasons; a field named `specversion` alone proves nothing.
fn looks_like_one(has: impl Fn(&str) -> bool) -> bool {
    has("specversion") && REQUIRED.iter().filter(|name| has(name)).count() >= 3
}

/// Reads the structured form: one JSON object with attributes and `data` side by side.
pub fn from_structured(bytes: &[u8]) -> Result<BareEvent, EventError> {
    open(object_fields(text_of(bytes)?)?, deeper(0)?)
}

/// Reads the binary form: attributes as they stood in headers, without prefix and decoded, and the data as it is.
/// `content_type` is the data's own; JSON by default.
pub fn from_binary(
    headers: impl IntoIterator<Item = (String, String)>,
    content_type: Option<&str>,
    data: &[u8],
) -> Result<BareEvent, EventError> {
    let mut attributes = Attributes::new();
    for (name, value) in headers {
        if attributes.insert(name.clone(), quote(&value)).is_some() {
            return Err(FormError::from(Fault::Repeated(name)).into());
        }
    }
    if let Some(content_type) = content_type {
        attributes.insert("datacontenttype".to_owned(), quote(content_type));
    }
    check_version(&attributes)?;
    if data.is_empty() {
        return Err(FormError::from(Fault::NoData).into());
    }
    let event = data_of_bytes(data, content_type, deeper(0)?)?;
    to_bare(attributes, &event)
}

/// Opens the structured form.
pub(super) fn open(fields: Vec<Field<'_>>, layers: usize) -> Result<BareEvent, EventError> {
    let (mut attributes, mut data) = (Attributes::new(), None);
    for field in fields {
        let repeated = if field.name == "data" {
            data.replace(field.value).is_some()
        } else {
            let text = field.value.get().to_owned();
            attributes.insert(field.name.to_string(), text).is_some()
        };
        if repeated {
            return Err(FormError::from(Fault::Repeated(field.name.into_owned())).into());
        }
    }
    check_version(&attributes)?;
    let data = data.filter(|value| value.get() != "null");
    let encoded = attributes.remove("data_base64");
    let encoded = encoded.filter(|text| text != "null");
    let event = match (data, encoded) {
        (Some(_), Some(_)) => Err(FormError::from(Fault::Base64("is beside data")).into()),
        (None, None) => Err(FormError::from(Fault::NoData).into()),
        (Some(value), None) => data_of_json(value, layers),
        (None, Some(text)) => {
            let content_type = attributes.get("datacontenttype");
            let content_type =
                content_type.and_then(|text| serde_json::from_str::<String>(text).ok());
            let bytes = serde_json::from_str::<String>(&text)
                .ok()
                .and_then(|text| STANDARD.decode(text.trim()).ok())
                .ok_or_else(|| FormError::from(Fault::Base64("is not base64")))?;
            data_of_bytes(&bytes, content_type.as_deref(), layers)
        }
    }?;
    to_bare(attributes, &event)
}

fn data_of_json(value: &RawValue, layers: usize) -> Result<BareEvent, EventError> {
    let text = object_in(value).ok_or_else(|| FormError::from(Fault::NotAnObject(kind(value))))?;
    inner(&text, layers)
}

fn data_of_bytes(
    data: &[u8],
    content_type: Option<&str>,
    layers: usize,
) -> Result<BareEvent, EventError> {
    if let Some(other) = content_type.filter(|content_type| !is_json(content_type)) {
        let media = media_type(other);
        return Err(FormError::from(Fault::ContentType(media)).into());
    }
    let text = text_of(data)?;
    let value: &RawValue = serde_json::from_str(text)
        .map_err(|error| crate::event_text::syntax_error(text, &error))?;
    data_of_json(value, layers)
}

/// Decodes the percent-encoding that the HTTP binding puts on header values.
pub fn decode_header(name: &str, value: &[u8]) -> Result<String, Fault> {
    let broken = || Fault::Header(name.to_owned());
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

fn check_version(attributes: &Attributes) -> Result<(), EventError> {
    if let Some(first) = attributes.get("cloudEventsVersion") {
        let version = first.trim_matches('"').to_owned();
        return Err(FormError::from(Fault::Version(version)).into());
    }
    let version = required(attributes, "specversion")?;
    if version != "1" && !version.starts_with("1.") {
        return Err(FormError::from(Fault::Version(version)).into());
    }
    Ok(())
}

/// The fields of the data first, then those of the envelope. Fields that both name are kept under `cloudevents.data`,
/// because (source, id) of the envelope is what identifies a `CloudEvent`.
fn to_bare(mut attributes: Attributes, data: &BareEvent) -> Result<BareEvent, EventError> {
    let event_type = required(&attributes, "type")?;
    let mut envelope = Vec::new();
    for (attribute, field) in [("id", "event_id"), ("source", "source")] {
        envelope.push((field, quote(&required(&attributes, attribute)?)));
        attributes.remove(attribute);
    }
    for (attribute, field) in [("time", "timestamp"), ("subject", "subject")] {
        let given = attributes
            .get(attribute)
            .is_some_and(|value| value != "null");
        if given {
            envelope.extend(attributes.remove(attribute).map(|value| (field, value)));
        }
    }
    let key = attributes.get("partitionkey");
    let key = key.and_then(|value| serde_json::from_str::<String>(value).ok());
    let (mut event, mut displaced) = (ObjectText::default(), ObjectText::default());
    let mut typed = false;
    for field in object_fields(&data.text)? {
        let mut names = envelope.iter().map(|(name, _)| *name);
        let taken = field.name == "cloudevents" || names.any(|name| name == field.name);
        typed |= field.name == "event_type";
        if taken { &mut displaced } else { &mut event }.push(field.quoted_name, field.value.get());
    }
    if !typed {
        event.set("event_type", &quote(&event_type.replace('.', "_")));
    }
    for (name, value) in &envelope {
        event.set(name, value);
    }
    let mut kept = ObjectText::default();
    for (name, value) in &attributes {
        kept.set(name, value);
    }
    if !displaced.is_empty() {
        kept.set("data", &displaced.to_string());
    }
    event.set("cloudevents", &kept.to_string());
    Ok(BareEvent {
        text: event.to_string(),
        key: key.or_else(|| data.key.clone()),
    })
}

fn required(attributes: &Attributes, name: &'static str) -> Result<String, EventError> {
    attributes
        .get(name)
        .and_then(|value| serde_json::from_str::<String>(value).ok())
        .filter(|value| !value.is_empty())
        .ok_or_else(|| FormError::from(Fault::Attribute(name)).into())
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

    /// The fault of a refused `CloudEvent`.
    fn fault(result: Result<BareEvent, EventError>) -> Fault {
        match result {
            Err(EventError::Form(FormError::CloudEvent(fault))) => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn data_that_is_no_object_is_refused_with_what_it_is() {
        for (content_type, data, expected) in [
            (None, "", Fault::NoData),
            (None, "[1, 2]", Fault::NotAnObject("an array")),
            (None, "\"hello\"", Fault::NotAnObject("a string")),
            (None, "null", Fault::NotAnObject("null")),
            (
                Some("application/vnd.x+JSON; charset=utf-8"),
                "7",
                Fault::NotAnObject("a number"),
            ),
            (
                Some("text/plain"),
                "hello",
                Fault::ContentType("text/plain".to_owned()),
            ),
            (
                Some("image/PNG"),
                "ab",
                Fault::ContentType("image/png".to_owned()),
            ),
        ] {
            let refused = fault(from_binary(attributes(), content_type, data.as_bytes()));
            assert_eq!(refused, expected, "{data}");
        }
    }

    #[test]
    fn encoded_data_is_data() {
        let event = |rest: &str| {
            let text =
                format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"t",{rest}}}"#);
            from_structured(text.as_bytes())
        };
        let plain = event(r#""data":{"severity":"high"}"#).unwrap();
        // {"severity":"high"}
        let encoded = r#""data_base64":"eyJzZXZlcml0eSI6ImhpZ2gifQ==""#;
        assert_eq!(event(encoded).unwrap(), plain);
        let refused = |rest| fault(event(rest)).to_string();
        assert_eq!(
            refused(r#""data_base64":"AAE=","datacontenttype":"image/png""#),
            Fault::ContentType("image/png".to_owned()).to_string()
        );
        assert_eq!(
            refused(r#""data_base64":"!""#),
            "the CloudEvent's data_base64 is not base64"
        );
        assert_eq!(
            refused(r#""data_base64":"e30=","data":{}"#),
            "the CloudEvent's data_base64 is beside data"
        );
        for nothing in [
            r#""data":null"#,
            r#""data_base64":null"#,
            r#""subject":"s""#,
        ] {
            assert_eq!(fault(event(nothing)), Fault::NoData, "{nothing}");
        }
    }

    #[test]
    fn what_is_no_cloud_event_is_refused_with_its_reason() {
        for name in ["specversion", "id", "source", "type"] {
            let refused = fault(from_binary(with(name, ""), None, b"{}"));
            assert_eq!(refused, Fault::Attribute(name));
        }
        for version in ["0.3", "2.0", "10.0", "one"] {
            let refused = fault(from_binary(with("specversion", version), None, b"{}"));
            assert_eq!(refused, Fault::Version(version.to_owned()));
        }
        let mut twice = attributes();
        twice.extend(attributes());
        let repeated = Fault::Repeated("specversion".to_owned());
        assert_eq!(fault(from_binary(twice, None, b"{}")), repeated);
        let twice = br#"{"specversion":"1.0","id":"1","id":"2"}"#;
        assert_eq!(
            fault(from_structured(twice)),
            Fault::Repeated("id".to_owned())
        );
        assert!(matches!(
            from_binary(attributes(), None, b"{\"a\":"),
            Err(EventError::Syntax { .. })
        ));
        assert!(matches!(
            from_structured(b"[]"),
            Err(EventError::NotAnObject { .. })
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
