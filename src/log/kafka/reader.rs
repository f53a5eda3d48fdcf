//! Bounded reads outside any group, with a pooled client.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use homeostat_actors::ports::log::{LogError, StoredRecord, TopicPartition};
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;

use super::client::{Failure, LoneContext};
use super::error::{classify, is_unreadable};
use super::positions::offsets;
use super::raw_headers;
use super::settings::KafkaSettings;
use crate::log::sync::lock;

/// Longest bounded read.
const READ: Duration = Duration::from_secs(10);

type ReaderConsumer = BaseConsumer<LoneContext>;

/// Does bounded reads; keeps one client for the next.
pub(super) struct BoundedReader {
    settings: KafkaSettings,
    failure: Failure,
    spare: Mutex<Option<ReaderConsumer>>,
}

impl BoundedReader {
    pub(super) fn new(settings: KafkaSettings, failure: Failure) -> Self {
        Self {
            settings,
            failure,
            spare: Mutex::new(None),
        }
    }

    /// Reads `from..until` of a partition, `max` at most. Blocking, at most for [`READ`].
    pub(super) fn read(
        &self,
        partition: &TopicPartition,
        from: i64,
        until: i64,
        max: usize,
    ) -> Result<Vec<StoredRecord>, LogError> {
        if from >= until || max == 0 {
            return Ok(Vec::new());
        }
        let failed = |error| classify(&format!("read {partition}"), &error);
        let spare = lock(&self.spare).take();
        let consumer = match spare {
            Some(consumer) => consumer,
            None => self
                .settings
                .bounded_reader()
                .create_with_context(LoneContext::new("reader", &self.failure))
                .map_err(failed)?,
        };
        let list = offsets([(partition, Offset::Offset(from))]).map_err(failed)?;
        consumer.assign(&list).map_err(failed)?;
        drop(list);
        let records = collect(&consumer, partition, from, until, max)?;
        consumer.unassign().map_err(failed)?;
        *lock(&self.spare) = Some(consumer);
        Ok(records)
    }

    /// Drops the spare client. Blocking.
    pub(super) fn close(&self) {
        drop(lock(&self.spare).take());
    }
}

fn collect(
    consumer: &ReaderConsumer,
    partition: &TopicPartition,
    from: i64,
    until: i64,
    max: usize,
) -> Result<Vec<StoredRecord>, LogError> {
    let end = Instant::now() + READ;
    let mut records: Vec<StoredRecord> = Vec::new();
    let mut headers = Vec::new();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(LogError::Unavailable(format!(
                "{partition} was not read within {READ:?}"
            )));
        }
        let message = match consumer.poll(left.min(Duration::from_millis(100))) {
            None => continue,
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(records),
            // Behind it the client would go on as if there were nothing.
            Some(Err(error)) if is_unreadable(&error) => {
                let at = records.last().map_or(from, |last| last.offset + 1);
                return Err(LogError::Refused(format!(
                    "the record at offset {at} of {partition}, or the next one after it, cannot be read: {error}"
                )));
            }
            Some(Err(error)) => match classify("read", &error) {
                LogError::Unavailable(_) => continue,
                other => return Err(other),
            },
            Some(Ok(message)) => message,
        };
        if message.offset() >= until {
            return Ok(records);
        }
        raw_headers::read(&message, &mut headers);
        records.push(StoredRecord {
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().unwrap_or(0),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.clone(),
        });
        if records.len() >= max || message.offset() + 1 >= until {
            return Ok(records);
        }
    }
}
