//! Documents of the API as text for a terminal.

use std::fmt::Write as _;
use std::num::NonZeroUsize;

use serde_json::Value;

/// Bytes of strangers command no terminal; lines and tabs stay.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !"\n\t".contains(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The elements of a list in a document; none if it has no such list.
pub(super) fn array<'a>(document: &'a Value, name: &str) -> &'a [Value] {
    let array = document.get(name).and_then(Value::as_array);
    array.map(Vec::as_slice).unwrap_or_default()
}

/// A text in a document.
pub(super) fn field(document: &Value, name: &str) -> Option<String> {
    Some(document.get(name)?.as_str()?.to_owned())
}

/// Adds a line.
pub(super) fn line(text: &mut String, line: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    writeln!(text, "{line}").unwrap_or_default();
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A whole number from 1 on, for options that count.
pub(super) fn count(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .map_err(|_| "must be a whole number, at least 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_strangers_command_no_terminal() {
        let shown = printable("a\u{1b}[2Jb\tc\nd\u{9b}e ä");
        assert_eq!(shown, "a\\u{1b}[2Jb\tc\nd\\u{9b}e ä");
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_read_them_otherwise() {
        for (word, expected) in [
            ("events.jsonl", "events.jsonl"),
            ("http://127.0.0.1:8470", "http://127.0.0.1:8470"),
            ("", "''"),
            ("my file", "'my file'"),
            ("$HOME", "'$HOME'"),
            ("it's", r"'it'\''s'"),
            ("~", "'~'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
