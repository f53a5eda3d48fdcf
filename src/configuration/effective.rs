//! The effective configuration as text: what `homeostat check` shows.

use toml::Value;

use super::Configuration;
use super::secrets::is_reference;

/// One line per key, `key = value  # origin`, as TOML that can be read again. References stand as they were written, the
/// secrets behind them never appear; values of a URL's query are starred, for some services take their keys there.
pub fn effective(configuration: &Configuration) -> String {
    let mut lines = Vec::new();
    configuration.values.leaves("", &mut |key, value, origin| {
        let starred = starred(key, value);
        let value = starred.as_ref().unwrap_or(value);
        lines.push(format!("{key} = {value}  # {origin}\n"));
    });
    lines.concat()
}

fn starred(key: &str, value: &Value) -> Option<Value> {
    let text = value.as_str()?;
    let is_url = key.starts_with("webhook.") && key.rsplit('.').next() == Some("url");
    if !is_url || is_reference(text) {
        return None;
    }
    let (path, _) = text.split_once('?')?;
    Some(Value::String(format!("{path}?***")))
}
