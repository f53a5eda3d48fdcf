//! Maintenance windows in every zone (issue 13, row 4): what the proposer computes against a clock on the wall that is
//! looked at minute by minute, and what starts through the fold.

use crate::support::{proposed, rules};
use chrono::{DateTime, Datelike as _, NaiveDateTime, NaiveTime, Weekday};
use homeostat_logic::ledger::change::ChangeKind;
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::{Genesis, Id, Millis, Record, Start, Window};
use homeostat_logic::rules::Rules;
use proptest::prelude::*;

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;
const WEEK: [Weekday; 7] = [
    Weekday::Mon,
    Weekday::Tue,
    Weekday::Wed,
    Weekday::Thu,
    Weekday::Fri,
    Weekday::Sat,
    Weekday::Sun,
];

/// A configured schedule and the clock on the wall of its zone; shares no code with the product.
#[derive(Clone, Debug)]
struct Wall {
    /// Whether it is written as named time intervals.
    named: bool,
    zone: chrono_tz::Tz,
    days: Vec<Weekday>,
    start: NaiveTime,
    end: NaiveTime,
}

impl Wall {
    fn rules(&self) -> Rules {
        if self.named {
            return self.named_rules();
        }
        let days: Vec<_> = self
            .days
            .iter()
            .map(|day| day.to_string().to_lowercase())
            .collect();
        rules(&format!(
            "[working_hours]\nenabled = false\n[maintenance]\ndays = {days:?}\nstart = \"{}\"\nend = \"{}\"\ntimezone = \"{}\"",
            self.start.format("%H:%M"),
            self.end.format("%H:%M"),
            self.zone
        ))
    }

    /// The same windows in Alertmanager's form, where a time over midnight is two, on the day and on the next.
    fn named_rules(&self) -> Rules {
        let interval = |start: String, end: String, later: usize| {
            let day = |day: &Weekday| WEEK[(day.num_days_from_monday() as usize + later) % 7];
            let names: Vec<_> = self.days.iter().map(|one| full_name(day(one))).collect();
            format!(
                "[[time_intervals.w]]\ntimes = [{{ start_time = \"{start}\", end_time = \"{end}\" }}]\n\
                 weekdays = {names:?}\nlocation = \"{}\"\n",
                self.zone
            )
        };
        let (start, end) = (
            self.start.format("%H:%M").to_string(),
            self.end.format("%H:%M").to_string(),
        );
        let mut intervals = Vec::new();
        if self.start < self.end {
            intervals.push(interval(start, end, 0));
        } else {
            intervals.push(interval(start, "24:00".to_owned(), 0));
            if self.end > NaiveTime::MIN {
                intervals.push(interval("00:00".to_owned(), end, 1));
            }
        }
        rules(&format!(
            "{}[working_hours]\nenabled = false\n[maintenance]\nwindows = [\"w\"]",
            intervals.concat()
        ))
    }

    fn shows(&self, at: Millis) -> NaiveDateTime {
        let utc = DateTime::from_timestamp_millis(at).unwrap();
        utc.with_timezone(&self.zone).naive_local()
    }

    /// Whether a person who looks at the clock calls the window open.
    fn open(&self, at: Millis) -> bool {
        let (date, time) = (self.shows(at).date(), self.shows(at).time());
        let begins = |date: chrono::NaiveDate| self.days.contains(&date.weekday());
        if self.start < self.end {
            begins(date) && self.start <= time && time < self.end
        } else {
            (begins(date) && self.start <= time)
                || (begins(date.pred_opt().unwrap()) && time < self.end)
        }
    }

    fn offset(&self, at: Millis) -> i64 {
        let utc = DateTime::from_timestamp_millis(at).unwrap().naive_utc();
        (self.shows(at) - utc).num_seconds()
    }

    /// The first change of the clock behind an instant, if one comes within 400 days.
    fn next_change(&self, at: Millis) -> Option<Millis> {
        let hours = (0..400 * 24).map(|hours| at + hours * HOUR);
        hours
            .into_iter()
            .find(|&at| self.offset(at) != self.offset(at + HOUR))
    }
}

fn full_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "monday",
        Weekday::Tue => "tuesday",
        Weekday::Wed => "wednesday",
        Weekday::Thu => "thursday",
        Weekday::Fri => "friday",
        Weekday::Sat => "saturday",
        Weekday::Sun => "sunday",
    }
}

/// The windows of a retraining after medium drift that is judged at an instant.
fn windows(rules: &Rules, now: Millis) -> Vec<Window> {
    let proposal = proposed("data.drift.detected", DRIFT, rules, now);
    let step = &proposal.propose.decisions[0].ladder[0];
    assert!(!step.start.is_now(), "no list of windows means now");
    step.start.windows().copied().collect()
}

const DRIFT: &str = r#"{"severity":"medium","model_version":"m@1"}"#;

/// Half of the instants lie within two days of a change of the clock.
fn schedule() -> impl Strategy<Value = (Wall, Millis)> {
    let zone = prop::sample::select(&chrono_tz::TZ_VARIANTS[..]);
    let days = prop::sample::subsequence(&WEEK[..], 1..=7);
    // Mostly at night, where clocks are changed.
    let minute = || prop_oneof![3 => 0..300_u32, 1 => 0..1_440_u32];
    let at = 0..=(2_090 - 1_970) * 365 * 24 * 60_i64;
    let near = prop::option::of(-2 * 24 * 60..=24 * 60_i64);
    let written = (zone, prop::bool::ANY);
    (written, days, minute(), minute(), at, near).prop_map(
        |((zone, named), days, start, end, at, near)| {
            let time = |minute: u32| NaiveTime::from_hms_opt(minute / 60, minute % 60, 0).unwrap();
            let (start, end) = (time(start), time(end));
            let wall = Wall {
                named,
                zone,
                days,
                start,
                end,
            };
            let at = at * MINUTE;
            let near = near.and_then(|minutes| Some(wall.next_change(at)? + minutes * MINUTE));
            (wall, near.unwrap_or(at).max(3 * DAY))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_minute_of_every_window_is_one_in_which_the_clock_on_the_wall_calls_it_open(
        (wall, now) in schedule()
    ) {
        let windows = windows(&wall.rules(), now);
        prop_assert!((1..=8).contains(&windows.len()));
        for window in &windows {
            prop_assert!(window.to > now && window.from < window.to);
            // Every boundary is a change of what the clock says; in between nothing closes.
            let minutes = (window.from / MINUTE + 1..).map(|minute| minute * MINUTE);
            let inside = minutes.take_while(|at| *at < window.to);
            for at in [window.from, window.to - 1].into_iter().chain(inside) {
                prop_assert!(wall.open(at), "{} is outside", wall.shows(at));
            }
        }
    }

    #[test]
    fn the_first_window_is_the_first_minute_in_which_the_clock_calls_it_open((wall, now) in schedule()) {
        let first = windows(&wall.rules(), now)[0];
        let mut minutes = (0..400 * 24 * 60).map(|minute| now + minute * MINUTE);
        let opens = minutes.find(|at| wall.open(*at)).unwrap();
        let close = first.from <= opens && (opens == now || opens - first.from < MINUTE);
        prop_assert!(close, "opens at {}, computed {}", wall.shows(opens), wall.shows(first.from));
    }

    #[test]
    fn an_action_starts_only_inside_a_window_whenever_it_is_bid_for(
        (wall, now) in schedule(),
        later in prop::collection::vec(0..8 * 24 * 60_i64, 1..40),
    ) {
        let propose = proposed("data.drift.detected", DRIFT, &wall.rules(), now).propose;
        let windows: Vec<_> = propose.decisions[0].ladder[0].start.windows().copied().collect();
        let mut fold = Fold::new();
        let installation = Id([1; 16]);
        fold.apply(0, now, Ok(Record::Genesis(Genesis::new(installation))));
        fold.apply(1, now, Ok(Record::Propose(Box::new(propose))));
        // At random, and at both edges of each window.
        let edges = windows.iter().flat_map(|w| [w.from - 1, w.from, w.from + 1, w.to - 1, w.to]);
        let mut times: Vec<_> = later.iter().map(|minutes| now + minutes * MINUTE).chain(edges).collect();
        times.retain(|at| *at >= now);
        times.sort_unstable();
        for at in times {
            let offset = fold.offset() + 1;
            fold.apply(offset, at, Ok(Record::Tick));
            let Some((action_id, action)) = fold.open_actions().next() else { break };
            prop_assert!(!action.step.start.is_now());
            let start = Start {
                action_id,
                attempt: 1,
                start_id: Id::hash(&[&at.to_be_bytes()]),
                owner: "owner".to_owned(),
                resolved_params: None,
                probe: None,
            };
            let changes = fold.apply(offset + 1, at, Ok(Record::Start(start)));
            if changes.iter().any(|change| matches!(change.kind, ChangeKind::BidWon { .. })) {
                prop_assert!(wall.open(at), "started at {}", wall.shows(at));
                break;
            }
        }
    }
}
