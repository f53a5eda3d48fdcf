//! JSON Lines: an object in each line, or the lines of `homeostat publish`, whose event is in `value`.

use std::io::BufRead;

use serde_json::{Map, Value};

use super::columns::Wanted;
use super::sink::{Cells, Sink};
use crate::tables::{Cell, Rows as _, each_line, json_cell};

pub(super) fn read(text: impl BufRead, wanted: &Wanted, sink: &mut Sink<'_>) -> Result<(), String> {
    let mut names: Option<[Option<String>; 5]> = None;
    each_line(text, |number, line| {
        let place = format_args!("line {number}");
        let object = match serde_json::from_slice::<Value>(line) {
            Ok(Value::Object(object)) => event(object),
            Ok(_) => {
                sink.fault(&place, "it is no JSON object");
                return Ok(true);
            }
            Err(error) => {
                let problem = if error.is_eof() {
                    "the line ends within the object; `jq -c .` writes it on one line".to_owned()
                } else {
                    format!("it is not JSON: {error}")
                };
                sink.fault(&place, &problem);
                return Ok(true);
            }
        };
        let names = match &mut names {
            Some(names) => names,
            None => names.insert(resolve(wanted, &object)?),
        };
        let cells: Cells = std::array::from_fn(|place| {
            let name = names.get(place).and_then(Option::as_deref);
            let value = name.and_then(|name| object.get(name));
            value.map_or(Cell::Missing, json_cell)
        });
        sink.take(&place, &cells);
        Ok(true)
    })
}

/// By the keys of the first object; type and weight can come later, so they are sought by their names in each.
fn resolve(wanted: &Wanted, object: &Map<String, Value>) -> Result<[Option<String>; 5], String> {
    let mut present: Vec<String> = object.keys().cloned().collect();
    for name in wanted.names.iter().skip(3).flatten() {
        if !present.contains(name) {
            present.push(name.clone());
        }
    }
    let found = wanted.resolve(&present)?;
    Ok(found.map(|place| place.and_then(|place| present.get(place).cloned())))
}

/// The event of a line of `homeostat publish`, else the object itself.
fn event(mut object: Map<String, Value>) -> Map<String, Value> {
    if object.contains_key("topic")
        && let Some(Value::Object(event)) = object.get_mut("value")
    {
        return std::mem::take(event);
    }
    object
}
