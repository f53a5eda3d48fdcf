//! Time intervals against Alertmanager's own code: what it holds, what it refuses, and the spans made of it, for thousands of
//! random intervals in zones with and without daylight saving. `alertmanager/` is a small Go program around that code; `scripts/test`
//! builds it and names it in `ALERTMANAGER_INTERVALS`. `INTERVALS_SEED=N` repeats a run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "in a test a panic is the verdict; clippy's own exemption does not reach helper functions"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "the test takes its seed and the path of the Go program from the environment"
)]

mod dice;

use std::io::Write as _;
use std::process::{Command, Stdio};

use chrono::{DateTime, Offset as _, TimeZone as _};
use homeostat_logic::ledger::record::Windows;
use homeostat_logic::rules::intervals::{Intervals, TimeInterval};
use serde_json::{Value, json};

use dice::{Dice, zones};

const DAY: i64 = 24 * 3600;

/// What is asked of both.
struct Question {
    interval: Value,
    instants: Vec<i64>,
    /// What the spans say of the instants behind the first ones, where they say something.
    expected: Vec<Option<bool>>,
}

/// What this code says of an interval; none if it refuses it.
fn ours(interval: &Value) -> Option<Intervals> {
    let written: TimeInterval = serde_json::from_value(interval.clone()).unwrap();
    Intervals::new(&[written]).ok()
}

/// A question with instants that are close to where something changes.
fn question(dice: &mut Dice, zones: &[dice::Zone]) -> Question {
    let (interval, zone) = dice.interval(zones);
    let mut instants: Vec<i64> = (0..24).map(|_| dice.instant(zone)).collect();
    let mut expected = vec![None; instants.len()];
    if let Some(intervals) = ours(&interval) {
        let now = instants[0];
        let windows = intervals.next(now * 1000);
        for window in windows.iter().flat_map(Windows::iter) {
            let (from, to) = (window.from / 1000, window.to / 1000);
            let middle = from + (to - from) / 2;
            // What lasts longer than two days may be cut off at a midnight of UTC.
            let whole = |edge: i64| (to - from < 2 * DAY || edge % DAY != 0).then_some(false);
            instants.extend([from, middle, to - 1, from - 1, to]);
            expected.extend([Some(true), Some(true), Some(true), whole(from), whole(to)]);
        }
    }
    Question {
        interval,
        instants,
        expected,
    }
}

/// Alertmanager's answers, one a question.
fn theirs(program: &str, questions: &[Question]) -> Vec<Value> {
    let mut asked = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = asked.stdin.take().unwrap();
    let mut lines = Vec::new();
    for Question {
        interval, instants, ..
    } in questions
    {
        writeln!(
            lines,
            "{}",
            json!({ "interval": interval, "instants": instants })
        )
        .unwrap();
    }
    let writer = std::thread::spawn(move || input.write_all(&lines));
    let output = asked.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{program}: {}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), questions.len());
    answers
}

fn offset(interval: &Value, at: i64) -> i64 {
    let zone = interval["location"].as_str().unwrap_or_default();
    let zone: chrono_tz::Tz = zone.parse().unwrap_or(chrono_tz::UTC);
    let utc = DateTime::from_timestamp(at, 0).unwrap().naive_utc();
    zone.offset_from_utc_datetime(&utc)
        .fix()
        .local_minus_utc()
        .into()
}

#[test]
fn alertmanager_holds_and_refuses_the_same() {
    let Ok(program) = std::env::var("ALERTMANAGER_INTERVALS") else {
        let is_ci = std::env::var_os("CI").is_some();
        assert!(
            !is_ci,
            "ALERTMANAGER_INTERVALS is not set; use scripts/test"
        );
        eprintln!("not run: Alertmanager's code (set ALERTMANAGER_INTERVALS or use scripts/test)");
        return;
    };
    let seed = std::env::var("INTERVALS_SEED").ok();
    let seed = seed.map_or_else(dice::random_seed, |seed| seed.parse().unwrap());
    eprintln!("INTERVALS_SEED={seed}");
    let mut dice = Dice(seed);
    let zones = zones();
    let questions: Vec<_> = (0..4_000).map(|_| question(&mut dice, &zones)).collect();
    let (mut compared, mut held, mut refused, mut other_clock) = (0, 0, 0, 0);
    for (question, answer) in questions.iter().zip(theirs(&program, &questions)) {
        let Question {
            interval,
            instants,
            expected,
        } = question;
        let Some(intervals) = ours(interval) else {
            assert_ne!(
                answer["error"], "",
                "seed {seed}: only we refuse {interval}"
            );
            refused += 1;
            continue;
        };
        assert_eq!(
            answer["error"], "",
            "seed {seed}: only they refuse {interval}"
        );
        for ((&at, expected), said) in instants
            .iter()
            .zip(expected)
            .zip(answer["answers"].as_array().unwrap())
        {
            // Two versions of the time zone database may differ.
            if said["offset"] != offset(interval, at) {
                other_clock += 1;
                continue;
            }
            let said = said["contains"].as_bool().unwrap();
            let when = DateTime::from_timestamp(at, 0).unwrap();
            assert_eq!(
                intervals.contains(at * 1000),
                said,
                "seed {seed}: {interval} at {when}"
            );
            if let Some(expected) = expected {
                assert_eq!(
                    *expected, said,
                    "seed {seed}: a span of {interval} at {when}"
                );
            }
            compared += 1;
            held += usize::from(said);
        }
    }
    eprintln!(
        "{compared} instants compared, {held} held, {refused} intervals refused, {other_clock} with another clock"
    );
    assert!(compared > 60_000 && held > 10_000 && refused > 300);
    assert!(other_clock * 100 < compared, "{other_clock} of {compared}");
}
