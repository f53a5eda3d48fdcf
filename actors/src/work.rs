//! Events on their way through a role: whatever happens to the actor that holds them, each is settled, given back or
//! refused, never lost.

use std::sync::Arc;

use homeostat_logic::event::Event;

use crate::batch::Batch;
use crate::flight::Flight;
use crate::ports::log::RecordView;

/// Decoded events of one batch, for one role. Dropping it gives back what is not settled: a failing actor drops the
/// message it was handling, and with it this.
#[derive(Debug)]
pub struct Work {
    flight: Arc<Flight>,
    batch: Arc<Batch>,
    items: Vec<Item>,
    handling: Option<usize>,
}

/// One event of a batch.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its offset.
    pub offset: i64,
    /// The event.
    pub event: Event,
    /// Its bare text, where that is not the record's value ([`homeostat_logic::envelope`]).
    pub text: Option<Box<str>>,
}

impl Work {
    /// Events of one batch.
    pub fn new(flight: Arc<Flight>, batch: Arc<Batch>, items: Vec<Item>) -> Self {
        Self {
            flight,
            batch,
            items,
            handling: None,
        }
    }

    /// Where the events come from.
    pub fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes up the event at an index: from here on, it is the culprit if the actor fails.
    pub fn begin(&mut self, index: usize) -> Option<(&Item, RecordView<'_>)> {
        self.handling = Some(index);
        let item = self.items.get(index)?;
        Some((item, self.batch.at_offset(item.offset)?))
    }

    /// Every event was handled; what is left is waiting, which is nobody's fault.
    pub fn handled(&mut self) {
        self.handling = None;
    }

    /// The effects of these events are durable.
    pub fn settle(&mut self, offsets: &[i64]) {
        self.items.retain(|item| !offsets.contains(&item.offset));
        self.flight.settle(offsets.iter().copied());
    }

    /// These events can never be written; each goes to the dead letters with its reason.
    pub fn refuse(&mut self, refused: Vec<(i64, String)>) {
        for (offset, reason) in refused {
            self.items.retain(|item| item.offset != offset);
            self.flight.refuse(offset, reason);
        }
    }
}

impl Drop for Work {
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
        self.flight.give_back(culprit, rest);
    }
}

#[cfg(test)]
mod tests {
    use homeostat_logic::event::{Names, decode};
    use homeostat_logic::topic;

    use super::*;
    use crate::flight::tests::{deliver, flight};
    use crate::flight::{Cause, Returned};

    fn work(offsets: std::ops::Range<i64>) -> (Arc<Flight>, Work) {
        let flight = Arc::new(flight());
        let batch = deliver(&flight, offsets.clone());
        let drift = topic::find("data.drift.detected").unwrap();
        let event = decode(Some(b"{}"), drift, &mut Names::default()).unwrap();
        let item = |offset| Item {
            offset,
            event: event.clone(),
            text: None,
        };
        let items = offsets.map(item).collect();
        (Arc::clone(&flight), Work::new(flight, batch, items))
    }

    fn given_back(flight: &Flight) -> Vec<(i64, bool)> {
        let blamed = |one: Returned| (one.offset, matches!(one.cause, Cause::Failed(1)));
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
    fn nobody_is_to_blame_before_and_after_the_handling() {
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
                cause: Cause::Refused("never".to_owned()),
            },
            Returned {
                offset: 3,
                cause: Cause::Bystander,
            },
        ];
        assert_eq!(flight.take_returned(), expected);
        assert!(!flight.is_open(0) && !flight.is_open(2));
    }
}
