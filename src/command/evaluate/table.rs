//! Reading a file of interactions, whatever its format.

use std::path::Path;

use super::columns::Wanted;
use super::json_rows;
use super::sink::{Read, Sink};
use crate::tables::{Opened, open, read_csv, read_parquet};

/// Reads the whole file.
///
/// # Errors
/// It cannot be read at all, or has no such columns.
pub(super) fn read(path: &Path, wanted: &Wanted) -> Result<Read, String> {
    let mut sink = Sink::new(wanted);
    let read = open(path).and_then(|opened| match opened {
        Opened::Parquet(file) => read_parquet(file, &mut sink),
        Opened::JsonLines(text) => json_rows::read(text, wanted, &mut sink),
        Opened::Csv(text) => read_csv(text, &mut sink),
    });
    read.map_err(|problem| format!("{}: {problem}", path.display()))?;
    Ok(sink.done())
}
