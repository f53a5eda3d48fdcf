//! The effective configuration as text: what `homeostat check --effective` prints.

use toml::Value;

use super::Configuration;
use super::faults::{join, quoted};
use crate::secrets::is_reference;

/// What is printed in place of a value that may be a secret. A configuration that holds it is refused.
pub(super) const HIDDEN: &str = "***";

/// One line a key, `key = value  # origin`, as TOML that is the same configuration when it is read again, so that it is also
/// easily searched. References stay as they were written, and the secrets behind them never appear; values in a URL's
/// query are hidden unless they come from the event, for some services take their keys there.
pub fn effective(configuration: &Configuration) -> String {
    let mut lines = Vec::new();
    configuration.values.leaves("", &mut |key, value, origin| {
        let hidden = without_query(key, value);
        let value = written(hidden.as_ref().unwrap_or(value));
        // A path may hold a line break, and a comment may not.
        let origin = origin.to_string().replace(char::is_control, "?");
        lines.push(format!("{key} = {value}  # {origin}\n"));
    });
    lines.concat()
}

/// A value as TOML on one line.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(written).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(table) => {
            let pairs = table.iter();
            let pairs: Vec<String> = pairs
                .map(|(name, value)| format!("{} = {}", join("", name), written(value)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

/// Whether a key holds the address of a connection, or what is appended to it.
pub(super) fn is_address(key: &str) -> bool {
    let name = key.rsplit('.').next();
    let of_connection = key.starts_with("connections.") && name == Some("url");
    of_connection || (key.contains(".with.") && name == Some("path"))
}

/// A URL of a connection, or a path that is appended to it, without what its query says.
fn without_query(key: &str, value: &Value) -> Option<Value> {
    let text = value.as_str()?;
    if !is_address(key) || is_reference(text) {
        return None;
    }
    let (path, query) = text.split_once('?')?;
    let parts: Vec<String> = query.split('&').map(without_value).collect();
    Some(Value::String(format!("{path}?{}", parts.join("&"))))
}

/// `name=***`; the value stays if it is one template without a literal.
fn without_value(part: &str) -> String {
    let Some((name, value)) = part.split_once('=') else {
        return HIDDEN.to_owned();
    };
    let template = value
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"));
    let is_of_the_event = template.is_some_and(|inner| !inner.contains(['"', '\'', '{', '}']));
    if is_of_the_event {
        part.to_owned()
    } else {
        format!("{name}={HIDDEN}")
    }
}
