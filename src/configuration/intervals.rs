//! The lists `[[time_intervals.NAME]]` as they are written, and the names by which other keys use them.

use homeostat_logic::rules::intervals::{IntervalFault, Intervals, TimeInterval, TimeRange};
use toml::{Table, Value};

use super::faults::{nearest, suggest};
use super::kind::kind;
use super::schema::keys_of;

/// What would be right, in words.
pub(super) const WANTED: &str = "a list of intervals: [[time_intervals.NAME]] with two brackets before each one, and below it \
    keys such as weekdays = [\"monday:friday\"]";

/// Problem and remedy.
type Wrong = (String, String);

/// Everything that is wrong with a list of intervals.
pub(super) fn check(items: &[Value]) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for (number, item) in items.iter().enumerate() {
        let place = |(problem, remedy): Wrong| {
            let which = if items.len() > 1 {
                format!("interval {}: ", number + 1)
            } else {
                String::new()
            };
            (format!("{which}{problem}"), remedy)
        };
        let found = match item {
            Value::Table(table) => check_interval(table),
            other => vec![(
                format!("holds {}", kind(other)),
                "write tables such as { weekdays = [\"sunday\"] }".to_owned(),
            )],
        };
        wrong.extend(found.into_iter().map(place));
    }
    wrong
}

/// Forms first, for only what has its form can be read.
fn check_interval(table: &Table) -> Vec<Wrong> {
    let forms = forms(table);
    if !forms.is_empty() {
        return forms;
    }
    let read: Result<TimeInterval, _> = Value::Table(table.clone()).try_into();
    match read {
        // Cannot be: its forms were looked at.
        Err(error) => vec![(error.message().to_owned(), "correct the value".to_owned())],
        Ok(written) => match Intervals::new(std::slice::from_ref(&written)) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.into_iter().map(|(_, fault)| said(fault)).collect(),
        },
    }
}

fn said(fault: IntervalFault) -> Wrong {
    let IntervalFault {
        place,
        problem,
        remedy,
    } = fault;
    let zones = chrono_tz::TZ_VARIANTS.map(chrono_tz::Tz::name);
    let zone = problem.split('`').nth(1).filter(|_| place == "location");
    let remedy = match zone.and_then(|zone| nearest(zone, &zones)) {
        Some(zone) => format!("did you mean `{zone}`?"),
        None => remedy,
    };
    (format!("{place}: {problem}"), remedy)
}

fn forms(table: &Table) -> Vec<Wrong> {
    let mut wrong = unknown_keys(table, "", &keys_of::<TimeInterval>());
    for (name, value) in table {
        match (name.as_str(), value) {
            ("location", Value::String(_)) => {}
            ("location", other) => wrong.push((
                format!("location is {}", kind(other)),
                "write an IANA time zone such as \"Europe/Berlin\"".to_owned(),
            )),
            ("times", Value::Array(times)) => {
                for (number, time) in times.iter().enumerate() {
                    wrong.extend(time_forms(&format!("times[{number}]"), time));
                }
            }
            ("weekdays" | "days_of_month" | "months" | "years", Value::Array(members)) => {
                let others = members
                    .iter()
                    .filter(|member| !matches!(member, Value::String(_) | Value::Integer(_)));
                wrong.extend(others.map(|other| {
                    (
                        format!("{name} holds {}", kind(other)),
                        "write text such as \"1:5\", or whole numbers".to_owned(),
                    )
                }));
            }
            ("times" | "weekdays" | "days_of_month" | "months" | "years", other) => {
                wrong.push((
                    format!("{name} is {}", kind(other)),
                    "write a list".to_owned(),
                ));
            }
            _ => {}
        }
    }
    wrong
}

fn time_forms(place: &str, time: &Value) -> Vec<Wrong> {
    let example = "write { start_time = \"02:00\", end_time = \"05:00\" }";
    let Value::Table(time) = time else {
        return vec![(format!("{place} is {}", kind(time)), example.to_owned())];
    };
    let mut wrong = unknown_keys(time, &format!("{place}."), &keys_of::<TimeRange>());
    let known = ["start_time", "end_time"];
    let no_text = time
        .iter()
        .filter(|(name, value)| known.contains(&name.as_str()) && !value.is_str());
    wrong.extend(no_text.map(|(name, value)| {
        let problem = format!("{place}.{name} is {}", kind(value));
        (problem, "write it as text, such as \"02:00\"".to_owned())
    }));
    wrong
}

fn unknown_keys(table: &Table, place: &str, known: &[String]) -> Vec<Wrong> {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let unknown = table.keys().filter(|name| !known.contains(&name.as_str()));
    unknown
        .map(|name| {
            // Words of our other keys, and of Alertmanager's API.
            let remedy = match name.as_str() {
                "time_zone" | "timezone" => "did you mean `location`?".to_owned(),
                "start" => "did you mean `start_time`?".to_owned(),
                "end" => "did you mean `end_time`?".to_owned(),
                name => suggest(name, &known),
            };
            (format!("unknown key `{place}{name}`"), remedy)
        })
        .collect()
}

/// A list of names, each once.
pub(super) fn check_names(items: &[Value]) -> Result<(), Wrong> {
    let mut seen = Vec::new();
    for item in items {
        let Some(name) = item.as_str() else {
            let remedy = "write names of [[time_intervals.NAME]] in quotes".to_owned();
            return Err((format!("holds {}", kind(item)), remedy));
        };
        if seen.contains(&name) {
            return Err((format!("`{name}` is repeated"), "write it once".to_owned()));
        }
        seen.push(name);
    }
    Ok(())
}
