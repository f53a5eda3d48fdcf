//! Records of the topic `catalog.items`: an item, or that one was removed.

use std::borrow::Cow;

use serde_json::Value;

use super::columns::Columns;
use super::item::Item;
use super::reading::{Given, ItemFault, flag, read_item, shown};
use crate::envelope;
use crate::envelope::HeaderView;
use crate::event_text::{EventError, Field, object_fields};
use crate::recommend::{ID_BYTES_MAX, id_text, is_id};

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The item is as given.
    Put(String, Item),
    /// The item was removed.
    Remove(String),
}

/// Why a record says nothing about an item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// Its value is no JSON object, or an envelope that cannot be read.
    #[error("{0}")]
    Value(#[from] EventError),
    /// Its fields are no item.
    #[error(transparent)]
    Item(#[from] ItemFault),
    /// It has no value, and its key is no id.
    #[error("it has no value and its key is {0}, which is not an id of 1 to {ID_BYTES_MAX} bytes")]
    Key(String),
}

/// What an event brings with it, and envelopes leave: not part of the item.
const OF_THE_EVENT: [&str; 6] = [
    "event_id",
    "event_type",
    "timestamp",
    "source",
    "cloudevents",
    "debezium",
];

/// Reads a record: `{"item_id": …}` in any envelope that events may have, with `"deleted": true` for an item that was
/// removed. Without a value it was removed, too. Where the value names no item, the key does: its text, or JSON with it.
///
/// # Errors
/// Why it says nothing about an item.
pub fn read_record(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[HeaderView<'_>],
    columns: &Columns,
) -> Result<Change, RecordFault> {
    let key_id = key.and_then(|key| id_of_key(key, columns));
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        let shown = || {
            key.map_or_else(
                || "none".to_owned(),
                |key| shown(&String::from_utf8_lossy(key)),
            )
        };
        return key_id
            .map(Change::Remove)
            .ok_or_else(|| RecordFault::Key(shown()));
    };
    let text = if let Some(bare) = envelope::cloud_event_in_headers(Some(value), headers)? {
        Cow::Owned(bare.text)
    } else {
        let text = envelope::bytes::text_of(value)?;
        envelope::open_text(text)?.map_or(Cow::Borrowed(text), |bare| Cow::Owned(bare.text))
    };
    let fields = object_fields(&text)?;
    let mut removed = false;
    let mut given = Vec::with_capacity(fields.len());
    for Field { name, value, .. } in fields {
        match &*name {
            "deleted" => removed = flag("deleted", Given::Json(value))?.unwrap_or(false),
            name if OF_THE_EVENT.contains(&name) => {}
            _ => given.push((name, Given::Json(value))),
        }
    }
    let of_key = key_id.map(Value::String);
    let has_id = columns.choose(given.iter().map(|(name, _)| &**name));
    if let ([None, ..], Some(id)) = (has_id, &of_key) {
        given.push((Cow::Owned(columns.sought_id()), Given::Typed(id)));
    }
    let (id, item) = read_item(&given, columns)?;
    Ok(if removed {
        Change::Remove(id)
    } else {
        Change::Put(id, item)
    })
}

/// The key of an event that is published to the topic: the id of its item.
///
/// # Errors
/// Why it is no item. A name of a column that the configuration gives is not known here.
pub fn key_of(text: &str) -> Result<String, RecordFault> {
    match read_record(None, Some(text.as_bytes()), &[], &Columns::default())? {
        Change::Put(id, _) | Change::Remove(id) => Ok(id),
    }
}

/// A key is the id as text, or JSON: the id, or an object that holds it, as Kafka Connect writes keys.
fn id_of_key(key: &[u8], columns: &Columns) -> Option<String> {
    let text = envelope::bytes::text_of(key).ok()?.trim();
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(object)) => {
            let object = match object.get("payload") {
                Some(Value::Object(payload)) if object.contains_key("schema") => payload,
                _ => &object,
            };
            let [place, ..] = columns.choose(object.keys().map(String::as_str));
            let (_, id) = object.iter().nth(place?)?;
            Some(id_text(id)?.into_owned())
        }
        Ok(id @ (Value::Number(_) | Value::String(_))) => Some(id_text(&id)?.into_owned()),
        _ => is_id(text).then(|| text.to_owned()),
    }
}
