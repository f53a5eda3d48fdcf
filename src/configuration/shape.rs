//! What the value of a key may be, and the check of a layer against it: every fault, not only the first.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use toml::Value;

use super::faults::{Fault, join, nearest, suggest};
use super::intervals;
use super::kind::{is_plain, kind, number};
use super::layers::{Entry, Node};

/// Longest name of a free table (an event type, a target), in bytes: what a target's name may have.
const NAME_BYTES_MAX: usize = homeostat_logic::target::Target::NAME_BYTES_MAX;

/// Longest name of a table beside fixed keys, in bytes.
const PLAIN_BYTES_MAX: usize = 64;

/// What a value may be.
#[derive(Debug)]
pub(super) enum Shape {
    /// These keys and no others.
    Table(Vec<(String, Shape)>),
    /// These keys, and beside them tables that the operator names.
    Open(Vec<(String, Shape)>, Box<Shape>),
    /// Keys named by the operator.
    Map(Box<Shape>),
    /// Keys out of a list.
    MapOf(Vec<String>, Box<Shape>),
    /// Options of the Kafka client: dotted names, scalar values; which ones is a separate rule.
    ClientOptions,
    /// A list of values out of a closed list, without repetition.
    Words(Vec<String>),
    /// A list of `host` or `host:port`.
    Hosts,
    /// A list of names, without repetition; which ones is a separate rule.
    Names,
    /// A list of time intervals.
    Intervals,
    /// True or false.
    Flag,
    /// Text; whether it may be empty.
    Text {
        /// Whether nothing is something.
        empty: bool,
    },
    /// A whole number in a range, both ends included.
    Whole(i64, i64),
    /// A list of whole numbers in a range, both ends included.
    Wholes(i64, i64),
    /// A number in a range, both ends included.
    Number(f64, f64),
    /// A word out of a closed list.
    OneOf(Vec<String>),
    /// An IANA time zone.
    Zone,
    /// `HH:MM`.
    TimeOfDay,
    /// Not checked here.
    Anything,
}

/// Keys of earlier versions, and what took their place.
const RENAMED: [(&str, &str); 2] = [
    (
        "webhook",
        "write [connections.NAME] with kind = \"webhook\", and connection = \"NAME\" in [actions.ACTION]",
    ),
    ("connector", "write connection = \"NAME\""),
];

impl Shape {
    /// The shape that a schema of [`crate::schema`] describes.
    pub(super) fn of_schema(schema: &Json) -> Self {
        // An optional key: a layer leaves it out instead of writing null, which TOML has not.
        if let Some(kinds) = schema.get("anyOf").and_then(Json::as_array) {
            let mut kinds = kinds.iter().filter(|kind| text(kind, "type") != "null");
            return kinds.next().map_or(Self::Anything, Self::of_schema);
        }
        let words = words(schema);
        let bound = |name: &str| schema.get(name).and_then(Json::as_i64);
        let limit = |name: &str| schema.get(name).and_then(Json::as_f64);
        match (text(schema, "type"), text(schema, "format")) {
            ("object", "client-options") => Self::ClientOptions,
            ("object", _) => Self::of_object(schema),
            ("array", "names") => Self::Names,
            ("array", "time-intervals") => Self::Intervals,
            ("array", _) => match schema.get("items") {
                Some(items) if text(items, "format") == "host" => Self::Hosts,
                Some(items) if let Self::Whole(min, max) = Self::of_schema(items) => {
                    Self::Wholes(min, max)
                }
                items => Self::Words(items.map(self::words).unwrap_or_default()),
            },
            ("boolean", _) => Self::Flag,
            ("integer", _) => Self::Whole(
                bound("minimum").unwrap_or(i64::MIN),
                bound("maximum").unwrap_or_else(|| width(text(schema, "format"))),
            ),
            ("number", _) => Self::Number(
                limit("minimum").unwrap_or(f64::MIN),
                limit("maximum").unwrap_or(f64::MAX),
            ),
            ("string", "time-zone") => Self::Zone,
            ("string", "time-of-day") => Self::TimeOfDay,
            _ if !words.is_empty() => Self::OneOf(words),
            ("string", _) => Self::Text {
                empty: bound("minLength").is_none_or(|length| length == 0),
            },
            _ => Self::Anything,
        }
    }

    fn of_object(schema: &Json) -> Self {
        let further = schema
            .get("additionalProperties")
            .filter(|one| one.is_object() || **one == Json::Bool(true));
        let further = further.map(|schema| Box::new(Self::of_schema(schema)));
        if let Some(names) = schema.get("propertyNames") {
            return Self::MapOf(
                words(names),
                further.unwrap_or_else(|| Box::new(Self::Anything)),
            );
        }
        let properties = schema.get("properties").and_then(Json::as_object);
        let mut keys: Vec<(String, Self)> = properties
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.clone(), Self::of_schema(schema)))
            .collect();
        let order = schema.get(crate::schema::ORDER).and_then(Json::as_array);
        let place = |name: &str| order.and_then(|order| order.iter().position(|one| one == name));
        keys.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
        match further {
            None => Self::Table(keys),
            Some(further) if keys.is_empty() => Self::Map(further),
            Some(further) => Self::Open(keys, further),
        }
    }

    /// The shape of the key of that name.
    pub(super) fn below(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Table(keys) => keys
                .iter()
                .find_map(|(key, shape)| (key == name).then_some(shape)),
            Self::Open(keys, shape) => keys
                .iter()
                .find_map(|(key, shape)| (key == name).then_some(shape))
                .or_else(|| is_plain_name(name).then_some(&**shape)),
            Self::MapOf(names, shape) => names.iter().any(|one| one == name).then_some(&**shape),
            Self::Map(shape) => (!name.is_empty() && name.len() <= NAME_BYTES_MAX).then_some(shape),
            Self::ClientOptions => Some(&Self::Anything),
            _ => None,
        }
    }

    /// Whether text is a right kind of value.
    pub(super) const fn wants_text(&self) -> bool {
        matches!(
            self,
            Self::Text { .. } | Self::OneOf(_) | Self::Zone | Self::TimeOfDay
        )
    }

    fn is_table(&self) -> bool {
        matches!(
            self,
            Self::Table(_) | Self::Open(..) | Self::Map(_) | Self::MapOf(..) | Self::ClientOptions
        )
    }

    /// The shape of an entry. What is no table is none of those that the operator names: rather a mistyped key.
    fn of(&self, name: &str, entry: &Entry) -> Option<&Self> {
        let named = !matches!(self, Self::Open(..)) || self.names().contains(&name);
        let shape = self.below(name)?;
        (named || entry.table().is_some()).then_some(shape)
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Self::Table(keys) | Self::Open(keys, _) => {
                keys.iter().map(|(key, _)| key.as_str()).collect()
            }
            Self::MapOf(names, _) => names.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Keeps what is right of `entry` and reports what is not.
    pub(super) fn check(&self, entry: Entry, path: &str, faults: &mut Vec<Fault>) -> Option<Entry> {
        let Entry { origin, node } = entry;
        let node = match node {
            Node::Table(table) if self.is_table() => {
                Node::Table(self.check_table(table, path, faults))
            }
            Node::Leaf(Value::Array(items)) if matches!(self, Self::Intervals) => {
                let found = intervals::check(&items);
                let fault = |(problem, remedy)| Fault {
                    origin: origin.clone(),
                    key: path.to_owned(),
                    problem,
                    remedy,
                };
                let is_right = found.is_empty();
                faults.extend(found.into_iter().map(fault));
                if !is_right {
                    return None;
                }
                Node::Leaf(Value::Array(items))
            }
            Node::Leaf(value) => {
                if let Err((problem, remedy)) = self.check_leaf(&value) {
                    faults.push(Fault {
                        origin,
                        key: path.to_owned(),
                        problem,
                        remedy,
                    });
                    return None;
                }
                Node::Leaf(value)
            }
            Node::Table(table) if matches!(self, Self::Anything) => Node::Table(table),
            Node::Table(_) => {
                faults.push(Fault {
                    origin,
                    key: path.to_owned(),
                    problem: "is a table".to_owned(),
                    remedy: format!("write {}", self.wanted()),
                });
                return None;
            }
        };
        Some(Entry { origin, node })
    }

    fn check_table(
        &self,
        table: BTreeMap<String, Entry>,
        path: &str,
        faults: &mut Vec<Fault>,
    ) -> BTreeMap<String, Entry> {
        let mut kept = BTreeMap::new();
        for (name, entry) in table {
            let key = join(path, &name);
            let Some(shape) = self.of(&name, &entry) else {
                let renamed = RENAMED.iter().find(|(old, _)| *old == name);
                let remedy = match self {
                    _ if renamed.is_some() => renamed.map_or("", |(_, instead)| instead).to_owned(),
                    Self::Open(..) if entry.table().is_some() => {
                        format!("name it with a-z, 0-9, _ and -, 1 to {PLAIN_BYTES_MAX} bytes")
                    }
                    Self::Map(_) => format!("name it with 1 to {NAME_BYTES_MAX} bytes"),
                    _ => suggest(&name, &self.names()),
                };
                faults.push(Fault {
                    origin: entry.origin,
                    key,
                    problem: "unknown key".to_owned(),
                    remedy,
                });
                continue;
            };
            if let Some(entry) = shape.check(entry, &key, faults) {
                kept.insert(name, entry);
            }
        }
        kept
    }

    /// Problem and remedy of a value that is no table.
    fn check_leaf(&self, value: &Value) -> Result<(), (String, String)> {
        let wrong = |problem: String| Err((problem, format!("write {}", self.wanted())));
        match (self, value) {
            (Self::Text { empty: false }, Value::String(text)) if text.trim().is_empty() => {
                wrong("is empty".to_owned())
            }
            (Self::Anything, _)
            | (Self::Flag, Value::Boolean(_))
            | (Self::Text { .. }, Value::String(_)) => Ok(()),
            (Self::Whole(min, max), Value::Integer(number)) => {
                if (min..=max).contains(&number) {
                    Ok(())
                } else {
                    wrong(format!("{number} is out of range"))
                }
            }
            (Self::Wholes(min, max), Value::Array(items)) => {
                let item = Self::Whole(*min, *max);
                let checked = items.iter().try_for_each(|value| item.check_leaf(value));
                checked.map_err(|(problem, _)| (problem, format!("write {}", self.wanted())))
            }
            (Self::Number(min, max), Value::Integer(_) | Value::Float(_)) => {
                // A NaN is in no range.
                match number(value) {
                    Some(number) if (*min..=*max).contains(&number) => Ok(()),
                    Some(number) if is_plain(number) => wrong(format!("{value} is out of range")),
                    _ => wrong(format!("is {}", kind(value))),
                }
            }
            (Self::OneOf(words), Value::String(word)) => {
                if words.contains(word) {
                    Ok(())
                } else {
                    Err((
                        format!("`{word}` is unknown"),
                        suggest(word, &borrowed(words)),
                    ))
                }
            }
            (Self::Words(words), Value::Array(items)) => check_words(words, items),
            (Self::Hosts, Value::Array(items)) => check_hosts(items),
            (Self::Names, Value::Array(items)) => intervals::check_names(items),
            (Self::Zone, Value::String(name)) => {
                if name.parse::<chrono_tz::Tz>().is_ok() {
                    return Ok(());
                }
                let zones = chrono_tz::TZ_VARIANTS.map(chrono_tz::Tz::name);
                let remedy = nearest(name, &zones).map_or_else(
                    || format!("write {}", self.wanted()),
                    |zone| format!("did you mean `{zone}`?"),
                );
                Err((format!("`{name}` is not a time zone"), remedy))
            }
            (Self::TimeOfDay, Value::String(text)) => {
                if is_time_of_day(text) {
                    Ok(())
                } else {
                    wrong(format!("`{text}` is not a time of day"))
                }
            }
            (_, value) => wrong(format!("is {}", kind(value))),
        }
    }

    /// What would be right, in words.
    fn wanted(&self) -> String {
        match self {
            Self::Table(_) | Self::Open(..) | Self::MapOf(..) => {
                format!("a table with the keys {}", self.names().join(", "))
            }
            Self::Map(_) | Self::ClientOptions => "a table".to_owned(),
            Self::Words(words) => format!("a list of {}", words.join(", ")),
            Self::Hosts => "a list of host or host:port, such as [\"proxy.example\"]".to_owned(),
            Self::Names => "a list of names in quotes".to_owned(),
            Self::Intervals => intervals::WANTED.to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Text { empty: true } | Self::Anything => "text in quotes".to_owned(),
            Self::Text { empty: false } => "text in quotes, not empty".to_owned(),
            Self::Whole(min, max) => format!("a whole number from {min} to {max}"),
            Self::Wholes(min, max) => format!("a list of whole numbers from {min} to {max}"),
            Self::Number(min, max) => format!("a number from {min} to {max}"),
            Self::OneOf(words) => format!("one of {}", words.join(", ")),
            Self::Zone => "an IANA time zone such as \"Europe/Berlin\"".to_owned(),
            Self::TimeOfDay => "a time from \"00:00\" to \"23:59\"".to_owned(),
        }
    }
}

fn borrowed(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// Text of a field of a schema. A type may be a list of one and null.
fn text<'a>(schema: &'a Json, field: &str) -> &'a str {
    let value = schema.get(field);
    let first = value.and_then(Json::as_array).and_then(|list| list.first());
    first.or(value).and_then(Json::as_str).unwrap_or_default()
}

/// The words of a closed list: an `enum`, or constants with a comment each.
fn words(schema: &Json) -> Vec<String> {
    let list = |name: &str| {
        schema
            .get(name)
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
    };
    let constants = list("oneOf").flat_map(|one| {
        one.get("const").cloned().map_or_else(
            || words(one),
            |word| word.as_str().map(str::to_owned).into_iter().collect(),
        )
    });
    let listed = list("enum").filter_map(|word| word.as_str().map(str::to_owned));
    listed.chain(constants).collect()
}

/// Largest number of a width.
fn width(format: &str) -> i64 {
    match format {
        "uint32" => i64::from(u32::MAX),
        "int32" => i64::from(i32::MAX),
        _ => i64::MAX,
    }
}

fn check_words(words: &[String], items: &[Value]) -> Result<(), (String, String)> {
    // Without a closed set any text is a word.
    let words = borrowed(words);
    let mut seen = Vec::new();
    for item in items {
        let Some(word) = item.as_str() else {
            let remedy = match words.as_slice() {
                [] => "write each in quotes".to_owned(),
                words => format!("write only words from {}", words.join(", ")),
            };
            return Err((format!("holds {}", kind(item)), remedy));
        };
        if !words.is_empty() && !words.contains(&word) {
            return Err((format!("`{word}` is unknown"), suggest(word, &words)));
        }
        if seen.contains(&word) {
            return Err((format!("`{word}` is repeated"), "write it once".to_owned()));
        }
        seen.push(word);
    }
    Ok(())
}

fn check_hosts(items: &[Value]) -> Result<(), (String, String)> {
    for item in items {
        let Some(text) = item.as_str() else {
            let remedy = format!("write {}", Shape::Hosts.wanted());
            return Err((format!("holds {}", kind(item)), remedy));
        };
        if let Err(error) = crate::authority::Authority::parse(text) {
            let remedy = "write it as in a Host header, without scheme, path or wildcard";
            return Err((format!("`{text}` {error}"), remedy.to_owned()));
        }
    }
    Ok(())
}

/// A name that scopes of the ledger and environment variables can hold.
fn is_plain_name(name: &str) -> bool {
    (1..=PLAIN_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// Whether text is `HH:MM`.
fn is_time_of_day(text: &str) -> bool {
    text.len() == 5 && chrono::NaiveTime::parse_from_str(text, "%H:%M").is_ok()
}
