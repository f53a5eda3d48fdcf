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

/// What senders of other tools' payloads show, resolved.
#[derive(Clone, Debug, Default)]
pub struct InboundSecrets {
    /// The token of every form but `MLflow`'s; `None` = none is needed.
    pub token: Option<Secret>,
    /// Secrets of `MLflow`'s webhooks, any of which may have signed.
    pub mlflow: Vec<Secret>,
}

/// Why a reference could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A secret is written in the configuration itself.
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
    /// Bytes that are no text.
    #[error("{0} is not UTF-8")]
    NotUtf8(String),
    /// Spaces around a value that cannot have any.
    #[error("{0} begins or ends with a space")]
    Padded(String),
    /// Quotes around a value: an env file or a Kubernetes manifest has taken them for a part of it.
    #[error("{0} is in quotes, which would be a part of the secret")]
    Quoted(String),
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
            Self::NotUtf8(_) => "write it as UTF-8 text",
            Self::Padded(_) => "remove the spaces around it",
            Self::Quoted(_) => "remove the quotes around it",
        }
    }
}

/// Whether text is a reference.
pub fn is_reference(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:")
}

/// Follows a reference, `env:NAME` or `file:PATH` (relative to the working directory). Line breaks at the end of the value
/// do not count. Anything else is [`SecretError::Inline`].
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
    let value = value.trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        return Err(SecretError::Empty(reference.to_owned()));
    }
    // What the environment holds in other bytes arrives with this character, see `environment::of_process`.
    if value.contains(char::REPLACEMENT_CHARACTER) {
        return Err(SecretError::NotUtf8(reference.to_owned()));
    }
    Ok(Secret::new(value))
}

/// As [`resolve`], for a value that is sent or compared as one word, such as a token, a header or a key: spaces and quotes
/// around it are refused, because they are a mistake and the other side would not accept the value.
pub fn resolve_word(
    reference: &str,
    environment: &BTreeMap<String, String>,
) -> Result<Secret, SecretError> {
    let secret = resolve(reference, environment)?;
    let value = secret.expose();
    if value.trim() != value {
        return Err(SecretError::Padded(reference.to_owned()));
    }
    if is_quoted(value) {
        return Err(SecretError::Quoted(reference.to_owned()));
    }
    Ok(secret)
}

/// Whether a value is between two quotes of one kind.
pub fn is_quoted(value: &str) -> bool {
    let between = |quote| {
        value
            .strip_prefix(quote)
            .is_some_and(|rest| rest.ends_with(quote))
    };
    ['"', '\'', '`'].into_iter().any(between)
}

fn read(path: &str) -> Result<String, SecretError> {
    let failed = |source| SecretError::File {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(SecretError::TooLarge(path.to_owned()));
    }
    String::from_utf8(bytes).map_err(|_| SecretError::NotUtf8(format!("the file {path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("S".to_owned(), value.to_owned())])
    }

    #[test]
    fn a_line_break_at_the_end_counts_neither_in_a_variable_nor_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let file = format!("file:{}", path.display());
        for end in ["", "\n", "\r\n", "\n\n"] {
            let value = format!("a \nb{end}");
            std::fs::write(&path, &value).unwrap();
            for reference in ["env:S", &file] {
                let secret = resolve(reference, &environment(&value)).unwrap();
                assert_eq!(secret.expose(), "a \nb", "{reference} {end:?}");
            }
        }
    }

    #[test]
    fn a_word_has_neither_spaces_nor_quotes_around_it() {
        for (value, problem) in [
            (" word", "begins or ends with a space"),
            ("word\t", "begins or ends with a space"),
            ("\nword", "begins or ends with a space"),
            ("\"word\"", "is in quotes"),
            ("'word'\n", "is in quotes"),
        ] {
            let error = resolve_word("env:S", &environment(value)).unwrap_err();
            assert!(error.to_string().contains(problem), "{value:?}: {error}");
            assert!(!error.to_string().contains("word"), "{error}");
        }
        for value in ["word\r\n", "two words", "it's", "\"", "a\"b\""] {
            assert!(
                resolve_word("env:S", &environment(value)).is_ok(),
                "{value:?}"
            );
        }
    }

    #[test]
    fn nothing_and_what_is_no_text_is_refused() {
        for value in ["", "\n", "\r\n"] {
            let error = resolve("env:S", &environment(value)).unwrap_err();
            assert!(matches!(error, SecretError::Empty(_)), "{value:?}: {error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, b"\xff\xfe").unwrap();
        let error = resolve(&format!("file:{}", path.display()), &BTreeMap::new()).unwrap_err();
        assert!(matches!(error, SecretError::NotUtf8(_)), "{error}");
        let error = resolve("env:S", &environment("a\u{fffd}")).unwrap_err();
        assert!(matches!(error, SecretError::NotUtf8(_)), "{error}");
    }
}
