//! SHA-256 of canonical encodings, in hex.

use std::io::{self, BufWriter, Write};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The hash of bytes.
pub(super) fn of_bytes(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).as_slice())
}

/// The hash of a value's JSON, without building it. Maps are ordered and keys are strings, so encoding cannot fail and is
/// canonical.
pub(super) fn of_json(value: &impl Serialize) -> String {
    let mut writer = BufWriter::with_capacity(8 * 1024, Hashing(Sha256::new()));
    let written = serde_json::to_writer(&mut writer, value).map_err(io::Error::from);
    let hasher = written.and_then(|()| writer.into_inner().map_err(io::IntoInnerError::into_error));
    hasher.map_or_else(
        |_| String::new(),
        |Hashing(hasher)| hex(hasher.finalize().as_slice()),
    )
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing into a string cannot fail.
        write!(hex, "{byte:02x}").ok();
        hex
    })
}
