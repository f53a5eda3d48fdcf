//! Maintenance windows: weekly local times as absolute UTC windows, daylight saving included (ledger-protocol §3: the
//! proposer computes them, the record's word is final).

use chrono::{Days, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _};

use super::compiled::RuleError;
use super::settings::Maintenance;
use crate::ledger::record::{Millis, Window};

/// How far ahead windows are computed: below the ledger's horizon of eight days, so that their end is still remembered.
const AHEAD_DAYS: u64 = 7;
/// Windows per step (ledger-protocol §3).
const WINDOWS_MAX: usize = 8;

/// Checked maintenance windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    days: Vec<chrono::Weekday>,
    start: NaiveTime,
    end: NaiveTime,
    timezone: chrono_tz::Tz,
}

impl Windows {
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
                problem: "there is no day; name at least one of mon, tue, wed, thu, fri, sat, sun"
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

    /// The present window, if one is open, and those that begin within a week, at most eight, in order.
    pub fn after(&self, now: Millis) -> Vec<Window> {
        use chrono::Datelike as _;
        let Some(utc) = chrono::DateTime::from_timestamp_millis(now) else {
            return Vec::new();
        };
        let Some(first) = utc
            .with_timezone(&self.timezone)
            .date_naive()
            .checked_sub_days(Days::new(1))
        else {
            return Vec::new();
        };
        (0..=AHEAD_DAYS)
            .filter_map(|days| first.checked_add_days(Days::new(days)))
            .filter(|date| self.days.contains(&date.weekday()))
            .filter_map(|date| {
                let overnight = u64::from(self.end <= self.start);
                let to = date
                    .checked_add_days(Days::new(overnight))?
                    .and_time(self.end);
                Some(Window {
                    from: self.instant(date.and_time(self.start))?,
                    to: self.instant(to)?,
                })
            })
            .filter(|window| window.to > now && window.from < window.to)
            .take(WINDOWS_MAX)
            .collect()
    }

    /// A local time as UTC. One that occurs twice is the first; one that a clock change skips is the first that
    /// exists after it.
    fn instant(&self, local: NaiveDateTime) -> Option<Millis> {
        (0..=4).find_map(|half_hours| {
            let shifted = local.checked_add_signed(TimeDelta::minutes(30 * half_hours))?;
            self.timezone
                .from_local_datetime(&shifted)
                .earliest()
                .map(|time| time.timestamp_millis())
        })
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

    fn windows(days: &[&str], start: &str, end: &str, zone: &str) -> Windows {
        Windows::new(&Maintenance {
            days: days.iter().map(|day| day.parse().unwrap()).collect(),
            start: start.into(),
            end: end.into(),
            timezone: zone.parse().unwrap(),
        })
        .unwrap()
    }

    #[test]
    fn an_open_window_counts_and_a_closed_one_does_not() {
        let nightly = windows(
            &["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
            "02:00",
            "05:00",
            "UTC",
        );
        let first = |now: &str| nightly.after(at(now))[0];
        let window = |from, to| Window {
            from: at(from),
            to: at(to),
        };
        assert_eq!(
            first("2026-03-02T01:00:00Z"),
            window("2026-03-02T02:00:00Z", "2026-03-02T05:00:00Z")
        );
        assert_eq!(
            first("2026-03-02T04:59:59Z"),
            window("2026-03-02T02:00:00Z", "2026-03-02T05:00:00Z")
        );
        assert_eq!(
            first("2026-03-02T05:00:00Z"),
            window("2026-03-03T02:00:00Z", "2026-03-03T05:00:00Z")
        );
        assert!(nightly.after(at("2026-03-02T01:00:00Z")).len() <= WINDOWS_MAX);
    }

    #[test]
    fn a_weekly_window_is_found_a_week_ahead() {
        let sunday = windows(&["sun"], "23:30", "01:00", "UTC");
        // Monday 00:30 is still inside Sunday's window; Monday 01:00 waits for the next Sunday.
        assert_eq!(
            sunday.after(at("2026-03-02T00:30:00Z"))[0].from,
            at("2026-03-01T23:30:00Z")
        );
        let next = sunday.after(at("2026-03-02T01:00:00Z"));
        assert_eq!(
            next.first().map(|window| window.from),
            Some(at("2026-03-08T23:30:00Z"))
        );
    }

    #[test]
    fn a_skipped_local_time_starts_when_clocks_resume() {
        let new_york = windows(&["sun"], "02:30", "04:00", "America/New_York");
        // On 2026-03-08 the hour from 02:00 to 03:00 does not exist in New York.
        let window = new_york.after(at("2026-03-08T05:00:00Z"))[0];
        assert_eq!(
            window,
            Window {
                from: at("2026-03-08T07:00:00Z"),
                to: at("2026-03-08T08:00:00Z")
            }
        );
    }
}
