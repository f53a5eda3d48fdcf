//! Parameters of an action: a JSON object whose values keep their bytes, so that an event travels to a connector as it came,
//! with numbers and text that no program can hold (issue 13, row 8).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::event_text::fields_of;
use crate::raw_json::RawJson;

/// Named fields, each value as it was written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Params(BTreeMap<String, RawJson>);

impl Params {
    /// The fields of an intent, which is a struct. What is quoted in it keeps its bytes.
    pub fn of(intent: &impl Serialize) -> Self {
        // A struct of names, numbers and text always has a text, and that is always an object.
        let text = serde_json::to_string(intent).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Sets a field.
    pub fn set(&mut self, name: &str, value: &Value) {
        // A value always has a text.
        let raw = to_raw_value(value).unwrap_or_default();
        self.0.insert(name.to_owned(), RawJson(raw));
    }

    /// Sets a field to JSON text, byte for byte.
    pub fn set_raw(&mut self, name: &str, value: RawJson) {
        self.0.insert(name.to_owned(), value);
    }

    /// Sets a field to other parameters, byte for byte.
    pub fn set_params(&mut self, name: &str, params: &Self) {
        let raw = to_raw_value(params).unwrap_or_default();
        self.set_raw(name, RawJson(raw));
    }

    /// Whether there is a field of that name.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The text of a field that is a string.
    pub fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.0.get(name)?.0.get()).ok()
    }

    /// The fields as values, for readers that hold values only; see [`plain`].
    pub fn value(&self) -> Value {
        self.plain().0
    }

    /// The fields as values, and where those had to give way; see [`plain`].
    pub fn plain(&self) -> (Value, Vec<String>) {
        let mut changed = Changed::default();
        let fields = self.0.iter().map(|(name, value)| {
            let value = value_of(value.0.get(), name, &mut changed);
            (name.clone(), value)
        });
        let value = Value::Object(fields.collect());
        (value, changed.named())
    }
}

impl From<Map<String, Value>> for Params {
    fn from(fields: Map<String, Value>) -> Self {
        let mut params = Self::default();
        for (name, value) in &fields {
            params.set(name, value);
        }
        params
    }
}

/// An object's fields; anything else is kept under `value`.
impl From<Value> for Params {
    fn from(value: Value) -> Self {
        match value {
            Value::Object(fields) => fields.into(),
            other => Map::from_iter([("value".to_owned(), other)]).into(),
        }
    }
}

/// Equal as readers of values see them.
impl PartialEq<Value> for Params {
    fn eq(&self, other: &Value) -> bool {
        self.value() == *other
    }
}

impl std::fmt::Display for Params {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = serde_json::to_string(self).map_err(|_| std::fmt::Error)?;
        formatter.write_str(&text)
    }
}

/// JSON text as a value, and the paths of what a value cannot hold: a number out of range or of more digits than are kept,
/// and half a surrogate pair, are their JSON text instead; of a repeated name the last counts.
pub fn plain(text: &str) -> (Value, Vec<String>) {
    let mut changed = Changed::default();
    let value = value_of(text, "", &mut changed);
    (value, changed.named())
}

/// Paths named at most, and the length of one in bytes: a sentence, not a list.
const PATHS_MAX: usize = 5;
const PATH_BYTES_MAX: usize = 80;
/// Deepest nesting read, as in other readers of JSON.
const DEPTH_MAX: usize = 128;

#[derive(Default)]
struct Changed {
    depth: usize,
    paths: Vec<String>,
    more: usize,
}

impl Changed {
    fn at(&mut self, path: &str) {
        if self.paths.len() < PATHS_MAX {
            let end = path.floor_char_boundary(PATH_BYTES_MAX);
            self.paths
                .push(path.get(..end).unwrap_or_default().to_owned());
        } else {
            self.more += 1;
        }
    }

    fn named(mut self) -> Vec<String> {
        if self.more > 0 {
            self.paths.push(format!("{} more", self.more));
        }
        self.paths
    }
}

/// Recurses as deep as the text is nested: events and answers are bounded, and what is deeper stays text.
fn value_of(text: &str, path: &str, changed: &mut Changed) -> Value {
    if changed.depth == DEPTH_MAX {
        changed.at(path);
        return Value::String(text.to_owned());
    }
    changed.depth += 1;
    let value = value_at(text, path, changed);
    changed.depth -= 1;
    value
}

fn value_at(text: &str, path: &str, changed: &mut Changed) -> Value {
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match text.bytes().next() {
        Some(b'{') => {
            let mut object = Map::new();
            for field in fields_of(text).unwrap_or_default() {
                let place = below(&field.name);
                let value = value_of(field.value.get(), &place, changed);
                let unreadable = serde_json::from_str::<String>(field.quoted_name).is_err();
                let repeated = object.insert(field.name.into_owned(), value).is_some();
                if unreadable || repeated {
                    changed.at(&place);
                }
            }
            Value::Object(object)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            let items = items.into_iter().enumerate();
            items
                .map(|(index, item)| value_of(item.get(), &below(&index.to_string()), changed))
                .collect()
        }
        _ => match serde_json::from_str(text) {
            Ok(value) if holds(&value, text) => value,
            _ => {
                changed.at(path);
                Value::String(text.trim_matches('"').to_owned())
            }
        },
    }
}

/// A whole number beyond 64 bits is read as a float, which keeps some of its digits.
fn holds(value: &Value, text: &str) -> bool {
    let whole = !text.contains(['.', 'e', 'E']);
    !(value.is_f64() && whole && text != "-0")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_that_can_be_held_are_values() {
        let text = r#"{"a":[1,-2.5,true,null,"x\n",{"b":18446744073709551615}],"c":-0,"d":1e3}"#;
        let (value, changed) = plain(text);
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
        assert!(changed.is_empty());
    }

    #[test]
    fn what_cannot_be_held_is_its_text_and_is_named() {
        let text = r#"{"a":[1e999,"\ud800"],"b":{"c":123456789012345678901234567890},"d":1,"d":2,"\udfff":3,"e":4}"#;
        let (value, changed) = plain(text);
        let expected = json!({"a": ["1e999", "\\ud800"], "b": {"c": "123456789012345678901234567890"}, "d": 2, "\\udfff": 3, "e": 4});
        assert_eq!(value, expected);
        assert_eq!(changed, ["a.0", "a.1", "b.c", "d", "\\udfff"]);
        let many = format!("[{}]", vec!["1e999"; 20].join(","));
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        assert_eq!(plain(&deep).1.len(), 1);
        assert_eq!(plain(&many).1, ["0", "1", "2", "3", "4", "15 more"]);
    }

    #[test]
    fn parameters_keep_bytes_through_the_ledger() {
        let text = r#"{"metadata":{"z":1.0,"a":1e999,"z":"\ud800"},"model_name":"m"}"#;
        let params: Params = serde_json::from_str(text).unwrap();
        assert_eq!(params.to_string(), text);
        assert_eq!(params.text("model_name").as_deref(), Some("m"));
        assert!(params.has("metadata") && !params.has("other"));
        assert_eq!(
            Params::from(json!({"b": 1, "a": "x"})),
            json!({"a": "x", "b": 1})
        );
    }
}
