//! The neighbours of one item: how often each was chosen near it.

use std::cmp::Ordering;

use hashbrown::HashTable;

use super::names::Slot;

/// Neighbours with their counts. In no order: its reader sorts what has to be in order.
#[derive(Clone, Default)]
pub(super) struct Row {
    counts: HashTable<(Slot, f32)>,
    whole: f32,
}

fn hash(slot: Slot) -> u64 {
    let product = u64::from(slot).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ (product >> 32)
}

impl Row {
    /// Sum of the counts, but for rounding.
    pub(super) const fn whole(&self) -> f32 {
        self.whole
    }

    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    pub(super) fn get(&self, slot: Slot) -> Option<f32> {
        let found = self.counts.find(hash(slot), |(other, _)| *other == slot);
        found.map(|(_, count)| *count)
    }

    /// Adds to a neighbour that is there; says whether it is.
    pub(super) fn increase(&mut self, slot: Slot, by: f32) -> bool {
        match self
            .counts
            .find_mut(hash(slot), |(other, _)| *other == slot)
        {
            Some((_, count)) => {
                *count += by;
                self.whole += by;
                true
            }
            None => false,
        }
    }

    /// A neighbour that is not there yet.
    pub(super) fn insert(&mut self, slot: Slot, count: f32) {
        self.whole += count;
        self.counts
            .insert_unique(hash(slot), (slot, count), |(slot, _)| hash(*slot));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, f32)> {
        self.counts.iter().copied()
    }

    /// By slot.
    #[cfg(test)]
    pub(super) fn sorted(&self) -> Vec<(Slot, f32)> {
        let mut all: Vec<_> = self.iter().collect();
        all.sort_unstable_by_key(|(slot, _)| *slot);
        all
    }

    /// Keeps the `keep` largest counts, of equals those with the smaller tie. Says how many left.
    pub(super) fn prune(&mut self, keep: usize, tie: impl Fn(Slot) -> u32) -> usize {
        let before = self.len();
        if before <= keep {
            return 0;
        }
        let mut all: Vec<(Slot, f32)> = self.iter().collect();
        let order = |one: &(Slot, f32), other: &(Slot, f32)| -> Ordering {
            let count = other.1.total_cmp(&one.1);
            count.then_with(|| (tie(one.0), one.0).cmp(&(tie(other.0), other.0)))
        };
        let (_, first_out, _) = all.select_nth_unstable_by(keep, order);
        let first_out = *first_out;
        self.counts
            .retain(|entry| order(entry, &first_out) == Ordering::Less);
        self.add_up();
        before - self.len()
    }

    /// Removes neighbours. Says how many left.
    pub(super) fn remove(&mut self, gone: impl Fn(Slot) -> bool) -> usize {
        let before = self.len();
        self.counts.retain(|(slot, _)| !gone(*slot));
        if self.len() < before {
            self.add_up();
        }
        before - self.len()
    }

    fn add_up(&mut self) {
        self.whole = self.counts.iter().map(|(_, count)| count).sum();
    }

    pub(super) fn bytes(&self) -> usize {
        self.counts.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_counts_leave_and_of_equals_those_with_the_larger_tie() {
        let mut row = Row::default();
        for (slot, count) in [(1, 2.0), (2, 1.0), (3, 1.0), (4, 3.0), (5, 1.0)] {
            assert!(!row.increase(slot, 0.5));
            row.insert(slot, count);
        }
        assert!(row.increase(5, 0.0));
        assert_eq!(row.prune(3, |slot| 9 - slot), 2);
        assert_eq!(row.sorted(), [(1, 2.0), (4, 3.0), (5, 1.0)]);
        assert!((row.whole() - 6.0).abs() < 1e-6);
        assert_eq!(row.prune(3, |slot| slot), 0);
        assert_eq!(row.remove(|slot| slot == 4), 1);
        assert_eq!((row.get(4), row.get(1)), (None, Some(2.0)));
    }
}
