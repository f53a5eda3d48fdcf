//! What is known of items as bytes, and back. Users are not part of it ([`Model::export_user`]), and neither is a delta under way.
//!
//! Items are in the order of their ids, so that models which merged the same have equal bytes.

use super::codec::{CodecError, Reader, Writer};
use super::names::Slot;
use super::pending::Gain;
use super::row::Row;
use super::{Model, RecommendSettings};

const MAGIC: [u8; 4] = *b"HMRS";
const VERSION: u8 = 2;

/// Why a model cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The bytes.
    #[error(transparent)]
    Bytes(#[from] CodecError),
    /// The settings.
    #[error(transparent)]
    Settings(#[from] super::SettingsError),
}

impl Model {
    /// What it knows of items, as bytes.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut writer = Writer::begin(MAGIC, VERSION);
        self.write_items(&mut writer);
        writer.done()
    }

    /// A model from bytes of [`Model::snapshot`], under settings that can differ from those it was written with: bounds that
    /// are smaller now hold at once. It knows no users.
    ///
    /// # Errors
    /// The bytes are no snapshot, of a later version or damaged; or a setting is outside its range.
    pub fn restore(
        bytes: &[u8],
        settings: RecommendSettings,
        seed: u64,
    ) -> Result<Self, RestoreError> {
        let mut model = Self::new(settings, seed)?;
        let mut reader = Reader::begin(bytes, MAGIC, VERSION, "snapshot")?;
        model.read_items(&mut reader)?;
        reader.end()?;
        Ok(model)
    }

    pub(super) fn write_items(&self, writer: &mut Writer) {
        let items = &self.items;
        let mut order: Vec<(&str, Slot)> = items
            .names
            .all()
            .filter(|(slot, _)| items.get(*slot).is_counted)
            .map(|(slot, name)| (name, slot))
            .collect();
        order.sort_unstable();
        let mut places = vec![0_u32; items.names.width()];
        for (place, (_, slot)) in (0..).zip(&order) {
            if let Some(entry) = places.get_mut(*slot as usize) {
                *entry = place;
            }
        }
        let place = |slot: Slot| places.get(slot as usize).copied().unwrap_or(0);
        writer.double(items.events);
        writer.double(items.counts);
        writer.double(items.trend_whole.max(0.0));
        writer.evidence(&items.evidence);
        writer.number(items.newest.into());
        writer.number(items.reference.map_or(0, |at| u64::from(at) + 1));
        writer.number(u64::from(items.is_full()));
        writer.length(order.len());
        for (name, slot) in &order {
            let item = items.get(*slot);
            writer.text(name);
            writer.double(item.count);
            writer.double(item.trend);
            writer.number(item.choices.into());
            writer.number(item.holders.into());
            writer.number(item.last.into());
        }
        for (_, slot) in &order {
            let row = items.row(*slot).into_iter().flat_map(Row::iter);
            let mut row: Vec<(u32, f32)> =
                row.map(|(other, count)| (place(other), count)).collect();
            row.sort_unstable_by_key(|(other, _)| *other);
            writer.length(row.len());
            let mut before = 0;
            for (other, count) in row {
                writer.number(u64::from(other - before));
                writer.float(count);
                before = other;
            }
        }
    }

    /// Into a model that is empty.
    pub(super) fn read_items(&mut self, reader: &mut Reader<'_>) -> Result<(), CodecError> {
        reader.what = "items of a snapshot";
        self.items.events = reader.double()?;
        let (counts, trend_whole) = (reader.double()?, reader.double()?);
        self.items.evidence = reader.evidence()?;
        let newest = reader.small()?;
        self.items.reference = reader.small()?.checked_sub(1);
        let is_full = reader.number()? == 1;
        let many = reader.length(21)?;
        for _ in 0..many {
            let name = reader.id()?;
            reader.plausible(self.items.names.find(name).is_none())?;
            let slot = self.items.intern(name);
            let slot = slot.ok_or(CodecError::Invalid(reader.what))?;
            self.items.count_in(slot);
            let gain = Gain {
                count: reader.double()?,
                trend: reader.double()?,
                choices: reader.small()?,
                holders: reader.small()?,
                last: reader.small()?,
            };
            self.items.increase(slot, &gain);
        }
        // As they were added up, in another order: equal records give equal sums.
        (self.items.counts, self.items.trend_whole) = (counts, trend_whole);
        self.items.newest = newest;
        reader.what = "neighbours of a snapshot";
        for slot in 0..many as Slot {
            let neighbours = reader.length(5)?;
            let mut other = 0_u32;
            let mut previous = None;
            for _ in 0..neighbours {
                other = other
                    .checked_add(reader.small()?)
                    .filter(|other| (*other as usize) < many && previous != Some(*other))
                    .filter(|other| *other != slot)
                    .ok_or(CodecError::Invalid(reader.what))?;
                previous = Some(other);
                let count = reader.float()?;
                self.items.add(slot, other, count);
            }
        }
        if is_full {
            self.items.fill();
        }
        self.enforce();
        self.items.rebuild_boards(self.settings.candidates_max);
        Ok(())
    }
}
