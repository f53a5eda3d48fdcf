//! A line `{"topic": …, "key": …, "value": {the event}}`: what `homeostat publish` reads and `POST /api/v1/events` takes.

use std::borrow::Cow;

use homeostat_logic::envelope::bytes::{BYTE_ORDER_MARK, text_of};
use homeostat_logic::topic::{self, NotPublishable, Topic};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::value::RawValue;

/// Longest key in characters; keys name a model, a service or a user.
pub(crate) const KEY_CHARS_MAX: usize = 1_024;

/// An event with where it goes.
#[derive(Debug)]
pub(crate) struct AddressedEvent<'a> {
    /// One that events may be published to.
    pub(crate) topic: &'static Topic,
    /// Events of one key keep their order; an empty one is none.
    pub(crate) key: Option<String>,
    /// The event as it was written.
    pub(crate) value: &'a str,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressError {
    /// No object of these fields.
    #[error("not {{topic, key, value}}: {0}")]
    Malformed(String),
    /// Its topic takes no events.
    #[error("{topic}: {reason}")]
    Topic {
        /// As written.
        topic: String,
        /// Why.
        reason: NotPublishable,
    },
    /// Its key is beyond the limit.
    #[error("key: {chars} characters; at most {KEY_CHARS_MAX} are allowed")]
    LongKey {
        /// Its length.
        chars: usize,
    },
}

/// A line of POST /api/v1/events.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AddressedEvent")]
pub(crate) struct Fields<'a> {
    #[schemars(with = "TopicName")]
    topic: String,
    /// Events of one key keep their order; an empty one is none.
    #[schemars(length(max = KEY_CHARS_MAX))]
    key: Option<String>,
    #[serde(borrow)]
    #[schemars(with = "Event")]
    value: &'a RawValue,
}

/// A topic that events may be published to, as the API's document describes it.
pub(crate) struct TopicName;

impl JsonSchema for TopicName {
    fn schema_name() -> Cow<'static, str> {
        "Topic".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = topic::TOPICS.iter().map(|topic| topic.name);
        let names: Vec<&str> = names
            .filter(|name| topic::publishable(name).is_ok())
            .collect();
        json_schema!({"enum": names, "description": "A topic that events may be published to."})
    }
}

/// An event, as the API's document describes it.
pub(crate) struct Event;

impl JsonSchema for Event {
    fn schema_name() -> Cow<'static, str> {
        "Event".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "Any JSON object of at most 1 MiB and 64 levels; event_id, timestamp and source are added where it has none.",
        })
    }
}

/// Reads a line.
pub(crate) fn read(line: &[u8]) -> Result<AddressedEvent<'_>, AddressError> {
    let malformed = |problem: &dyn std::fmt::Display| {
        // There is one line only; the caller adds its number.
        AddressError::Malformed(
            problem
                .to_string()
                .replace(" at line 1 column ", " at byte "),
        )
    };
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    match line.trim_ascii_start().first() {
        Some(b'{') => {}
        // A list of three would be taken too.
        Some(b'[') => {
            return Err(malformed(
                &"expected a JSON object on each line; `jq -c '.[]'` writes a list that way",
            ));
        }
        _ => {
            text_of(line).map_err(|error| malformed(&error))?;
            return Err(malformed(&"expected a JSON object"));
        }
    }
    let fields: Fields<'_> = serde_json::from_slice(line).map_err(|error| {
        if error.is_eof() {
            malformed(&"the line ends within the object; `jq -c .` writes it on one line")
        } else {
            malformed(&error)
        }
    })?;
    let topic = topic::publishable(&fields.topic).map_err(|reason| AddressError::Topic {
        topic: fields.topic.chars().take(100).collect(),
        reason,
    })?;
    let key = fields.key.filter(|key| !key.is_empty());
    match key.as_ref().map(|key| key.chars().count()) {
        Some(chars) if chars > KEY_CHARS_MAX => Err(AddressError::LongKey { chars }),
        _ => Ok(AddressedEvent {
            topic,
            key,
            value: fields.value.get(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_object_of_topic_key_and_value_and_nothing_else() {
        for (line, topic, key, value) in [
            (
                r#"{"topic":"data.ingested","value":{"a": 1.0}}"#,
                "data.ingested",
                None,
                r#"{"a": 1.0}"#,
            ),
            (
                r#" {"value":7,"key":null,"topic":"system.alerts"} "#,
                "system.alerts",
                None,
                "7",
            ),
            (
                "\u{feff}{\"topic\":\"system.alerts\",\"value\":{}}\r",
                "system.alerts",
                None,
                "{}",
            ),
            (
                r#"{"key":"","topic":"system.alerts","value":{}}"#,
                "system.alerts",
                None,
                "{}",
            ),
            (
                r#"{"key":"k\n","topic":"system.alerts","value":{}}"#,
                "system.alerts",
                Some("k\n"),
                "{}",
            ),
        ] {
            let read = read(line.as_bytes()).unwrap();
            assert_eq!(
                (read.topic.name, read.key.as_deref(), read.value),
                (topic, key, value)
            );
        }
        let long = format!(
            r#"{{"topic":"data.ingested","key":"{}","value":{{}}}}"#,
            "é".repeat(1_025)
        );
        for (line, expected) in [
            (b"not json".as_slice(), "expected a JSON object"),
            (b"[\"data.ingested\",null,{}]", "expected a JSON object"),
            (b"[1,\n", "`jq -c '.[]'` writes a list that way"),
            (b"{\n", "the line ends within the object; `jq -c .`"),
            (b"\xff\xfe{\0", "this is text in UTF-16"),
            (b"\x1f\x8b\x08", "this is data compressed with gzip"),
            (b"{}", "missing field `topic` at byte 2"),
            (br#"{"topic":"data.ingested"}"#, "missing field `value`"),
            (
                br#"{"topic":"data.ingested","kye":"k","value":{}}"#,
                "unknown field `kye`",
            ),
            (
                br#"{"topic":"data.ingested","topic":"x","value":{}}"#,
                "duplicate field `topic`",
            ),
            (
                br#"{"topic":7,"value":{}}"#,
                "invalid type: integer `7`, expected a string",
            ),
            (
                br#"{"topic":"data.ingested","key":7,"value":{}}"#,
                "expected a string",
            ),
            (
                br#"{"topic":"data.ingested","value":{}} x"#,
                "trailing characters",
            ),
            (
                b"{\"topic\":\"data.ingested\",\"value\":\"\xff\"}",
                "invalid unicode",
            ),
            (
                br#"{"topic":"data.nonsense","value":{}}"#,
                "data.nonsense: unknown topic",
            ),
            (
                br#"{"topic":"homeostat.ledger","value":{}}"#,
                "homeostat.ledger: topics of the prefix",
            ),
            (long.as_bytes(), "key: 1025 characters; at most 1024"),
        ] {
            let error = read(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
