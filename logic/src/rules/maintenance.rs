//! Maintenance windows: weekly local times as absolute UTC windows, daylight saving included (ledger-protocol §3: the
//! proposer computes them, the record's word is final; issue 13, row 4).
//!
//! A window is open while a clock on the wall of its zone shows a time in it, so a change of the clock needs no rule of
//! its own: a time that is skipped is never shown, and the window begins with the first time behind the gap that belongs
//! to it. Where the clock is set back, a window may be shown in two stretches; the longer one counts, of two equally long
//! ones the first, so that a window is always one span and never shorter than it is written.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveTime, Offset as _, TimeZone as _};

use super::fault::RuleError;
use super::settings::Maintenance;
use crate::ledger::record::{Millis, Window, Windows};
use crate::ledger::when::WINDOWS_MAX;

/// How far ahead a window is looked for, in days.
pub const AHEAD_DAYS_MAX: u64 = 400;
/// Windows behind the next one are taken along if they begin within so many days: a start that is held back gets another
/// chance, but not weeks after its event.
const FURTHER_DAYS: u64 = 7;
/// No zone's clock is further from UTC than this, in seconds.
const OFFSET_MAX: i64 = 16 * 3600;
/// Offsets are compared at this distance, in seconds; no zone changes its clock twice within it.
const SAMPLE: i64 = 3 * 3600;

/// Checked maintenance windows of a week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    days: Vec<chrono::Weekday>,
    start: NaiveTime,
    end: NaiveTime,
    timezone: chrono_tz::Tz,
}

/// Seconds since the Unix epoch during which the clock of a zone has one distance from UTC, also in seconds.
#[derive(Clone, Copy)]
struct Stretch {
    from: i64,
    to: i64,
    offset: i64,
}

impl Schedule {
    /// Checks the settings.
    ///
    /// # Errors
    /// A day list without a day, or a time that is not `HH:MM`.
    pub fn new(settings: &Maintenance) -> Result<Self, RuleError> {
        let time = |key: &'static str, text: &str| {
            NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| RuleError {
                key: format!("maintenance.{key}"),
                problem: format!(
                    "{text:?} is not a time of day; write it as HH:MM, e.g. \"02:00\""
                ),
            })
        };
        if settings.days.is_empty() {
            return Err(RuleError {
                key: "maintenance.days".into(),
                problem: "no day is named; name at least one of mon, tue, wed, thu, fri, sat, sun"
                    .into(),
            });
        }
        Ok(Self {
            days: settings.days.clone(),
            start: time("start", &settings.start)?,
            end: time("end", &settings.end)?,
            timezone: settings.timezone,
        })
    }

    /// The present window, if one is open, or the next one, however far it is, with those that begin within a week: at
    /// most eight. None only if no window begins within 400 days, which needs a clock at the end of the calendar: a
    /// schedule has a day, and no day of the week is skipped every week.
    pub fn next(&self, now: Millis) -> Option<Windows> {
        // The day of a window that is still open may lie two days back: one for its zone, one for a window over midnight.
        let first = DateTime::from_timestamp_millis(now)?
            .date_naive()
            .checked_sub_days(Days::new(2))?;
        let mut windows: Vec<Window> = Vec::new();
        for days in 0..=AHEAD_DAYS_MAX {
            let enough =
                windows.len() == WINDOWS_MAX || (days > FURTHER_DAYS + 2 && !windows.is_empty());
            if enough {
                break;
            }
            let date = first.checked_add_days(Days::new(days))?;
            if self.days.contains(&date.weekday()) {
                windows.extend(self.opens_on(date).filter(|window| window.to > now));
            }
        }
        windows.sort_by_key(|window| window.from);
        windows.try_into().ok()
    }

    /// The window that begins on a local date; none if the clock skips all of it.
    fn opens_on(&self, date: NaiveDate) -> Option<Window> {
        let overnight = u64::from(self.end <= self.start);
        let closes = date.checked_add_days(Days::new(overnight))?;
        let opens = date.and_time(self.start).and_utc().timestamp();
        let closes = closes.and_time(self.end).and_utc().timestamp();
        let mut shown: Vec<(i64, i64)> = Vec::new();
        for stretch in self.stretches(opens - OFFSET_MAX, closes + OFFSET_MAX)? {
            let from = stretch.from.max(opens - stretch.offset);
            let to = stretch.to.min(closes - stretch.offset);
            match shown.last_mut() {
                _ if from >= to => {}
                Some(last) if last.1 == from => last.1 = to,
                _ => shown.push((from, to)),
            }
        }
        // Of equal ones `max_by_key` takes the last, which is the earliest here.
        let longest = shown.into_iter().rev().max_by_key(|(from, to)| to - from);
        longest.map(|(from, to)| Window {
            from: from * 1000,
            to: to * 1000,
        })
    }

    /// The stretches between two instants, without a gap.
    fn stretches(&self, from: i64, to: i64) -> Option<Vec<Stretch>> {
        let mut stretches = Vec::new();
        let (mut since, mut offset) = (from, self.offset(from)?);
        let mut at = from;
        while at < to {
            let next = (at + SAMPLE).min(to);
            let changed = self.offset(next)?;
            if changed != offset {
                let to = self.change_between(at, next)?;
                stretches.push(Stretch {
                    from: since,
                    to,
                    offset,
                });
                (since, offset) = (to, changed);
            }
            at = next;
        }
        stretches.push(Stretch {
            from: since,
            to,
            offset,
        });
        Some(stretches)
    }

    /// The first second with the offset of `after`, by halving.
    fn change_between(&self, mut before: i64, mut after: i64) -> Option<i64> {
        let changed = self.offset(after)?;
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if self.offset(middle)? == changed {
                after = middle;
            } else {
                before = middle;
            }
        }
        Some(after)
    }

    /// Seconds by which the zone's clock is ahead of UTC; none beyond the calendar.
    fn offset(&self, at: i64) -> Option<i64> {
        let utc = DateTime::from_timestamp(at, 0)?.naive_utc();
        let offset = self.timezone.offset_from_utc_datetime(&utc);
        Some(offset.fix().local_minus_utc().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        chrono::DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_millis()
    }

    fn schedule(days: &[&str], start: &str, end: &str, zone: &str) -> Schedule {
        Schedule::new(&Maintenance {
            days: days.iter().map(|day| day.parse().unwrap()).collect(),
            start: start.into(),
            end: end.into(),
            timezone: zone.parse().unwrap(),
        })
        .unwrap()
    }

    fn window(from: &str, to: &str) -> Window {
        Window {
            from: at(from),
            to: at(to),
        }
    }

    const DAILY: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    #[test]
    fn an_open_window_counts_and_a_closed_one_does_not() {
        let nightly = schedule(DAILY, "02:00", "05:00", "UTC");
        let first = |now: &str| nightly.next(at(now)).unwrap().first();
        let monday = window("2026-03-02T02:00:00Z", "2026-03-02T05:00:00Z");
        assert_eq!(first("2026-03-02T01:00:00Z"), monday);
        assert_eq!(first("2026-03-02T04:59:59Z"), monday);
        assert_eq!(
            first("2026-03-02T05:00:00Z"),
            window("2026-03-03T02:00:00Z", "2026-03-03T05:00:00Z")
        );
        let windows = nightly.next(at("2026-03-02T01:00:00Z")).unwrap();
        assert_eq!(windows.iter().count(), WINDOWS_MAX);
    }

    #[test]
    fn a_weekly_window_that_closed_today_is_found_next_week() {
        // Issue 13, row 4: each of these was an empty list, which the ledger read as "now".
        for (days, start, end, now, from, to) in [
            (
                "mon",
                "02:00",
                "05:00",
                "2026-03-02T05:00:00Z",
                "2026-03-09T02:00:00Z",
                "2026-03-09T05:00:00Z",
            ),
            (
                "mon",
                "02:00",
                "05:00",
                "2026-03-02T23:59:59Z",
                "2026-03-09T02:00:00Z",
                "2026-03-09T05:00:00Z",
            ),
            (
                "sun",
                "23:30",
                "01:00",
                "2026-03-02T00:30:00Z",
                "2026-03-01T23:30:00Z",
                "2026-03-02T01:00:00Z",
            ),
            (
                "sun",
                "23:30",
                "01:00",
                "2026-03-02T01:00:00Z",
                "2026-03-08T23:30:00Z",
                "2026-03-09T01:00:00Z",
            ),
        ] {
            let next = schedule(&[days], start, end, "UTC").next(at(now)).unwrap();
            assert_eq!(next.first(), window(from, to), "{days} {start} at {now}");
        }
    }

    /// Zone, day, start, end, now; the window.
    const CHANGES: &[&str] = &[
        // New York has no 02:00 to 03:00 on 2026-03-08, and two 01:00 to 02:00 on 2026-11-01.
        "America/New_York sun 02:30 04:00 2026-03-08T05:00:00Z 2026-03-08T07:00:00Z 2026-03-08T08:00:00Z",
        // All of it is skipped: the next week's.
        "America/New_York sun 02:15 02:45 2026-03-08T05:00:00Z 2026-03-15T06:15:00Z 2026-03-15T06:45:00Z",
        // Its end is skipped.
        "America/New_York sun 01:00 02:30 2026-03-08T05:00:00Z 2026-03-08T06:00:00Z 2026-03-08T07:00:00Z",
        // Shown twice: the first time.
        "America/New_York sun 01:15 01:45 2026-11-01T04:00:00Z 2026-11-01T05:15:00Z 2026-11-01T05:45:00Z",
        // Its start is shown twice: the longer stretch, behind the second one.
        "America/New_York sun 01:30 03:00 2026-11-01T04:00:00Z 2026-11-01T06:30:00Z 2026-11-01T08:00:00Z",
        // Its end is shown twice: the longer stretch, before the first one.
        "America/New_York sun 00:30 01:30 2026-11-01T04:00:00Z 2026-11-01T04:30:00Z 2026-11-01T05:30:00Z",
        // The whole hour that is shown twice: two hours.
        "Europe/Berlin sun 02:00 03:00 2026-10-24T12:00:00Z 2026-10-25T00:00:00Z 2026-10-25T02:00:00Z",
        // Lord Howe moves by half an hour: no 02:00 to 02:30 on 2026-10-04, two 01:30 to 02:00 on 2026-04-05.
        "Australia/Lord_Howe sun 02:10 03:00 2026-10-03T12:00:00Z 2026-10-03T15:30:00Z 2026-10-03T16:00:00Z",
        "Australia/Lord_Howe sun 01:40 02:30 2026-04-04T12:00:00Z 2026-04-04T15:10:00Z 2026-04-04T16:00:00Z",
        // A zone of half an hour, over midnight.
        "Asia/Kolkata sat 23:00 01:00 2026-03-07T12:00:00Z 2026-03-07T17:30:00Z 2026-03-07T19:30:00Z",
        // Santiago sets its clock back at midnight, so Saturday's 23:00 comes twice.
        "America/Santiago sat 22:30 00:30 2026-04-04T12:00:00Z 2026-04-05T01:30:00Z 2026-04-05T04:30:00Z",
        // Apia had no 2011-12-30, a Friday: over midnight its Saturday is left, by day nothing.
        "Pacific/Apia fri 23:00 02:00 2011-12-30T00:00:00Z 2011-12-30T10:00:00Z 2011-12-30T12:00:00Z",
        "Pacific/Apia fri 10:00 12:00 2011-12-29T00:00:00Z 2012-01-05T20:00:00Z 2012-01-05T22:00:00Z",
    ];

    #[test]
    fn a_window_around_a_change_of_the_clock_is_one_span_of_times_that_a_clock_shows() {
        for case in CHANGES {
            let fields: Vec<&str> = case.split(' ').collect();
            let [zone, day, start, end, now, from, to] = fields[..] else {
                panic!("{case}");
            };
            let next = schedule(&[day], start, end, zone).next(at(now)).unwrap();
            assert_eq!(next.first(), window(from, to), "{case}");
        }
    }

    #[test]
    fn beyond_the_calendar_there_is_no_window_and_no_panic() {
        let nightly = schedule(DAILY, "02:00", "05:00", "Pacific/Kiritimati");
        let last = DateTime::<chrono::Utc>::MAX_UTC.timestamp_millis();
        let first = DateTime::<chrono::Utc>::MIN_UTC.timestamp_millis();
        for now in [Millis::MAX, Millis::MIN, last, first] {
            assert_eq!(nightly.next(now), None);
        }
    }
}
