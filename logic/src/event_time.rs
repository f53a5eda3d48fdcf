//! The time that an event says it is from, read from whatever form producers write it in (issue 13, row 9).
//!
//! A time is plausible from the year 2000 to five minutes ahead of the clock. What is not plausible or cannot be read is
//! named in the reasons and ignored. What leaves room (no offset, no time of day) counts as the latest instant that it can
//! mean, so that an event is never taken for older than it is.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use crate::clock_text::format_time;
use crate::field::{Field, Raw};
use crate::ledger::record::Millis;
use crate::naming::shown;

/// How far a time may be ahead of the clock before it is not believed (ledger-protocol §3).
pub const AHEAD_MS_MAX: Millis = 300_000;
/// The earliest plausible time, 2000-01-01T00:00:00Z.
pub const EARLIEST_MS: Millis = 946_684_800_000;

const HOUR_MS: Millis = 3_600_000;
/// The clocks of the world are between 12 hours behind UTC and 14 ahead of it.
const BEHIND_MS_MAX: Millis = 12 * HOUR_MS;
const AHEAD_OF_UTC_MS_MAX: Millis = 14 * HOUR_MS;

/// What a time says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventTime {
    /// There is none.
    Absent,
    /// It is from then, or from earlier.
    At {
        /// The latest instant that it can mean.
        latest: Millis,
        /// Whether the unit of a number was concluded from its size: certain enough to be read, not to silence an alarm.
        guessed: bool,
        /// What is odd about how it is written.
        odd: Option<String>,
    },
    /// It cannot be believed, and why.
    Implausible(String),
}

/// Reads the time in an event's field.
pub fn read(field: Field<Raw<'_>>, now: Millis) -> EventTime {
    let raw = match field {
        Field::Missing => return EventTime::Absent,
        Field::Value(raw) => raw,
        Field::Wrong(kind) => return EventTime::Implausible(format!("is {kind}, not a time")),
    };
    match raw.kind() {
        "a number" => number(raw.0, now),
        "a string" => match raw.text() {
            Some(text) if text.trim().is_empty() => EventTime::Implausible("is empty".to_owned()),
            Some(text) if is_number(text.trim()) => number(text.trim(), now),
            Some(text) => written(text.trim(), now),
            None => EventTime::Implausible("is text that cannot be read".to_owned()),
        },
        kind => EventTime::Implausible(format!("is {kind}, not a time")),
    }
}

/// Reads the log's time of a record, which its producer may have set: milliseconds, or -1 for none.
pub fn read_log_time(timestamp: Millis, now: Millis) -> EventTime {
    if timestamp <= 0 {
        return EventTime::Implausible("is missing".to_owned());
    }
    number(&timestamp.to_string(), now)
}

fn is_number(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        && text.parse::<f64>().is_ok()
}

/// Milliseconds since 1970, or the unit in which the number is a time after 2000: a thousand times as much each, so that at
/// most one fits.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the range is checked first, and a float to integer cast saturates"
)]
fn number(text: &str, now: Millis) -> EventTime {
    const UNITS: [(&str, f64); 4] = [
        ("seconds", 1e3),
        ("milliseconds", 1.0),
        ("microseconds", 1e-3),
        ("nanoseconds", 1e-6),
    ];
    let earliest = EARLIEST_MS as f64;
    let value: f64 = text.parse().unwrap_or(f64::NAN);
    let in_unit = |(unit, factor): &(&'static str, f64)| {
        let millis = value * factor;
        (millis >= earliest && millis < earliest * 1e3).then_some((*unit, millis as Millis))
    };
    let read = if value >= earliest && value <= (now + AHEAD_MS_MAX) as f64 {
        Some(("milliseconds", value as Millis))
    } else {
        UNITS.iter().find_map(in_unit)
    };
    match read {
        None => {
            EventTime::Implausible(format!("{} is not a time after the year 2000", shown(text)))
        }
        Some((_, at)) if at > now + AHEAD_MS_MAX => ahead(text, at),
        Some((unit, at)) => EventTime::At {
            latest: at,
            guessed: unit != "milliseconds",
            odd: (unit != "milliseconds").then(|| {
                format!(
                    "{} is in {unit}, not milliseconds; it is read as {}",
                    shown(text),
                    format_time(at)
                )
            }),
        },
    }
}

fn ahead(text: &str, at: Millis) -> EventTime {
    EventTime::Implausible(format!(
        "{} is ahead of the clock: {}",
        shown(text),
        format_time(at)
    ))
}

fn written(text: &str, now: Millis) -> EventTime {
    let Some((earliest, latest)) = span(text) else {
        return EventTime::Implausible(format!("{} is not a time that can be read", shown(text)));
    };
    if earliest > now + AHEAD_MS_MAX {
        return ahead(text, earliest);
    }
    if latest < EARLIEST_MS {
        return EventTime::Implausible(format!("{} is before the year 2000", shown(text)));
    }
    EventTime::At {
        latest,
        guessed: false,
        odd: (earliest != latest).then(|| {
            format!(
                "{} has no offset; it counts as the latest time that it can mean, {}",
                shown(text),
                format_time(latest)
            )
        }),
    }
}

/// The earliest and the latest instant that a text can mean.
fn span(text: &str) -> Option<(Millis, Millis)> {
    let exact = |at: Millis| Some((at, at));
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return exact(at.timestamp_millis());
    }
    if let Ok(at) = DateTime::parse_from_rfc2822(text) {
        return exact(at.timestamp_millis());
    }
    // Java writes the zone's name behind the offset; ISO 8601 allows a comma before the fraction.
    let plain = text.strip_suffix(']').and_then(|text| text.split_once('['));
    let text = plain.map_or(text, |(text, _)| text).replace(',', ".");
    for format in WITH_OFFSET {
        if let Ok(at) = DateTime::parse_from_str(&text, format) {
            return exact(at.timestamp_millis());
        }
    }
    let utc = ["UTC", "GMT"]
        .into_iter()
        .find_map(|zone| text.strip_suffix(zone));
    let naive = utc.unwrap_or(&text).trim_end();
    for format in WITHOUT_OFFSET {
        if let Ok(at) = NaiveDateTime::parse_from_str(naive, format) {
            let at = at.and_utc().timestamp_millis();
            return if utc.is_some() {
                exact(at)
            } else {
                Some(anywhere(at, 0))
            };
        }
    }
    let date = NaiveDate::parse_from_str(naive, "%Y-%m-%d").ok()?;
    let midnight = date.and_hms_opt(0, 0, 0)?.and_utc();
    Some(anywhere(midnight.timestamp_millis(), 24 * HOUR_MS))
}

/// A local time of an unknown zone, and what may follow it.
const fn anywhere(at: Millis, within: Millis) -> (Millis, Millis) {
    (at - AHEAD_OF_UTC_MS_MAX, at + within + BEHIND_MS_MAX)
}

const WITH_OFFSET: [&str; 5] = [
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M%#z",
    "%Y-%m-%d %H:%M%#z",
    "%Y%m%dT%H%M%S%.f%#z",
];
const WITHOUT_OFFSET: [&str; 5] = [
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y%m%dT%H%M%S%.f",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Millis {
        DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_millis()
    }

    fn now() -> Millis {
        at("2026-11-30T04:00:00Z")
    }

    fn read_json(json: &str) -> EventTime {
        read(serde_json::from_str(json).unwrap(), now())
    }

    #[test]
    fn each_certain_form_is_the_same_instant() {
        for json in [
            r#""2026-11-30T03:42:00Z""#,
            r#""2026-11-30t03:42:00z""#,
            r#"" 2026-11-30T03:42:00.000Z ""#,
            r#""2026-11-30T04:42:00+01:00""#,
            r#""2026-11-30T04:42:00+0100""#,
            r#""2026-11-30T04:42:00+01""#,
            r#""2026-11-30T04:42:00+01:00[Europe/Berlin]""#,
            r#""2026-11-30 03:42:00Z""#,
            r#""2026-11-30 03:42:00+00:00""#,
            r#""2026-11-30 03:42:00,000 +0000""#,
            r#""2026-11-30 03:42:00 UTC""#,
            r#""2026-11-30T03:42Z""#,
            r#""20261130T034200Z""#,
            r#""Mon, 30 Nov 2026 03:42:00 GMT""#,
            r#""Mon, 30 Nov 2026 04:42:00 +0100""#,
            "1796010120000",
            r#""1796010120000""#,
            "1.79601012e12",
        ] {
            let expected = EventTime::At {
                latest: at("2026-11-30T03:42:00Z"),
                guessed: false,
                odd: None,
            };
            assert_eq!(read_json(json), expected, "{json}");
        }
    }

    #[test]
    fn a_number_in_another_unit_is_recognised_and_named() {
        for (json, unit) in [
            ("1796010120", "seconds"),
            ("1796010120.0", "seconds"),
            (r#""1796010120""#, "seconds"),
            ("1796010120000000", "microseconds"),
            ("1796010120000000000", "nanoseconds"),
        ] {
            let EventTime::At {
                latest,
                guessed: true,
                odd: Some(odd),
            } = read_json(json)
            else {
                panic!("{json}: {:?}", read_json(json));
            };
            assert_eq!(latest, at("2026-11-30T03:42:00Z"), "{json}");
            assert!(
                odd.contains(&format!("in {unit}, not milliseconds")),
                "{odd}"
            );
        }
    }

    #[test]
    fn a_time_without_an_offset_counts_as_the_latest_that_it_can_mean() {
        for (json, latest) in [
            (r#""2026-11-20 03:42:00""#, "2026-11-20T15:42:00Z"),
            (
                r#""2026-11-20T03:42:00.123456""#,
                "2026-11-20T15:42:00.123Z",
            ),
            (r#""2026-11-20T03:42""#, "2026-11-20T15:42:00Z"),
            (r#""2026-11-20""#, "2026-11-21T12:00:00Z"),
            // Noon in Auckland is this morning in Europe.
            (r#""2026-11-30 17:00:00""#, "2026-12-01T05:00:00Z"),
        ] {
            match read_json(json) {
                EventTime::At {
                    latest: found,
                    guessed,
                    odd,
                } => {
                    assert_eq!((found, guessed), (at(latest), false), "{json}");
                    assert!(odd.unwrap().contains("has no offset"), "{json}");
                }
                other => panic!("{json}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_plausible_says_why() {
        for (json, why) in [
            (r#""2026-11-30T04:05:01Z""#, "ahead of the clock"),
            (r#""2031-01-01T00:00:00Z""#, "ahead of the clock"),
            (r#""2026-11-30 19:00:00""#, "ahead of the clock"),
            ("1796300000000", "ahead of the clock"),
            ("1796300000", "ahead of the clock"),
            ("20261130034200", "ahead of the clock"),
            (r#""1999-12-31T23:59:59Z""#, "before the year 2000"),
            (r#""1970-01-01T00:00:00Z""#, "before the year 2000"),
            (r#""0001-01-01T00:00:00Z""#, "before the year 2000"),
            ("0", "not a time after the year 2000"),
            ("-1", "not a time after the year 2000"),
            ("1e300", "not a time after the year 2000"),
            ("20261130", "not a time after the year 2000"),
            (r#""""#, "is empty"),
            (r#""yesterday""#, "not a time that can be read"),
            (r#""11/30/2026""#, "not a time that can be read"),
            (r#""2026-13-45T00:00:00Z""#, "not a time that can be read"),
            (r#""\ud800""#, "cannot be read"),
            ("true", "is a boolean"),
            ("[2026, 11, 30]", "is a list"),
            (r#"{"$date": 1796010120000}"#, "is an object"),
        ] {
            match read_json(json) {
                EventTime::Implausible(found) => assert!(found.contains(why), "{json}: {found}"),
                other => panic!("{json}: {other:?}"),
            }
        }
        assert_eq!(read_json("null"), EventTime::Absent);
        // Clocks differ a little.
        assert!(matches!(
            read_json(r#""2026-11-30T04:04:59Z""#),
            EventTime::At { .. }
        ));
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in "\\PC{0,30}|[0-9TZ:.+-]{0,30}") {
            let json = serde_json::to_string(&text).unwrap();
            let _any = read_json(&json);
        }

        #[test]
        fn what_is_believed_is_plausible(number in any::<i64>()) {
            if let EventTime::At { latest, .. } = read_json(&number.to_string()) {
                prop_assert!((EARLIEST_MS..=now() + AHEAD_MS_MAX).contains(&latest));
            }
        }
    }
}
