//! Names of experiments, arms, models and segments as small numbers, within one set of counters.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Different names at most. A further one is [`OTHER`].
pub const NAMES_MAX: usize = 4_096;
/// Longest name in bytes. A longer one is [`OTHER`].
pub const NAME_BYTES_MAX: usize = 256;

/// A name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(u16);

/// The empty name: no experiment in particular, which is everything.
pub const EVERYTHING: Name = Name(0);
/// What has no room.
pub const OTHER: Name = Name(1);

impl Name {
    /// What it is among these, by number.
    pub(super) fn of(self, names: &[Self]) -> Self {
        names.get(usize::from(self.0)).copied().unwrap_or(OTHER)
    }
}

/// The names in use.
#[derive(Clone, Debug)]
pub struct Names {
    texts: Vec<Arc<str>>,
    numbers: BTreeMap<Arc<str>, Name>,
}

impl Default for Names {
    fn default() -> Self {
        let mut names = Self {
            texts: Vec::new(),
            numbers: BTreeMap::new(),
        };
        names.intern("");
        names.intern("other");
        names
    }
}

impl Names {
    /// The number of a name.
    pub fn intern(&mut self, text: &str) -> Name {
        if let Some(name) = self.numbers.get(text) {
            return *name;
        }
        if self.texts.len() >= NAMES_MAX || text.len() > NAME_BYTES_MAX {
            return OTHER;
        }
        let name = Name(u16::try_from(self.texts.len()).unwrap_or(OTHER.0));
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, name);
        name
    }

    /// The number of a name that is in use.
    pub fn find(&self, text: &str) -> Option<Name> {
        self.numbers.get(text).copied()
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        self.texts
            .get(usize::from(name.0))
            .map_or("other", |text| text)
    }

    /// All texts, by number.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number_until_there_is_no_room() {
        let mut names = Names::default();
        assert_eq!(
            (names.intern(""), names.intern("other")),
            (EVERYTHING, OTHER)
        );
        let first = names.intern("a");
        assert_eq!((names.intern("a"), names.text(first)), (first, "a"));
        assert_eq!(names.intern(&"x".repeat(NAME_BYTES_MAX + 1)), OTHER);
        for number in 0..NAMES_MAX {
            names.intern(&number.to_string());
        }
        assert_eq!(names.intern("one more"), OTHER);
        assert_eq!(names.iter().count(), NAMES_MAX);
        assert_eq!(names.intern("a"), first);
    }
}
