//! What may come before an event's JSON: a byte order mark, Confluent's prefix.

use crate::event_text::{EventError, utf8};
use crate::form::FormError;
use crate::formats::{first_bytes, foreign, magic};

/// The mark that some writers put before UTF-8. It says nothing and is passed over, although JSON does not allow it.
pub const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The name of the format that begins with these bytes, if it is certain and no text in UTF-8.
pub fn format_of(bytes: &[u8]) -> Option<&'static str> {
    magic(bytes)
}

/// The JSON text of a value: after a byte order mark and after Confluent's prefix (a zero byte and four of a schema id).
///
/// # Errors
/// The name of the format if the value is not text, or where it is not UTF-8.
pub fn text_of(bytes: &[u8]) -> Result<&str, EventError> {
    match bytes.first() {
        // Nearly every event.
        Some(b'{') => return utf8(bytes),
        Some(0) => return behind_prefix(bytes),
        _ => {}
    }
    if let Some(text) = bytes.strip_prefix(BYTE_ORDER_MARK) {
        return utf8(text);
    }
    match foreign(bytes) {
        Some(name) => Err(FormError::Foreign(name).into()),
        None => utf8(bytes),
    }
}

fn behind_prefix(bytes: &[u8]) -> Result<&str, EventError> {
    let Some((&[_, id @ ..], data)) = bytes.split_first_chunk::<5>() else {
        return Err(FormError::Foreign(format!("binary data ({})", first_bytes(bytes))).into());
    };
    let schema_id = u32::from_be_bytes(id);
    let data = data.strip_prefix(BYTE_ORDER_MARK).unwrap_or(data);
    // Avro may begin with any byte, but JSON is UTF-8 to its end.
    if data.trim_ascii_start().first() == Some(&b'{') && std::str::from_utf8(data).is_ok() {
        return utf8(data);
    }
    // UTF-16 and UTF-32 without a mark begin with zeros too.
    if bytes.starts_with(b"\0{\0") || bytes.starts_with(b"\0\0\0{") {
        let name = "text in UTF-16 or UTF-32".to_owned();
        return Err(FormError::Foreign(name).into());
    }
    let found = if data.is_empty() {
        "nothing".to_owned()
    } else if let Some(name) = magic(data) {
        name.to_owned()
    } else {
        format!(
            "no JSON object but Avro, Protobuf or other data ({})",
            first_bytes(data)
        )
    };
    Err(FormError::Confluent { schema_id, found }.into())
}
