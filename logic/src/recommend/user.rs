//! What is known of one user: the newest items in order, all that were seen, and boosts.

use super::names::Slot;

/// An item that a user chose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recent {
    pub(super) item: Slot,
    /// Second since 1970.
    pub(super) at: u32,
    /// The largest weight with which it was chosen while it is here.
    pub(super) weight: f32,
}

/// An item that counts more for a user, and since when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Boost {
    pub(super) item: Slot,
    pub(super) at: u32,
    /// What the factor exceeded 1 by at that time.
    pub(super) excess: f32,
}

/// The mark of an item that the user does not want, beside its slot.
const UNWANTED: Slot = 1 << 31;

/// One user.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct User {
    /// In order of time; of one second, in the order they came.
    pub(super) recent: Vec<Recent>,
    /// In the order first seen, with the mark.
    known: Vec<Slot>,
    pub(super) boosts: Vec<Boost>,
    /// When it was last learned of or imported, in the model's own count: who has the smallest leaves first.
    pub(super) touched: u64,
}

impl User {
    /// Items seen or unwanted; the flag says which.
    pub(super) fn known(&self) -> impl Iterator<Item = (Slot, bool)> + Clone {
        self.known
            .iter()
            .map(|known| (known & !UNWANTED, known & UNWANTED != 0))
    }

    #[cfg(test)]
    pub(super) fn known_len(&self) -> usize {
        self.known.len()
    }

    /// Remembers the item; says whether it is a new one.
    pub(super) fn know(&mut self, item: Slot, unwanted: bool) -> bool {
        let entry = if unwanted { item | UNWANTED } else { item };
        let place = self
            .known
            .iter_mut()
            .find(|known| **known & !UNWANTED == item);
        if let Some(place) = place {
            *place = entry;
            return false;
        }
        self.known.push(entry);
        true
    }

    /// Remembers an item that is known to be new.
    pub(super) fn remember(&mut self, item: Slot, unwanted: bool) {
        self.known
            .push(if unwanted { item | UNWANTED } else { item });
    }

    /// Forgets the eighth seen first, if there are `max`. They are returned.
    pub(super) fn make_room(&mut self, max: usize) -> Vec<Slot> {
        if self.known.len() < max {
            return Vec::new();
        }
        let out = self.known.len() - max + (max / 8).max(1);
        self.known
            .drain(..out.min(self.known.len()))
            .map(|known| known & !UNWANTED)
            .collect()
    }

    /// Takes an item out of the newest ones.
    pub(super) fn take(&mut self, item: Slot) -> Option<Recent> {
        let place = self.recent.iter().position(|recent| recent.item == item)?;
        Some(self.recent.remove(place))
    }

    /// Puts an item at its place in time; the oldest leave.
    pub(super) fn put(&mut self, recent: Recent, max: usize) {
        let place = self.place(recent.at);
        self.recent.insert(place, recent);
        let over = self.recent.len().saturating_sub(max);
        self.recent.drain(..over);
    }

    /// Where an item of this second comes.
    pub(super) fn place(&self, at: u32) -> usize {
        self.recent.partition_point(|recent| recent.at <= at)
    }

    /// Items are no longer known to the model.
    pub(super) fn remove(&mut self, gone: impl Fn(Slot) -> bool) {
        self.recent.retain(|recent| !gone(recent.item));
        self.known.retain(|known| !gone(known & !UNWANTED));
        self.boosts.retain(|boost| !gone(boost.item));
    }

    pub(super) fn bytes(&self) -> usize {
        self.recent.capacity() * size_of::<Recent>()
            + self.known.capacity() * size_of::<Slot>()
            + self.boosts.capacity() * size_of::<Boost>()
    }
}

/// Of items in order of time: the item, and how many are newer than the first one of its second.
pub(super) fn with_distance(recent: &[Recent]) -> impl Iterator<Item = (Recent, usize)> + '_ {
    let newest = recent.len().saturating_sub(1);
    let mut first = (None, 0);
    recent.iter().enumerate().map(move |(place, item)| {
        if first.0 != Some(item.at) {
            first = (Some(item.at), place);
        }
        (*item, newest - first.1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(item: Slot, at: u32) -> Recent {
        Recent {
            item,
            at,
            weight: 1.0,
        }
    }

    #[test]
    fn a_late_event_takes_its_place_and_the_oldest_leave() {
        let mut user = User::default();
        for recent in [at(1, 10), at(2, 20), at(3, 10), at(4, 30), at(5, 5)] {
            user.put(recent, 4);
        }
        let order: Vec<Slot> = user.recent.iter().map(|recent| recent.item).collect();
        assert_eq!(order, [1, 3, 2, 4]);
    }

    #[test]
    fn items_of_one_second_are_as_far_as_the_first_of_them() {
        let recent = [at(1, 1), at(2, 5), at(3, 5), at(4, 5), at(5, 9)];
        let distances: Vec<usize> = with_distance(&recent).map(|(_, d)| d).collect();
        assert_eq!(distances, [4, 3, 3, 3, 0]);
        assert_eq!(with_distance(&[]).count(), 0);
    }

    #[test]
    fn the_eighth_seen_first_is_forgotten_at_the_bound() {
        let mut user = User::default();
        for item in 0..16 {
            assert!(user.know(item, false));
        }
        assert!(!user.know(3, true));
        assert_eq!(user.make_room(17), [0; 0]);
        assert_eq!(user.make_room(16), [0, 1]);
        assert!(user.known().any(|known| known == (3, true)));
    }
}
