//! What is wrong with a configuration: where it is, what it is and what to do about it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The embedded defaults, at this line of `config/default.toml`.
    Default {
        /// Counted from 1.
        line: usize,
    },
    /// A file given by the operator.
    File {
        /// As it was given.
        path: Arc<Path>,
        /// Counted from 1.
        line: usize,
    },
    /// A file given by the operator as a whole: it cannot be read, so that there is no line to name.
    WholeFile {
        /// As it was given.
        path: Arc<Path>,
    },
    /// An environment variable of this name.
    Variable(Arc<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default { line } => write!(formatter, "default.toml:{line}"),
            Self::File { path, line } => write!(formatter, "{}:{line}", path.display()),
            Self::WholeFile { path } => write!(formatter, "{}", path.display()),
            Self::Variable(name) => formatter.write_str(name),
        }
    }
}

/// One fault. Printed as `FILE:LINE: key: problem; remedy`, with the variable's name in place of file and line for the
/// environment. Values of secrets never stand in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct Fault {
    /// Where.
    pub origin: Origin,
    /// Dotted path of the key; empty when the text is not TOML at all.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(formatter, "{}: ", self.key)?;
        }
        write!(formatter, "{}; {}", self.problem, self.remedy)
    }
}

/// The path of `name` below `parent`, quoted where TOML needs it.
pub(super) fn join(parent: &str, name: &str) -> String {
    let bare = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let name = if bare { name.to_owned() } else { quoted(name) };
    if parent.is_empty() {
        name
    } else {
        format!("{parent}.{name}")
    }
}

/// Text as TOML writes it on one line, a basic string.
pub(super) fn quoted(text: &str) -> String {
    use std::fmt::Write as _;
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Writing to a string cannot fail.
            control if control.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(control)).unwrap_or_default();
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// The allowed name that `wrong` was most likely meant to be: at most a third of its letters away.
pub(crate) fn nearest<'a>(wrong: &str, allowed: &[&'a str]) -> Option<&'a str> {
    near(wrong, allowed, usize::MAX)
}

/// As [`nearest`], and at most `reach` letters away.
pub(super) fn near<'a>(wrong: &str, allowed: &[&'a str], reach: usize) -> Option<&'a str> {
    let reach = (wrong.chars().count() / 3).max(1).min(reach);
    allowed
        .iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), *name))
        .filter(|(distance, name)| *distance <= reach && *distance < name.len())
        .min()
        .map(|(_, name)| name)
}

/// "did you mean …", or the list of what is allowed.
pub(super) fn suggest(wrong: &str, allowed: &[&str]) -> String {
    match nearest(wrong, allowed) {
        Some(name) => format!("did you mean `{name}`?"),
        None if allowed.is_empty() => "remove it".to_owned(),
        None => format!("use one of {}", allowed.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_far_from_all_allowed_ones_gets_the_list_instead_of_a_guess() {
        assert_eq!(
            suggest("lisen", &["listen", "body"]),
            "did you mean `listen`?"
        );
        assert_eq!(
            suggest("zzz", &["listen", "body"]),
            "use one of listen, body"
        );
    }

    #[test]
    fn names_that_toml_must_quote_are_quoted_in_paths() {
        assert_eq!(
            join("kafka.options", "client.id"),
            "kafka.options.\"client.id\""
        );
        assert_eq!(join("", "data_dir"), "data_dir");
    }
}
