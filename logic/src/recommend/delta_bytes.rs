//! Deltas as bytes, for a record of a topic.

use super::codec::{CodecError, Reader, Writer};
use super::delta::{Delta, DeltaItem};

const MAGIC: [u8; 4] = *b"HMRD";
const VERSION: u8 = 2;
const WHAT: &str = "delta";

impl Delta {
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::begin(MAGIC, VERSION);
        writer.number(self.reference.into());
        writer.double(self.events);
        writer.evidence(&self.evidence);
        writer.length(self.items.len());
        for item in &self.items {
            writer.text(&item.id);
            writer.double(item.count);
            writer.double(item.trend);
            writer.number(item.choices.into());
            writer.number(item.holders.into());
            writer.number(item.last.into());
        }
        writer.length(self.pairs.len());
        let mut before = 0;
        for (one, other, count) in &self.pairs {
            writer.number(one.wrapping_sub(before).into());
            writer.number((*other).into());
            writer.float(*count);
            before = *one;
        }
        writer.done()
    }

    /// Reads them.
    ///
    /// # Errors
    /// They are no delta, or of a later version, or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::begin(bytes, MAGIC, VERSION, WHAT)?;
        let reference = reader.small()?;
        let events = reader.double()?;
        let evidence = reader.evidence()?;
        let many = reader.length(21)?;
        let mut items = Vec::with_capacity(many);
        for _ in 0..many {
            items.push(DeltaItem {
                id: reader.id()?.to_owned(),
                count: reader.double()?,
                trend: reader.double()?,
                choices: reader.small()?,
                holders: reader.small()?,
                last: reader.small()?,
            });
        }
        let many = reader.length(6)?;
        let mut pairs = Vec::with_capacity(many);
        let mut before = 0_u32;
        for _ in 0..many {
            let one = before.checked_add(reader.small()?);
            let one = one.ok_or(CodecError::Invalid(WHAT))?;
            let other = reader.small()?;
            reader.plausible(one < other && (other as usize) < items.len())?;
            pairs.push((one, other, reader.float()?));
            before = one;
        }
        reader.end()?;
        Ok(Self {
            reference,
            events,
            items,
            pairs,
            evidence: Box::new(evidence),
        })
    }
}
