//! One value of a row, whatever the format of the file, and what it means as an id, a time or a weight.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat};
use serde_json::Value;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// There is none.
    Missing,
    /// Text.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// A fractional one.
    Real(f64),
    /// A time, in milliseconds since 1970.
    Millis(i64),
    /// Several values.
    List(Vec<Self>),
    /// True or false.
    Flag(bool),
    /// Named values.
    Object(Vec<(String, Self)>),
    /// Something else: what it is, and how it is written.
    Other(&'static str, String),
}

impl Cell {
    /// What is shown of it in a message.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Missing => "nothing".to_owned(),
            Self::Text(text) => {
                let cut: String = text.chars().take(40).collect();
                format!("{cut:?}")
            }
            Self::Whole(number) => number.to_string(),
            Self::Real(number) => number.to_string(),
            Self::Millis(millis) => format!("the time {millis}"),
            Self::List(_) => "a list".to_owned(),
            Self::Flag(flag) => flag.to_string(),
            Self::Object(_) => "an object".to_owned(),
            Self::Other(kind, _) => (*kind).to_owned(),
        }
    }

    /// As an id: 7, 7.0 and "7" are one.
    pub(crate) fn id(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text.trim())),
            Self::Whole(number) => Some(Cow::Owned(number.to_string())),
            Self::Real(number) => Some(Cow::Owned(number.to_string())),
            _ => None,
        }
        .filter(|id| homeostat_logic::recommend::is_id(id))
    }

    /// As milliseconds since 1970. A number's unit follows from its size: seconds, milliseconds, microseconds or nanoseconds.
    pub(crate) fn millis(&self) -> Option<i64> {
        match self {
            Self::Millis(millis) => Some(*millis),
            Self::Whole(number) => Some(scaled(*number)),
            Self::Real(number) => real(*number),
            Self::Text(text) => written(text.trim()),
            _ => None,
        }
    }

    /// As a value of JSON: a time as RFC 3339, what JSON has no form for as text.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Missing => Value::Null,
            Self::Text(text) | Self::Other(_, text) => Value::from(text.as_str()),
            Self::Whole(number) => Value::from(*number),
            Self::Real(number) => Value::from(*number),
            Self::Millis(millis) => DateTime::from_timestamp_millis(*millis).map_or_else(
                || Value::from(*millis),
                |time| Value::from(time.to_rfc3339_opts(SecondsFormat::Millis, true)),
            ),
            Self::Flag(flag) => Value::from(*flag),
            Self::List(cells) => cells.iter().map(Self::json).collect(),
            Self::Object(fields) => {
                let fields = fields.iter();
                let fields = fields.map(|(name, cell)| (name.clone(), cell.json()));
                Value::Object(fields.collect())
            }
        }
    }

    /// As a weight; a number, also as text.
    pub(crate) fn weight(&self) -> Option<f64> {
        let weight = match self {
            Self::Whole(number) => *number as f64,
            Self::Real(number) => *number,
            Self::Text(text) => text.trim().parse().ok()?,
            _ => return None,
        };
        weight.is_finite().then_some(weight)
    }
}

/// Up to the year 5138 as seconds, up to the same as milliseconds, and so on.
const fn scaled(number: i64) -> i64 {
    match number.unsigned_abs() {
        0..100_000_000_000 => number * 1_000,
        100_000_000_000..100_000_000_000_000 => number,
        100_000_000_000_000..100_000_000_000_000_000 => number.div_euclid(1_000),
        _ => number.div_euclid(1_000_000),
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "whole numbers of that size fit; a fraction is of seconds"
)]
fn real(number: f64) -> Option<i64> {
    match number.abs() {
        size if size < 1e11 => Some((number * 1e3).round() as i64),
        size if size < 9e18 => Some(scaled(number as i64)),
        _ => None,
    }
}

/// A time as text: a number, RFC 3339, or a date with or without a time, taken as UTC.
fn written(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(scaled(number));
    }
    if let Ok(number) = text.parse::<f64>() {
        return real(number);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    for offset in ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"] {
        if let Ok(time) = DateTime::parse_from_str(text, offset) {
            return Some(time.timestamp_millis());
        }
    }
    let text = text.trim_end_matches(" UTC").trim_end_matches('Z');
    for form in [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
        "%Y/%m/%d %H:%M:%S",
    ] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, form) {
            return Some(time.and_utc().timestamp_millis());
        }
    }
    ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d"].iter().find_map(|form| {
        let date = NaiveDate::parse_from_str(text, form).ok()?;
        Some(date.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_usual_form() {
        let expected = 881_250_949_000;
        for cell in [
            Cell::Whole(881_250_949),
            Cell::Whole(881_250_949_000),
            Cell::Whole(881_250_949_000_000),
            Cell::Whole(881_250_949_000_000_000),
            Cell::Real(881_250_949.0),
            Cell::Text("881250949".to_owned()),
            Cell::Text("1997-12-04T15:55:49Z".to_owned()),
            Cell::Text("1997-12-04T16:55:49+01:00".to_owned()),
            Cell::Text("1997-12-04 16:55:49+01".to_owned()),
            Cell::Text("1997-12-04 15:55:49".to_owned()),
            Cell::Text("1997-12-04 15:55:49 UTC".to_owned()),
            Cell::Millis(expected),
        ] {
            assert_eq!(cell.millis(), Some(expected), "{cell:?}");
        }
        assert_eq!(
            Cell::Text("1970-01-02".to_owned()).millis(),
            Some(86_400_000)
        );
        for text in ["", "yesterday", "1997-13-01", "NaN"] {
            assert_eq!(Cell::Text(text.to_owned()).millis(), None, "{text}");
        }
        assert_eq!(Cell::Missing.millis(), None);
        assert_eq!(Cell::Real(f64::INFINITY).millis(), None);
    }

    #[test]
    fn an_id_is_one_whatever_its_type() {
        for cell in [
            Cell::Whole(7),
            Cell::Real(7.0),
            Cell::Text(" 7 ".to_owned()),
        ] {
            assert_eq!(cell.id().as_deref(), Some("7"), "{cell:?}");
        }
        for cell in [
            Cell::Missing,
            Cell::Text(String::new()),
            Cell::Flag(true),
            Cell::Object(Vec::new()),
            Cell::Other("a time of day", "12:00".to_owned()),
        ] {
            assert_eq!(cell.id(), None, "{cell:?}");
        }
    }
}
