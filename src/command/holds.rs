//! What people hold back, in words: the sum, and each order with who, when, why and until.

use serde_json::Value;

/// The sum, e.g. `paused, silenced until 2026-…`; `None` when nothing is held back.
pub(super) fn in_words(holds: &Value) -> Option<String> {
    let paused = holds.get("paused") == Some(&Value::Bool(true));
    let until = holds.get("silenced_until").and_then(Value::as_str);
    let silenced = until.map(|until| format!("silenced until {until}"));
    match (paused, silenced) {
        (true, Some(silenced)) => Some(format!("paused, {silenced}")),
        (true, None) => Some("paused".to_owned()),
        (false, silenced) => silenced,
    }
}

/// A line for each order that holds something back.
pub(super) fn orders(holds: &Value) -> Vec<String> {
    let orders = holds.get("orders").and_then(Value::as_array);
    orders.into_iter().flatten().map(order).collect()
}

fn order(hold: &Value) -> String {
    let text = |name: &str| hold.get(name).and_then(Value::as_str);
    let said = |name: &str| text(name).unwrap_or("?");
    let until = text("until").unwrap_or("resume");
    let target = text("target").map_or_else(String::new, |target| format!(" for {target}"));
    format!(
        "{}{target} by {} at {} until {until}: {}",
        said("order"),
        said("who"),
        said("time"),
        said("reason")
    )
}
