//! The lines of JSON Lines, bounded, and their values as cells.

use std::io::{BufRead, Read as _};

use serde_json::Value;

use super::Cell;

/// Longest line, in bytes.
const LINE_MAX: u64 = 4 << 20;

/// Calls `take` with the number, counted from 1, and the bytes of each line that is not blank, while it answers true.
///
/// # Errors
/// The file cannot be read on, a line is too long, or `take` failed.
pub(crate) fn each(
    mut text: impl BufRead,
    mut take: impl FnMut(u64, &[u8]) -> Result<bool, String>,
) -> Result<(), String> {
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let length = (&mut text)
            .take(LINE_MAX)
            .read_until(b'\n', &mut line)
            .map_err(|error| format!("line {number}: {error}"))?;
        if length == 0 {
            break;
        }
        if length as u64 == LINE_MAX {
            return Err(format!("line {number} is longer than 4 MiB"));
        }
        if !line.iter().all(u8::is_ascii_whitespace) && !take(number, line.trim_ascii())? {
            break;
        }
    }
    Ok(())
}

/// A value as a cell.
pub(crate) fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Missing,
        Value::String(text) if text.trim().is_empty() => Cell::Missing,
        Value::String(text) => Cell::Text(text.clone()),
        // Beyond 2^63 a number is text: as a fraction, two ids could become one.
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Cell::Whole(number),
            (None, Some(number)) => Cell::Text(number.to_string()),
            _ => number
                .as_f64()
                .map_or_else(|| Cell::Other("a number", number.to_string()), Cell::Real),
        },
        Value::Array(values) => Cell::List(values.iter().map(cell).collect()),
        Value::Bool(flag) => Cell::Flag(*flag),
        Value::Object(fields) => {
            let fields = fields.iter();
            Cell::Object(
                fields
                    .map(|(name, value)| (name.clone(), cell(value)))
                    .collect(),
            )
        }
    }
}
