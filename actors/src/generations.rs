//! Generations of topics: offsets repeat when a topic is deleted and created again, and what was read before must not be mistaken
//! for what is read now. The generation is counted up here when the log ends before what was read from it; the configured one
//! (`kafka.topic_generation`) is the least.

use std::time::Duration;

use crate::flight::Flight;
use crate::ports::log::EventLog;
use crate::throttle::Throttle;

/// Bits of a position that are the offset; those above are the generation of the topic.
pub const GENERATION_BITS: u32 = 44;

/// Pause before the log is asked again.
const RETRY: Duration = Duration::from_millis(250);

static WAITING: Throttle = Throttle::new();

/// The newest record that was read of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reached(pub(crate) Option<(u32, i64)>);

impl Reached {
    /// By its position, if there is one.
    pub(crate) fn at(position: Option<i64>) -> Self {
        let position = position.filter(|position| *position >= 0);
        Self(position.map(|position| {
            let generation = position >> GENERATION_BITS;
            let offset = position - (generation << GENERATION_BITS);
            (u32::try_from(generation).unwrap_or(u32::MAX), offset)
        }))
    }

    /// The generation in which the log is, whose next record gets the offset `end`. `is_known`: it was seen to go back.
    pub(crate) fn generation(self, configured: u32, end: i64, is_known: bool) -> u32 {
        let present = self.0.map_or(0, |(generation, offset)| {
            if is_known || offset >= end {
                generation.saturating_add(1)
            } else {
                generation
            }
        });
        present.max(configured)
    }
}

/// Offset that the next record of a partition gets; asked until the log answers. `None`: the partition of the flight went away.
pub(crate) async fn end_of(
    log: &dyn EventLog,
    topic: &str,
    partition: u32,
    flight: &Flight,
) -> Option<i64> {
    let place = usize::try_from(partition).unwrap_or(usize::MAX);
    while !flight.ended() {
        let described = log.describe_topics(vec![topic.to_owned()]).await;
        let reason = match described {
            Ok(topics) => {
                let partitions = topics.first().map(|topic| &topic.partitions);
                match partitions.and_then(|partitions| partitions.get(place)) {
                    Some(found) => return Some(found.high),
                    None => format!(
                        "there is no {topic}/{partition}; `homeostat topics create` makes missing topics"
                    ),
                }
            }
            Err(error) => error.to_string(),
        };
        if let Some(more) = WAITING.pass() {
            tracing::warn!(
                topic,
                partition,
                reason,
                more,
                "events about users wait for the log"
            );
        }
        flight.held_up(reason);
        tokio::time::sleep(RETRY).await;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_ends_before_what_was_read_is_in_the_next_generation() {
        let position = |generation: i64, offset| Some((generation << GENERATION_BITS) + offset);
        for (reached, configured, end, generation) in [
            (None, 1, 0, 1),
            (Some(-1), 1, 0, 1),
            (position(1, 4), 1, 5, 1),
            (position(1, 4), 1, 900, 1),
            (position(1, 4), 1, 4, 2),
            (position(1, 4), 1, 0, 2),
            (position(3, 4), 1, 5, 3),
            (position(3, 4), 1, 2, 4),
            // It was raised by hand.
            (position(1, 4), 2, 0, 2),
            (position(1, 4), 7, 0, 7),
        ] {
            let found = Reached::at(reached).generation(configured, end, false);
            assert_eq!(found, generation, "{reached:?} {configured} {end}");
        }
        // The new topic is longer by now.
        assert_eq!(Reached::at(position(1, 4)).generation(1, 9, true), 2);
        assert_eq!(Reached::at(None).generation(1, 9, true), 1);
    }
}
