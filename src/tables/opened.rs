//! What a file holds, by how it begins, whatever its name is.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Seek as _};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use homeostat_logic::envelope::bytes::{BYTE_ORDER_MARK, format_of};

/// Room of a reader in bytes.
const BUFFER: usize = 1 << 16;

/// A file, ready to be read.
pub(crate) enum Opened {
    /// Text in columns, the first line names them.
    Csv(Box<dyn BufRead>),
    /// A JSON object in each line.
    JsonLines(Box<dyn BufRead>),
    /// Parquet.
    Parquet(File),
}

/// Opens a file: Parquet and JSON are known by how they begin, all else is CSV. Text may be compressed by gzip.
///
/// # Errors
/// It cannot be read, or is an archive or a JSON array.
pub(crate) fn open(path: &Path) -> Result<Opened, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let mut file = File::open(path).map_err(unreadable)?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err("it is a folder; name the files in it".to_owned());
    }
    let mut magic = Vec::new();
    (&mut file)
        .take(8)
        .read_to_end(&mut magic)
        .and_then(|_| file.rewind())
        .map_err(unreadable)?;
    let mut text: Box<dyn BufRead> = match magic.as_slice() {
        [b'P', b'A', b'R', b'1', ..] => return Ok(Opened::Parquet(file)),
        [b'P', b'K', ..] => return Err("it is a zip archive: unpack it first".to_owned()),
        [0x1F, 0x8B, ..] => Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(file))),
        bytes => match format_of(bytes) {
            Some(found) => {
                return Err(format!(
                    "this is {found}; it has to be CSV, JSON Lines or Parquet, in UTF-8"
                ));
            }
            None => Box::new(BufReader::with_capacity(BUFFER, file)),
        },
    };
    if text
        .fill_buf()
        .map_err(unreadable)?
        .starts_with(BYTE_ORDER_MARK)
    {
        text.consume(BYTE_ORDER_MARK.len());
    }
    let start = text.fill_buf().map_err(unreadable)?;
    match start.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => Ok(Opened::JsonLines(text)),
        Some(b'[') => Err(
            "it is a JSON array: write one object in each line, as `jq -c '.[]'` does".to_owned(),
        ),
        _ => Ok(Opened::Csv(text)),
    }
}
