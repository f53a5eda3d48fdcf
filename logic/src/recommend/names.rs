//! Ids as small numbers, their slots. A slot is given again once its id was removed.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// Place of an item or a user in the tables of one model.
pub(crate) type Slot = u32;

/// Ids and their slots. Hashed with a seed, so that ids cannot be made to collide from outside; no result depends on it.
#[derive(Clone)]
pub(crate) struct Names {
    /// Ids by slot, empty where the slot is free.
    ids: Vec<Box<str>>,
    /// By slot, what decides between equals: a hash of the id, the same in every instance.
    ties: Vec<u32>,
    slots: HashTable<Slot>,
    free: Vec<Slot>,
    hasher: FixedState,
}

impl Names {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            ids: Vec::new(),
            ties: Vec::new(),
            slots: HashTable::new(),
            free: Vec::new(),
            hasher: FixedState::with_seed(seed),
        }
    }

    /// Ids that have a slot.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Slots given so far, free ones among them.
    pub(crate) fn width(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn find(&self, name: &str) -> Option<Slot> {
        self.slots
            .find(self.hasher.hash_one(name), |slot| self.name(*slot) == name)
            .copied()
    }

    /// The slot of this id, which has none yet. An empty id gets none.
    pub(crate) fn add(&mut self, name: &str) -> Option<Slot> {
        if name.is_empty() {
            return None;
        }
        let slot = if let Some(slot) = self.free.pop() {
            *self.ids.get_mut(slot as usize)? = name.into();
            *self.ties.get_mut(slot as usize)? = fnv(name);
            slot
        } else {
            let slot = Slot::try_from(self.ids.len()).ok()?;
            self.ids.push(name.into());
            self.ties.push(fnv(name));
            slot
        };
        let (ids, hasher) = (&self.ids, &self.hasher);
        let hash = |slot: &Slot| hasher.hash_one(ids.get(*slot as usize).map_or("", |it| it));
        self.slots.insert_unique(hasher.hash_one(name), slot, hash);
        Some(slot)
    }

    /// Frees the slot.
    pub(crate) fn remove(&mut self, slot: Slot) {
        let hash = self.hasher.hash_one(self.name(slot));
        if let Ok(found) = self.slots.find_entry(hash, |one| *one == slot) {
            found.remove();
            if let Some(name) = self.ids.get_mut(slot as usize) {
                *name = Box::default();
            }
            self.free.push(slot);
        }
    }

    /// Empty for a free slot.
    pub(crate) fn name(&self, slot: Slot) -> &str {
        self.ids.get(slot as usize).map_or("", |name| name)
    }

    /// Decides between items with equal counts. Slots differ between instances, this does not.
    pub(crate) fn tie(&self, slot: Slot) -> u32 {
        self.ties.get(slot as usize).copied().unwrap_or(u32::MAX)
    }

    /// Slots in use, in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Slot, &str)> {
        (0..)
            .zip(&self.ids)
            .map(|(slot, name)| (slot, &**name))
            .filter(|(_, name)| !name.is_empty())
    }

    /// Bytes on the heap, without what the allocator adds.
    pub(crate) fn bytes(&self) -> usize {
        self.ids.iter().map(|name| name.len()).sum::<usize>()
            + self.ids.capacity() * size_of::<Box<str>>()
            + self.ties.capacity() * size_of::<u32>()
            + self.slots.allocation_size()
            + self.free.capacity() * size_of::<Slot>()
    }
}

/// FNV-1a, on every machine and in every version the same.
fn fnv(name: &str) -> u32 {
    name.bytes().fold(0x811C_9DC5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_its_slot_until_it_is_removed() {
        let mut names = Names::new(1);
        let slots: Vec<Slot> = ["a", "b", "c"].map(|name| names.add(name).unwrap()).into();
        assert_eq!(slots, [0, 1, 2]);
        assert_eq!(names.find("b"), Some(1));
        names.remove(1);
        names.remove(1);
        assert_eq!((names.find("b"), names.name(1), names.len()), (None, "", 2));
        assert_eq!(names.add("d"), Some(1));
        assert_eq!(names.find("d"), Some(1));
        assert_eq!(names.add(""), None);
        let all: Vec<&str> = names.all().map(|(_, name)| name).collect();
        assert_eq!(all, ["a", "d", "c"]);
    }
}
