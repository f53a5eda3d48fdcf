//! Random intervals, some of them wrong, and instants close to where a clock is changed or a day ends.

use std::hash::{BuildHasher as _, Hasher as _};

use chrono::{DateTime, Offset as _, TimeZone as _};
use serde_json::{Map, Value, json};

const DAY: i64 = 24 * 3600;
/// 2015 to 2045: what intervals are written for.
const FROM: i64 = 45 * 365 * DAY;
const TO: i64 = 75 * 365 * DAY;

const NAMES: [&str; 20] = [
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",
    "America/New_York",
    "America/Santiago",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Anchorage",
    "Australia/Lord_Howe",
    "Australia/Adelaide",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Seoul",
    "Asia/Beirut",
    "Africa/Cairo",
    "Africa/Casablanca",
];

/// A key of an interval, and what makes a value of it.
type Key = (&'static str, fn(&mut Dice) -> Value);

/// A time zone, and the instants within an hour of which its clock is changed.
pub(crate) struct Zone {
    name: &'static str,
    changes: Vec<i64>,
}

pub(crate) fn zones() -> Vec<Zone> {
    let zone = |name: &'static str| {
        let zone: chrono_tz::Tz = name.parse().unwrap();
        let offset = |at: i64| {
            let utc = DateTime::from_timestamp(at, 0).unwrap().naive_utc();
            zone.offset_from_utc_datetime(&utc).fix()
        };
        let days = (FROM..TO).step_by(usize::try_from(DAY).unwrap());
        let changes = days
            .filter(|day| offset(*day) != offset(day + DAY))
            .filter_map(|day| {
                let mut hours = (0..24).map(|hour| day + hour * 3600);
                hours.find(|at| offset(*at) != offset(at + 3600))
            });
        Zone {
            name,
            changes: changes.collect(),
        }
    };
    NAMES.map(zone).into()
}

pub(crate) fn random_seed() -> u64 {
    let hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.finish()
}

/// A generator by its state (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Both ends included.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(high - low + 1).unwrap();
        low + i64::try_from(self.roll() % width).unwrap()
    }

    fn one_in(&mut self, number: i64) -> bool {
        self.between(1, number) == 1
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let last = i64::try_from(items.len()).unwrap() - 1;
        &items[usize::try_from(self.between(0, last)).unwrap()]
    }

    /// Near a change of the clock, or anywhere; often at the edge of a minute.
    pub(crate) fn instant(&mut self, zone: Option<&Zone>) -> i64 {
        let changes = zone.map_or(&[][..], |zone| &zone.changes);
        let at = if changes.is_empty() || self.one_in(3) {
            self.between(FROM, TO)
        } else {
            *self.of(changes) + self.between(-6 * 3600, 6 * 3600)
        };
        match self.between(0, 3) {
            0 => at,
            1 => at - at % 900 - 1,
            2 => at - at % DAY,
            _ => at - at % 900,
        }
    }

    /// An interval, and its zone if it has one that exists.
    pub(crate) fn interval<'a>(&mut self, zones: &'a [Zone]) -> (Value, Option<&'a Zone>) {
        let mut interval = Map::new();
        let mut zone = None;
        if !self.one_in(4) {
            let times = self.list(Self::time);
            interval.insert("times".to_owned(), times);
        }
        let keys: [Key; 4] = [
            ("weekdays", Self::weekday),
            ("days_of_month", Self::day_of_month),
            ("months", Self::month),
            ("years", Self::year),
        ];
        for (name, value) in keys {
            if self.one_in(3) {
                let values = self.list(value);
                interval.insert(name.to_owned(), values);
            }
        }
        if !self.one_in(6) {
            let chosen = self.of(zones);
            zone = Some(chosen);
            interval.insert("location".to_owned(), json!(chosen.name));
        } else if self.one_in(3) {
            let odd = [
                "Europe/Berln",
                "",
                "Mars/Olympus",
                "+02:00",
                "europe/berlin",
            ];
            let name = *self.of(&odd);
            interval.insert("location".to_owned(), json!(name));
        }
        (Value::Object(interval), zone)
    }

    /// Rarely empty.
    fn list(&mut self, one: impl Fn(&mut Self) -> Value) -> Value {
        let length = if self.one_in(40) {
            0
        } else {
            self.between(1, 3)
        };
        Value::Array((0..length).map(|_| one(self)).collect())
    }

    fn time(&mut self) -> Value {
        // Mostly at night, where clocks are changed.
        let minute = |dice: &mut Self| {
            if dice.one_in(2) {
                dice.between(0, 5 * 60)
            } else {
                dice.between(0, 24 * 60)
            }
        };
        let (one, other) = (minute(self), minute(self));
        let in_order = (one.min(other), one.max(other));
        let (start, end) = if self.one_in(40) {
            (one, other)
        } else {
            in_order
        };
        let text = |dice: &mut Self, minute: i64| {
            if dice.one_in(150) {
                let odd = ["2:00", "24:01", "25:00", "12:60", "", "02:00:00", "noon"];
                return (*dice.of(&odd)).to_owned();
            }
            format!("{:02}:{:02}", minute / 60, minute % 60)
        };
        json!({ "start_time": text(self, start), "end_time": text(self, end) })
    }

    /// One, or two with a colon; by a number, by text, or in an odd way.
    fn range(&mut self, low: i64, high: i64, name: impl Fn(i64) -> Option<String>) -> Value {
        if self.one_in(100) {
            let odd = [
                "", ":", "1:", "1:2:3", "first", "1.5", " 1", "mon", "0", "32", "13", "-32",
            ];
            return json!(*self.of(&odd));
        }
        let (one, other) = (self.between(low, high), self.between(low, high));
        let in_order = (one.min(other), one.max(other));
        let (begin, end) = if self.one_in(8) {
            (one, other)
        } else {
            in_order
        };
        let text = |dice: &mut Self, number: i64| match name(number) {
            Some(name) if dice.one_in(4) => name.to_uppercase(),
            Some(name) if !dice.one_in(4) => name,
            _ => number.to_string(),
        };
        match self.between(0, 3) {
            0 => json!(begin),
            1 => json!(text(self, begin)),
            _ => json!(format!("{}:{}", text(self, begin), text(self, end))),
        }
    }

    fn weekday(&mut self) -> Value {
        let names = [
            "sunday",
            "monday",
            "tuesday",
            "wednesday",
            "thursday",
            "friday",
            "saturday",
        ];
        if self.one_in(60) {
            return self.range(0, 6, |_| None);
        }
        let (begin, end) = (*self.of(&names), *self.of(&names));
        if self.one_in(3) {
            json!(begin)
        } else {
            json!(format!("{begin}:{end}"))
        }
    }

    fn day_of_month(&mut self) -> Value {
        match self.between(0, 2) {
            0 => self.range(-31, -1, |_| None),
            1 => self.range(1, 31, |_| None),
            _ => {
                let (begin, end) = (self.between(1, 20), self.between(-12, -1));
                json!(format!("{begin}:{end}"))
            }
        }
    }

    fn month(&mut self) -> Value {
        let name = |number: i64| {
            let date = chrono::NaiveDate::from_ymd_opt(2026, u32::try_from(number).unwrap(), 1);
            date.map(|date| date.format("%B").to_string().to_lowercase())
        };
        self.range(1, 12, name)
    }

    fn year(&mut self) -> Value {
        self.range(2010, 2050, |_| None)
    }
}
