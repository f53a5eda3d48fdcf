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
