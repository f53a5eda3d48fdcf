//! From the fields of an object, or the cells of a row, to an item.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::columns::Columns;
use super::item::{GENRE_BYTES_MAX, GENRES_PER_ITEM_MAX, Item, TITLE_BYTES_MAX};
use crate::event_text::quote;
use crate::recommend::{ID_BYTES_MAX, id_text};

/// Most bytes of an item's further fields, as JSON text. Beyond it they are left out and counted; the item is kept.
pub const FIELDS_BYTES_MAX: usize = 4_096;

/// A value of a field, as its source has it.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// JSON, kept as it was written.
    Json(&'a RawValue),
    /// The text of a table without types, such as CSV. An empty one is no value.
    Text(&'a str),
    /// A value of a table with types.
    Typed(&'a Value),
}

/// What is wrong with an item. Messages show a value's first characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemFault {
    /// None is given.
    #[error("it has no {0}, which is the id of the item")]
    NoId(String),
    /// It is none.
    #[error(
        "the id of the item is {0}, which is not text or a number of 1 to {ID_BYTES_MAX} bytes"
    )]
    Id(String),
    /// It is no text.
    #[error("the title is {0}, which is not text")]
    Title(String),
    /// They are no genres.
    #[error("the genres are {0}, which is not text or a list of texts")]
    Genres(String),
    /// It is neither.
    #[error("{0} is {1}; use true or false (also 1, 0, yes, no)")]
    Flag(&'static str, String),
}

/// Reads an item from its fields; returns its id, too.
///
/// # Errors
/// What is there and cannot be read. What is absent, null or empty has its default.
pub fn read_item(
    fields: &[(Cow<'_, str>, Given<'_>)],
    columns: &Columns,
) -> Result<(String, Item), ItemFault> {
    let places = columns.choose(fields.iter().map(|(name, _)| &**name));
    let [id, title, genres, available] =
        places.map(|place| place.and_then(|place| Some(fields.get(place)?.1)));
    let id = match id.map(value) {
        None | Some(Ok(Value::Null)) => return Err(ItemFault::NoId(columns.sought_id())),
        Some(id) => {
            let id = id.map_err(ItemFault::Id)?;
            match id_text(&id) {
                Some(id) => id.into_owned(),
                None => return Err(ItemFault::Id(shown(&id.to_string()))),
            }
        }
    };
    let title = title.map_or(Ok(Value::Null), value);
    let of_table = matches!(genres, Some(Given::Text(_)));
    let genres = genres.map_or(Ok(Value::Null), value);
    let (genres, genres_left_out) = read_genres(&genres.map_err(ItemFault::Genres)?, of_table)?;
    let available = available.map_or(Ok(None), |given| flag("available", given))?;
    let (further, without_fields) = further(fields, places);
    let item = Item {
        title: read_title(title.map_err(ItemFault::Title)?)?,
        genres,
        available: available.unwrap_or(true),
        fields: further,
        without_fields,
        genres_left_out,
    };
    Ok((id, item))
}

/// The value, or what is shown of it if it is none that can be held, such as 1e999. An empty text of a table is null.
fn value(given: Given<'_>) -> Result<Value, String> {
    match given {
        Given::Json(raw) => serde_json::from_str(raw.get()).map_err(|_| shown(raw.get())),
        Given::Text(text) if text.trim().is_empty() => Ok(Value::Null),
        Given::Text(text) => Ok(Value::String(text.to_owned())),
        Given::Typed(value) => Ok(value.clone()),
    }
}

/// The first characters of a value.
pub(super) fn shown(value: &str) -> String {
    let mut shown: String = value.chars().take(40).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}

fn read_title(title: Value) -> Result<Option<String>, ItemFault> {
    let text = match title {
        Value::Null => return Ok(None),
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        other => return Err(ItemFault::Title(shown(&other.to_string()))),
    };
    let title = text.trim();
    if title.len() <= TITLE_BYTES_MAX {
        return Ok((!title.is_empty()).then(|| title.to_owned()));
    }
    let end = title.floor_char_boundary(TITLE_BYTES_MAX - '…'.len_utf8());
    Ok(title.get(..end).map(|cut| format!("{cut}…")))
}

/// A list, or one text: split at `|`; in a table without types at `,` if it has no `|`.
fn read_genres(genres: &Value, of_table: bool) -> Result<(Vec<String>, usize), ItemFault> {
    let wrong = || ItemFault::Genres(shown(&genres.to_string()));
    let mut kept = Kept::default();
    match genres {
        Value::Null => {}
        Value::String(text) if of_table && text.trim_start().starts_with('[') => {
            listed(text.trim()).for_each(|one| kept.add(one));
        }
        Value::String(text) => {
            let separator = if of_table && !text.contains('|') {
                ','
            } else {
                '|'
            };
            text.split(separator).for_each(|one| kept.add(one));
        }
        Value::Array(all) => {
            for one in all {
                match one {
                    Value::Null => {}
                    Value::String(text) => kept.add(text),
                    Value::Number(number) => kept.add(&number.to_string()),
                    // As film databases write them: {"id": 28, "name": "Action"}.
                    Value::Object(object) => match object.get("name") {
                        Some(Value::String(name)) => kept.add(name),
                        _ => return Err(wrong()),
                    },
                    Value::Array(_) | Value::Bool(_) => return Err(wrong()),
                }
            }
        }
        Value::Number(number) => kept.add(&number.to_string()),
        Value::Object(_) | Value::Bool(_) => return Err(wrong()),
    }
    Ok((kept.genres, kept.left_out))
}

/// A list within a cell: `["a","b"]`, or `['a', 'b']` as Python prints it.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    let inside = text.trim_start_matches('[').trim_end_matches(']');
    let parts = inside.split(',').map(str::trim);
    parts.map(|part| part.trim_matches(['"', '\'']))
}

/// Genres so far, and how many were left out.
#[derive(Default)]
struct Kept {
    genres: Vec<String>,
    left_out: usize,
}

impl Kept {
    fn add(&mut self, genre: &str) {
        let genre = genre.trim();
        // What MovieLens and IMDb write for none.
        if matches!(genre, "" | "(no genres listed)" | "\\N") || self.has(genre) {
            return;
        }
        if genre.len() > GENRE_BYTES_MAX || self.genres.len() == GENRES_PER_ITEM_MAX {
            self.left_out += 1;
        } else {
            self.genres.push(genre.to_owned());
        }
    }

    fn has(&self, genre: &str) -> bool {
        self.genres.iter().any(|one| one == genre)
    }
}

/// True or false in any usual form; `None` for no value.
pub(super) fn flag(name: &'static str, given: Given<'_>) -> Result<Option<bool>, ItemFault> {
    let value = value(given).map_err(|shown| ItemFault::Flag(name, shown))?;
    let found = match &value {
        Value::Null => return Ok(None),
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "" => return Ok(None),
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        Value::Array(_) | Value::Object(_) => None,
    };
    match found {
        Some(flag) => Ok(Some(flag)),
        None => Err(ItemFault::Flag(name, shown(&value.to_string()))),
    }
}

/// The fields that have no purpose, as JSON, and whether they were left out for their length.
fn further(fields: &[(Cow<'_, str>, Given<'_>)], places: [Option<usize>; 4]) -> (String, bool) {
    let mut text = String::new();
    for (place, (name, given)) in fields.iter().enumerate() {
        if places.contains(&Some(place)) {
            continue;
        }
        let value = match given {
            Given::Json(raw) => Cow::Borrowed(raw.get()),
            Given::Text("") | Given::Typed(Value::Null) => continue,
            Given::Text(text) => Cow::Owned(quote(text)),
            Given::Typed(value) => Cow::Owned(value.to_string()),
        };
        let comma = if text.is_empty() { "" } else { "," };
        text.extend([comma, &quote(name), ":", &value]);
        // Two braces will be around it.
        if text.len() + 2 > FIELDS_BYTES_MAX {
            return (String::new(), true);
        }
    }
    (text, false)
}
