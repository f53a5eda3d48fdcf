//! CSV with a header, separated by commas, semicolons, tabs or bars, whichever the header has most of.

use std::io::BufRead;

use csv::{ReaderBuilder, StringRecord};

use super::{Cell, Rows};

/// Reads the whole table; every cell is text, an empty one is missing.
///
/// # Errors
/// It cannot be read on, has no header, or its columns are of no use.
pub(crate) fn read(mut text: impl BufRead, rows: &mut dyn Rows) -> Result<(), String> {
    let start = text.fill_buf().map_err(|error| error.to_string())?;
    let header = start
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    if header.is_empty() {
        return Ok(());
    }
    // One line: nothing is gained by counting words at once.
    let many = |separator: &u8| header.split(|byte| byte == separator).count();
    let separator = *b",;\t|"
        .iter()
        .rev()
        .max_by_key(|byte| many(byte))
        .unwrap_or(&b',');
    let mut reader = ReaderBuilder::new().delimiter(separator).from_reader(text);
    let headers = reader
        .headers()
        .map_err(|error| format!("its header: {error}"))?;
    let present: Vec<String> = headers.iter().map(str::to_owned).collect();
    if present
        .iter()
        .all(|name| name.trim().parse::<f64>().is_ok())
    {
        return Err(format!(
            "its first line ({}) is a row: it needs a header that names the columns",
            present.join(", ")
        ));
    }
    let Some(columns) = rows.columns(&present)? else {
        return Ok(());
    };
    let mut cells = vec![Cell::Missing; columns.len()];
    let mut record = StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                for (cell, column) in cells.iter_mut().zip(&columns) {
                    let text = record.get(*column);
                    *cell = text
                        .filter(|text| !text.trim().is_empty())
                        .map_or(Cell::Missing, |text| Cell::Text(text.to_owned()));
                }
                let line = record.position().map_or(line, csv::Position::line);
                rows.row(&format_args!("line {line}"), &mut cells);
            }
            Err(error) => {
                let line = error.position().map_or(line, csv::Position::line);
                let problem = match error.kind() {
                    csv::ErrorKind::UnequalLengths {
                        expected_len, len, ..
                    } => format!("{len} columns, the header has {expected_len}"),
                    csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
                    _ => return Err(error.to_string()),
                };
                rows.fault(&format_args!("line {line}"), &problem);
            }
        }
    }
}
