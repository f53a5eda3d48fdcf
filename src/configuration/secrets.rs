//! Secrets: written as references, resolved once at load, printed as stars.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;

/// Largest secret read from a file, in bytes: room for a chain of certificates.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// Why a reference could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A secret stands in the configuration itself.
    #[error("holds a secret in the clear")]
    Inline,
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// Nothing is in it.
    #[error("{0} is empty")]
    Empty(String),
    /// The file could not be read.
    #[error("the file {path} cannot be read: {source}")]
    File {
        /// As it was given.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no secret.
    #[error("the file {0} is larger than 64 KiB")]
    TooLarge(String),
}

impl SecretError {
    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Inline => {
                "write env:NAME or file:PATH and put the secret into that variable or file"
            }
            Self::Unset(_) | Self::Empty(_) => "set it before the start, or correct the reference",
            Self::File { .. } | Self::TooLarge(_) => "correct the path or the file's permissions",
        }
    }
}

/// Whether text is a reference.
pub fn is_reference(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:")
}

/// Follows a reference, `env:NAME` or `file:PATH` (relative to the working directory; the line break at its end does not
/// count). Anything else is [`SecretError::Inline`].
pub fn resolve(
    reference: &str,
    environment: &BTreeMap<String, String>,
) -> Result<Secret, SecretError> {
    let value = if let Some(name) = reference.strip_prefix("env:") {
        environment
            .get(name)
            .cloned()
            .ok_or_else(|| SecretError::Unset(name.to_owned()))?
    } else if let Some(path) = reference.strip_prefix("file:") {
        read(path)?
    } else {
        return Err(SecretError::Inline);
    };
    if value.is_empty() {
        return Err(SecretError::Empty(reference.to_owned()));
    }
    Ok(Secret(value))
}

fn read(path: &str) -> Result<String, SecretError> {
    let failed = |source| SecretError::File {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(SecretError::TooLarge(path.to_owned()));
    }
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}
