//! The topmost layer: environment variables `HOMEOSTAT__SECTION__KEY`.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Value;

use super::faults::{Fault, Origin};
use super::layers::{Entry, Node, value_of};
use super::shape::Shape;

/// What the names of configuration variables begin with.
pub const PREFIX: &str = "HOMEOSTAT__";

/// One single-branch tree per variable of the prefix, in the order of the names. The value is read as TOML where the key
/// wants a number, a flag or a list, and taken literally where it wants text (quotes around it are removed).
pub(super) fn layers(
    environment: &BTreeMap<String, String>,
    shape: &Shape,
    faults: &mut Vec<Fault>,
) -> Vec<Entry> {
    let mut layers = Vec::new();
    for (name, text) in environment {
        let Some(path) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let origin = Origin::Variable(Arc::from(name.as_str()));
        if text.contains(char::REPLACEMENT_CHARACTER) {
            faults.push(Fault {
                origin,
                key: String::new(),
                problem: "the value is not UTF-8".to_owned(),
                remedy: "write it as UTF-8 text".to_owned(),
            });
            continue;
        }
        let names: Vec<String> = path.split("__").map(str::to_lowercase).collect();
        if names.iter().any(String::is_empty) {
            faults.push(Fault {
                origin,
                key: String::new(),
                problem: "the name has an empty part".to_owned(),
                remedy: "write HOMEOSTAT__SECTION__KEY, two underscores between the parts"
                    .to_owned(),
            });
            continue;
        }
        layers.push(branch(&names, text, shape, &origin));
    }
    layers
}

/// Every variable of the process whose name is UTF-8; others cannot be meant for this service. Bytes of a value that are not
/// arrive as U+FFFD, by which [`load`](super::load) and the secrets refuse it.
pub fn of_process() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        Some((
            name.into_string().ok()?,
            value.to_string_lossy().into_owned(),
        ))
    })
}

fn branch(names: &[String], text: &str, shape: &Shape, origin: &Origin) -> Entry {
    let node = match names.split_first() {
        None => node(value(text, shape), origin),
        Some((name, rest)) => {
            let name = if matches!(shape, Shape::ClientOptions) {
                name.replace('_', ".")
            } else {
                name.clone()
            };
            let below = shape.below(&name).unwrap_or(&Shape::Anything);
            let entry = branch(rest, text, below, origin);
            Node::Table(BTreeMap::from([(name, entry)]))
        }
    };
    Entry {
        origin: origin.clone(),
        node,
    }
}

/// An inline table is a table: `HOMEOSTAT__KAFKA__OPTIONS={ "client.rack" = "r1" }`.
fn node(value: Value, origin: &Origin) -> Node {
    match value {
        Value::Table(table) => Node::Table(
            table
                .into_iter()
                .map(|(name, value)| {
                    let node = node(value, origin);
                    let origin = origin.clone();
                    (name, Entry { origin, node })
                })
                .collect(),
        ),
        leaf => Node::Leaf(leaf),
    }
}

fn value(text: &str, shape: &Shape) -> Value {
    match value_of(text) {
        Some(parsed) if parsed.is_str() || !shape.wants_text() => parsed,
        _ => Value::String(text.to_owned()),
    }
}
