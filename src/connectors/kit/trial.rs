//! A template of a request, tried on sample orders: what would fail with the first event of that form is found at load.

use serde::de::IgnoredAny;

use super::context::Plain;
use super::samples::Sample;
use super::template::{Purpose, Template, Unrendered};

/// Characters shown before and behind the place where JSON breaks.
const SHOWN_CHARS: usize = 40;

/// What a trial found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) problem: String,
    pub(super) remedy: String,
    /// It depends on fields that only some events have: the operator may know that all have them.
    pub(super) is_doubt: bool,
}

/// Renders for each sample until one fails. A template for JSON is a whole document.
pub(super) fn trial(template: &Template, purpose: Purpose, samples: &[Sample]) -> Option<Found> {
    let missing = "write `| default(…)` where a value may be missing";
    for Sample { what, order } in samples {
        let rendered = match template.try_render(&Plain::plain(order)) {
            Ok(rendered) => rendered,
            Err(Unrendered {
                problem,
                missing: false,
            }) => {
                return Some(Found {
                    problem: format!("cannot be rendered for {what}: {problem}"),
                    remedy: "correct the template".to_owned(),
                    is_doubt: false,
                });
            }
            Err(Unrendered { problem, .. }) => {
                if let Some(found) = unknown_name(template, samples) {
                    return Some(Found {
                        is_doubt: false,
                        ..found
                    });
                }
                return Some(Found {
                    problem: format!("cannot be rendered for {what}: {problem}"),
                    remedy: missing.to_owned(),
                    is_doubt: names_fields_of_the_event(template),
                });
            }
        };
        if purpose == Purpose::Json
            && let Some(fault) = json_fault(&rendered)
        {
            return Some(Found {
                problem: format!("renders no JSON for {what}: {fault}"),
                remedy: "write values as {{ value | tojson }}, without quotes around them"
                    .to_owned(),
                is_doubt: false,
            });
        }
    }
    unknown_name(template, samples)
}

/// A name below `target` or `params` that orders of the action do not have. `default(…)` may be meant to take its place.
fn unknown_name(template: &Template, samples: &[Sample]) -> Option<Found> {
    let order = &samples.first()?.order;
    let order = serde_json::to_value(Plain::plain(order)).ok()?;
    let names = template.nested_names();
    let unknown = names.iter().find_map(|name| {
        let (table, below) = name.split_once('.')?;
        let fields = order.get(table)?.as_object()?;
        let first = below.split('.').next()?;
        (!fields.contains_key(first)).then_some((table, first, fields))
    });
    let (table, name, fields) = unknown?;
    let known: Vec<String> = fields.keys().map(|key| format!("{table}.{key}")).collect();
    Some(Found {
        problem: format!("unknown name `{table}.{name}`"),
        remedy: format!("available: {}", known.join(", ")),
        is_doubt: true,
    })
}

/// Whether it reads into a parameter: `params.metadata.region` is a field of the event itself.
fn names_fields_of_the_event(template: &Template) -> bool {
    let names = template.nested_names();
    let mut parameters = names.iter().filter_map(|name| name.strip_prefix("params."));
    parameters.any(|name| name.contains('.'))
}

/// Why text is no JSON, with the place and what stands there.
pub(crate) fn json_fault(text: &str) -> Option<String> {
    let error = serde_json::from_str::<IgnoredAny>(text).err()?;
    let lines = text.split_inclusive('\n');
    let before: usize = lines
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let at = before + error.column().saturating_sub(1);
    let at = text.floor_char_boundary(at.min(text.len()));
    let (head, tail) = text.split_at_checked(at).unwrap_or((text, ""));
    let first = head.char_indices().rev().nth(SHOWN_CHARS - 1);
    let head = first.map_or(head, |(at, _)| head.get(at..).unwrap_or_default());
    let tail: String = tail.chars().take(SHOWN_CHARS).collect();
    Some(
        format!("{error}: {}⟶{}", head.escape_debug(), tail.escape_debug())
            .replace("\\\"", "\"")
            .replace("\\'", "'"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_where_json_breaks_is_shown() {
        assert_eq!(json_fault(r#"{"a": [1, "ü"]}"#), None);
        let table = [
            (
                r#"{"model": churn}"#,
                "expected value at line 1 column 11: {\"model\": ⟶churn}",
            ),
            (
                "{\n \"a\": \"x\ny\"}",
                "control character (\\u0000-\\u001F) found while parsing a string at line ",
            ),
            ("", "EOF while parsing a value at line 1 column 0: ⟶"),
        ];
        for (text, expected) in table {
            let fault = json_fault(text).unwrap();
            assert!(fault.starts_with(expected), "{fault}");
        }
        let long = format!("[{}x{}]", "가,".repeat(100), "나".repeat(100));
        assert!(json_fault(&long).unwrap().chars().count() < 200);
    }
}
