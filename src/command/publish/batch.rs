//! Consecutive events, sent together in one request or append.

use super::lines::Event;

/// Bounds of a batch, well below those of a request (10,000 events, 8 MiB).
const EVENTS_MAX: usize = 2_000;
const BYTES_MAX: usize = 4 << 20;

/// Events in order, of any topics and keys.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) events: Vec<Event>,
    bytes: usize,
}

impl Batch {
    /// Adds an event; hands out the batch that it no longer fits into.
    pub(super) fn push(&mut self, event: Event) -> Option<Self> {
        let bytes = event.bytes();
        let is_full = self.events.len() >= EVENTS_MAX || self.bytes + bytes > BYTES_MAX;
        let full = (is_full && !self.events.is_empty()).then(|| std::mem::take(self));
        self.bytes += bytes;
        self.events.push(event);
        full
    }

    /// Hands out what there is.
    pub(super) fn flush(&mut self) -> Option<Self> {
        (!self.events.is_empty()).then(|| std::mem::take(self))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(text: String) -> Event {
        Event {
            topic: "data.ingested".to_owned(),
            key: None,
            line: 1,
            text,
        }
    }

    proptest! {
        #[test]
        fn batches_keep_the_order_within_bounds(
            sizes in prop::collection::vec(0..1_500_000_usize, 0..40)
        ) {
            let (mut batch, mut done, mut sent) = (Batch::default(), Vec::new(), Vec::new());
            for (index, size) in sizes.into_iter().enumerate() {
                let text = format!("{index}{}", " ".repeat(size));
                sent.push(text.clone());
                done.extend(batch.push(event(text)));
            }
            done.extend(batch.flush());
            prop_assert!(batch.flush().is_none());
            let mut received = Vec::new();
            for batch in done {
                prop_assert!(!batch.events.is_empty() && batch.bytes <= BYTES_MAX);
                received.extend(batch.events.into_iter().map(|event| event.text));
            }
            prop_assert_eq!(received, sent);
        }
    }

    #[test]
    fn a_batch_ends_at_its_number_of_events_and_one_large_event_fits() {
        let mut batch = Batch::default();
        let mut full = (0..=EVENTS_MAX).filter_map(|_| batch.push(event("{}".to_owned())));
        assert_eq!(full.next().map(|full| full.events.len()), Some(EVENTS_MAX));
        let mut batch = Batch::default();
        assert!(batch.push(event("x".repeat(BYTES_MAX + 1))).is_none());
        assert!(batch.push(event("{}".to_owned())).is_some());
    }
}
