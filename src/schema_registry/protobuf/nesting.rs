//! How deep a `.proto` file is nested, found without recursion.

/// Most brackets that are open at the same time, outside of comments and strings.
pub(super) fn deepest(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'/', Some(b'/')) => {
                bytes.by_ref().find(|byte| *byte == b'\n');
            }
            (b'/', Some(b'*')) => {
                bytes.next();
                let mut last = 0;
                bytes.by_ref().find(|byte| {
                    let ends = last == b'*' && *byte == b'/';
                    last = *byte;
                    ends
                });
            }
            (quote @ (b'"' | b'\''), _) => {
                let mut escaped = false;
                bytes.by_ref().find(|byte| {
                    let ends = !escaped && *byte == quote;
                    escaped = !escaped && *byte == b'\\';
                    ends
                });
            }
            (b'{' | b'[' | b'<', _) => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (b'}' | b']' | b'>', _) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_where_they_are_no_text() {
        for (text, expected) in [
            ("", 0),
            ("message A { message B {} map<string, int32> m = 1; }", 2),
            ("// {{{\n/* [[[ * / */ message A {}", 1),
            (r#"option a = "{{\"{"; option b = '{"'; message A {}"#, 1),
            ("}}}{", 1),
            ("/* {{{", 0),
            ("\"{{", 0),
        ] {
            assert_eq!(deepest(text), expected, "{text}");
        }
        assert_eq!(deepest(&"message A {".repeat(1_000)), 1_000);
    }
}
