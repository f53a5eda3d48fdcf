//! The compact bytes of deltas and snapshots: numbers of variable length, little-endian floats, lengths before texts.

use super::evidence::Evidence;

/// Why bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// They are of something else.
    #[error("these bytes are not a {0} of a recommender model")]
    Foreign(&'static str),
    /// A later version wrote them.
    #[error("version {found} is not known here, which reads up to {known}: upgrade this program")]
    Version {
        /// Of the bytes.
        found: u8,
        /// The newest one known.
        known: u8,
    },
    /// An earlier version wrote them, before the first release.
    #[error(
        "version {found} of a {what} is no longer read, only {known}: it can be removed, and what it held is learned again from events"
    )]
    Earlier {
        /// Of what.
        what: &'static str,
        /// Of the bytes.
        found: u8,
        /// The one that is read.
        known: u8,
    },
    /// They end too early.
    #[error("the bytes end inside {0}")]
    Truncated(&'static str),
    /// A value cannot be.
    #[error("{0} has a value that cannot be")]
    Invalid(&'static str),
}

/// Writes.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn begin(magic: [u8; 4], version: u8) -> Self {
        let mut bytes = magic.to_vec();
        bytes.push(version);
        Self(bytes)
    }

    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    pub(super) fn length(&mut self, length: usize) {
        self.number(length as u64);
    }

    pub(super) fn position(&mut self, position: i64) {
        self.number(u64::try_from(position).unwrap_or(0));
    }

    pub(super) fn float(&mut self, float: f32) {
        self.0.extend_from_slice(&float.to_le_bytes());
    }

    pub(super) fn double(&mut self, double: f64) {
        self.0.extend_from_slice(&double.to_le_bytes());
    }

    pub(super) fn evidence(&mut self, evidence: &Evidence) {
        self.double(evidence.tests);
        for sum in evidence.sums() {
            self.double(sum);
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads; `what` names the part in errors.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pub(super) what: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) fn begin(
        bytes: &'a [u8],
        magic: [u8; 4],
        known: u8,
        what: &'static str,
    ) -> Result<Self, CodecError> {
        let rest = bytes
            .strip_prefix(&magic)
            .ok_or(CodecError::Foreign(what))?;
        let (found, bytes) = rest.split_first().ok_or(CodecError::Truncated(what))?;
        if *found < known {
            return Err(CodecError::Earlier {
                what,
                found: *found,
                known,
            });
        }
        if *found > known {
            return Err(CodecError::Version {
                found: *found,
                known,
            });
        }
        Ok(Self { bytes, what })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let parts = self.bytes.split_at_checked(length);
        let (taken, rest) = parts.ok_or(CodecError::Truncated(self.what))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let taken = self.take(N)?;
        taken
            .try_into()
            .map_err(|_| CodecError::Truncated(self.what))
    }

    pub(super) fn number(&mut self) -> Result<u64, CodecError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.fixed()?;
            let part = u64::from(byte & 0x7F);
            if part << shift >> shift != part {
                break;
            }
            number |= part << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(CodecError::Invalid(self.what))
    }

    /// From 0.
    pub(super) fn position(&mut self) -> Result<i64, CodecError> {
        i64::try_from(self.number()?).map_err(|_| CodecError::Invalid(self.what))
    }

    pub(super) fn small(&mut self) -> Result<u32, CodecError> {
        u32::try_from(self.number()?).map_err(|_| CodecError::Invalid(self.what))
    }

    /// How many parts follow, of at least `each` bytes: never more than there are bytes for.
    pub(super) fn length(&mut self, each: usize) -> Result<usize, CodecError> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if length > self.bytes.len() / each.max(1) {
            return Err(CodecError::Truncated(self.what));
        }
        Ok(length)
    }

    /// From zero to a trillion, so that many of them still have a finite sum.
    pub(super) fn float(&mut self) -> Result<f32, CodecError> {
        let float = f32::from_le_bytes(self.fixed()?);
        self.plausible((0.0..=1e12).contains(&float))?;
        Ok(float)
    }

    /// From zero to what a trend can reach.
    pub(super) fn double(&mut self) -> Result<f64, CodecError> {
        let double = f64::from_le_bytes(self.fixed()?);
        self.plausible((0.0..=1e40).contains(&double))?;
        Ok(double)
    }

    /// Sums of logarithms can be below zero.
    pub(super) fn evidence(&mut self) -> Result<Evidence, CodecError> {
        let mut evidence = Evidence {
            tests: self.double()?,
            ..Evidence::default()
        };
        for sum in evidence.sums_mut() {
            *sum = f64::from_le_bytes(self.fixed()?);
            self.plausible(sum.abs() <= 1e15)?;
        }
        Ok(evidence)
    }

    /// What is left, for a part with a form of its own.
    pub(super) const fn rest(self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn text(&mut self) -> Result<&'a str, CodecError> {
        let length = self.length(1)?;
        let text = std::str::from_utf8(self.take(length)?);
        text.map_err(|_| CodecError::Invalid(self.what))
    }

    /// An id.
    pub(super) fn id(&mut self) -> Result<&'a str, CodecError> {
        let text = self.text()?;
        self.plausible(super::is_id(text))?;
        Ok(text)
    }

    pub(super) const fn plausible(&self, is: bool) -> Result<(), CodecError> {
        if is {
            Ok(())
        } else {
            Err(CodecError::Invalid(self.what))
        }
    }

    pub(super) const fn end(self) -> Result<(), CodecError> {
        self.plausible(self.bytes.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(number: u64, double in 0.0..1e40_f64, float in 0.0..1e12_f32, text in "\\PC{1,60}") {
            let mut writer = Writer::begin(*b"TEST", 1);
            writer.number(number);
            writer.double(double);
            writer.float(float);
            writer.text(&text);
            let bytes = writer.done();
            let mut reader = Reader::begin(&bytes, *b"TEST", 1, "test").unwrap();
            prop_assert_eq!(reader.number(), Ok(number));
            prop_assert_eq!(reader.double(), Ok(double));
            prop_assert_eq!(reader.float(), Ok(float));
            prop_assert_eq!(reader.id(), Ok(&*text));
            prop_assert_eq!(reader.end(), Ok(()));
        }
    }

    #[test]
    fn an_overlong_number_and_a_length_beyond_the_bytes_are_refused() {
        let read = |rest: &[u8]| {
            let bytes = [b"TEST\x01", rest].concat();
            let mut reader = Reader::begin(&bytes, *b"TEST", 1, "test").unwrap();
            (
                reader.number(),
                Reader::begin(&bytes, *b"TEST", 1, "test")
                    .unwrap()
                    .length(4),
            )
        };
        assert_eq!(read(&[0xFF; 11]).0, Err(CodecError::Invalid("test")));
        assert_eq!(read(&[0x80]).0, Err(CodecError::Truncated("test")));
        assert_eq!(read(&[2, 0, 0, 0, 0]).1, Err(CodecError::Truncated("test")));
        assert_eq!(read(&[1, 0, 0, 0, 0]).1, Ok(1));
    }
}
