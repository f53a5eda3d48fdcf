//! A record of `push.recommendations` as connected users get it.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::recommend::{ID_BYTES_MAX, id_text};

/// Largest update that is pushed, in bytes: a list of ten items with titles and reasons is far smaller.
pub const BODY_BYTES_MAX: usize = 64 * 1_024;
/// The type of an update that names none.
pub const TYPE: &str = "recommendations_update";

/// The newest recommendations of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// `partition-offset` of its record: what a client sends back as `Last-Event-ID`.
    pub id: String,
    /// A JSON object in one line. It has the record's fields, `id`, and `type`.
    pub body: Arc<str>,
}

/// Why a record is no update.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoUpdate {
    /// It names no user.
    #[error("names no user: its key has to be the user's id")]
    NoUser,
    /// The user's id is no id.
    #[error("names a user by an id that is not usable: {0}")]
    BadUser(#[from] BadUser),
    /// It is no JSON object.
    #[error("is not a JSON object: {0}")]
    NotAnObject(String),
    /// It is beyond [`BODY_BYTES_MAX`].
    #[error("has {0} bytes; at most {BODY_BYTES_MAX} are pushed")]
    TooLarge(usize),
}

/// Why text is no id of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUser {
    /// Nothing.
    #[error("it is empty")]
    Empty,
    /// Beyond [`ID_BYTES_MAX`].
    #[error("it has more than {ID_BYTES_MAX} bytes")]
    TooLong,
    /// Bytes that are no text.
    #[error("it is not UTF-8")]
    NotText,
    /// Characters that would break lines of logs and of the stream.
    #[error("it contains a control character")]
    Control,
}

/// The id of a user as it is written in a path or a key, in its one spelling.
///
/// # Errors
/// Why it is none.
pub fn user_id(text: &str) -> Result<&str, BadUser> {
    let user = text.trim();
    if user.is_empty() {
        Err(BadUser::Empty)
    } else if user.len() > ID_BYTES_MAX {
        Err(BadUser::TooLong)
    } else if user.chars().any(char::is_control) {
        Err(BadUser::Control)
    } else {
        Ok(user)
    }
}

/// Reads a record: the user's id and the update. The key names the user; a record without a key may name him as `user_id`.
///
/// # Errors
/// Why the record is no update. It is skipped then; the ones behind it are read all the same.
pub fn read(
    partition: i32,
    offset: i64,
    key: Option<&[u8]>,
    value: &[u8],
) -> Result<(String, Update), NoUpdate> {
    if value.len() > BODY_BYTES_MAX {
        return Err(NoUpdate::TooLarge(value.len()));
    }
    let parsed: Result<Map<String, Value>, _> = serde_json::from_slice(value);
    let mut fields = parsed.map_err(|error| NoUpdate::NotAnObject(error.to_string()))?;
    let user = if let Some(key) = key {
        user_of_key(key)?
    } else {
        let named = fields.get("user_id").and_then(id_text);
        user_id(&named.ok_or(NoUpdate::NoUser)?)?.to_owned()
    };
    let id = format!("{partition}-{offset}");
    fields.insert("id".to_owned(), Value::String(id.clone()));
    fields
        .entry("type")
        .or_insert_with(|| Value::String(TYPE.to_owned()));
    let body = Value::Object(fields).to_string();
    if body.len() > BODY_BYTES_MAX {
        return Err(NoUpdate::TooLarge(body.len()));
    }
    let body = body.into();
    Ok((user, Update { id, body }))
}

/// The user whom a key names.
///
/// # Errors
/// The key is no usable id.
pub fn user_of_key(key: &[u8]) -> Result<String, BadUser> {
    let user = std::str::from_utf8(key).map_err(|_| BadUser::NotText)?;
    user_id(user).map(str::to_owned)
}

impl Update {
    /// As an event of a stream of server-sent events.
    pub fn as_event(&self) -> String {
        // The body is JSON in one line, in which line breaks are escaped.
        format!("id: {}\nevent: {TYPE}\ndata: {}\n\n", self.id, self.body)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(update: &Update) -> Value {
        serde_json::from_str(&update.body).unwrap()
    }

    #[test]
    fn a_record_becomes_its_fields_with_its_place_as_the_id() {
        let value = br#"{ "type": "mine", "user_id": 7,
            "recommendations": [{"item_id": "a\nb", "score": 0.25}] }"#;
        let (user, update) = read(2, 41, Some(b"u-7"), value).unwrap();
        assert_eq!(user, "u-7");
        assert_eq!(update.id, "2-41");
        let expected = serde_json::json!({
            "id": "2-41", "type": "mine", "user_id": 7,
            "recommendations": [{"item_id": "a\nb", "score": 0.25}],
        });
        assert_eq!(body(&update), expected);
        let event = update.as_event();
        let lines: Vec<&str> = event.lines().collect();
        assert_eq!(lines.len(), 4, "{event}");
        assert_eq!(lines[0], "id: 2-41");
        assert_eq!(lines[1], "event: recommendations_update");
        assert_eq!(lines[2].strip_prefix("data: "), Some(&*update.body));
    }

    #[test]
    fn a_type_and_a_user_are_taken_from_where_they_are() {
        for (key, value, user, kind) in [
            (Some(b"k".as_slice()), "{}", "k", TYPE),
            (Some(b"k"), r#"{"type": "other", "id": 9}"#, "k", "other"),
            (None, r#"{"user_id": "7"}"#, "7", TYPE),
            (None, r#"{"user_id": 7}"#, "7", TYPE),
            (None, r#"{"user_id": 7.0}"#, "7", TYPE),
            (None, r#"{"user_id": 7.5}"#, "7.5", TYPE),
            (
                None,
                r#"{"user_id": 18446744073709551615}"#,
                "18446744073709551615",
                TYPE,
            ),
        ] {
            let (found, update) = read(0, 1, key, value.as_bytes()).unwrap();
            assert_eq!(found, user, "{value}");
            assert_eq!(body(&update)["type"], kind, "{value}");
            assert_eq!(body(&update)["id"], "0-1", "{value}");
        }
    }

    #[test]
    fn what_is_no_update_is_refused_with_the_reason() {
        let long = "u".repeat(ID_BYTES_MAX + 1);
        let large = format!(r#"{{"a": "{}"}}"#, "x".repeat(BODY_BYTES_MAX));
        for (key, value, expected) in [
            (Some(b"k".as_slice()), "[]", "not a JSON object"),
            (Some(b"k"), "", "not a JSON object"),
            (Some(b"k"), "{\"a\": 1} x", "not a JSON object"),
            (None, "{}", "names no user"),
            (None, r#"{"user_id": null}"#, "names no user"),
            (None, r#"{"user_id": ""}"#, "names no user"),
            (Some(b"  "), "{}", "empty"),
            (Some(b""), "{}", "empty"),
            (Some(long.as_bytes()), "{}", "256 bytes"),
            (Some(b"a\nb"), "{}", "control character"),
            (Some(b"\xff"), "{}", "not UTF-8"),
            (Some(b"k"), &large, "at most 65536"),
        ] {
            let error = read(0, 1, key, value.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{value:.40}: {error}");
        }
        let most = "u".repeat(ID_BYTES_MAX);
        assert!(read(0, 1, Some(most.as_bytes()), b"{}").is_ok());
    }

    proptest! {
        #[test]
        fn no_record_makes_it_panic_and_an_event_has_one_line_of_data(
            key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
            text in "\\PC*|[\\n\\r\\u{2028}a\"\\\\]*",
        ) {
            let _ignored = read(0, 0, key.as_deref(), text.as_bytes());
            let value = serde_json::json!({ "user_id": "u", "text": text }).to_string();
            let (_, update) = read(0, 0, None, value.as_bytes()).unwrap();
            prop_assert_eq!(&body(&update)["text"], &Value::String(text));
            let event = update.as_event();
            prop_assert_eq!(event.matches(['\n', '\r']).count(), 4);
        }
    }
}
