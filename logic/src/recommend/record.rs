//! The records of the topic by which instances share a model: who learns for a shard, and what was learned.

use super::codec::{CodecError, Reader, Writer};
use super::delta::Delta;

const MAGIC: [u8; 4] = *b"HMRM";
const VERSION: u8 = 1;
const WHAT: &str = "record";
/// Shards are partitions of a topic; more than any log has.
const SHARDS_MAX: u32 = 1 << 20;

/// A record. A shard is the part of all users whose events are learned together.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelRecord {
    /// Who learns for a shard from here on. Deltas with another token count no more.
    Claim {
        /// The shard, below 1,048,576.
        shard: u32,
        /// Of this owner alone.
        token: u64,
        /// Identity of the store that keeps the shard's users.
        store: String,
    },
    /// What an owner learned from the events `from` to `to`, both among them.
    Delta {
        /// The shard.
        shard: u32,
        /// The token of the owner's claim.
        token: u64,
        /// Position of the first event, from 0.
        from: i64,
        /// Position of the last one.
        to: i64,
        /// What was learned.
        delta: Delta,
    },
}

impl ModelRecord {
    /// Its bytes. Positions below 0 are written as 0.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::begin(MAGIC, VERSION);
        match self {
            Self::Claim {
                shard,
                token,
                store,
            } => {
                writer.number(0);
                writer.number((*shard).into());
                writer.number(*token);
                writer.text(store);
            }
            Self::Delta {
                shard,
                token,
                from,
                to,
                delta,
            } => {
                writer.number(1);
                writer.number((*shard).into());
                writer.number(*token);
                writer.position(*from);
                writer.position(*to);
                writer.raw(&delta.to_bytes());
            }
        }
        writer.done()
    }

    /// Reads them.
    ///
    /// # Errors
    /// They are no record, or of a later version, or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::begin(bytes, MAGIC, VERSION, WHAT)?;
        let kind = reader.number()?;
        let (shard, token) = (shard(&mut reader)?, reader.number()?);
        match kind {
            0 => {
                let store = reader.text()?.to_owned();
                reader.end()?;
                Ok(Self::Claim {
                    shard,
                    token,
                    store,
                })
            }
            1 => {
                let (from, to) = (reader.position()?, reader.position()?);
                reader.plausible(from <= to)?;
                let delta = Delta::from_bytes(reader.rest())?;
                Ok(Self::Delta {
                    shard,
                    token,
                    from,
                    to,
                    delta,
                })
            }
            _ => Err(CodecError::Invalid(WHAT)),
        }
    }
}

pub(super) fn shard(reader: &mut Reader<'_>) -> Result<u32, CodecError> {
    let shard = reader.small()?;
    reader.plausible(shard < SHARDS_MAX)?;
    Ok(shard)
}
