//! How often something is looked at, and how much more often for a while: decided from what is there, without asking.

use chrono::{DateTime, SecondsFormat};
use homeostat_logic::ledger::record::Millis;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::object::Fields as _;

/// A closer watch, as the object's annotation keeps it: enough for any instance to end it, and for a person to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Raised {
    /// What to go back to.
    pub(crate) was: Value,
    /// What was set. If the object says something else, a person changed it since.
    pub(crate) set: Value,
    /// RFC 3339.
    until: String,
    /// The action that set or extended it.
    pub(crate) action: String,
}

impl Raised {
    pub(crate) fn new(was: Value, set: Value, until: Millis, action: String) -> Self {
        Self {
            was,
            set,
            until: written(until, SecondsFormat::Millis),
            action,
        }
    }

    /// When it ends; what cannot be read has ended.
    pub(crate) fn until(&self) -> Millis {
        DateTime::parse_from_rfc3339(&self.until).map_or(0, |until| until.timestamp_millis())
    }
}

/// A moment as people read it.
pub(crate) fn time(at: Millis) -> String {
    written(at, SecondsFormat::Secs)
}

fn written(at: Millis, format: SecondsFormat) -> String {
    let at = DateTime::from_timestamp_millis(at).unwrap_or_default();
    at.to_rfc3339_opts(format, true)
}

/// What a closer watch is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The object, in words.
    pub(crate) object: String,
    /// What it said when the action was decided.
    pub(crate) seen: Value,
    /// What it goes back to: not `seen`, if that was a closer watch already.
    pub(crate) was: Value,
    pub(crate) to: Value,
    /// Wall time of the end.
    pub(crate) until: Millis,
}

/// What is watched, and where it says how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rhythm {
    /// `spec.schedule`.
    Schedule,
    /// `interval` of each element of a list in `spec`.
    Intervals(&'static str),
}

impl Rhythm {
    /// What an object says.
    pub(crate) fn of(self, object: &Value) -> Value {
        match self {
            Self::Schedule => object.at("/spec/schedule").clone(),
            Self::Intervals(list) => endpoints(object, list)
                .map(|endpoint| endpoint.at("/interval").clone())
                .collect(),
        }
    }

    /// The part of `spec` that makes an object say this.
    pub(crate) fn spec(self, object: &Value, value: &Value) -> Value {
        match self {
            Self::Schedule => json!({ "schedule": value }),
            Self::Intervals(list) => {
                let intervals = value.as_array().into_iter().flatten();
                let changed = endpoints(object, list).cloned().zip(intervals);
                let changed: Vec<Value> = changed
                    .map(|(mut endpoint, interval)| {
                        if let Some(fields) = endpoint.as_object_mut() {
                            fields.remove("interval");
                            if !interval.is_null() {
                                fields.insert("interval".to_owned(), interval.clone());
                            }
                        }
                        endpoint
                    })
                    .collect();
                json!({ list: changed })
            }
        }
    }

    /// What it would say of a closer watch; `None` if it is watched as closely already.
    pub(crate) fn closer(self, object: &Value, seconds: u64) -> Option<Value> {
        match self {
            Self::Schedule => {
                let schedule = object.at("/spec/schedule").as_str().unwrap_or_default();
                let minutes = seconds.div_ceil(60).max(1);
                let closer = minutes_between(schedule).is_none_or(|now| now > minutes);
                closer.then(|| every(minutes).into())
            }
            Self::Intervals(list) => {
                let closer: Vec<Value> = endpoints(object, list)
                    .map(|endpoint| {
                        let interval = endpoint.at("/interval");
                        shorter(
                            interval.as_str(),
                            endpoint.at("/scrapeTimeout").as_str(),
                            seconds,
                        )
                        .map_or_else(|| interval.clone(), Value::from)
                    })
                    .collect();
                let closer = Value::Array(closer);
                (closer != self.of(object)).then_some(closer)
            }
        }
    }
}

fn endpoints<'a>(object: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    let list = object.at("/spec").get(list).and_then(Value::as_array);
    list.into_iter().flatten()
}

/// A schedule that begins every so many minutes, or a little more often: a day is divided evenly.
fn every(minutes: u64) -> String {
    let fitting = |most: u64, of: u64| {
        (1..=most)
            .rev()
            .find(|part| of.is_multiple_of(*part))
            .unwrap_or(1)
    };
    match minutes {
        ..=1 => "* * * * *".to_owned(),
        2..60 => format!("*/{} * * * *", fitting(minutes, 60)),
        60..120 => "0 * * * *".to_owned(),
        120..1_440 => format!("0 */{} * * *", fitting(minutes / 60, 24)),
        1_440.. => "0 0 * * *".to_owned(),
    }
}

/// Minutes between two beginnings within an hour in which a schedule begins at all; `None` if it begins more rarely, or cannot be read.
fn minutes_between(schedule: &str) -> Option<u64> {
    let minute = schedule.split_whitespace().next()?;
    if let Some((_, step)) = minute.split_once('/') {
        return step.parse().ok().filter(|step| *step < 60);
    }
    if minute == "*" || minute.contains('-') {
        return Some(1);
    }
    let several = minute.split(',').count();
    (several > 1).then(|| 60 / u64::try_from(several).unwrap_or(60).min(60))
}

/// A shorter interval, but no shorter than what a look may take; `None` if it is as short already.
fn shorter(interval: Option<&str>, limit: Option<&str>, seconds: u64) -> Option<String> {
    let wanted = seconds.saturating_mul(1_000);
    let least = limit.and_then(millis).unwrap_or(0);
    let to = wanted.max(least);
    let now = match interval {
        Some(text) => Some(millis(text)?),
        None => None,
    };
    if now.is_some_and(|now| now <= to) {
        return None;
    }
    Some(if to.is_multiple_of(1_000) {
        format!("{}s", to / 1_000)
    } else {
        format!("{to}ms")
    })
}

/// A duration of Prometheus in milliseconds, such as `1m30s`.
fn millis(text: &str) -> Option<u64> {
    let mut sum = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, unit) = rest.split_at_checked(digits)?;
        let end = unit.find(|letter: char| letter.is_ascii_digit());
        let (unit, further) = unit.split_at_checked(end.unwrap_or(unit.len()))?;
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return None,
        };
        let number: u64 = number.parse().ok()?;
        sum = sum.checked_add(number.checked_mul(factor)?)?;
        rest = further;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_raised_only_to_a_closer_one() {
        let table = [
            ("0 3 * * *", 30, Some("* * * * *")),
            ("0 * * * *", 300, Some("*/5 * * * *")),
            // Seven minutes do not divide an hour.
            ("0 * * * *", 7 * 60, Some("*/6 * * * *")),
            ("*/10 * * * *", 300, Some("*/5 * * * *")),
            ("*/5 * * * *", 300, None),
            ("* * * * *", 30, None),
            ("*/2 8-18 * * 1-5", 300, None),
            ("0,15,30,45 * * * *", 300, Some("*/5 * * * *")),
            ("0,15,30,45 * * * *", 1_800, None),
            ("@daily", 7_200, Some("0 */2 * * *")),
            ("0 0 * * 0", 90_000, Some("0 0 * * *")),
        ];
        for (was, seconds, expected) in table {
            let object = json!({"spec": {"schedule": was}});
            let closer = Rhythm::Schedule.closer(&object, seconds);
            assert_eq!(closer, expected.map(Value::from), "{was} {seconds}");
        }
    }

    #[test]
    fn intervals_are_shortened_each_by_itself_and_given_back_as_they_were() {
        let object = json!({"spec": {"endpoints": [
            {"port": "a", "interval": "1m30s"}, {"port": "b"}, {"port": "c", "interval": "10s"},
            {"port": "d", "interval": "2m", "scrapeTimeout": "45s"}, {"port": "e", "interval": "soon"},
        ]}});
        let rhythm = Rhythm::Intervals("endpoints");
        let was = rhythm.of(&object);
        assert_eq!(was, json!(["1m30s", null, "10s", "2m", "soon"]));
        let closer = rhythm.closer(&object, 30).unwrap();
        assert_eq!(closer, json!(["30s", "30s", "10s", "45s", "soon"]));
        let raised = json!({"spec": rhythm.spec(&object, &closer)});
        assert_eq!(rhythm.of(&raised), closer);
        assert_eq!(rhythm.closer(&raised, 30), None);
        assert_eq!(rhythm.spec(&raised, &was), object["spec"]);
    }

    #[test]
    fn durations_are_those_of_prometheus() {
        for (text, expected) in [
            ("30s", Some(30_000)),
            ("1h30m", Some(5_400_000)),
            ("500ms", Some(500)),
            ("1w", Some(604_800_000)),
            ("0", None),
            ("", None),
            ("s", None),
            ("1x", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
    }

    #[test]
    fn the_end_is_kept_as_people_read_it_and_read_again() {
        let raised = Raised::new(Value::Null, Value::Null, 1_700_000_000_000, "a".to_owned());
        assert_eq!(raised.until, "2023-11-14T22:13:20.000Z");
        assert_eq!(raised.until(), 1_700_000_000_000);
    }
}
