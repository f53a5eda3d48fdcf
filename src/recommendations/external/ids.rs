//! Ids, scores and lists of them in requests and answers of any protocol.

use homeostat_logic::recommend::id_text;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Most values read of an answer.
const VALUES_MAX: usize = 10_000;

/// How ids are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ids {
    /// As text.
    #[default]
    Text,
    /// As whole numbers where they are; one that is not is sent as text.
    Number,
}

impl Ids {
    /// An id as it is sent.
    pub(super) fn value(self, id: &str) -> Value {
        match (self, id.parse::<i64>()) {
            (Self::Number, Ok(number)) => Value::from(number),
            _ => Value::from(id),
        }
    }

    /// Ids as they are sent.
    pub(super) fn values(self, ids: &[String]) -> Vec<Value> {
        ids.iter().map(|id| self.value(id)).collect()
    }
}

/// The values of nested lists, in order, as tensors and rows are written.
pub(super) fn flat(values: &[Value]) -> Result<Vec<&Value>, String> {
    let mut found = Vec::new();
    let mut open: Vec<std::slice::Iter<'_, Value>> = vec![values.iter()];
    while let Some(values) = open.last_mut() {
        match values.next() {
            None => {
                open.pop();
            }
            Some(Value::Array(inner)) => open.push(inner.iter()),
            Some(value) => {
                if found.len() == VALUES_MAX {
                    return Err(format!("it has more than {VALUES_MAX} values"));
                }
                found.push(value);
            }
        }
    }
    Ok(found)
}

/// An id; one that is none makes the answer wrong.
pub(super) fn id(value: &Value) -> Result<String, String> {
    let id = id_text(value).map(std::borrow::Cow::into_owned);
    id.ok_or_else(|| {
        format!(
            "{} is not the id of an item",
            super::shown(&value.to_string())
        )
    })
}

/// A score; one that is no number makes the answer wrong.
pub(super) fn score(value: &Value) -> Result<f64, String> {
    let number = value.as_f64().filter(|number| number.is_finite());
    number.ok_or_else(|| format!("{} is not a score", super::shown(&value.to_string())))
}
