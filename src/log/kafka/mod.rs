//! The event log on Kafka, by librdkafka (kafka-client.md is binding). Consuming is at least once: the committed offset
//! follows what was settled, up to a second late. Brokers need not be up when it is opened.

mod admin_events;
mod certificate;
mod client;
mod context;
mod ends;
mod error;
mod inlet;
mod member;
mod oauth;
pub mod options;
mod positions;
mod producer;
mod progress;
mod raw_headers;
mod reader;
mod repeats;
mod settings;
mod tails;
mod topics;
mod trouble;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
// Linked, not called.
use futures_util::future::{BoxFuture, join_all};
use homeostat_actors::ports::log::{
    Appended, EventLog, GroupHandler, GroupSettings, LogError, NewRecord, PartitionSink,
    StoredRecord, Subscription, Tail, TopicDescription, TopicPartition, TopicSettings,
};
use homeostat_client_patch as _;
use rdkafka::error::KafkaError;

pub use self::oauth::endpoint_fault;
pub use self::settings::{KafkaSettings, KafkaSettingsError};

use self::client::Failure;
use self::member::Membership;
use self::producer::{Delivering, Producers, Undelivered};
use self::reader::BoundedReader;
use self::tails::Tails;
use self::topics::TopicAdmin;
use self::trouble::Trouble;
use super::{MAX_RECORD_BYTES, blocking, payload_size};

/// Longest wait for the tails to end when the log is closed.
const CLOSE_TAILS: Duration = Duration::from_secs(3);

/// The event log on Kafka.
pub struct KafkaLog {
    settings: KafkaSettings,
    clients: Arc<Clients>,
    tails: Tails,
    failure: Failure,
}

struct Clients {
    producers: Producers,
    topics: TopicAdmin,
    reader: BoundedReader,
    trouble: Arc<Trouble>,
}

impl KafkaLog {
    /// Creates the clients; connects in the background.
    pub fn open(settings: KafkaSettings) -> Result<Self, KafkaSettingsError> {
        settings.check()?;
        let failed = |error: KafkaError| KafkaSettingsError::Client {
            reason: error.to_string(),
        };
        let failure = Failure::new(&settings);
        let clients = Clients {
            producers: Producers::new(&settings, &failure).map_err(failed)?,
            topics: TopicAdmin::new(&settings, &failure).map_err(failed)?,
            reader: BoundedReader::new(settings.clone(), failure.clone()),
            trouble: Arc::clone(&failure.link.trouble),
        };
        let tails = Tails::new(settings.clone(), failure.clone());
        Ok(Self {
            settings,
            clients: Arc::new(clients),
            tails,
            failure,
        })
    }
}

impl EventLog for KafkaLog {
    fn kind(&self) -> &'static str {
        "kafka"
    }

    fn ensure_topics(
        &self,
        topics: Vec<TopicSettings>,
    ) -> BoxFuture<'static, Result<(), LogError>> {
        let clients = Arc::clone(&self.clients);
        let trouble = Arc::clone(&self.failure.link.trouble);
        async move {
            clients.topics.ensure(&topics).await?;
            blocking(move || clients.topics.await_known(&topics)).await
        }
        .map(move |answer| trouble.explained(answer))
        .boxed()
    }

    fn describe_topics(
        &self,
        names: Vec<String>,
    ) -> BoxFuture<'static, Result<Vec<TopicDescription>, LogError>> {
        let clients = Arc::clone(&self.clients);
        let trouble = Arc::clone(&self.failure.link.trouble);
        async move {
            let asked = Arc::clone(&clients);
            let mut described = blocking(move || asked.topics.describe(&names)).await?;
            clients.topics.add_settings(&mut described).await?;
            for topic in &described {
                let limit = topic.brokers.as_ref().and_then(|of| of.max_message_bytes);
                if let Some(limit) = limit {
                    clients.producers.limited_to(&topic.name, limit);
                }
            }
            Ok(described)
        }
        .map(move |answer| trouble.explained(answer))
        .boxed()
    }

    fn append(
        &self,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Vec<Result<Appended, LogError>>> {
        let clients = Arc::clone(&self.clients);
        let known = |record: &NewRecord| clients.topics.is_known(&record.topic, record.partition);
        if records.iter().all(known) {
            // Queued now, not when the future is first polled: the order of calls is the order of records.
            let sent = clients.send(records);
            return async move { clients.answers(sent).await }.boxed();
        }
        let count = records.len();
        async move {
            let asked = Arc::clone(&clients);
            let looked_up = blocking(move || Ok(asked.look_up(records))).await;
            let (records, new) = match looked_up {
                Ok(looked_up) => looked_up,
                Err(error) => {
                    let error = clients.trouble.explain(error);
                    return (0..count).map(|_| Err(error.clone())).collect();
                }
            };
            for topic in new {
                // Before the first batch, so that none is refused for its size.
                if let Some(limit) = clients.topics.max_message_bytes(&topic).await {
                    clients.producers.limited_to(&topic, limit);
                }
            }
            let start = |(record, found): (NewRecord, Result<(), LogError>)| match found {
                Ok(()) => clients.send_one(record),
                Err(error) => (record.topic, Err(error)),
            };
            let sent = records.into_iter().map(start).collect();
            clients.answers(sent).await
        }
        .boxed()
    }

    fn subscribe(
        &self,
        settings: GroupSettings,
        handler: Box<dyn GroupHandler>,
    ) -> Result<Arc<dyn Subscription>, LogError> {
        Ok(Arc::new(Membership::start(
            &self.settings,
            &settings,
            self.failure.link.clone(),
            handler,
        )?))
    }

    fn tail(
        &self,
        partition: TopicPartition,
        from: i64,
        sink: Box<dyn PartitionSink>,
    ) -> Result<Box<dyn Tail>, LogError> {
        Ok(Box::new(self.tails.add(partition, from, sink)?))
    }

    fn read(
        &self,
        partition: TopicPartition,
        from: i64,
        max: usize,
    ) -> BoxFuture<'static, Result<Vec<StoredRecord>, LogError>> {
        let clients = Arc::clone(&self.clients);
        blocking(move || {
            let marks = clients
                .topics
                .watermarks(&partition.topic, partition.partition)?;
            clients
                .reader
                .read(&partition, from.max(marks.low), marks.high, max)
        })
    }

    fn delete_before(
        &self,
        partition: TopicPartition,
        offset: i64,
    ) -> BoxFuture<'static, Result<(), LogError>> {
        let clients = Arc::clone(&self.clients);
        async move {
            let (topic, number) = (&partition.topic, Some(partition.partition));
            if !clients.topics.is_known(topic, number) {
                // The client would wait in vain for the leader of a partition that does not exist.
                let (asked, topic) = (Arc::clone(&clients), topic.clone());
                blocking(move || asked.topics.look_up(&topic, number)).await?;
            }
            clients.topics.delete_before(&partition, offset).await
        }
        .boxed()
    }

    fn trouble(&self) -> Option<String> {
        self.failure.link.trouble.reason()
    }

    fn failed(&self) -> BoxFuture<'static, LogError> {
        self.failure.clone().occurred().boxed()
    }

    fn close(&self) {
        self.clients.producers.close();
        self.tails.close(CLOSE_TAILS);
        self.clients.reader.close();
    }
}

impl Drop for KafkaLog {
    fn drop(&mut self) {
        self.close();
    }
}

/// A record on its way: its topic and the broker's answer to come.
type Sent = (String, Result<Delivering, LogError>);

/// Records with what was found out about their topics, and the topics seen for the first time.
type LookedUp = (Vec<(NewRecord, Result<(), LogError>)>, Vec<String>);

impl Clients {
    fn send(&self, records: Vec<NewRecord>) -> Vec<Sent> {
        records
            .into_iter()
            .map(|record| self.send_one(record))
            .collect()
    }

    fn send_one(&self, record: NewRecord) -> Sent {
        let size = payload_size(&record);
        let sent = if size > MAX_RECORD_BYTES {
            Err(LogError::TooLarge(format!(
                "a record of {size} bytes for topic {} is larger than {MAX_RECORD_BYTES}",
                record.topic
            )))
        } else {
            self.producers.send(&record)
        };
        (record.topic, sent)
    }

    /// For records of topics not seen before. A producer would wait for them in vain, or have them created. Each place is
    /// asked for once. Blocking.
    fn look_up(&self, records: Vec<NewRecord>) -> LookedUp {
        let mut asked: HashMap<(String, Option<i32>), Result<(), LogError>> = HashMap::new();
        let mut new = Vec::new();
        let look_up = |record: NewRecord| {
            if self.topics.is_known(&record.topic, record.partition) {
                return (record, Ok(()));
            }
            let place = (record.topic.clone(), record.partition);
            let found = asked.entry(place).or_insert_with(|| {
                let is_new = !self.topics.is_known(&record.topic, None);
                let found = self.topics.look_up(&record.topic, record.partition);
                if is_new && found.is_ok() {
                    new.push(record.topic.clone());
                }
                found
            });
            let found = found.clone();
            (record, found)
        };
        (records.into_iter().map(look_up).collect(), new)
    }

    /// Waits for the answers. Records whose batch was refused are sent again one by one: all of them are queued before one is
    /// awaited, so that they keep their order.
    async fn answers(&self, sent: Vec<Sent>) -> Vec<Result<Appended, LogError>> {
        let first = sent
            .into_iter()
            .map(|(topic, sent)| async move { (self.answer(&topic, sent).await, topic) });
        let second: Vec<_> = join_all(first)
            .await
            .into_iter()
            .map(|(answer, topic)| match answer {
                Ok(appended) => Ok(Ok(appended)),
                Err(Undelivered::Failed(error)) => Ok(Err(error)),
                Err(Undelivered::WithItsBatch(message)) => {
                    Err((topic, self.producers.send_alone(&message)))
                }
            })
            .collect();
        let last = second.into_iter().map(|answer| async move {
            let (topic, sent) = match answer {
                Ok(answer) => return answer,
                Err(again) => again,
            };
            self.answer(&topic, sent)
                .await
                .map_err(|undelivered| match undelivered {
                    Undelivered::Failed(error) => error,
                    Undelivered::WithItsBatch(_) => LogError::Refused(format!("topic {topic}")),
                })
        });
        join_all(last).await
    }

    async fn answer(
        &self,
        topic: &str,
        sent: Result<Delivering, LogError>,
    ) -> Result<Appended, Undelivered> {
        let answer = match sent {
            Ok(delivering) => self.producers.delivered(topic, delivering).await,
            Err(error) => Err(Undelivered::Failed(error)),
        };
        if matches!(answer, Err(Undelivered::Failed(LogError::Denied(_)))) {
            // It may have been deleted meanwhile: ask again next time.
            self.topics.forget(topic);
        }
        match answer {
            Err(Undelivered::Failed(error)) => {
                Err(Undelivered::Failed(self.trouble.explain(error)))
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;

    fn record(value: &str) -> NewRecord {
        NewRecord {
            topic: "topic".to_owned(),
            value: Some(value.as_bytes().to_vec()),
            ..NewRecord::default()
        }
    }

    /// Whichever record is at fault: the broker says only that the batch is too large.
    #[tokio::test]
    async fn a_batch_that_is_refused_is_sent_again_record_by_record() {
        use RDKafkaRespErr::{
            RD_KAFKA_RESP_ERR_INVALID_RECORD as INVALID,
            RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE as LARGE, RD_KAFKA_RESP_ERR_NO_ERROR as NONE,
            RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE as LIST,
        };
        for (batch, single) in [(LARGE, LARGE), (LIST, LARGE), (INVALID, INVALID)] {
            let cluster = MockCluster::new(1).unwrap();
            cluster.create_topic("topic", 1, 1).unwrap();
            cluster.request_errors(RDKafkaApiKey::Produce, &[batch, NONE, single]);
            let log = KafkaLog::open(KafkaSettings::new(cluster.bootstrap_servers())).unwrap();
            let answers = log.append(["a", "b", "c"].map(record).to_vec()).await;
            let answers: Vec<_> = answers.iter().map(Result::is_ok).collect();
            assert_eq!(answers, [true, false, true], "{batch:?}");
            log.close();
        }
    }
}
