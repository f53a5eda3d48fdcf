//! The bytes of an Avro record, taken from the front.

use super::Misfit;

/// Bytes of the longest number.
const VARINT_BYTES_MAX: u32 = 10;

/// What is not read yet.
pub(super) struct Data<'a>(pub(super) &'a [u8]);

impl<'a> Data<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Misfit> {
        let split = self.0.split_at_checked(count);
        let (taken, rest) = split.ok_or_else(|| {
            let left = self.0.len();
            format!("it ends {} bytes too early", count.saturating_sub(left))
        })?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], Misfit> {
        let mut array = [0; COUNT];
        array.copy_from_slice(self.take(COUNT)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Misfit> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// A number in zigzag, seven bits a byte.
    pub(super) fn long(&mut self) -> Result<i64, Misfit> {
        let mut number = 0_u64;
        for place in 0..VARINT_BYTES_MAX {
            let byte = self.byte()?;
            // Of the tenth byte one bit is left.
            if place == VARINT_BYTES_MAX - 1 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7F) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        Err("a number has more than 64 bits".to_owned())
    }

    pub(super) fn int(&mut self) -> Result<i32, Misfit> {
        let number = self.long()?;
        i32::try_from(number).map_err(|_| format!("{number} is no number of 32 bits"))
    }

    /// Bytes behind their length.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Misfit> {
        let length = self.long()?;
        let length = usize::try_from(length).map_err(|_| format!("{length} is no length"))?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Misfit> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a string is not UTF-8".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_up_to_their_bounds() {
        let long = |bytes: &[u8]| Data(bytes).long();
        let most = [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1];
        let least = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1];
        for (bytes, number) in [
            (&[0][..], 0),
            (&[1], -1),
            (&[2], 1),
            (&[0x80, 1], 64),
            (&most, i64::MAX),
            (&least, i64::MIN),
        ] {
            assert_eq!(long(bytes), Ok(number), "{bytes:?}");
        }
        let too_far = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2];
        for bytes in [&[][..], &[0x80], &[0x80; 11], &too_far] {
            assert!(long(bytes).is_err(), "{bytes:?}");
        }
        assert!(Data(&[0x80, 0x80, 0x80, 0x80, 0x10]).int().is_err());
        assert_eq!(Data(&[0xFE, 0xFF, 0xFF, 0xFF, 0x0F]).int(), Ok(i32::MAX));
    }

    #[test]
    fn what_ends_early_is_refused() {
        assert_eq!(
            Data(&[6, b'a', b'b']).bytes().unwrap_err(),
            "it ends 1 bytes too early"
        );
        assert!(Data(&[1]).bytes().is_err());
        assert!(Data(&[2, 0xFF]).text().is_err());
        assert_eq!(Data(&[2, b'a', b'b']).text(), Ok("a"));
    }
}
