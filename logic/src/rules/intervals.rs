//! Time intervals in Alertmanager's form: times, weekdays, days of the month, months and years on the clock of a place.
//! Each has a name in `[time_intervals]`, by which maintenance windows, working hours and mute times use it. What an interval
//! holds is what Alertmanager 0.35 says that it holds; a test asks its own code (`logic/tests/intervals`).

mod parse;
mod spans;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Datelike as _, NaiveDate, Offset as _, TimeZone as _, Timelike as _};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use parse::IntervalFault;
pub(super) use spans::{next, without};

use super::schema;
use crate::ledger::record::{Millis, Windows};

/// How far ahead a moment is looked for, in days.
pub const AHEAD_DAYS_MAX: i64 = 400;

/// Minutes of a day.
const DAY_MINUTES: u32 = 24 * 60;

/// One interval as it is written. It holds a moment if each of its keys does; a key that is absent holds every moment, an
/// empty list none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeInterval {
    /// Times of the day, each with `start_time` and `end_time` as HH:MM. The end is not part of it; 24:00 is the end of the
    /// day. A time may not pass midnight: write two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<Vec<TimeRange>>,
    /// Days of the week, such as "monday:friday" or "sunday", both ends included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekdays: Option<Vec<Member>>,
    /// Days of the month, such as "1:5"; -1 is the last day, so that "-3:-1" are the last three.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_of_month: Option<Vec<Member>>,
    /// Months by name or number, such as "january:march" or "12", both ends included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub months: Option<Vec<Member>>,
    /// Years, such as "2026:2030", both ends included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub years: Option<Vec<Member>>,
    /// The place whose clock counts, an IANA time zone; UTC without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time_zone")]
    pub location: Option<String>,
}

/// A time of the day as it is written; both parts are needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeRange {
    /// First minute, HH:MM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// The minute behind the last one, HH:MM, at most 24:00.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
}

/// A day, month or year, or a range of them with a colon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Member {
    /// One by its number.
    Number(i64),
    /// One, or two with a colon between them.
    Text(String),
}

/// A checked interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Minutes of the day, the end excluded.
    times: Option<Vec<(u32, u32)>>,
    /// 0 is Sunday; a range over the end of the week is two.
    weekdays: Option<Vec<(i64, i64)>>,
    days_of_month: Option<Vec<(i64, i64)>>,
    months: Option<Vec<(i64, i64)>>,
    years: Option<Vec<(i64, i64)>>,
    location: chrono_tz::Tz,
}

impl Interval {
    /// The same minutes on days of the week, on the clock of a place. None if there are no minutes.
    pub(super) fn weekly(
        (start, end): (u32, u32),
        days: impl Iterator<Item = chrono::Weekday>,
        location: chrono_tz::Tz,
    ) -> Option<Self> {
        let days = days.map(|day| i64::from(day.num_days_from_sunday()));
        (start < end).then(|| Self {
            times: Some(vec![(start, end)]),
            weekdays: Some(days.map(|day| (day, day)).collect()),
            days_of_month: None,
            months: None,
            years: None,
            location,
        })
    }

    /// Whether it holds a moment. Nothing beyond the calendar is held.
    pub fn contains(&self, at: Millis) -> bool {
        let shown = || {
            let utc = DateTime::from_timestamp_millis(at)?.naive_utc();
            let offset = self.location.offset_from_utc_datetime(&utc).fix();
            utc.checked_add_offset(offset)
        };
        shown().is_some_and(|shown| {
            let minute = shown.num_seconds_from_midnight() / 60;
            let times = self.times.as_ref();
            self.holds_date(shown.date())
                && times.is_none_or(|times| {
                    times
                        .iter()
                        .any(|&(start, end)| start <= minute && minute < end)
                })
        })
    }

    fn holds_date(&self, date: NaiveDate) -> bool {
        let any = |ranges: &Option<Vec<(i64, i64)>>, value: i64| {
            let mut ranges = ranges.iter().map(Vec::as_slice);
            ranges.all(|ranges| {
                ranges
                    .iter()
                    .any(|&(begin, end)| begin <= value && value <= end)
            })
        };
        any(&self.weekdays, date.weekday().num_days_from_sunday().into())
            && any(&self.months, date.month().into())
            && any(&self.years, date.year().into())
            && self.holds_day_of_month(date)
    }

    /// A range ends with its month; one that begins behind the month's end is left out.
    fn holds_day_of_month(&self, date: NaiveDate) -> bool {
        let (day, days) = (i64::from(date.day()), i64::from(date.num_days_in_month()));
        let of_month = |day: i64| if day < 0 { days + day + 1 } else { day };
        self.days_of_month.as_ref().is_none_or(|ranges| {
            let mut ranges = ranges.iter();
            ranges.any(|&(begin, end)| of_month(begin) <= day && day <= of_month(end))
        })
    }

    /// Minutes of a day that it holds, if it holds the day.
    fn minutes(&self) -> &[(u32, u32)] {
        self.times.as_deref().unwrap_or(&[(0, DAY_MINUTES)])
    }
}

/// Checked intervals; what any of them holds counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intervals(Arc<[Interval]>);

impl Intervals {
    /// Checks what is written under one name.
    ///
    /// # Errors
    /// Everything that is wrong, with the number of its interval, from 0.
    pub fn new(written: &[TimeInterval]) -> Result<Self, Vec<(usize, IntervalFault)>> {
        let mut faults = Vec::new();
        let mut intervals = Vec::new();
        for (number, written) in written.iter().enumerate() {
            match Interval::new(written) {
                Ok(interval) => intervals.push(interval),
                Err(found) => faults.extend(found.into_iter().map(|fault| (number, fault))),
            }
        }
        if faults.is_empty() {
            Ok(Self::of(intervals))
        } else {
            Err(faults)
        }
    }

    pub(super) fn of(intervals: Vec<Interval>) -> Self {
        Self(intervals.into())
    }

    /// Whether one of them holds a moment.
    pub fn contains(&self, at: Millis) -> bool {
        self.0.iter().any(|interval| interval.contains(at))
    }

    /// The spans of time that they hold, as absolute times: the one that holds `now`, or the next one within
    /// [`AHEAD_DAYS_MAX`] days, and those that begin within a week of that, eight at most. Spans that touch are one, and a
    /// span is cut ten days ahead. None if there is none, and beyond the calendar.
    pub fn next(&self, now: Millis) -> Option<Windows> {
        next(now, |within| self.spans(within))
    }
}

/// The intervals of every name.
#[derive(Clone, Debug, Default)]
pub(super) struct Named(BTreeMap<String, Intervals>);

impl Named {
    pub(super) fn insert(&mut self, name: String, intervals: Intervals) {
        self.0.insert(name, intervals);
    }

    /// Those of one name; a fault of its own if there are none ([`super::checks`]).
    pub(super) fn get(&self, name: &str) -> Option<&Intervals> {
        self.0.get(name)
    }

    /// Those of several names together.
    pub(super) fn all(&self, names: &[String]) -> Intervals {
        let intervals = names.iter().filter_map(|name| self.get(name));
        Intervals::of(intervals.flat_map(|one| one.0.iter().cloned()).collect())
    }
}

/// The schema of all of them, by name.
pub(super) fn by_name(generator: &mut SchemaGenerator) -> Schema {
    let interval = generator.subschema_for::<TimeInterval>();
    json_schema!({
        "type": "object",
        "additionalProperties": { "type": "array", "format": "time-intervals", "items": interval }
    })
}

/// Names in a sentence.
pub(super) fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
