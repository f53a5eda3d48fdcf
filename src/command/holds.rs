//! What people hold back, in words: the sum, and each order with who, when, why and until.

use std::collections::BTreeSet;

use serde_json::Value;

use super::text::array;

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

/// The sum over the partitions that an order concerns, with those that are held if others are not.
pub(super) fn of_partitions(answer: &Value) -> Option<String> {
    let holds = answer.get("holds")?;
    let sum = in_words(holds)?;
    let orders = array(holds, "orders").iter();
    let held: BTreeSet<i64> = orders
        .flat_map(|order| array(order, "partitions"))
        .filter_map(Value::as_i64)
        .collect();
    let concerned = array(answer, "records").len();
    if held.is_empty() || held.len() >= concerned {
        return Some(sum);
    }
    let held: Vec<String> = held.iter().map(ToString::to_string).collect();
    let noun = if held.len() == 1 {
        "partition"
    } else {
        "partitions"
    };
    Some(format!(
        "{sum}, of {concerned} ledger partitions only {noun} {}",
        held.join(", ")
    ))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hold_of_some_partitions_of_an_order_names_them() {
        let answer = |held: Value| {
            json!({
                "records": [{"partition": 0}, {"partition": 1}, {"partition": 2}],
                "holds": {"paused": true, "silenced_until": null, "orders": [{"partitions": held}]},
            })
        };
        let words = |held| of_partitions(&answer(held)).unwrap();
        assert_eq!(words(json!([0, 1, 2])), "paused");
        assert_eq!(
            words(json!([1])),
            "paused, of 3 ledger partitions only partition 1"
        );
        assert!(words(json!([0, 2])).ends_with("only partitions 0, 2"));
    }
}
