//! Items on their way through an actor: whatever happens to the actor that holds them, each is settled, given back or
//! refused, never lost.

use std::sync::Arc;

use homeostat_logic::event::Reject;
use homeostat_logic::offsets::Readers;

use crate::batch::Batch;
use crate::dead_letters::REFUSED;
use crate::flight::Flight;
use crate::ports::log::RecordView;

/// Items made of the records of one batch, for one actor. Dropping it gives back what is not settled: a failing actor drops
/// the message it was handling, and with it this.
#[derive(Debug)]
pub struct Work<T> {
    origin: Origin,
    items: Vec<Item<T>>,
    handling: Option<usize>,
}

/// Where work comes from, and to whom it goes.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The partition.
    pub flight: Arc<Flight>,
    /// The records.
    pub batch: Arc<Batch>,
    /// Number of the actor's kind among the readers.
    pub reader: usize,
    /// Path of the actor, for failure texts.
    pub path: Arc<str>,
}

/// What one record became.
#[derive(Clone, Debug)]
pub struct Item<T> {
    /// Offset of the record.
    pub offset: i64,
    /// Its index in the batch.
    pub index: usize,
    /// What the feed made of it.
    pub value: T,
}

impl<T> Work<T> {
    /// Items in offset order.
    pub const fn new(origin: Origin, items: Vec<Item<T>>) -> Self {
        Self {
            origin,
            items,
            handling: None,
        }
    }

    /// Where the items come from.
    pub const fn flight(&self) -> &Arc<Flight> {
        &self.origin.flight
    }

    /// The records that the items were made of.
    pub const fn batch(&self) -> &Arc<Batch> {
        &self.origin.batch
    }

    /// Number of items.
    pub const fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What the feed made of the records, in offset order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.items.iter().map(|item| &item.value)
    }

    /// Takes up the item at an index: from here on, it is the culprit if the actor fails.
    pub fn begin(&mut self, index: usize) -> Option<(&Item<T>, RecordView<'_>)> {
        self.handling = Some(index);
        let item = self.items.get(index)?;
        Some((item, self.origin.batch.get(item.index)?))
    }

    /// Every item was handled; what is left is waiting, which is no item's fault.
    pub const fn handled(&mut self) {
        self.handling = None;
    }

    /// The effects of these items are durable; `offsets` in order. Returns how many records are settled by that: this kind was
    /// the last to settle them.
    pub fn settle(&mut self, offsets: &[i64]) -> u64 {
        self.items
            .retain(|item| offsets.binary_search(&item.offset).is_err());
        let (flight, reader) = (&self.origin.flight, Readers::one(self.origin.reader));
        flight.settle(reader, offsets.iter().copied())
    }

    /// These items are no events; each goes to the dead letters with its reason.
    pub fn reject(&mut self, rejected: Vec<(i64, Reject)>) {
        for (offset, reject) in rejected {
            self.items.retain(|item| item.offset != offset);
            let (reason, error) = (reject.label(), reject.to_string());
            let Origin { flight, reader, .. } = &self.origin;
            flight.refuse(*reader, offset, reason, error);
        }
    }

    /// What these items ask for can never be written; each goes to the dead letters with its reason.
    pub fn refuse(&mut self, refused: Vec<(i64, String)>) {
        for (offset, reason) in refused {
            self.items.retain(|item| item.offset != offset);
            self.origin
                .flight
                .refuse(self.origin.reader, offset, REFUSED, reason);
        }
    }
}

impl<T> Drop for Work<T> {
    fn drop(&mut self) {
        if self.items.is_empty() {
            return;
        }
        let culprit = self
            .handling
            .and_then(|index| self.items.get(index))
            .map(|item| item.offset);
        let rest = self
            .items
            .iter()
            .map(|item| item.offset)
            .filter(|offset| Some(*offset) != culprit);
        let Origin {
            flight,
            reader,
            path,
            ..
        } = &self.origin;
        flight.give_back(*reader, path, culprit, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flight::tests::{READER, deliver, flight};
    use crate::flight::{Cause, Returned};

    fn work(offsets: std::ops::Range<i64>) -> (Arc<Flight>, Work<()>) {
        let flight = Arc::new(flight());
        let origin = Origin {
            flight: Arc::clone(&flight),
            batch: deliver(&flight, offsets.clone()),
            reader: READER,
            path: "homeostat/roles/drift".into(),
        };
        let items = offsets.enumerate().map(|(index, offset)| Item {
            offset,
            index,
            value: (),
        });
        (flight, Work::new(origin, items.collect()))
    }

    fn given_back(flight: &Flight) -> Vec<(i64, bool)> {
        let blamed = |one: Returned| {
            (
                one.offset,
                matches!(one.cause, Cause::Failed { times: 1, .. }),
            )
        };
        let mut returned: Vec<_> = flight.take_returned().into_iter().map(blamed).collect();
        returned.sort_unstable();
        returned
    }

    #[test]
    fn what_is_dropped_comes_back_with_the_one_being_handled_to_blame() {
        let (flight, mut work) = work(4..7);
        let (item, record) = work.begin(1).unwrap();
        assert_eq!((item.offset, record.offset), (5, 5));
        drop(work);
        assert_eq!(given_back(&flight), [(4, false), (5, true), (6, false)]);
    }

    #[test]
    fn no_item_is_to_blame_before_and_after_the_handling() {
        for handled in [false, true] {
            let (flight, mut work) = work(0..2);
            if handled {
                work.begin(1);
                work.handled();
            }
            drop(work);
            assert_eq!(given_back(&flight), [(0, false), (1, false)]);
        }
    }

    #[test]
    fn what_is_settled_or_refused_does_not_come_back_a_second_time() {
        let (flight, mut work) = work(0..4);
        work.settle(&[0, 2]);
        work.refuse(vec![(1, "never".to_owned())]);
        drop(work);
        let expected = [
            Returned {
                offset: 1,
                readers: Readers::one(READER),
                cause: Cause::Refused(REFUSED, "never".to_owned()),
            },
            Returned {
                offset: 3,
                readers: Readers::one(READER),
                cause: Cause::Bystander,
            },
        ];
        assert_eq!(flight.take_returned(), expected);
        let open = |offset| !flight.open(offset, Readers::one(READER)).is_empty();
        assert!(!open(0) && !open(2));
    }
}
