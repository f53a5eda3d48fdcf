//! Which offsets of a partition are settled: the contiguous watermark of one epoch.
//!
//! Contiguous in delivery order, not in numbers: compacted and transactional topics have gaps (kafka-client §5).

use std::collections::VecDeque;

/// Tracks one epoch of one partition. Bounded by its caller, which delivers no more than it has credit for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watermark {
    /// Delivered and not yet below the watermark, in offset order, with whether each is settled.
    pending: VecDeque<(i64, bool)>,
    /// The next offset to start from: everything before it is settled.
    next: i64,
}

impl Watermark {
    /// Starts at the offset that delivery starts at.
    pub const fn new(position: i64) -> Self {
        Self {
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
            self.pending.push_back((offset, false));
        }
    }

    /// A record's effect is durable. Returns the new position when the watermark moved. Unknown and already settled
    /// offsets change nothing.
    pub fn settle(&mut self, offset: i64) -> Option<i64> {
        let index = self
            .pending
            .binary_search_by_key(&offset, |(offset, _)| *offset)
            .ok()?;
        let (_, settled) = self.pending.get_mut(index)?;
        *settled = true;
        let before = self.next;
        while let Some((offset, true)) = self.pending.front() {
            self.next = offset + 1;
            self.pending.pop_front();
        }
        (self.next > before).then_some(self.next)
    }

    /// Whether a record was delivered and is not settled.
    pub fn is_unsettled(&self, offset: i64) -> bool {
        let index = self
            .pending
            .binary_search_by_key(&offset, |(offset, _)| *offset);
        index
            .ok()
            .and_then(|index| self.pending.get(index))
            .is_some_and(|(_, settled)| !settled)
    }

    /// Everything before this offset is settled.
    pub const fn next(&self) -> i64 {
        self.next
    }

    /// Delivered and not settled, in order.
    pub fn unsettled(&self) -> Vec<i64> {
        self.pending
            .iter()
            .filter(|(_, settled)| !settled)
            .map(|(offset, _)| *offset)
            .collect()
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
        let unsettled = [4, 5, 6, 7, 9].map(|offset| watermark.is_unsettled(offset));
        assert_eq!(unsettled, [false, true, false, false, false]);
        assert_eq!(watermark.settle(5), Some(10));
        assert_eq!(watermark.in_flight(), 0);
        assert_eq!(watermark.settle(5), None);
    }

    proptest! {
        /// Against a naive model: the position is one past the longest settled prefix of the delivered offsets.
        #[test]
        fn the_watermark_equals_the_naive_model(
            gaps in prop::collection::vec(1_i64..4, 1..40),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..120),
        ) {
            let mut watermark = Watermark::new(0);
            let mut offsets = Vec::new();
            for gap in gaps {
                offsets.push(offsets.last().map_or(0, |last| last + gap));
            }
            for offset in &offsets {
                watermark.delivered(*offset);
                watermark.delivered(*offset);
            }
            let mut settled = BTreeSet::new();
            for index in order {
                let offset = *index.get(&offsets);
                settled.insert(offset);
                watermark.settle(offset);
                let naive = offsets.iter().take_while(|offset| settled.contains(offset)).last();
                prop_assert_eq!(watermark.next(), naive.map_or(0, |offset| offset + 1));
            }
        }
    }
}
