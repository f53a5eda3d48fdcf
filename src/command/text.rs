//! Documents of the API as text for a terminal.

use std::fmt::Write as _;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_strangers_command_no_terminal() {
        let shown = printable("a\u{1b}[2Jb\tc\nd\u{9b}e ä");
        assert_eq!(shown, "a\\u{1b}[2Jb\tc\nd\\u{9b}e ä");
    }
}
