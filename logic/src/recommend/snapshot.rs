//! A whole model as bytes, and back. Slots are given again in the order of the bytes, so equal models have equal bytes
//! after one round trip. A delta under way is not part of it: take it first.

use super::codec::{CodecError, Reader, Writer};
use super::items::Item;
use super::names::Slot;
use super::user::{Boost, Recent, User};
use super::{Model, RecommendSettings};

const MAGIC: [u8; 4] = *b"HMRS";
const VERSION: u8 = 1;

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
    /// All that it knows, as bytes.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut writer = Writer::begin(MAGIC, VERSION);
        let items = &self.items;
        let new = places(items.names.width(), items.names.all().map(|(slot, _)| slot));
        let users = places(
            self.user_names.width(),
            self.user_names.all().map(|(slot, _)| slot),
        );
        writer.double(items.events);
        writer.number(items.reference.map_or(0, |at| u64::from(at) + 1));
        writer.length(items.names.len());
        for (slot, name) in items.names.all() {
            let item = items.get(slot);
            writer.text(name);
            writer.double(item.count);
            writer.double(item.trend);
            writer.number(item.holders.into());
            writer.number(item.last.into());
        }
        for (slot, _) in items.names.all() {
            let row = items
                .row(slot)
                .map(super::row::Row::sorted)
                .unwrap_or_default();
            writer.length(row.len());
            let mut before = 0;
            for (other, count) in row {
                let other = place(&new, other);
                writer.number(u64::from(other - before));
                writer.float(count);
                before = other;
            }
        }
        writer.length(self.user_names.len());
        for (slot, name) in self.user_names.all() {
            writer.text(name);
            if let Some(user) = self.users.get(slot as usize) {
                write_user(&mut writer, user, &new);
            }
        }
        for (slot, _) in items.names.all() {
            let holders = items.holders.get(slot as usize).map_or(&[][..], |all| all);
            writer.length(holders.len());
            for holder in holders {
                writer.number(place(&users, *holder).into());
            }
        }
        writer.done()
    }

    /// A model from bytes of [`Model::snapshot`], under settings that can differ from those it was written with: bounds that
    /// are smaller now hold at once.
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
        model.items.events = reader.double()?;
        model.items.reference = reader.small()?.checked_sub(1);
        model.read_items(&mut reader)?;
        model.read_users(&mut reader)?;
        reader.end()?;
        model.enforce();
        model.items.rebuild_boards(model.settings.candidates_max);
        Ok(model)
    }

    fn read_items(&mut self, reader: &mut Reader<'_>) -> Result<(), CodecError> {
        reader.what = "items of a snapshot";
        let many = reader.length(20)?;
        for _ in 0..many {
            let name = reader.id()?;
            reader.plausible(self.items.names.find(name).is_none())?;
            let slot = self.items.intern(name);
            let slot = slot.ok_or(CodecError::Invalid(reader.what))?;
            let (count, trend) = (reader.double()?, reader.double()?);
            let (holders, last) = (reader.small()?, reader.small()?);
            self.items.increase(slot, count, trend, last);
            if let Some(item) = self.items.all.get_mut(slot as usize) {
                *item = Item { holders, ..*item };
            }
        }
        reader.what = "neighbours of a snapshot";
        for slot in 0..many as Slot {
            let neighbours = reader.length(5)?;
            let mut other = 0_u32;
            let mut previous = None;
            for _ in 0..neighbours {
                other = other
                    .checked_add(reader.small()?)
                    .filter(|other| (*other as usize) < many && previous != Some(*other))
                    .ok_or(CodecError::Invalid(reader.what))?;
                previous = Some(other);
                let count = reader.float()?;
                self.items.add(slot, other, count);
            }
        }
        Ok(())
    }

    fn read_users(&mut self, reader: &mut Reader<'_>) -> Result<(), CodecError> {
        reader.what = "users of a snapshot";
        let items = self.items.names.width();
        let many = reader.length(6)?;
        for _ in 0..many {
            let name = reader.id()?;
            reader.plausible(self.user_names.find(name).is_none())?;
            let slot = self.user_names.add(name);
            reader.plausible(slot.is_some_and(|slot| slot as usize == self.users.len()))?;
            let user = read_user(reader, items)?;
            self.users.push(user);
        }
        reader.what = "users of items in a snapshot";
        for slot in 0..items {
            let holders = reader.length(1)?;
            for _ in 0..holders {
                let user = reader.small()?;
                reader.plausible((user as usize) < many)?;
                if let Some(holders) = self.items.holders.get_mut(slot) {
                    holders.push(user);
                }
            }
        }
        Ok(())
    }
}

/// For each slot, its place among those in use.
fn places(width: usize, used: impl Iterator<Item = Slot>) -> Vec<Slot> {
    let mut new = vec![0; width];
    for (place, slot) in (0..).zip(used) {
        if let Some(entry) = new.get_mut(slot as usize) {
            *entry = place;
        }
    }
    new
}

fn place(new: &[Slot], slot: Slot) -> Slot {
    new.get(slot as usize).copied().unwrap_or(0)
}

fn write_user(writer: &mut Writer, user: &User, new: &[Slot]) {
    writer.number(user.last.into());
    writer.length(user.recent.len());
    for recent in &user.recent {
        writer.number(place(new, recent.item).into());
        writer.number(recent.at.into());
        writer.float(recent.weight);
    }
    writer.length(user.known_len());
    for (item, unwanted) in user.known() {
        writer.number(u64::from(place(new, item)) * 2 + u64::from(unwanted));
    }
    writer.length(user.boosts.len());
    for boost in &user.boosts {
        writer.number(place(new, boost.item).into());
        writer.number(boost.at.into());
        writer.float(boost.excess);
    }
}

fn read_user(reader: &mut Reader<'_>, items: usize) -> Result<User, CodecError> {
    let mut user = User::default();
    user.last = reader.small()?;
    let item = |reader: &Reader<'_>, slot: u32| {
        reader.plausible((slot as usize) < items)?;
        Ok(slot)
    };
    let mut before = 0;
    for _ in 0..reader.length(6)? {
        let slot = reader.small()?;
        let recent = Recent {
            item: item(reader, slot)?,
            at: reader.small()?,
            weight: reader.float()?,
        };
        reader.plausible(recent.at >= before)?;
        before = recent.at;
        user.recent.push(recent);
    }
    for _ in 0..reader.length(1)? {
        let entry = reader.small()?;
        user.remember(item(reader, entry / 2)?, entry % 2 == 1);
    }
    for _ in 0..reader.length(6)? {
        let slot = reader.small()?;
        user.boosts.push(Boost {
            item: item(reader, slot)?,
            at: reader.small()?,
            excess: reader.float()?,
        });
    }
    Ok(user)
}
