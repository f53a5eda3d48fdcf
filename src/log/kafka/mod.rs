//! The event log on Kafka, by librdkafka (kafka-client.md is binding). Consuming is at least once: the committed offset
//! follows what was settled, up to a second late. Brokers need not be up when it is opened.

mod client;
mod context;
mod error;
mod inlet;
mod member;
mod positions;
mod producer;
mod progress;
mod reader;
mod settings;
mod tails;
mod topics;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use homeostat_actors::ports::log::{
    Appended, EventLog, GroupHandler, GroupSettings, LogError, NewRecord, PartitionSink,
    StoredRecord, Subscription, Tail, TopicDescription, TopicPartition, TopicSettings,
};
use rdkafka::error::KafkaError;
use rdkafka::producer::DeliveryFuture;

pub use self::settings::{KafkaSettings, KafkaSettingsError};

use self::client::Failure;
use self::member::Membership;
use self::producer::Producers;
use self::reader::BoundedReader;
use self::tails::Tails;
use self::topics::TopicAdmin;
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
}

impl KafkaLog {
    /// Creates the clients; connects in the background.
    pub fn open(settings: KafkaSettings) -> Result<Self, KafkaSettingsError> {
        settings.check()?;
        let failed = |error: KafkaError| KafkaSettingsError::Client {
            reason: error.to_string(),
        };
        let failure = Failure::default();
        let clients = Clients {
            producers: Producers::new(&settings, &failure).map_err(failed)?,
            topics: TopicAdmin::new(&settings).map_err(failed)?,
            reader: BoundedReader::new(settings.clone(), failure.clone()),
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
        async move {
            clients.topics.ensure(&topics).await?;
            blocking(move || clients.topics.await_known(&topics)).await
        }
        .boxed()
    }

    fn describe_topics(
        &self,
        names: Vec<String>,
    ) -> BoxFuture<'static, Result<Vec<TopicDescription>, LogError>> {
        let clients = Arc::clone(&self.clients);
        async move {
            let asked = Arc::clone(&clients);
            let mut described = blocking(move || asked.topics.describe(&names)).await?;
            clients.topics.add_settings(&mut described).await?;
            Ok(described)
        }
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
            let sent = blocking(move || Ok(asked.look_up_and_send(records))).await;
            match sent {
                Ok(sent) => clients.answers(sent).await,
                Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
            }
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
type Sent = (String, Result<DeliveryFuture, LogError>);

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
            Err(LogError::Refused(format!(
                "a record of {size} bytes for topic {} is larger than {MAX_RECORD_BYTES}",
                record.topic
            )))
        } else {
            self.producers.send(&record)
        };
        (record.topic, sent)
    }

    /// For records of topics not seen before. A producer would wait for them in vain, or have them created. Blocking.
    fn look_up_and_send(&self, records: Vec<NewRecord>) -> Vec<Sent> {
        let send = |record: NewRecord| {
            if self.topics.is_known(&record.topic, record.partition) {
                return self.send_one(record);
            }
            match self.topics.look_up(&record.topic, record.partition) {
                Ok(()) => self.send_one(record),
                Err(error) => (record.topic, Err(error)),
            }
        };
        records.into_iter().map(send).collect()
    }

    async fn answers(&self, sent: Vec<Sent>) -> Vec<Result<Appended, LogError>> {
        let answer = |(topic, delivery): Sent| async move {
            let answer = self.producers.delivered(&topic, delivery?).await;
            if matches!(answer, Err(LogError::Denied(_))) {
                // It may have been deleted meanwhile: ask again next time.
                self.topics.forget(&topic);
            }
            answer
        };
        join_all(sent.into_iter().map(answer)).await
    }
}
