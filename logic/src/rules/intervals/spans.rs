//! Intervals as absolute spans of time, daylight saving included: the longest spans without a moment that an interval does not
//! hold. A change of the clock needs no rule of its own: a time that is skipped is never shown, so that nothing is held there;
//! a time that is shown twice is held twice, as Alertmanager does.

use chrono::{DateTime, NaiveTime, Offset as _, TimeZone as _};

use super::{AHEAD_DAYS_MAX, Interval, Intervals};
use crate::ledger::record::{Millis, Window, Windows};
use crate::ledger::when::WINDOWS_MAX;

const DAY: i64 = 24 * 3600;
/// Spans are taken along if they begin by the end of the seventh day: a start that is held back gets another chance, but not
/// weeks after its event.
const FURTHER_DAYS: i64 = 8;
/// The span that is open now began at most so many days ago; what is older is cut off, and so is what lasts longer than as
/// many days behind the last beginning.
const MARGIN_DAYS: i64 = 2;
/// Offsets are compared at this distance, in seconds; no zone changes its clock twice within it.
const SAMPLE: i64 = 3 * 3600;

/// Seconds since the Unix epoch, `from` included, `to` excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::rules) struct Span {
    pub(in crate::rules) from: i64,
    pub(in crate::rules) to: i64,
}

impl Span {
    const fn is_empty(self) -> bool {
        self.from >= self.to
    }

    fn and(self, other: Self) -> Self {
        Self {
            from: self.from.max(other.from),
            to: self.to.min(other.to),
        }
    }
}

/// The span that holds `now`, or the next one within 400 days, and those that begin within a week of it, at most eight, of
/// whatever `spans` yields for a range of time.
pub(in crate::rules) fn next(
    now: Millis,
    spans: impl Fn(Span) -> Option<Vec<Span>>,
) -> Option<Windows> {
    let not_over = |span: &Span| span.to * 1000 > now;
    let within_a_week = |of: i64| {
        let day = of.div_euclid(DAY) * DAY;
        let around = Span {
            from: day - MARGIN_DAYS * DAY,
            to: day + (FURTHER_DAYS + MARGIN_DAYS) * DAY,
        };
        let begins = |span: &Span| span.from < day + FURTHER_DAYS * DAY;
        let windows = spans(around)?.into_iter();
        let windows = windows.filter(not_over).filter(begins).take(WINDOWS_MAX);
        let window = |span: Span| Window {
            from: span.from * 1000,
            to: span.to * 1000,
        };
        Windows::try_from(windows.map(window).collect::<Vec<_>>()).ok()
    };
    let today = DateTime::from_timestamp_millis(now)?.timestamp();
    within_a_week(today).or_else(|| {
        let ahead = Span {
            from: today,
            to: today + AHEAD_DAYS_MAX * DAY,
        };
        let first = spans(ahead)?.into_iter().find(not_over)?;
        within_a_week(first.from)
    })
}

/// `spans` without what lies in `others`. Both are in order.
pub(in crate::rules) fn without(spans: &[Span], others: &[Span]) -> Vec<Span> {
    let mut left = Vec::new();
    for span in spans {
        let mut rest = *span;
        for other in others {
            let before = Span {
                to: rest.to.min(other.from),
                ..rest
            };
            if !before.is_empty() {
                left.push(before);
            }
            rest.from = rest.from.max(other.to);
        }
        if !rest.is_empty() {
            left.push(rest);
        }
    }
    left
}

impl Intervals {
    /// What they hold within a range, in order; spans that touch are one. None beyond the calendar.
    pub(in crate::rules) fn spans(&self, within: Span) -> Option<Vec<Span>> {
        let mut spans = Vec::new();
        for interval in self.0.iter() {
            interval.spans(within, &mut spans)?;
        }
        spans.sort_unstable();
        let mut joined: Vec<Span> = Vec::new();
        for span in spans {
            match joined.last_mut() {
                Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
                _ => joined.push(span),
            }
        }
        Some(joined)
    }
}

impl Interval {
    fn spans(&self, within: Span, into: &mut Vec<Span>) -> Option<()> {
        for (stretch, offset) in stretches(self.location, within)? {
            let shown = Span {
                from: stretch.from + offset,
                to: stretch.to + offset,
            };
            let mut date = DateTime::from_timestamp(shown.from, 0)?.date_naive();
            let last = DateTime::from_timestamp(shown.to - 1, 0)?.date_naive();
            while date <= last {
                let midnight = date.and_time(NaiveTime::MIN).and_utc().timestamp();
                let minutes = self.minutes().iter().filter(|_| self.holds_date(date));
                for &(start, end) in minutes {
                    let held = shown.and(Span {
                        from: midnight + i64::from(start) * 60,
                        to: midnight + i64::from(end) * 60,
                    });
                    if !held.is_empty() {
                        into.push(Span {
                            from: held.from - offset,
                            to: held.to - offset,
                        });
                    }
                }
                date = date.succ_opt()?;
            }
        }
        Some(())
    }
}

/// The parts of a range in which the clock of a zone has one distance from UTC, each with it in seconds; without a gap.
fn stretches(zone: chrono_tz::Tz, within: Span) -> Option<Vec<(Span, i64)>> {
    let mut stretches = Vec::new();
    let (mut from, mut offset) = (within.from, offset_at(zone, within.from)?);
    let mut at = within.from;
    while at < within.to {
        let next = (at + SAMPLE).min(within.to);
        let changed = offset_at(zone, next)?;
        if changed != offset {
            let to = change_between(zone, at, next)?;
            stretches.push((Span { from, to }, offset));
            (from, offset) = (to, changed);
        }
        at = next;
    }
    let rest = Span {
        from,
        to: within.to,
    };
    if !rest.is_empty() {
        stretches.push((rest, offset));
    }
    Some(stretches)
}

/// The first second with the offset of `after`, by halving.
fn change_between(zone: chrono_tz::Tz, mut before: i64, mut after: i64) -> Option<i64> {
    let changed = offset_at(zone, after)?;
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if offset_at(zone, middle)? == changed {
            after = middle;
        } else {
            before = middle;
        }
    }
    Some(after)
}

/// Seconds by which the zone's clock is ahead of UTC; none beyond the calendar.
fn offset_at(zone: chrono_tz::Tz, at: i64) -> Option<i64> {
    let utc = DateTime::from_timestamp(at, 0)?.naive_utc();
    Some(
        zone.offset_from_utc_datetime(&utc)
            .fix()
            .local_minus_utc()
            .into(),
    )
}
