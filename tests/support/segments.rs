//! Batches of a Kafka partition on the disk of a broker that was stopped, damaged so that no client reads them.

use std::path::{Path, PathBuf};

/// Where a batch has its fields (Kafka's record batch, version 2).
const LENGTH: usize = 8;
const MAGIC: usize = 16;
const CHECKSUM: usize = 17;
const ATTRIBUTES: usize = 21;

/// What is done to a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Damage {
    /// A byte of its records is another one: the checksum is wrong.
    Checksum,
    /// It says that its records are compressed by this codec, and they are not. Its checksum is right.
    Codec(u8),
    /// It is of a version that does not exist.
    Version,
}

impl Damage {
    pub(crate) const ALL: [Self; 7] = [
        Self::Checksum,
        Self::Codec(1),
        Self::Codec(2),
        Self::Codec(3),
        Self::Codec(4),
        Self::Codec(7),
        Self::Version,
    ];
}

/// Damages the batch that begins at this offset. `data`: the broker's folder of logs.
pub(crate) fn damage(data: &Path, topic: &str, partition: usize, offset: u64, damage: Damage) {
    let path = segment(data, topic, partition);
    let mut bytes = std::fs::read(&path).unwrap();
    let mut start = 0;
    loop {
        let size = u32::from_be_bytes(bytes[start + LENGTH..][..4].try_into().unwrap());
        let end = start + LENGTH + 4 + usize::try_from(size).unwrap();
        let found = u64::from_be_bytes(bytes[start..][..8].try_into().unwrap());
        if found == offset {
            change(&mut bytes[start..end], damage);
            break;
        }
        start = end;
    }
    std::fs::write(&path, bytes).unwrap();
}

fn segment(data: &Path, topic: &str, partition: usize) -> PathBuf {
    data.join(format!("{topic}-{partition}"))
        .join("00000000000000000000.log")
}

fn change(batch: &mut [u8], damage: Damage) {
    match damage {
        Damage::Checksum => *batch.last_mut().unwrap() ^= 0xff,
        Damage::Version => batch[MAGIC] = 9,
        Damage::Codec(codec) => {
            batch[ATTRIBUTES + 1] |= codec;
            let checksum = crc32c(&batch[ATTRIBUTES..]);
            batch[CHECKSUM..][..4].copy_from_slice(&checksum.to_be_bytes());
        }
    }
}

/// CRC-32C, as batches have it.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}
