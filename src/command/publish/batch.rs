//! Consecutive events of one topic and key, sent together; any other grouping would change their order.

use super::lines::Event;

/// Bounds of a batch, well below those of a request (10,000 events, 8 MiB).
const EVENTS_MAX: usize = 500;
const BYTES_MAX: usize = 4 << 20;

/// Events of one topic and key, in order.
#[derive(Clone)]
pub(super) struct Batch {
    pub(super) topic: String,
    pub(super) key: Option<String>,
    /// Id and text of each.
    pub(super) events: Vec<(String, String)>,
    /// Where its first event stood, for people.
    pub(super) place: String,
    bytes: usize,
}

impl Batch {
    fn takes(&self, event: &Event) -> bool {
        self.topic == event.topic
            && self.key == event.key
            && self.events.len() < EVENTS_MAX
            && self.bytes + event.text.len() <= BYTES_MAX
    }
}

/// Gathers events into batches.
#[derive(Default)]
pub(super) struct Batches {
    open: Option<Batch>,
}

impl Batches {
    /// Adds an event; hands out the batch that it no longer belongs to.
    pub(super) fn push(&mut self, event: Event) -> Option<Batch> {
        let done = match &self.open {
            Some(batch) if !batch.takes(&event) => self.open.take(),
            _ => None,
        };
        let batch = self.open.get_or_insert_with(|| Batch {
            topic: event.topic,
            key: event.key,
            events: Vec::new(),
            place: event.place,
            bytes: 0,
        });
        batch.bytes += event.text.len() + 1;
        batch.events.push((event.id, event.text));
        done
    }

    /// Hands out what there is.
    pub(super) fn flush(&mut self) -> Option<Batch> {
        self.open.take()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(topic: &str, key: Option<&str>, text: &str) -> Event {
        Event {
            topic: topic.to_owned(),
            key: key.map(str::to_owned),
            id: String::new(),
            place: String::new(),
            text: text.to_owned(),
        }
    }

    proptest! {
        #[test]
        fn batches_keep_order_and_hold_one_topic_and_key_within_bounds(
            choices in prop::collection::vec((0..3_u8, 0..2_u8, 0..2_000_000_usize), 0..40)
        ) {
            let mut batches = Batches::default();
            let mut done = Vec::new();
            let mut sent = Vec::new();
            for (index, (topic, key, size)) in choices.into_iter().enumerate() {
                let (topic, key) = (format!("t{topic}"), (key > 0).then(|| "k".to_owned()));
                let text = format!("{index}{}", " ".repeat(size / 20));
                sent.push((topic.clone(), key.clone(), text.clone()));
                done.extend(batches.push(event(&topic, key.as_deref(), &text)));
            }
            done.extend(batches.flush());
            prop_assert!(batches.flush().is_none());
            let mut received = Vec::new();
            for batch in done {
                prop_assert!(!batch.events.is_empty() && batch.events.len() <= EVENTS_MAX);
                for (_, text) in batch.events {
                    received.push((batch.topic.clone(), batch.key.clone(), text));
                }
            }
            prop_assert_eq!(received, sent);
        }
    }

    #[test]
    fn a_batch_ends_at_its_bounds() {
        let mut batches = Batches::default();
        let many = (0..=EVENTS_MAX).filter_map(|_| batches.push(event("t", None, "{}")));
        assert_eq!(
            many.map(|batch| batch.events.len()).collect::<Vec<_>>(),
            [EVENTS_MAX]
        );
        let mut batches = Batches::default();
        let large = "x".repeat(BYTES_MAX - 10);
        assert!(batches.push(event("t", None, &large)).is_none());
        assert!(
            batches
                .push(event("t", None, "more than ten bytes"))
                .is_some()
        );
    }
}
