//! JSON Lines: an object in each line, or the lines of `homeostat publish`, whose event is in `value`.

use std::io::{BufRead, Read as _};

use serde_json::{Map, Value};

use super::cell::Cell;
use super::columns::Wanted;
use super::sink::{Cells, Sink};

/// Longest line, in bytes.
const LINE_MAX: u64 = 4 << 20;

pub(super) fn read(mut text: impl BufRead, wanted: &Wanted, sink: &mut Sink) -> Result<(), String> {
    let mut names: Option<[Option<String>; 5]> = None;
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let length = (&mut text)
            .take(LINE_MAX)
            .read_until(b'\n', &mut line)
            .map_err(|error| error.to_string())?;
        if length == 0 {
            break;
        }
        if length as u64 == LINE_MAX {
            return Err(format!("line {number} is longer than 4 MiB"));
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let place = format_args!("line {number}");
        let object = match serde_json::from_slice::<Value>(&line) {
            Ok(Value::Object(object)) => event(object),
            Ok(_) => {
                sink.fault(&place, "it is no JSON object");
                continue;
            }
            Err(error) => {
                sink.fault(&place, &format!("it is not JSON: {error}"));
                continue;
            }
        };
        let names = match &mut names {
            Some(names) => names,
            None => names.insert(resolve(wanted, &object)?),
        };
        let cells: Cells = std::array::from_fn(|place| {
            let name = names.get(place).and_then(Option::as_deref);
            let value = name.and_then(|name| object.get(name));
            value.map_or(Cell::Missing, cell)
        });
        sink.row(&place, &cells);
    }
    Ok(())
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

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Missing,
        Value::String(text) if text.trim().is_empty() => Cell::Missing,
        Value::String(text) => Cell::Text(text.clone()),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Cell::Whole(number),
            None => number.as_f64().map_or(Cell::Other("a number"), Cell::Real),
        },
        Value::Array(values) => Cell::List(values.iter().map(cell).collect()),
        Value::Bool(_) => Cell::Other("true or false"),
        Value::Object(_) => Cell::Other("an object"),
    }
}
