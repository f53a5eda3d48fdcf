//! Debezium's change events: the row after a create (`c`), an update (`u`) or the first reading (`r`) is the
//! event. What the envelope says beside it is kept under `debezium`. Other changes leave no row and are refused by name.

use serde_json::value::RawValue;

use super::cloud_events::BareEvent;
use super::inner;
use super::json::{ObjectText, last, object_in, string};
use crate::event_text::{EventError, Field, object_fields};
use crate::form::FormError;

/// A change event, as far as it decides.
pub(super) enum Change<'a> {
    /// A row as it is now, and the fields beside it, names in quotes.
    Row(&'a RawValue, Vec<(&'a str, &'a str)>),
    /// None, because of this.
    NoRow(&'static str),
}

/// The change, if these are the fields of one: an operation, the object `source`, and the row before or after. A row that
/// Debezium flattened (`ExtractNewRecordState`) is bare, unless it is marked as deleted.
pub(super) fn change<'a>(fields: &[Field<'a>]) -> Option<Change<'a>> {
    let flag =
        |name| last(fields, name).is_some_and(|value| matches!(value.get(), "true" | "\"true\""));
    if flag("__deleted") {
        return Some(Change::NoRow("says that a row was deleted (`__deleted`)"));
    }
    let operation = string(last(fields, "op")?)?;
    let of_database = last(fields, "source")?.get().starts_with('{');
    let rows = ["before", "after"];
    let has_rows = rows.iter().any(|name| last(fields, name).is_some());
    if !of_database || !(has_rows || matches!(operation.as_str(), "t" | "m")) {
        return None;
    }
    let row = last(fields, "after").filter(|row| row.get() != "null");
    Some(match (operation.as_str(), row) {
        ("c" | "u" | "r", Some(row)) => Change::Row(row, beside(fields)),
        ("c" | "u" | "r", None) => Change::NoRow("has no row in `after`"),
        ("d", _) => Change::NoRow("says that a row was deleted (`op` is d)"),
        ("t", _) => Change::NoRow("says that a table was emptied (`op` is t)"),
        ("m", _) => Change::NoRow("is a message of the database's log (`op` is m)"),
        _ => return None,
    })
}

fn beside<'a>(fields: &[Field<'a>]) -> Vec<(&'a str, &'a str)> {
    let others = fields.iter().filter(|field| field.name != "after");
    others
        .map(|field| (field.quoted_name, field.value.get()))
        .collect()
}

/// The event in it.
pub(super) fn open(change: &Change<'_>, layers: usize) -> Result<BareEvent, EventError> {
    let (row, beside) = match change {
        Change::Row(row, beside) => (row, beside),
        Change::NoRow(why) => return Err(FormError::Debezium(why).into()),
    };
    let text = object_in(row).ok_or(FormError::Debezium("has no object in `after`"))?;
    let BareEvent { text, key } = inner(&text, layers)?;
    let mut event = ObjectText::default();
    let columns = object_fields(&text)?;
    for column in &columns {
        event.push(column.quoted_name, column.value.get());
    }
    // A column of that name stays what it is.
    let mut name = "debezium".to_owned();
    while last(&columns, &name).is_some() {
        name.push('_');
    }
    let mut envelope = ObjectText::default();
    for (quoted_name, value) in beside {
        envelope.push(quoted_name, value);
    }
    event.set(&name, &envelope.to_string());
    Ok(BareEvent {
        text: event.to_string(),
        key,
    })
}
