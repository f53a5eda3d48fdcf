//! The secret by which tokens of users are signed. It follows its file; the tokens are those of `homeostat_logic::push::token`.

use std::collections::BTreeMap;

use homeostat_logic::push::token::SECRET_BYTES_MIN;

use crate::live::{LiveSecret, live};
use crate::secrets::{Secret, SecretError};

/// The secret, if one is configured. Copies are one secret.
#[derive(Clone, Debug, Default)]
pub struct UserSecret(Option<LiveSecret>);

/// Why a reference to it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UserSecretError {
    /// As every secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It can be guessed.
    #[error("{0}")]
    Short(String),
}

impl UserSecretError {
    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Secret(error) => error.remedy(),
            Self::Short(_) => "make one: openssl rand -hex 32",
        }
    }
}

impl UserSecret {
    /// Resolves a reference; the empty one is none.
    ///
    /// # Errors
    /// It leads nowhere, or to a value that is too short.
    pub fn resolve(
        reference: &str,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, UserSecretError> {
        if reference.is_empty() {
            return Ok(Self(None));
        }
        let secret = live(reference, environment, short)?;
        match short(secret.current().expose()) {
            Some(problem) => Err(UserSecretError::Short(problem)),
            None => Ok(Self(Some(secret))),
        }
    }

    /// A value that never changes.
    pub fn fixed(value: Secret) -> Self {
        Self(Some(LiveSecret::fixed(value)))
    }

    /// The value of now; `None`: users need no token.
    pub fn current(&self) -> Option<Secret> {
        self.0.as_ref().map(LiveSecret::current)
    }
}

fn short(value: &str) -> Option<String> {
    let bytes = value.len();
    (bytes < SECRET_BYTES_MIN)
        .then(|| format!("has {bytes} bytes; HS256 needs {SECRET_BYTES_MIN} or more (RFC 7518)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_follows_its_file_and_never_to_one_that_can_be_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let reference = format!("file:{}", path.display());
        let write = |value: &str| {
            let new = folder.path().join("new");
            std::fs::write(&new, value).unwrap();
            std::fs::rename(new, &path).unwrap();
        };
        let none = BTreeMap::new();
        assert!(UserSecret::resolve("", &none).unwrap().current().is_none());
        write(&"a".repeat(SECRET_BYTES_MIN - 1));
        let error = UserSecret::resolve(&reference, &none).unwrap_err();
        assert_eq!(
            error.to_string(),
            "has 31 bytes; HS256 needs 32 or more (RFC 7518)"
        );
        write(&"b".repeat(SECRET_BYTES_MIN));
        let secret = UserSecret::resolve(&reference, &none).unwrap();
        let value = || secret.current().unwrap().expose().to_owned();
        assert_eq!(value(), "b".repeat(SECRET_BYTES_MIN));
        write(&"c".repeat(SECRET_BYTES_MIN + 1));
        assert_eq!(value(), "c".repeat(SECRET_BYTES_MIN + 1));
        write("short");
        assert_eq!(value(), "c".repeat(SECRET_BYTES_MIN + 1));
    }
}
