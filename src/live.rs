//! Secrets that follow their file: a platform that rotates them (Kubernetes, cert-manager, a vault agent) replaces the file while
//! the service runs. A value that cannot be used any more is not taken: the last good one stays in use, and the log says so.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::secrets::{Secret, SecretError, resolve_word};

/// Earlier values that are masked in answers as well: a service may echo the one that was just replaced.
const EARLIER_MAX: usize = 2;

/// A secret of a configuration. Copies are one secret.
#[derive(Clone)]
pub(crate) struct LiveSecret(Arc<Inner>);

struct Inner {
    /// As it is written: `env:NAME` or `file:PATH`.
    reference: String,
    /// Why a value cannot be used here, if it cannot.
    check: fn(&str) -> Option<String>,
    state: Mutex<State>,
}

struct State {
    stamp: Option<Stamp>,
    version: u64,
    value: Secret,
    earlier: Vec<Secret>,
}

/// What changes with a file's content: also where a link is pointed to another file.
type Stamp = (u64, u64, i64, i64, u64);

fn stamp(metadata: &Metadata) -> Stamp {
    (
        metadata.dev(),
        metadata.ino(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.len(),
    )
}

impl LiveSecret {
    /// A secret whose value was resolved from `reference`; values read later must pass `check` too.
    pub(crate) fn new(reference: &str, value: Secret, check: fn(&str) -> Option<String>) -> Self {
        let state = State {
            stamp: present(reference),
            version: 0,
            value,
            earlier: Vec::new(),
        };
        Self(Arc::new(Inner {
            reference: reference.to_owned(),
            check,
            state: Mutex::new(state),
        }))
    }

    /// A value that never changes.
    pub(crate) fn fixed(value: Secret) -> Self {
        Self::new("", value, any)
    }

    /// The value of now.
    pub(crate) fn current(&self) -> Secret {
        self.versioned().1
    }

    /// The value of now, and a number that grows with each change.
    pub(crate) fn versioned(&self) -> (u64, Secret) {
        let mut state = self.0.state.lock();
        let stamp = present(&self.0.reference);
        // A file that is gone for a moment is being replaced.
        if stamp.is_some() && stamp != state.stamp {
            state.stamp = stamp;
            self.read(&mut state);
        }
        (state.version, state.value.clone())
    }

    fn read(&self, state: &mut State) {
        let reference = &self.0.reference;
        let read = resolve_word(reference, &std::collections::BTreeMap::new());
        let problem = match read {
            Ok(value) if value == state.value => return,
            Ok(value) => match (self.0.check)(value.expose()) {
                None => {
                    let last = std::mem::replace(&mut state.value, value);
                    state.earlier.insert(0, last);
                    state.earlier.truncate(EARLIER_MAX);
                    state.version += 1;
                    tracing::info!(reference, "secret read again after its file changed");
                    return;
                }
                Some(problem) => problem,
            },
            Err(error) => format!("{error}; {}", error.remedy()),
        };
        tracing::warn!(
            reference,
            problem,
            "the new value of a secret cannot be used; the last one stays in use"
        );
    }

    /// Replaces the value, and those before it, by stars.
    pub(crate) fn mask(&self, text: &str) -> String {
        let state = self.0.state.lock();
        let values = std::iter::once(&state.value).chain(&state.earlier);
        values.fold(text.to_owned(), |text, value| {
            text.replace(value.expose(), "***")
        })
    }
}

impl fmt::Debug for LiveSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LiveSecret({})", self.0.reference)
    }
}

/// Of the file that a reference names; `None` for what is no file.
fn present(reference: &str) -> Option<Stamp> {
    let path = reference.strip_prefix("file:")?;
    std::fs::metadata(path)
        .ok()
        .map(|metadata| stamp(&metadata))
}

/// How something is made of the values of secrets.
type Make<T> = Box<dyn Fn(&[Secret]) -> Result<T, String> + Send + Sync>;

/// Something made of secrets, made again when one of them changes. What cannot be made of the new values is not replaced.
pub(crate) struct Derived<T> {
    of: Vec<LiveSecret>,
    make: Make<T>,
    made: Mutex<(Vec<u64>, Arc<T>)>,
}

impl<T> Derived<T> {
    /// Makes it for the first time.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub(crate) fn new(
        of: Vec<LiveSecret>,
        make: impl Fn(&[Secret]) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let (versions, secrets): (Vec<_>, Vec<_>) = of.iter().map(LiveSecret::versioned).unzip();
        let first = make(&secrets)?;
        Ok(Self {
            of,
            make: Box::new(make),
            made: Mutex::new((versions, Arc::new(first))),
        })
    }

    /// That of now.
    pub(crate) fn current(&self) -> Arc<T> {
        let mut made = self.made.lock();
        if self.of.is_empty() {
            return Arc::clone(&made.1);
        }
        let (versions, secrets): (Vec<_>, Vec<_>) =
            self.of.iter().map(LiveSecret::versioned).unzip();
        if made.0 != versions {
            made.0 = versions;
            match (self.make)(&secrets) {
                Ok(new) => made.1 = Arc::new(new),
                Err(problem) => tracing::warn!(
                    problem,
                    "the new value of a secret cannot be used; the last one stays in use"
                ),
            }
        }
        Arc::clone(&made.1)
    }
}

impl<T> fmt::Debug for Derived<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Derived({:?})", self.of)
    }
}

/// A check that any value passes.
pub(crate) const fn any(_: &str) -> Option<String> {
    None
}

/// Resolves a reference to a secret that follows its file. The value is one word, as credentials are.
///
/// # Errors
/// As [`resolve_word`].
pub(crate) fn live(
    reference: &str,
    environment: &std::collections::BTreeMap<String, String>,
    check: fn(&str) -> Option<String>,
) -> Result<LiveSecret, SecretError> {
    let value = resolve_word(reference, environment)?;
    Ok(LiveSecret::new(reference, value, check))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn file(folder: &tempfile::TempDir, value: &str) -> String {
        let path = folder.path().join("secret");
        // As Kubernetes does: another file takes its place in one step.
        let new = folder.path().join("new");
        std::fs::write(&new, value).unwrap();
        std::fs::rename(new, &path).unwrap();
        format!("file:{}", path.display())
    }

    fn short(value: &str) -> Option<String> {
        (value.len() > 8).then(|| "is too long".to_owned())
    }

    #[test]
    fn a_secret_follows_its_file_and_keeps_the_last_good_value() {
        let folder = tempfile::tempdir().unwrap();
        let reference = file(&folder, "first\n");
        let secret = live(&reference, &BTreeMap::new(), short).unwrap();
        assert_eq!(secret.current().expose(), "first");
        file(&folder, "second");
        assert_eq!(secret.versioned(), (1, Secret::new("second")));
        for bad in ["", " padded ", "longer than allowed"] {
            file(&folder, bad);
            assert_eq!(secret.versioned(), (1, Secret::new("second")), "{bad:?}");
        }
        std::fs::remove_file(folder.path().join("secret")).unwrap();
        assert_eq!(secret.current().expose(), "second");
        file(&folder, "third");
        assert_eq!(secret.versioned(), (2, Secret::new("third")));
        assert_eq!(secret.mask("a first b second c third"), "a *** b *** c ***");
    }

    #[test]
    fn what_is_made_of_secrets_is_made_again_only_when_one_changes() {
        let folder = tempfile::tempdir().unwrap();
        let reference = file(&folder, "1");
        let secret = live(&reference, &BTreeMap::new(), any).unwrap();
        let number = Derived::new(vec![secret], |secrets| {
            secrets[0]
                .expose()
                .parse::<u32>()
                .map_err(|e| e.to_string())
        })
        .unwrap();
        let first = number.current();
        assert!(Arc::ptr_eq(&first, &number.current()));
        file(&folder, "many");
        assert_eq!(*number.current(), 1, "what cannot be made is not taken");
        file(&folder, "22");
        assert_eq!(*number.current(), 22);
    }
}
