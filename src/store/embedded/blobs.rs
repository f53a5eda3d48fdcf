//! Blobs of the embedded store: a file each, replaced in one step and checked by its hash.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use homeostat_actors::ports::user_store::{BLOB_BYTES_MAX, StoreError};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

/// What a file begins with; the hash of the content follows, then the content.
const HEAD: &[u8] = b"homeostat blob 1\n";
const HASH: usize = 32;

/// The folder of the blobs.
pub(super) struct Blobs {
    directory: PathBuf,
    /// Held while one is written: the file beside it has one name.
    writing: Mutex<()>,
}

impl Blobs {
    pub(super) fn open(store: &Path) -> std::io::Result<Self> {
        let directory = store.join("blobs");
        std::fs::create_dir_all(&directory)?;
        Ok(Self {
            directory,
            writing: Mutex::new(()),
        })
    }

    /// Writes beside, then puts it in place; durable afterwards.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.len() > BLOB_BYTES_MAX {
            let size = bytes.len();
            return Err(StoreError::Refused(format!(
                "{name} has {size} bytes, more than {BLOB_BYTES_MAX}"
            )));
        }
        let hash = Sha256::digest(bytes);
        let beside = self.directory.join(format!("{name}.new"));
        let _writing = self.writing.lock();
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(HEAD)?;
            file.write_all(&hash)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&beside, self.directory.join(name))?;
            // The name, too, must survive power loss.
            File::open(&self.directory)?.sync_all()
        };
        write().map_err(|error| self.unavailable(name, "written", &error))
    }

    /// Reads one and checks it.
    pub(super) fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.directory.join(name);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unavailable(name, "read", &error)),
        };
        let mut start = [0; HEAD.len() + HASH];
        let mut bytes = Vec::new();
        let read = file
            .read_exact(&mut start)
            .and_then(|()| file.read_to_end(&mut bytes));
        match read {
            Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
                return Err(self.unavailable(name, "read", &error));
            }
            _ => {}
        }
        let hash = start.strip_prefix(HEAD);
        if read.is_err() || hash.is_none_or(|hash| hash != Sha256::digest(&bytes).as_slice()) {
            return Err(StoreError::Refused(format!(
                "{} is damaged; restore it, or move it away to do without it",
                path.display()
            )));
        }
        Ok(Some(bytes))
    }

    fn unavailable(&self, name: &str, what: &str, error: &std::io::Error) -> StoreError {
        let path = self.directory.join(name);
        StoreError::Unavailable(format!("{} cannot be {what}: {error}", path.display()))
    }
}
