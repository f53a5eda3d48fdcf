//! The items with the largest values, kept up to date while values only grow.

use super::names::Slot;

/// At most `size` members. A value that shrinks needs a new board.
#[derive(Clone)]
pub(super) struct Board {
    members: Vec<Slot>,
    size: usize,
    /// At most the smallest value of a full board; values grow, so it stays a bound until the next search.
    floor: f64,
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
            floor: 0.0,
        }
    }

    /// Those of `all` with the largest values, of equals the smaller slots.
    pub(super) fn of(size: usize, mut all: Vec<(f64, Slot)>) -> Self {
        let mut board = Self::new(size);
        all.retain(|(value, _)| *value > 0.0);
        let order = |one: &(f64, Slot), other: &(f64, Slot)| {
            other.0.total_cmp(&one.0).then(one.1.cmp(&other.1))
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
        self.floor = 0.0;
    }

    /// An item that is no member has this value now.
    pub(super) fn offer(
        &mut self,
        slot: Slot,
        value: f64,
        value_of: impl Fn(Slot) -> f64,
    ) -> Entry {
        if self.members.len() < self.size {
            self.members.push(slot);
            return Entry::Free;
        }
        if value <= self.floor {
            return Entry::Refused;
        }
        let mut least = (f64::INFINITY, 0);
        let mut second = f64::INFINITY;
        for (place, member) in self.members.iter().enumerate() {
            let value = value_of(*member);
            if value < least.0 {
                second = least.0;
                least = (value, place);
            } else if value < second {
                second = value;
            }
        }
        if value <= least.0 {
            self.floor = least.0;
            return Entry::Refused;
        }
        self.floor = second.min(value);
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
        /// Whatever grows in whatever order, the members are those with the largest values.
        #[test]
        fn the_members_have_the_largest_values(grows in prop::collection::vec((0_u32..30, 1_u32..5), 0..300)) {
            let mut values = [0.0_f64; 30];
            let mut member = [false; 30];
            let mut board = Board::new(7);
            for (slot, by) in grows {
                values[slot as usize] += f64::from(by);
                if member[slot as usize] {
                    continue;
                }
                match board.offer(slot, values[slot as usize], |slot| values[slot as usize]) {
                    Entry::Refused => continue,
                    Entry::Free => {}
                    Entry::Instead(other) => member[other as usize] = false,
                }
                member[slot as usize] = true;
            }
            let least = board.members().iter().map(|slot| values[*slot as usize]).fold(f64::INFINITY, f64::min);
            let above = values.iter().filter(|value| **value > least).count();
            prop_assert!(board.members().len() <= 7 && above < 7.max(board.members().len() + 1));
            for (slot, value) in values.iter().enumerate() {
                prop_assert!(member[slot] == board.members().contains(&(slot as u32)));
                prop_assert!(member[slot] || *value <= least || board.members().is_empty());
            }
        }
    }
}
