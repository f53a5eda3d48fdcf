//! Reading a file of interactions, whatever its format: Parquet and JSON are known by how they begin, all else is CSV.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _};
use std::path::Path;

use super::columns::Wanted;
use super::sink::{Read, Sink};
use super::{csv_rows, json_rows, parquet_rows};

/// Reads the whole file.
///
/// # Errors
/// It cannot be read at all, or has no such columns.
pub(super) fn read(path: &Path, wanted: &Wanted) -> Result<Read, String> {
    let name = path.display();
    let unreadable = |error: &dyn std::fmt::Display| format!("cannot read {name}: {error}");
    let mut file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut magic = Vec::new();
    (&mut file)
        .take(4)
        .read_to_end(&mut magic)
        .and_then(|_| file.rewind())
        .map_err(|error| unreadable(&error))?;
    let mut sink = Sink::new(wanted.in_order);
    let read = match magic.as_slice() {
        b"PAR1" => parquet_rows::read(file, wanted, &mut sink),
        [0x1F, 0x8B, ..] => Err("it is compressed with gzip: unpack it first".to_owned()),
        [b'P', b'K', ..] => Err("it is a zip archive: unpack it first".to_owned()),
        _ => {
            let mut text = BufReader::with_capacity(1 << 16, file);
            let start = text.fill_buf().map_err(|error| unreadable(&error))?;
            let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
            if first == Some(&b'{') {
                json_rows::read(text, wanted, &mut sink)
            } else {
                csv_rows::read(text, wanted, &mut sink)
            }
        }
    };
    read.map_err(|problem| format!("{name}: {problem}"))?;
    Ok(sink.done())
}
