//! What Alertmanager sends to a webhook (version 4), or one of its alerts: fields that rules read are taken from the labels
//! of the alerts that fire and put beside the payload, which stays as it is (issue 13, row 10). A payload in which nothing
//! fires is the end of an alert, not an alert.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::json::{ObjectText, last, string};
use crate::event::{EVENT_TYPE_BYTES_MAX, RESOLVED};
use crate::event_text::{Field, object_fields, quote};
use crate::severity::Severity;

/// In the field `alertmanager` of an opened payload: nothing fires any more.
const FIRING: &str = "firing";

/// Labels that name a model and a service, the preferred one first.
const TARGETS: [(&str, [&str; 2]); 2] = [
    ("model_name", ["model_name", "model"]),
    ("service", ["service", "service_name"]),
];

/// One alert, as far as rules look at it.
struct Alert {
    firing: bool,
    labels: BTreeMap<String, String>,
    summary: Option<String>,
}

/// The bare event, if these are the fields of such a payload that was not opened before.
pub(super) fn open(fields: &[Field<'_>]) -> Option<String> {
    if last(fields, "alertmanager").is_some() {
        return None;
    }
    let resolved = string(last(fields, "status")?)?.eq_ignore_ascii_case(RESOLVED);
    let alerts = match last(fields, "alerts") {
        Some(list) => group(list, resolved)?,
        None => vec![alert(fields, resolved).filter(Alert::is_complete)?],
    };
    let over = alerts.iter().all(|alert| !alert.firing) && (resolved || !alerts.is_empty());
    // At the end, what has ended counts.
    let counted = alerts.iter().filter(|alert| alert.firing || over);
    Some(event(fields, &counted.collect::<Vec<_>>(), over))
}

/// Every alert of a list; `None` if one of them is something else.
fn group(list: &RawValue, resolved: bool) -> Option<Vec<Alert>> {
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
    let read = |one: &RawValue| alert(&object_fields(one.get()).ok()?, resolved);
    list.into_iter().map(read).collect()
}

/// An alert without its own status has that of its group.
fn alert(fields: &[Field<'_>], resolved: bool) -> Option<Alert> {
    let labels = texts(last(fields, "labels")?)?;
    let status = last(fields, "status").and_then(string);
    let over = status.map_or(resolved, |status| status.eq_ignore_ascii_case(RESOLVED));
    let mut annotations = last(fields, "annotations")
        .and_then(texts)
        .unwrap_or_default();
    let mut summaries = ["summary", "message", "description"].into_iter();
    Some(Alert {
        firing: !over,
        labels,
        summary: summaries.find_map(|name| annotations.remove(name)),
    })
}

fn texts(object: &RawValue) -> Option<BTreeMap<String, String>> {
    let text = |field: Field<'_>| Some((field.name.into_owned(), string(field.value)?));
    let fields = object_fields(object.get()).ok()?;
    Some(fields.into_iter().filter_map(text).collect())
}

/// The payload, and behind it what it lacks.
fn event(fields: &[Field<'_>], alerts: &[&Alert], over: bool) -> String {
    let mut event = ObjectText::default();
    for field in fields {
        event.push(field.quoted_name, field.value.get());
    }
    let mut add = |name: &str, value: Option<String>| {
        let absent = last(fields, name).is_none_or(|value| value.get() == "null");
        if let Some(value) = value.filter(|_| absent) {
            event.set(name, &value);
        }
    };
    // The first of the gravest speaks for all.
    if let Some(gravest) = alerts.iter().rev().max_by_key(|alert| alert.severity()) {
        add("event_type", gravest.event_type().map(|name| quote(&name)));
        add("severity", gravest.label(&["severity"]).map(quote));
        add("message", gravest.summary.as_deref().map(quote));
    }
    for (name, labels) in TARGETS {
        add(name, common(alerts, &labels));
    }
    add(
        "alertmanager",
        Some(quote(if over { RESOLVED } else { FIRING })),
    );
    event.to_string()
}

impl Alert {
    /// Enough to distinguish an alert from another object with labels and a status.
    fn is_complete(&self) -> bool {
        self.summary.is_some() || self.labels.contains_key("alertname")
    }

    fn label(&self, names: &[&str]) -> Option<&str> {
        let mut found = names.iter().filter_map(|name| self.labels.get(*name));
        found.next().map(String::as_str)
    }

    /// By the usual meaning of words; an unknown one counts least.
    fn severity(&self) -> Option<Severity> {
        Severity::usual(self.label(&["severity"])?)
    }

    /// The label of that name, else the alert's name as event types are written: `PredictionLatencyHigh` is
    /// `prediction_latency_high`.
    fn event_type(&self) -> Option<String> {
        let own = self.label(&["event_type"]).map(str::to_owned);
        own.or_else(|| Some(snake_case(self.label(&["alertname"])?)))
    }
}

/// What alerts say of a target in one voice. If they name several it is a list, which no rule takes for a target: people
/// are alerted instead of acting on one of them, or on the default.
fn common(alerts: &[&Alert], labels: &[&str]) -> Option<String> {
    let targets = alerts.iter().filter_map(|alert| alert.label(labels));
    let mut targets: Vec<&str> = targets.collect();
    targets.sort_unstable();
    targets.dedup();
    match targets.as_slice() {
        [] => None,
        [one] => Some(quote(one)),
        several => serde_json::to_string(several).ok(),
    }
}

pub(crate) fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, letter) in letters.iter().enumerate() {
        if !letter.is_alphanumeric() {
            if !snake.is_empty() && !snake.ends_with('_') {
                snake.push('_');
            }
            continue;
        }
        let before = index.checked_sub(1).and_then(|index| letters.get(index));
        let after = letters.get(index + 1);
        let begins_word = letter.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || before.is_numeric()
                    || (before.is_uppercase() && after.is_some_and(|after| after.is_lowercase()))
            });
        if begins_word {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    let snake = snake.trim_end_matches('_');
    let end = snake.floor_char_boundary(EVENT_TYPE_BYTES_MAX);
    snake.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn names_of_alerts_become_event_types() {
        for (name, event_type) in [
            ("PredictionLatencyHigh", "prediction_latency_high"),
            ("system_overload", "system_overload"),
            ("HTTPErrorRate", "http_error_rate"),
            ("KubePod5xx-High (prod)", "kube_pod5xx_high_prod"),
            ("", ""),
        ] {
            assert_eq!(snake_case(name), event_type);
        }
    }
}
