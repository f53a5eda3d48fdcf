//! Layers of configuration as trees that remember where each value was written, and how they are laid over each other.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::faults::{Fault, Origin, join};

/// A table, or anything else.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Laid over another table key by key.
    Table(BTreeMap<String, Entry>),
    /// Replaces what was there.
    Leaf(Value),
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Where.
    pub(super) origin: Origin,
    /// What.
    pub(super) node: Node,
}

/// Where the text of a layer came from.
#[derive(Clone, Debug)]
pub(super) enum Text {
    /// The embedded defaults.
    Default,
    /// A file.
    File(Arc<Path>),
}

impl Text {
    /// The place of a byte of the text.
    pub(super) fn origin(&self, text: &str, at: usize) -> Origin {
        let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        match self {
            Self::Default => Origin::Default { line },
            Self::File(path) => Origin::File {
                path: Arc::clone(path),
                line,
            },
        }
    }
}

/// Reads TOML. After a syntax fault the rest of the text is read as far as it can be, so that its faults are found too;
/// what stands on the faulty lines themselves is left out.
pub(super) fn parse(source: &Text, text: &str, faults: &mut Vec<Fault>) -> Entry {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut broken = Vec::new();
    for error in errors {
        let origin = source.origin(text, error.span().map_or(0, |span| span.start));
        let same_line = broken.contains(&origin);
        if !same_line {
            broken.push(origin.clone());
            faults.push(Fault {
                origin,
                key: String::new(),
                problem: format!("not TOML: {}", error.message().replace('\n', ", ")),
                remedy: "correct the syntax of this line (https://toml.io)".to_owned(),
            });
        }
    }
    let place = |at: usize| source.origin(text, at);
    Entry {
        origin: place(0),
        node: Node::Table(table_of(table.into_inner(), &place, &broken)),
    }
}

fn table_of(
    table: DeTable<'_>,
    place: &dyn Fn(usize) -> Origin,
    broken: &[Origin],
) -> BTreeMap<String, Entry> {
    table
        .into_iter()
        .map(|(name, value)| {
            let origin = place(name.span().start);
            let node = node_of(value, place, broken);
            (name.into_inner().into_owned(), Entry { origin, node })
        })
        .filter(|(_, entry)| {
            let is_filled = entry.table().is_some_and(|table| !table.is_empty());
            is_filled || !broken.contains(&entry.origin)
        })
        .collect()
}

fn node_of(
    value: Spanned<DeValue<'_>>,
    place: &dyn Fn(usize) -> Origin,
    broken: &[Origin],
) -> Node {
    match value.into_inner() {
        DeValue::Table(table) => Node::Table(table_of(table, place, broken)),
        other => Node::Leaf(leaf_of(other)),
    }
}

/// A number beyond 64 bits becomes its text: no rule that wants a number takes it, and the fault shows it.
fn leaf_of(value: DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Boolean(flag) => Value::Boolean(flag),
        DeValue::Datetime(time) => Value::Datetime(time),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::String(number.to_string()), Value::Integer),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or_else(|_| Value::String(number.to_string()), Value::Float),
        DeValue::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| leaf_of(item.into_inner()))
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(
            table
                .into_iter()
                .map(|(name, value)| (name.into_inner().into_owned(), leaf_of(value.into_inner())))
                .collect(),
        ),
    }
}

impl Entry {
    /// Lays `upper` over this: tables key by key, anything else replaces.
    pub(super) fn overlay(&mut self, upper: Self) {
        match (&mut self.node, upper.node) {
            (Node::Table(lower), Node::Table(upper)) => {
                for (name, entry) in upper {
                    match lower.get_mut(&name) {
                        Some(present) => present.overlay(entry),
                        None => {
                            lower.insert(name, entry);
                        }
                    }
                }
            }
            (lower, node) => {
                *lower = node;
                self.origin = upper.origin;
            }
        }
    }

    /// The entry at a path of names.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |entry, name| match &entry.node {
            Node::Table(table) => table.get(*name),
            Node::Leaf(_) => None,
        })
    }

    /// Its table, if it is one.
    pub(super) fn table(&self) -> Option<&BTreeMap<String, Self>> {
        match &self.node {
            Node::Table(table) => Some(table),
            Node::Leaf(_) => None,
        }
    }

    /// Its value, if it is no table.
    pub(super) fn leaf(&self) -> Option<&Value> {
        match &self.node {
            Node::Table(_) => None,
            Node::Leaf(value) => Some(value),
        }
    }

    /// As plain TOML, without origins.
    pub(super) fn to_value(&self) -> Value {
        match &self.node {
            Node::Leaf(value) => value.clone(),
            Node::Table(table) => Value::Table(
                table
                    .iter()
                    .map(|(name, entry)| (name.clone(), entry.to_value()))
                    .collect::<Table>(),
            ),
        }
    }

    /// Calls `visit` with path, value and origin of every leaf, in the order of the paths.
    pub(super) fn leaves(&self, path: &str, visit: &mut dyn FnMut(&str, &Value, &Origin)) {
        match &self.node {
            Node::Leaf(value) => visit(path, value, &self.origin),
            Node::Table(table) => {
                for (name, entry) in table {
                    entry.leaves(&join(path, name), visit);
                }
            }
        }
    }
}
