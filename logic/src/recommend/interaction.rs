//! What a user did, as the model takes it.

use std::borrow::Cow;

use serde_json::Value;

/// Longest id of a user or an item, in bytes. A longer one is left out: cut to size, two could become one.
pub const ID_BYTES_MAX: usize = 256;

/// What a user did with some items.
#[derive(Clone, Copy, Debug)]
pub struct Interaction<'a> {
    /// Id of the user.
    pub user: &'a str,
    /// Its type, which gives its weight.
    pub kind: &'a str,
    /// A weight of its own, which counts instead of its type's.
    pub weight: Option<f64>,
    /// Ids of the items, in the order in which they were chosen.
    pub items: &'a [&'a str],
    /// When, in milliseconds since 1970. Later than now counts as now.
    pub time_ms: i64,
}

/// What became of an interaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// Items learned or marked.
    pub items: usize,
    /// Items left out: beyond the limit of one event, named twice in it, or with an id that is empty or too long.
    pub left_out: usize,
}

/// Whether it can be the id of a user or an item.
pub fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= ID_BYTES_MAX
}

/// An id as text: 7, 7.0 and "7" are one. `None` if it is neither text nor a number, empty, or too long.
pub fn id_text(value: &Value) -> Option<Cow<'_, str>> {
    let text = match value {
        Value::String(text) => Cow::Borrowed(text.trim()),
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64()?;
            Cow::Owned(number.to_string())
        }
        Value::Number(number) => Cow::Owned(number.to_string()),
        _ => return None,
    };
    is_id(&text).then_some(text)
}

/// The largest second, in 2106.
const SECONDS_MAX: u32 = u32::MAX - 1;

/// Seconds since 1970, from 0 to the year 2106.
pub(super) fn seconds(time_ms: i64) -> u32 {
    let seconds = time_ms.div_euclid(1_000).max(0);
    u32::try_from(seconds)
        .unwrap_or(SECONDS_MAX)
        .min(SECONDS_MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_is_one_as_number_and_as_text() {
        for (value, id) in [
            (json!(7), Some("7")),
            (json!(7.0), Some("7")),
            (json!("7"), Some("7")),
            (json!(" 7 "), Some("7")),
            (json!(-3), Some("-3")),
            (json!(1.5), Some("1.5")),
            (json!("a b"), Some("a b")),
            (json!(""), None),
            (json!(null), None),
            (json!([7]), None),
            (json!("x".repeat(257)), None),
        ] {
            assert_eq!(id_text(&value).as_deref(), id, "{value}");
        }
    }

    #[test]
    fn seconds_stay_within_their_range() {
        for (ms, expected) in [(1_999, 1), (-1, 0), (i64::MIN, 0), (i64::MAX, u32::MAX - 1)] {
            assert_eq!(seconds(ms), expected, "{ms}");
        }
    }
}
