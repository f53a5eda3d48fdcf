//! Reading a configuration file as text, and what to say of one that is none.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use super::faults::{Fault, Origin};
use super::layers::Text;

/// Largest configuration file, in bytes.
const BYTES_MAX: u64 = 1024 * 1024;

/// The text of a file. A byte order mark before UTF-8 is left to the parser, which passes over it.
pub(super) fn read(path: &Arc<Path>) -> Result<(Text, String), Fault> {
    let whole = |problem: String, remedy: &str| Fault {
        origin: Origin::WholeFile {
            path: Arc::clone(path),
        },
        key: String::new(),
        problem,
        remedy: remedy.to_owned(),
    };
    if path.is_dir() {
        let problem = "is a folder".to_owned();
        return Err(whole(problem, "name the files in it, each with --config"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| {
            let remedy = match error.kind() {
                std::io::ErrorKind::PermissionDenied => "let this user read the file",
                _ => "correct the path given with --config",
            };
            whole(format!("cannot be read: {error}"), remedy)
        })?;
    if bytes.len() as u64 > BYTES_MAX {
        let problem = "is larger than 1 MiB".to_owned();
        return Err(whole(problem, "name a configuration file with --config"));
    }
    if let [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] = bytes.as_slice() {
        return Err(whole("is UTF-16".to_owned(), "save it as UTF-8"));
    }
    let source = Text::File(Arc::clone(path));
    match String::from_utf8(bytes) {
        Ok(text) => Ok((source, text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let before = error.as_bytes().get(..at).unwrap_or_default();
            Err(Fault {
                origin: source.origin(&String::from_utf8_lossy(before), at),
                key: String::new(),
                problem: "the file is not UTF-8 from this line on".to_owned(),
                remedy: "save it as UTF-8".to_owned(),
            })
        }
    }
}
