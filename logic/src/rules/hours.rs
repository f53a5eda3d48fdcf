//! Working hours: outside them, retraining and rollback become an alert (SPEC §4).

use chrono::Timelike as _;

use super::intervals::{Interval, Intervals, Named, quoted};
use super::settings::{WorkingHours, WorkingHoursOverlay};
use crate::clock_text::format_time;
use crate::ledger::record::Millis;

/// An hour outside working hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffHour {
    /// Local hour of day, 0 to 23.
    pub hour: u32,
}

/// Checked working hours.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    /// As they are configured.
    pub settings: WorkingHours,
    intervals: Intervals,
}

impl Hours {
    /// What checked settings mean: the intervals of these names, or without any, the same hours every day.
    pub(super) fn new(settings: &WorkingHours, named: &Named) -> Self {
        let intervals = if settings.during.is_empty() {
            Intervals::of(daily(settings))
        } else {
            named.all(&settings.during)
        };
        Self {
            settings: settings.clone(),
            intervals,
        }
    }

    /// The local hour of a time outside working hours; `None` inside them. Daylight saving is the zone's: the hour is the one a
    /// clock on the wall shows.
    pub fn off(&self, now: Millis) -> Option<OffHour> {
        if self.intervals.contains(now) {
            return None;
        }
        let hour = chrono::DateTime::from_timestamp_millis(now)
            .map_or(0, |now| now.with_timezone(&self.settings.timezone).hour());
        Some(OffHour { hour })
    }

    /// Why a time outside them is outside.
    pub fn outside(&self, off: OffHour, now: Millis) -> String {
        let WorkingHours {
            during,
            start,
            end,
            timezone,
            ..
        } = &self.settings;
        if during.is_empty() {
            let hour = off.hour;
            return format!("hour {hour} in {timezone} is outside working hours {start} to {end}");
        }
        let names = quoted(during);
        format!("{} is outside the working hours {names}", format_time(now))
    }
}

/// The last hour is included; a start behind it spans midnight.
fn daily(settings: &WorkingHours) -> Vec<Interval> {
    let (start, end) = (settings.start * 60, (settings.end + 1) * 60);
    let ranges = if settings.start <= settings.end {
        [(start, end), (0, 0)]
    } else {
        [(start, 24 * 60), (0, end)]
    };
    let every_day = || (0..7).filter_map(|day| chrono::Weekday::try_from(day).ok());
    let intervals = ranges.map(|range| Interval::weekly(range, every_day(), settings.timezone));
    intervals.into_iter().flatten().collect()
}

impl WorkingHours {
    /// Lays an overlay over these hours. Hours of its own take the place of intervals that are named below it.
    #[must_use]
    pub fn with(&self, overlay: &WorkingHoursOverlay) -> Self {
        let own = overlay.start.is_some() || overlay.end.is_some() || overlay.timezone.is_some();
        let below = if own { Vec::new() } else { self.during.clone() };
        Self {
            enabled: overlay.enabled.unwrap_or(self.enabled),
            during: overlay.during.clone().unwrap_or(below),
            start: overlay.start.unwrap_or(self.start),
            end: overlay.end.unwrap_or(self.end),
            timezone: overlay.timezone.unwrap_or(self.timezone),
            gate_critical: overlay.gate_critical.unwrap_or(self.gate_critical),
            gate_scheduled: overlay.gate_scheduled.unwrap_or(self.gate_scheduled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(start: u32, end: u32, timezone: &str) -> Hours {
        let settings = WorkingHours {
            enabled: true,
            during: Vec::new(),
            start,
            end,
            timezone: timezone.parse().unwrap(),
            gate_critical: true,
            gate_scheduled: true,
        };
        Hours::new(&settings, &Named::default())
    }

    fn at(text: &str) -> Millis {
        chrono::DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_millis()
    }

    #[test]
    fn the_first_and_the_last_working_hour_belong_to_the_day() {
        let cases = [
            ("2026-03-02T05:59:59.999Z", 5, false),
            ("2026-03-02T06:00:00Z", 6, true),
            ("2026-03-02T22:00:00Z", 22, true),
            ("2026-03-02T22:59:59.999Z", 22, true),
            ("2026-03-02T23:00:00Z", 23, false),
            ("2026-03-02T00:00:00Z", 0, false),
        ];
        for (time, hour, working) in cases {
            assert_eq!(
                hours(6, 22, "UTC").off(at(time)),
                (!working).then_some(OffHour { hour }),
                "{time}"
            );
        }
    }

    #[test]
    fn the_zone_decides_and_follows_daylight_saving() {
        // Berlin turns its clocks on 2026-03-29 at 01:00 UTC and back on 2026-10-25 at 01:00 UTC.
        let berlin = hours(6, 22, "Europe/Berlin");
        for (time, hour, working) in [
            ("2026-03-28T04:30:00Z", 5, false),
            ("2026-03-29T04:30:00Z", 6, true),
            ("2026-03-28T21:30:00Z", 22, true),
            ("2026-03-29T21:30:00Z", 23, false),
            ("2026-10-24T04:30:00Z", 6, true),
            ("2026-10-25T04:30:00Z", 5, false),
        ] {
            assert_eq!(
                berlin.off(at(time)),
                (!working).then_some(OffHour { hour }),
                "{time}"
            );
        }
    }

    #[test]
    fn hours_may_span_midnight() {
        for (hour, working) in [
            (21, false),
            (22, true),
            (23, true),
            (0, true),
            (4, true),
            (5, false),
        ] {
            let time = at(&format!("2026-03-02T{hour:02}:15:00Z"));
            let off = hours(22, 4, "UTC").off(time);
            assert_eq!(off, (!working).then_some(OffHour { hour }), "{hour}");
        }
    }
}
