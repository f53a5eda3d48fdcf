//! JSON under way, no larger and no deeper than an event may be: a few bytes of a record may name long fields many times, and an
//! `Any` may hold an `Any` that holds an `Any`, each of which is read by another recursion.

use std::io::{Error, Write};

use homeostat_logic::event::{DEPTH_MAX, EVENT_BYTES_MAX};

#[derive(Default)]
pub(super) struct Bounded {
    pub(super) written: Vec<u8>,
    depth: usize,
    in_text: bool,
    /// Whether the next byte of a text is escaped.
    escaped: bool,
}

impl Bounded {
    const fn follow(&mut self, byte: u8) {
        if self.in_text {
            if self.escaped {
                self.escaped = false;
            } else if byte == b'\\' {
                self.escaped = true;
            } else if byte == b'"' {
                self.in_text = false;
            }
            return;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.written.len() + bytes.len() > EVENT_BYTES_MAX {
            let problem = format!("it becomes more than {EVENT_BYTES_MAX} bytes of JSON");
            return Err(Error::other(problem));
        }
        for byte in bytes {
            self.follow(*byte);
            if self.depth > DEPTH_MAX {
                let problem = format!("it is nested deeper than {DEPTH_MAX} levels");
                return Err(Error::other(problem));
            }
        }
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_or_too_deep_is_refused() {
        let mut large = Bounded::default();
        large.write_all(&vec![b' '; EVENT_BYTES_MAX]).unwrap();
        assert!(large.write_all(b" ").is_err());
        let mut deep = Bounded::default();
        // What is in a text opens nothing.
        deep.write_all(br#"{"a\"[[[": "#).unwrap();
        deep.write_all(&[b'['; DEPTH_MAX - 1]).unwrap();
        deep.write_all(b"]").unwrap();
        deep.write_all(b",[").unwrap();
        assert!(deep.write_all(b"{").is_err());
    }
}
