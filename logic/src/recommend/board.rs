//! The items with the largest values, kept up to date while values only grow.

use std::cmp::Ordering;

use super::names::Slot;

/// A value, and what decides between equal ones: the smaller tie is ahead. So the members do not depend on who came first.
pub(super) type Key = (f64, u32);

fn order(one: &Key, other: &Key) -> Ordering {
    one.0.total_cmp(&other.0).then(other.1.cmp(&one.1))
}

/// Below every value above zero.
const NONE: Key = (0.0, 0);

/// At most `size` members. A value that shrinks needs a new board.
#[derive(Clone)]
pub(super) struct Board {
    members: Vec<Slot>,
    size: usize,
    /// At most the smallest value of a full board; values grow, so it stays a bound until the next search.
    floor: Key,
}

/// Who left the board for the newcomer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It is not on the board.
    Refused,
    /// It is, and no member left.
    Free,
    /// It is, instead of this one.
    Instead(Slot),
}

impl Board {
    pub(super) fn new(size: usize) -> Self {
        Self {
            members: Vec::new(),
            size: size.max(1),
            floor: NONE,
        }
    }

    /// Those of `all` with the largest values.
    pub(super) fn of(size: usize, mut all: Vec<(Key, Slot)>) -> Self {
        let mut board = Self::new(size);
        all.retain(|(key, _)| key.0 > 0.0);
        let order = |one: &(Key, Slot), other: &(Key, Slot)| {
            order(&other.0, &one.0).then(one.1.cmp(&other.1))
        };
        if all.len() > board.size {
            all.select_nth_unstable_by(board.size, order);
            all.truncate(board.size);
        }
        all.sort_unstable_by(order);
        board.members = all.into_iter().map(|(_, slot)| slot).collect();
        board
    }

    pub(super) fn members(&self) -> &[Slot] {
        &self.members
    }

    /// All values were multiplied by something smaller than 1.
    pub(super) fn shrunk(&mut self) {
        self.floor = NONE;
    }

    /// An item that is no member has this value now.
    pub(super) fn offer(&mut self, slot: Slot, key: Key, key_of: impl Fn(Slot) -> Key) -> Entry {
        if self.members.len() < self.size {
            self.members.push(slot);
            return Entry::Free;
        }
        let is_above = |other: &Key| order(&key, other) == Ordering::Greater;
        if !is_above(&self.floor) {
            return Entry::Refused;
        }
        let most = (f64::INFINITY, 0);
        let (mut least, mut second) = ((most, 0), most);
        for (place, member) in self.members.iter().enumerate() {
            let key = key_of(*member);
            if order(&key, &least.0) == Ordering::Less {
                second = least.0;
                least = (key, place);
            } else if order(&key, &second) == Ordering::Less {
                second = key;
            }
        }
        if !is_above(&least.0) {
            self.floor = least.0;
            return Entry::Refused;
        }
        self.floor = if is_above(&second) { second } else { key };
        match self.members.get_mut(least.1) {
            Some(place) => Entry::Instead(std::mem::replace(place, slot)),
            None => Entry::Refused,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.members.capacity() * size_of::<Slot>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever grows in whatever order, the members are those with the largest values, of equals the smaller ties.
        #[test]
        fn the_members_have_the_largest_values(grows in prop::collection::vec((0_u32..30, 1_u32..5), 0..300)) {
            let mut values = [0.0_f64; 30];
            let mut board = Board::new(7);
            let key = |values: &[f64; 30], slot: u32| (values[slot as usize], slot * 7 % 30);
            for (slot, by) in grows {
                values[slot as usize] += f64::from(by);
                if !board.members().contains(&slot) {
                    board.offer(slot, key(&values, slot), |slot| key(&values, slot));
                }
            }
            let all = (0..30).map(|slot| (key(&values, slot), slot)).collect();
            let mut expected = Board::of(7, all).members().to_vec();
            let mut found = board.members().to_vec();
            expected.sort_unstable();
            found.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
