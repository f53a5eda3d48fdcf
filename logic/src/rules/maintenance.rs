//! Maintenance windows: when scheduled actions start, as absolute UTC windows (ledger-protocol §3: the proposer computes them,
//! the record's word is final; issue 13, row 4). A window is open while a clock on the wall of its zone shows a time in it.

use chrono::NaiveTime;

use super::fault::RuleError;
use super::intervals::{Interval, Intervals, Named};
use super::settings::{Maintenance, MaintenanceOverlay};
use crate::ledger::record::{Millis, Windows};

/// Minutes of a day.
const DAY_MINUTES: u32 = 24 * 60;

/// Checked maintenance windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Intervals);

impl Schedule {
    /// What checked settings mean: the intervals of these names, or without any, the same hours every week.
    pub(super) fn new(settings: &Maintenance, named: &Named) -> Self {
        if settings.windows.is_empty() {
            Self(Intervals::of(weekly(settings)))
        } else {
            Self(named.all(&settings.windows))
        }
    }

    /// The present window, if one is open, or the next one within 400 days, with those that begin within a week of it: at
    /// most eight. Windows that touch, as over midnight, are one. None if there is none, and beyond the calendar.
    pub fn next(&self, now: Millis) -> Option<Windows> {
        self.0.next(now)
    }
}

/// A window over midnight is two intervals; the second one lies on the days behind those that are named.
fn weekly(settings: &Maintenance) -> Vec<Interval> {
    let (Some(start), Some(end)) = (minute(&settings.start), minute(&settings.end)) else {
        return Vec::new();
    };
    let days = || settings.days.iter().copied();
    let zone = settings.timezone;
    let intervals = if start < end {
        [Interval::weekly((start, end), days(), zone), None]
    } else {
        let behind = days().map(|day| day.succ());
        [
            Interval::weekly((start, DAY_MINUTES), days(), zone),
            Interval::weekly((0, end), behind, zone),
        ]
    };
    intervals.into_iter().flatten().collect()
}

fn minute(text: &str) -> Option<u32> {
    use chrono::Timelike as _;
    let time = NaiveTime::parse_from_str(text, "%H:%M").ok()?;
    Some(time.num_seconds_from_midnight() / 60)
}

impl Maintenance {
    /// Lays an overlay over these windows. Hours of its own take the place of windows that are named below it.
    #[must_use]
    pub fn with(&self, overlay: &MaintenanceOverlay) -> Self {
        let own = overlay.days.is_some()
            || overlay.start.is_some()
            || overlay.end.is_some()
            || overlay.timezone.is_some();
        let below = if own {
            Vec::new()
        } else {
            self.windows.clone()
        };
        Self {
            windows: overlay.windows.clone().unwrap_or(below),
            days: overlay.days.clone().unwrap_or_else(|| self.days.clone()),
            start: overlay.start.clone().unwrap_or_else(|| self.start.clone()),
            end: overlay.end.clone().unwrap_or_else(|| self.end.clone()),
            timezone: overlay.timezone.unwrap_or(self.timezone),
        }
    }
}

impl MaintenanceOverlay {
    /// What cannot be used, each with its key.
    pub(super) fn faults(&self, path: &str) -> Vec<RuleError> {
        let time = |key: &str, text: &Option<String>| {
            let text = text.as_ref().filter(|text| minute(text).is_none())?;
            Some(RuleError {
                key: format!("{path}.{key}"),
                problem: format!(
                    "{text:?} is not a time of day; write it as HH:MM, e.g. \"02:00\""
                ),
            })
        };
        let no_days = self.days.as_ref().is_some_and(Vec::is_empty);
        let days = no_days.then(|| RuleError {
            key: format!("{path}.days"),
            problem: "no day is named; name at least one of mon, tue, wed, thu, fri, sat, sun"
                .into(),
        });
        let times = [time("start", &self.start), time("end", &self.end)];
        times.into_iter().flatten().chain(days).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::record::Window;
    use crate::ledger::when::WINDOWS_MAX;

    fn at(text: &str) -> Millis {
        chrono::DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_millis()
    }

    fn schedule(days: &[&str], start: &str, end: &str, zone: &str) -> Schedule {
        let settings = Maintenance {
            windows: Vec::new(),
            days: days.iter().map(|day| day.parse().unwrap()).collect(),
            start: start.into(),
            end: end.into(),
            timezone: zone.parse().unwrap(),
        };
        Schedule::new(&settings, &Named::default())
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
        // Shown twice: the second time.
        "America/New_York sun 01:15 01:45 2026-11-01T05:45:00Z 2026-11-01T06:15:00Z 2026-11-01T06:45:00Z",
        // Its start is shown twice: what is shown before the clock is set back, and all of it behind that.
        "America/New_York sun 01:30 03:00 2026-11-01T04:00:00Z 2026-11-01T05:30:00Z 2026-11-01T06:00:00Z",
        "America/New_York sun 01:30 03:00 2026-11-01T06:00:00Z 2026-11-01T06:30:00Z 2026-11-01T08:00:00Z",
        // Its end is shown twice.
        "America/New_York sun 00:30 01:30 2026-11-01T04:00:00Z 2026-11-01T04:30:00Z 2026-11-01T05:30:00Z",
        "America/New_York sun 00:30 01:30 2026-11-01T05:30:00Z 2026-11-01T06:00:00Z 2026-11-01T06:30:00Z",
        // The whole hour that is shown twice: two hours.
        "Europe/Berlin sun 02:00 03:00 2026-10-24T12:00:00Z 2026-10-25T00:00:00Z 2026-10-25T02:00:00Z",
        // Lord Howe moves by half an hour: no 02:00 to 02:30 on 2026-10-04, two 01:30 to 02:00 on 2026-04-05.
        "Australia/Lord_Howe sun 02:10 03:00 2026-10-03T12:00:00Z 2026-10-03T15:30:00Z 2026-10-03T16:00:00Z",
        "Australia/Lord_Howe sun 01:40 02:30 2026-04-04T12:00:00Z 2026-04-04T14:40:00Z 2026-04-04T15:00:00Z",
        "Australia/Lord_Howe sun 01:40 02:30 2026-04-04T15:00:00Z 2026-04-04T15:10:00Z 2026-04-04T16:00:00Z",
        // A zone of half an hour, over midnight.
        "Asia/Kolkata sat 23:00 01:00 2026-03-07T12:00:00Z 2026-03-07T17:30:00Z 2026-03-07T19:30:00Z",
        // Santiago sets its clock back at midnight, so Saturday's 23:00 comes twice, in one span.
        "America/Santiago sat 22:30 00:30 2026-04-04T12:00:00Z 2026-04-05T01:30:00Z 2026-04-05T04:30:00Z",
        // Apia had no 2011-12-30, a Friday: over midnight its Saturday is left, by day nothing.
        "Pacific/Apia fri 23:00 02:00 2011-12-30T00:00:00Z 2011-12-30T10:00:00Z 2011-12-30T12:00:00Z",
        "Pacific/Apia fri 10:00 12:00 2011-12-29T00:00:00Z 2012-01-05T20:00:00Z 2012-01-05T22:00:00Z",
    ];

    #[test]
    fn around_a_change_of_the_clock_a_window_is_open_while_a_clock_shows_a_time_in_it() {
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
        let last = chrono::DateTime::<chrono::Utc>::MAX_UTC.timestamp_millis();
        let first = chrono::DateTime::<chrono::Utc>::MIN_UTC.timestamp_millis();
        for now in [Millis::MAX, Millis::MIN, last, first] {
            assert_eq!(nightly.next(now), None);
        }
    }
}
