//! Reading intervals: what Alertmanager refuses is refused, with what is wrong and what would be right.

use super::{DAY_MINUTES, Interval, Member, TimeInterval, TimeRange};

/// What is wrong with an interval.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}; {remedy}")]
pub struct IntervalFault {
    /// Which part of it, such as `weekdays[0]`.
    pub place: String,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

/// Problem and remedy.
type Wrong = (String, String);

const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// February, the shortest month: what is in order there is so in every month.
const SHORTEST_MONTH: i64 = 28;

impl Interval {
    /// Checks an interval.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(written: &TimeInterval) -> Result<Self, Vec<IntervalFault>> {
        let mut faults = Vec::new();
        let weekdays = list(written.weekdays.as_ref(), "weekdays", &mut faults, weekdays);
        let interval = Self {
            times: list(written.times.as_ref(), "times", &mut faults, times),
            weekdays: weekdays.map(|ranges| ranges.into_iter().flat_map(within_a_week).collect()),
            days_of_month: list(
                written.days_of_month.as_ref(),
                "days_of_month",
                &mut faults,
                days_of_month,
            ),
            months: list(written.months.as_ref(), "months", &mut faults, months),
            years: list(written.years.as_ref(), "years", &mut faults, years),
            location: location(written.location.as_deref(), &mut faults),
        };
        if faults.is_empty() {
            Ok(interval)
        } else {
            Err(faults)
        }
    }
}

fn list<W, R>(
    written: Option<&Vec<W>>,
    name: &str,
    faults: &mut Vec<IntervalFault>,
    read: impl Fn(&W) -> Result<R, Wrong>,
) -> Option<Vec<R>> {
    let mut ranges = Vec::new();
    for (number, one) in written?.iter().enumerate() {
        match read(one) {
            Ok(range) => ranges.push(range),
            Err((problem, remedy)) => faults.push(IntervalFault {
                place: format!("{name}[{number}]"),
                problem,
                remedy,
            }),
        }
    }
    Some(ranges)
}

fn times(written: &TimeRange) -> Result<(u32, u32), Wrong> {
    let present = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (Some(start), Some(end)) = (present(&written.start_time), present(&written.end_time))
    else {
        return Err((
            "has no start_time or no end_time".to_owned(),
            "write { start_time = \"02:00\", end_time = \"05:00\" }".to_owned(),
        ));
    };
    let (from, to) = (minute(&start)?, minute(&end)?);
    if from < to {
        return Ok((from, to));
    }
    if from == to || from == DAY_MINUTES || to == 0 {
        let remedy = "write an end behind the start; the end of the day is \"24:00\"".to_owned();
        return Err((format!("{start} to {end} holds no time"), remedy));
    }
    Err((
        format!("{start} to {end} passes midnight"),
        format!(
            "write two, {{ start_time = \"{start}\", end_time = \"24:00\" }} and {{ start_time = \"00:00\", end_time = \"{end}\" }}; \
             where days are named, the second one in an interval of its own with the days behind them"
        ),
    ))
}

/// `HH:MM` up to 24:00, as minutes of the day.
fn minute(text: &str) -> Result<u32, Wrong> {
    let digits = |text: &str| {
        let two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        two.then(|| text.parse::<u32>().ok()).flatten()
    };
    let parts = text.split_once(':');
    let parts = parts.and_then(|(hour, minute)| Some((digits(hour)?, digits(minute)?)));
    match parts {
        Some((hour, minute)) if hour < 24 && minute < 60 => Ok(hour * 60 + minute),
        Some((24, 0)) => Ok(DAY_MINUTES),
        _ => Err((
            format!("`{text}` is not a time of day"),
            "write HH:MM, from \"00:00\" to \"24:00\"".to_owned(),
        )),
    }
}

/// Both ends of a range; the same twice where there is one member.
fn ends<R: Copy>(
    written: &Member,
    read: impl Fn(&str) -> Result<R, Wrong>,
) -> Result<(R, R), Wrong> {
    let text = match written {
        Member::Number(number) => number.to_string(),
        Member::Text(text) => text.to_lowercase(),
    };
    match text.split(':').collect::<Vec<_>>()[..] {
        [one] => read(one).map(|one| (one, one)),
        [begin, end] => Ok((read(begin)?, read(end)?)),
        _ => Err((
            format!("`{text}` is not a range"),
            "write one, or two with a colon between them".to_owned(),
        )),
    }
}

fn named(text: &str, names: &[&str], what: &str) -> Result<i64, Wrong> {
    let place = names.iter().position(|name| *name == text);
    let place = place.and_then(|place| i64::try_from(place).ok());
    place.ok_or_else(|| {
        let meant = names
            .iter()
            .find(|name| text.len() > 1 && name.starts_with(text));
        let remedy = meant.map_or_else(
            || format!("use one of {}", names.join(", ")),
            |name| format!("did you mean `{name}`?"),
        );
        (format!("`{text}` is not a {what}"), remedy)
    })
}

fn number(text: &str, what: &str, example: &str) -> Result<i64, Wrong> {
    text.parse::<i64>().map_err(|_| {
        let problem = format!("`{text}` is not a {what}");
        (problem, format!("write a whole number, such as {example}"))
    })
}

fn weekdays(written: &Member) -> Result<(i64, i64), Wrong> {
    ends(written, |text| named(text, &WEEKDAYS, "weekday"))
}

/// A range that passes the end of the week, which is Saturday, is two.
fn within_a_week((begin, end): (i64, i64)) -> Vec<(i64, i64)> {
    if begin <= end {
        vec![(begin, end)]
    } else {
        vec![(begin, 6), (0, end)]
    }
}

fn days_of_month(written: &Member) -> Result<(i64, i64), Wrong> {
    let (begin, end) = ends(written, |text| {
        let day = number(text, "day of the month", "1, or -1 for the last day")?;
        if day == 0 || !(-31..=31).contains(&day) {
            return Err((
                format!("{day} is no day of a month"),
                "write 1 to 31, or -1 to -31 from the end of the month".to_owned(),
            ));
        }
        Ok(day)
    })?;
    let in_shortest = |day: i64| if day < 0 { SHORTEST_MONTH + day } else { day };
    if begin < 0 && end > 0 {
        return Err((
            format!("{begin}:{end} begins at the end of a month and ends at its start"),
            "write a range within a month, such as \"-3:-1\"; two ranges are two entries"
                .to_owned(),
        ));
    }
    if in_shortest(begin) > in_shortest(end) {
        return Err((
            format!("{begin}:{end} ends before it begins"),
            "write the earlier day first; two ranges are two entries".to_owned(),
        ));
    }
    Ok((begin, end))
}

fn months(written: &Member) -> Result<(i64, i64), Wrong> {
    let range = ends(written, |text| {
        if let Ok(month) = text.parse::<i64>() {
            let out = || {
                (
                    format!("{month} is no month"),
                    "write 1 to 12, or the name of the month".to_owned(),
                )
            };
            return (1..=12).contains(&month).then_some(month).ok_or_else(out);
        }
        named(text, &MONTHS, "month").map(|place| place + 1)
    })?;
    in_order(range, "month")
}

fn years(written: &Member) -> Result<(i64, i64), Wrong> {
    let range = ends(written, |text| number(text, "year", "2026"))?;
    in_order(range, "year")
}

fn in_order((begin, end): (i64, i64), what: &str) -> Result<(i64, i64), Wrong> {
    if begin <= end {
        return Ok((begin, end));
    }
    Err((
        format!("{begin}:{end} ends before it begins"),
        format!("write the earlier {what} first; two ranges are two entries"),
    ))
}

fn location(written: Option<&str>, faults: &mut Vec<IntervalFault>) -> chrono_tz::Tz {
    let text = written.unwrap_or_default();
    if text.is_empty() {
        return chrono_tz::UTC;
    }
    text.parse().unwrap_or_else(|_| {
        let problem = if text == "Local" {
            "`Local` means another clock on each machine".to_owned()
        } else {
            format!("`{text}` is not a time zone")
        };
        faults.push(IntervalFault {
            place: "location".to_owned(),
            problem,
            remedy: "write an IANA time zone such as \"Europe/Berlin\"".to_owned(),
        });
        chrono_tz::UTC
    })
}
