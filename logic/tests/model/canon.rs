//! Fingerprints of states: 64 bits, in which bids have no names of their own. Two states that differ only in which random
//! bits their start ids are get the same one.

use std::hash::{Hash, Hasher};

use homeostat_logic::ledger::record::Id;

/// Marks the start ids of the model, so that they can be told from identities that are hashes of something.
const MARK: [u8; 12] = *b"model-start-";

/// The start id of that number.
pub(crate) fn start_id(number: u32) -> Id {
    let mut bytes = [0; 16];
    bytes[..12].copy_from_slice(&MARK);
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    Id(bytes)
}

/// Hashes whatever implements [`Hash`]; start ids count by the order in which they are met.
#[derive(Clone, Default)]
pub(crate) struct Canon {
    state: u64,
    met: Vec<[u8; 4]>,
}

/// Both halves in one word.
#[allow(
    clippy::cast_possible_truncation,
    reason = "each half is taken by itself"
)]
fn fold(wide: u128) -> u64 {
    (wide as u64) ^ ((wide >> 64) as u64)
}

impl Canon {
    fn mix(&mut self, word: u64) {
        let mixed = u128::from(self.state ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xda94_2042_e4dd_58b5;
        self.state = fold(mixed).rotate_left(23).wrapping_add(word);
    }

    fn start_id(&mut self, number: [u8; 4]) {
        let known = self.met.iter().position(|met| *met == number);
        let name = known.unwrap_or_else(|| {
            self.met.push(number);
            self.met.len() - 1
        });
        self.mix(name as u64);
    }

    /// Adds one value.
    pub(crate) fn add(&mut self, value: impl Hash) -> &mut Self {
        value.hash(self);
        self
    }
}

impl Hasher for Canon {
    fn write(&mut self, bytes: &[u8]) {
        if let [mark @ .., a, b, c, d] = bytes
            && mark == MARK
        {
            return self.start_id([*a, *b, *c, *d]);
        }
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_i64(&mut self, value: i64) {
        self.mix(value.cast_unsigned());
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    fn finish(&self) -> u64 {
        let mixed = u128::from(self.state ^ 0x2545_f491_4f6c_dd1d) * 0x9fb2_1c65_1e98_df25;
        fold(mixed)
    }
}

#[test]
fn names_of_bids_do_not_count_but_their_order_does() {
    let of = |ids: &[u32]| {
        let mut canon = Canon::default();
        for id in ids {
            canon.add(start_id(*id));
        }
        canon.finish()
    };
    assert_eq!(of(&[1, 2, 1]), of(&[9, 4, 9]));
    assert_ne!(of(&[1, 2, 1]), of(&[1, 2, 2]));
    assert_ne!(of(&[1]), of(&[1, 2]));
}
