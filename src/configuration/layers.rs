//! Layers of configuration as trees that remember where each value was written, and how they are laid over each other.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

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
/// what a faulty line is a part of is left out.
pub(super) fn parse(source: &Text, text: &str, faults: &mut Vec<Fault>) -> Entry {
    let mut broken = syntax_faults(source, text, faults);
    // Read again without the faulty parts: the parser takes what follows one for something else.
    let kept = blank(text, &broken);
    let (table, errors) = DeTable::parse_recoverable(&kept);
    let spans = errors.iter().filter_map(toml::de::Error::span);
    broken.extend(spans.map(|span| part_of(&kept, span.start)));
    let place = |at: usize| source.origin(text, at);
    Entry {
        origin: place(0),
        node: Node::Table(table_of(table.into_inner(), &place, &broken)),
    }
}

/// Reports one fault a line; returns the parts of the text that they spoil.
fn syntax_faults(source: &Text, text: &str, faults: &mut Vec<Fault>) -> Vec<Range<usize>> {
    let mut broken = Vec::new();
    for error in DeTable::parse_recoverable(text).1 {
        let at = error.span().map_or(0, |span| span.start);
        let same_line = broken.iter().any(|part: &Range<usize>| part.contains(&at));
        if !same_line {
            broken.push(part_of(text, at));
            faults.push(Fault {
                origin: source.origin(text, at),
                key: String::new(),
                problem: format!("not TOML: {}", error.message().replace('\n', ", ")),
                remedy: "correct the syntax of this line (https://toml.io)".to_owned(),
            });
        }
    }
    broken
}

/// The text with spaces in place of its broken parts, which begin and end with lines; every byte and line stays in place.
fn blank(text: &str, broken: &[Range<usize>]) -> String {
    let is_broken = |at: usize| broken.iter().any(|part| part.contains(&at));
    let mut kept = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        match character {
            '\n' => kept.push('\n'),
            _ if is_broken(at) => (0..character.len_utf8()).for_each(|_| kept.push(' ')),
            other => kept.push(other),
        }
    }
    kept
}

/// The embedded defaults alone.
pub(super) fn parse_default() -> Entry {
    parse(&Text::Default, super::DEFAULT, &mut Vec::new())
}

/// The bytes that a fault at `at` spoils: its line, and if that is the head of a table, everything in the table,
/// because it would be read as keys of another one.
fn part_of(text: &str, at: usize) -> Range<usize> {
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let is_head = |line: &str| line.trim_start().starts_with('[');
    let mut end = before.len() + after.find('\n').map_or(after.len(), |at| at + 1);
    if is_head(text.get(start..).unwrap_or_default()) {
        let below = text.get(end..).unwrap_or_default();
        let below = below
            .split_inclusive('\n')
            .take_while(|line| !is_head(line));
        end += below.map(str::len).sum::<usize>();
    }
    // A fault may be at the very end of the text.
    start..end.max(at + 1)
}

fn table_of(
    table: DeTable<'_>,
    place: &dyn Fn(usize) -> Origin,
    broken: &[Range<usize>],
) -> BTreeMap<String, Entry> {
    table
        .into_iter()
        .filter_map(|(name, value)| {
            let origin = place(name.span().start);
            let (start, end) = (name.span().start, value.span().end.max(name.span().end));
            let is_spoilt = |end| {
                let mut parts = broken.iter();
                parts.any(|part| part.start <= end && start < part.end)
            };
            let (node, is_spoilt) = match value.into_inner() {
                DeValue::Table(table) => {
                    let table = table_of(table, place, broken);
                    let is_spoilt = table.is_empty() && is_spoilt(start);
                    (Node::Table(table), is_spoilt)
                }
                other => (Node::Leaf(leaf_of(other)), is_spoilt(end)),
            };
            let name = name.into_inner().into_owned();
            (!is_spoilt).then_some((name, Entry { origin, node }))
        })
        .collect()
}

/// A value as the environment holds it, if it is TOML.
pub(super) fn value_of(text: &str) -> Option<Value> {
    let text = format!("value = {text}");
    let table = DeTable::parse(&text).ok()?.into_inner();
    let only_it = table.len() == 1;
    let (_, value) = table.into_iter().next().filter(|_| only_it)?;
    Some(leaf_of(value.into_inner()))
}

/// A whole number beyond 64 bits becomes the nearest fraction: no key takes one as large, and the fault says what it is.
fn leaf_of(value: DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Boolean(flag) => Value::Boolean(flag),
        DeValue::Datetime(time) => Value::Datetime(time),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(
                |_| Value::Float(beyond_64_bits(number.as_str(), number.radix())),
                Value::Integer,
            ),
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
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

fn beyond_64_bits(digits: &str, radix: u32) -> f64 {
    let sign = if digits.starts_with('-') { -1.0 } else { 1.0 };
    let digits = digits.chars().filter_map(|digit| digit.to_digit(radix));
    sign * digits.fold(0.0, |number, digit| {
        number * f64::from(radix) + f64::from(digit)
    })
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

    /// The entry of that name in its table.
    pub(super) fn child_mut(&mut self, name: &str) -> Option<&mut Self> {
        self.table_mut()?.get_mut(name)
    }

    /// Its table, if it is one.
    pub(super) const fn table_mut(&mut self) -> Option<&mut BTreeMap<String, Self>> {
        match &mut self.node {
            Node::Table(table) => Some(table),
            Node::Leaf(_) => None,
        }
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

    /// Calls `visit` with path, value and origin of every leaf and of every empty table, in the order of the paths.
    pub(super) fn leaves(&self, path: &str, visit: &mut dyn FnMut(&str, &Value, &Origin)) {
        match &self.node {
            Node::Leaf(value) => visit(path, value, &self.origin),
            Node::Table(table) if table.is_empty() && !path.is_empty() => {
                visit(path, &Value::Table(Table::new()), &self.origin);
            }
            Node::Table(table) => {
                for (name, entry) in table {
                    entry.leaves(&join(path, name), visit);
                }
            }
        }
    }
}
