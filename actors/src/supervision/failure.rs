//! Why a worker failed: bounded text and a class.

use std::any::Any;
use std::fmt;

/// How a failure came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// Code of the worker panicked.
    Panic,
    /// Code of the worker returned a failure.
    Returned,
}

/// Why a worker failed. Any error converts into one, so `?` works in handlers.
///
/// The text is at most [`Failure::TEXT_BYTES_MAX`] bytes; longer ones are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    class: FailureClass,
    text: String,
}

impl Failure {
    /// Longest text kept.
    pub const TEXT_BYTES_MAX: usize = 1_024;

    /// A failure a worker reports itself.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            class: FailureClass::Returned,
            text: cut(text.into()),
        }
    }

    /// What a caught panic says.
    pub(super) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&'static str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "panicked with a payload that is not text".to_owned());
        Self {
            class: FailureClass::Panic,
            text: cut(text),
        }
    }

    /// Panic or returned.
    pub const fn class(&self) -> FailureClass {
        self.class
    }

    /// The reason in words.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class {
            FailureClass::Panic => write!(formatter, "panicked: {}", self.text),
            FailureClass::Returned => formatter.write_str(&self.text),
        }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        use fmt::Write as _;
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source
            && text.len() < Self::TEXT_BYTES_MAX
        {
            // Writing to a string cannot fail.
            write!(text, ": {cause}").ok();
            source = cause.source();
        }
        Self::new(text)
    }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(Failure::TEXT_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_a_character() {
        let failure = Failure::new("ä".repeat(1_000));
        assert_eq!(failure.text().len(), 1_024);
        let failure = Failure::new("x".to_owned() + &"ä".repeat(1_000));
        assert_eq!(failure.text().len(), 1_023);
    }

    #[test]
    fn a_panic_keeps_its_message() {
        for (payload, text) in [
            (
                Box::new("static") as Box<dyn Any + Send>,
                "panicked: static",
            ),
            (Box::new("owned".to_owned()), "panicked: owned"),
            (
                Box::new(7_u8),
                "panicked: panicked with a payload that is not text",
            ),
        ] {
            assert_eq!(Failure::panicked(&*payload).to_string(), text);
        }
    }
}
