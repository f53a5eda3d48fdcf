//! Which offsets of a partition are settled: the contiguous watermark of one epoch.
//!
//! Contiguous in delivery order, not in numbers: compacted and transactional topics have gaps (kafka-client §5).

use std::collections::VecDeque;

/// A set of readers, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Readers(u64);

impl Readers {
    /// Highest number of readers: numbers are below it. A higher number is in no set.
    pub const MAX: usize = 64;
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// The set of one reader.
    pub const fn one(number: usize) -> Self {
        if number < Self::MAX {
            Self(1 << number)
        } else {
            Self::NONE
        }
    }

    /// Members of either.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Members of this one that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Members of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it has a member with this number.
    pub const fn contains(self, number: usize) -> bool {
        !self.and(Self::one(number)).is_empty()
    }

    /// Number of members.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether it has no member.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<usize> for Readers {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Self {
        let sets = numbers.into_iter().map(Self::one);
        sets.fold(Self::NONE, Self::with)
    }
}

/// Tracks one epoch of one partition. A record is settled when each of the partition's readers has settled it. Bounded by its
/// caller, which delivers no more than it has credit for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// Who has to settle each record.
    readers: Readers,
    /// Delivered and not yet below the watermark, in offset order, with the readers that still have to settle each.
    pending: VecDeque<(i64, Readers)>,
    /// The next offset to start from: everything before it is settled.
    next: i64,
}

impl Watermark {
    /// Starts at the offset that delivery starts at, for one reader.
    pub const fn new(position: i64) -> Self {
        Self::for_readers(position, Readers::one(0))
    }

    /// Starts at the offset that delivery starts at, for several readers.
    pub const fn for_readers(position: i64, readers: Readers) -> Self {
        Self {
            readers,
            pending: VecDeque::new(),
            next: position,
        }
    }

    /// A record was delivered. A redelivered offset (at or below the last one) changes nothing.
    pub fn delivered(&mut self, offset: i64) {
        let newest = self
            .pending
            .back()
            .map_or(self.next - 1, |(offset, _)| *offset);
        if offset > newest {
            self.pending.push_back((offset, self.readers));
        }
    }

    /// A record's effect is durable for every reader. Returns the new position when the watermark moved. Unknown and already
    /// settled offsets change nothing.
    pub fn settle(&mut self, offset: i64) -> Option<i64> {
        let before = self.next;
        self.settle_for(offset, self.readers);
        (self.next > before).then_some(self.next)
    }

    /// A record's effect is durable for these readers. Says whether the record is settled by that: they were the last.
    pub fn settle_for(&mut self, offset: i64, readers: Readers) -> bool {
        let entry = self.entry(offset);
        let Some((_, owing)) = entry.and_then(|at| self.pending.get_mut(at)) else {
            return false;
        };
        let before = *owing;
        *owing = before.without(readers);
        let settled = !before.is_empty() && owing.is_empty();
        while let Some((offset, owing)) = self.pending.front()
            && owing.is_empty()
        {
            self.next = offset + 1;
            self.pending.pop_front();
        }
        settled
    }

    fn entry(&self, offset: i64) -> Option<usize> {
        self.pending
            .binary_search_by_key(&offset, |(offset, _)| *offset)
            .ok()
    }

    /// Readers that still have to settle a record; none for one that is unknown or settled.
    pub fn owing(&self, offset: i64) -> Readers {
        let entry = self.entry(offset).and_then(|at| self.pending.get(at));
        entry.map_or(Readers::NONE, |(_, owing)| *owing)
    }

    /// Everything before this offset is settled.
    pub const fn next(&self) -> i64 {
        self.next
    }

    /// Delivered and not settled, in order, with the readers that still have to settle each.
    pub fn unsettled(&self) -> impl Iterator<Item = (i64, Readers)> {
        let entries = self.pending.iter().copied();
        entries.filter(|(_, owing)| !owing.is_empty())
    }

    /// Records delivered and not settled, or settled behind one that is not.
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_watermark_waits_for_the_oldest_unsettled_record() {
        let mut watermark = Watermark::new(5);
        for offset in [5, 6, 9] {
            watermark.delivered(offset);
        }
        assert_eq!(watermark.settle(6), None);
        assert_eq!(watermark.settle(9), None);
        let unsettled: Vec<i64> = watermark.unsettled().map(|(offset, _)| offset).collect();
        assert_eq!(unsettled, [5]);
        assert_eq!(watermark.settle(5), Some(10));
        assert_eq!(watermark.in_flight(), 0);
        assert_eq!(watermark.settle(5), None);
    }

    #[test]
    fn a_record_is_settled_by_the_last_of_its_readers_and_by_none_a_second_time() {
        let readers: Readers = [1, 3].into_iter().collect();
        let mut watermark = Watermark::for_readers(0, readers);
        watermark.delivered(0);
        // Of another topic: not asked for.
        assert!(!watermark.settle_for(0, Readers::one(0)));
        assert!(!watermark.settle_for(0, Readers::one(3)));
        assert!(!watermark.settle_for(0, Readers::one(3)));
        assert_eq!((watermark.owing(0), watermark.next()), (Readers::one(1), 0));
        assert!(watermark.settle_for(0, Readers::one(1)));
        assert!(!watermark.settle_for(0, readers));
        assert_eq!((watermark.owing(0), watermark.next()), (Readers::NONE, 1));
    }

    proptest! {
        /// Against a naive model: the position is one past the longest settled prefix of the delivered offsets.
        #[test]
        fn the_watermark_equals_the_naive_model(
            gaps in prop::collection::vec(1_i64..4, 1..40),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..120),
        ) {
            let both: Readers = [0, 1].into_iter().collect();
            let mut watermark = Watermark::for_readers(0, both);
            let mut offsets = Vec::new();
            for gap in gaps {
                offsets.push(offsets.last().map_or(0, |last| last + gap));
            }
            for offset in &offsets {
                watermark.delivered(*offset);
                watermark.delivered(*offset);
            }
            let mut settled = BTreeSet::new();
            for (turn, index) in order.iter().enumerate() {
                let (offset, reader) = (*index.get(&offsets), turn % 2);
                settled.insert((offset, reader));
                watermark.settle_for(offset, Readers::one(reader));
                let by_both = |offset: &&i64| [0, 1].iter().all(|reader| settled.contains(&(**offset, *reader)));
                let naive = offsets.iter().take_while(by_both).last();
                prop_assert_eq!(watermark.next(), naive.map_or(0, |offset| offset + 1));
            }
        }
    }
}
