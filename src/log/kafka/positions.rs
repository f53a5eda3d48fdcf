//! Committed offsets and client lists. A list must not outlive its client (P12), so its content is copied at once.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use homeostat_actors::ports::log::{Epoch, TopicPartition};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::progress::MemberProgress;

/// Longest wait for committed offsets and watermarks at an assignment.
const LOOKUP: Duration = Duration::from_secs(5);

/// Where delivery starts: the committed offset, else the first record kept. What cannot be found out in time is left
/// to the client (`Stored`), with position 0. Offsets are copied at once: a list outliving its client hangs it (P12).
pub(super) fn find_starts(
    consumer: &BaseConsumer<impl ConsumerContext>,
    partitions: &[TopicPartition],
) -> BTreeMap<TopicPartition, (Offset, i64)> {
    let asked = offsets(
        partitions
            .iter()
            .map(|partition| (partition, Offset::Invalid)),
    );
    let committed = match asked.and_then(|list| consumer.committed_offsets(list, LOOKUP)) {
        Ok(list) => list.to_topic_map(),
        Err(error) => {
            tracing::warn!(%error, "kafka: committed offsets are not known yet; the client finds them");
            return BTreeMap::new();
        }
    };
    let mut starts = BTreeMap::new();
    let mut reachable = true;
    let ends = ends(consumer, partitions);
    for partition in partitions {
        let key = (partition.topic.clone(), partition.partition);
        let committed = match committed.get(&key) {
            Some(Offset::Offset(next)) => Some(*next),
            _ => None,
        };
        let is_there = |next: &i64| match ends.get(&key) {
            Some(Offset::Offset(end)) if end < next => {
                tracing::warn!(
                    %partition,
                    committed = next,
                    end,
                    "kafka: the committed offset is behind the end: the topic was deleted and created again, and is read from its beginning"
                );
                false
            }
            _ => true,
        };
        let start = if let Some(next) = committed.filter(is_there) {
            (Offset::Offset(next), next)
        } else {
            let low = reachable
                .then(|| {
                    consumer
                        .fetch_watermarks(&partition.topic, partition.partition, LOOKUP)
                        .ok()
                })
                .flatten();
            // One that does not answer is enough; the others would only add to the wait.
            reachable = low.is_some();
            low.map_or((Offset::Beginning, 0), |(low, _)| {
                (Offset::Offset(low), low)
            })
        };
        starts.insert(partition.clone(), start);
    }
    starts
}

/// Where partitions end, as far as it can be found out in time: one question for all of them.
fn ends(
    consumer: &BaseConsumer<impl ConsumerContext>,
    partitions: &[TopicPartition],
) -> HashMap<(String, i32), Offset> {
    let asked = offsets(partitions.iter().map(|partition| (partition, Offset::End)));
    let found = asked.and_then(|list| consumer.offsets_for_times(list, LOOKUP));
    match found {
        Ok(list) => list.to_topic_map(),
        Err(error) => {
            tracing::debug!(%error, "kafka: where partitions end is not known yet");
            HashMap::new()
        }
    }
}

/// Commits, and waits for it, what was stored of these partitions.
pub(super) fn commit_stored(
    consumer: &BaseConsumer<impl ConsumerContext>,
    progress: &MemberProgress,
    epochs: &[(TopicPartition, Epoch)],
) -> KafkaResult<()> {
    let settled = progress.settled(epochs);
    let settled = settled.iter();
    let list = offsets(settled.map(|(partition, next)| (partition, Offset::Offset(*next))))?;
    match consumer.commit(&list, CommitMode::Sync) {
        Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => Ok(()),
        other => other,
    }
}

/// A client list; the client copies what it needs, so it lives only as long as the call.
pub(super) fn offsets<'a>(
    places: impl IntoIterator<Item = (&'a TopicPartition, Offset)>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (place, offset) in places {
        list.add_partition_offset(&place.topic, place.partition, offset)?;
    }
    Ok(list)
}

/// The partitions of a client list, copied.
pub(super) fn places(list: &TopicPartitionList) -> Vec<TopicPartition> {
    // `elements` of an empty list reads a null pointer; cooperative assignments can be empty.
    if list.count() == 0 {
        return Vec::new();
    }
    list.elements()
        .iter()
        .map(|element| TopicPartition {
            topic: element.topic().to_owned(),
            partition: element.partition(),
        })
        .collect()
}
