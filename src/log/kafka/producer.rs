//! Appending: idempotent producers for ordinary records and, without lingering, for the ledger. Brokers take or refuse a
//! batch as a whole; a record whose batch was refused is sent again by itself (issue 13, row 13).

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use homeostat_actors::ports::log::{Appended, LogError, NewRecord};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Message as _, OwnedMessage};
use rdkafka::producer::future_producer::Delivery;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _};

use super::client::{Failure, LoneContext};
use super::error::classify;
use super::raw_headers;
use super::settings::{BATCH_BYTES, KafkaSettings};
use crate::log::sync::lock;

/// Longest wait for what is under way when the log is closed.
const FLUSH: Duration = Duration::from_secs(5);

type Producer = FutureProducer<LoneContext>;

/// The producers.
pub(super) struct Producers {
    ordinary: Lane,
    ledger: Lane,
    ledger_topic: String,
    /// Topics that take less than a batch, whose records go one by one; bounded by the topics of the cluster.
    one_by_one: Mutex<HashSet<String>>,
    closed: AtomicBool,
}

/// A record on its way.
pub(super) struct Delivering {
    answer: DeliveryFuture,
    producer: Producer,
    /// No other record shares its fate.
    alone: bool,
}

/// Why a record was not appended.
pub(super) enum Undelivered {
    Failed(LogError),
    /// Its batch was refused, which says nothing about the record itself.
    WithItsBatch(Box<OwnedMessage>),
}

impl Producers {
    /// Creates the clients; brokers need not be up.
    pub(super) fn new(settings: &KafkaSettings, failure: &Failure) -> Result<Self, KafkaError> {
        let lane = |role, config| Lane::new(role, config, failure);
        Ok(Self {
            ordinary: lane("producer", settings.ordinary_producer())?,
            ledger: lane("ledger producer", settings.ledger_producer())?,
            ledger_topic: settings.ledger_topic.clone(),
            one_by_one: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// Learns the largest batch that a topic takes: records of one that takes less than the client's batches are sent one by
    /// one from now on.
    pub(super) fn limited_to(&self, topic: &str, max_message_bytes: i64) {
        let mut topics = lock(&self.one_by_one);
        if max_message_bytes < BATCH_BYTES {
            topics.insert(topic.to_owned());
        } else {
            topics.remove(topic);
        }
    }

    /// Puts a record into the client's bounded queue, without waiting: the order of calls is the order of records.
    pub(super) fn send(&self, record: &NewRecord) -> Result<Delivering, LogError> {
        let mut message = FutureRecord::<[u8], [u8]>::to(&record.topic);
        message.partition = record.partition;
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        if !record.headers.is_empty() {
            message.headers = Some(raw_headers::write(&record.headers));
        }
        let alone = lock(&self.one_by_one).contains(&record.topic);
        self.queue(message, alone)
    }

    /// As [`Self::send`], for a record whose batch was refused: the same bytes to the same partition. It may be read behind
    /// records that others sent after it.
    pub(super) fn send_alone(&self, refused: &OwnedMessage) -> Result<Delivering, LogError> {
        let mut message = FutureRecord::<[u8], [u8]>::to(refused.topic());
        message.partition = Some(refused.partition()).filter(|partition| *partition >= 0);
        message.key = refused.key();
        message.payload = refused.payload();
        message.headers = refused.headers().cloned();
        self.queue(message, true)
    }

    fn queue(
        &self,
        message: FutureRecord<'_, [u8], [u8]>,
        alone: bool,
    ) -> Result<Delivering, LogError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(LogError::Unavailable(
                "the Kafka producer is closed".to_owned(),
            ));
        }
        let topic = message.topic.to_owned();
        let failed = |error: &KafkaError| classify(&format!("topic {topic}"), error);
        let lane = self.lane(&topic);
        let producer = lane.producer(alone).map_err(|error| failed(&error))?;
        match producer.send_result(message) {
            Ok(answer) => Ok(Delivering {
                answer,
                producer,
                alone,
            }),
            Err((error, _)) => Err(explain(&producer, &topic, &error)),
        }
    }

    /// Waits for the broker's answer.
    pub(super) async fn delivered(
        &self,
        topic: &str,
        delivering: Delivering,
    ) -> Result<Appended, Undelivered> {
        let failed = |error| Err(Undelivered::Failed(error));
        match delivering.answer.await {
            Ok(Ok(Delivery {
                partition, offset, ..
            })) => Ok(Appended { partition, offset }),
            Ok(Err((error, message))) if !delivering.alone && refuses_batches(&error) => {
                if is_size(&error) && lock(&self.one_by_one).insert(topic.to_owned()) {
                    tracing::warn!(
                        topic,
                        "kafka: the topic takes less than a batch of {BATCH_BYTES} bytes; its records are sent one by one"
                    );
                }
                Err(Undelivered::WithItsBatch(Box::new(message)))
            }
            Ok(Err((error, message))) if is_size(&error) => {
                failed(LogError::TooLarge(too_large(topic, &message)))
            }
            Ok(Err((error, _))) => failed(explain(&delivering.producer, topic, &error)),
            Err(_) => failed(LogError::Unavailable(format!(
                "the record for topic {topic} was cut off"
            ))),
        }
    }

    /// Sends what is queued, for a bounded time; appends fail afterwards. Blocking.
    pub(super) fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        for lane in [&self.ledger, &self.ordinary] {
            let single = lock(&lane.single).clone();
            for producer in [Some(lane.batching.clone()), single].iter().flatten() {
                if let Err(error) = producer.flush(FLUSH) {
                    tracing::warn!(%error, "kafka: records were not sent before closing");
                }
            }
        }
    }

    fn lane(&self, topic: &str) -> &Lane {
        if topic == self.ledger_topic {
            &self.ledger
        } else {
            &self.ordinary
        }
    }
}

/// A producer, and another that puts every record into a separate batch, created when it is first needed.
struct Lane {
    batching: Producer,
    single: Mutex<Option<Producer>>,
    config: ClientConfig,
    context: LoneContext,
}

impl Lane {
    fn new(
        role: &'static str,
        config: ClientConfig,
        failure: &Failure,
    ) -> Result<Self, KafkaError> {
        let context = LoneContext::new(role, failure);
        Ok(Self {
            batching: config.create_with_context(context.clone())?,
            single: Mutex::default(),
            config,
            context,
        })
    }

    fn producer(&self, alone: bool) -> Result<Producer, KafkaError> {
        if !alone {
            return Ok(self.batching.clone());
        }
        let mut single = lock(&self.single);
        if let Some(producer) = &*single {
            return Ok(producer.clone());
        }
        let mut config = self.config.clone();
        config
            .set("batch.num.messages", "1")
            .set("linger.ms", "0")
            .set(
                "client.id",
                format!("homeostat-single-{}", uuid::Uuid::new_v4()),
            );
        let producer: Producer = config.create_with_context(self.context.clone())?;
        *single = Some(producer.clone());
        Ok(producer)
    }
}

fn is_size(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(Code::MessageSizeTooLarge | Code::MessageBatchTooLarge)
    )
}

/// Errors by which a broker refuses a whole batch for one of its records, or for its size.
fn refuses_batches(error: &KafkaError) -> bool {
    is_size(error) || error.rdkafka_error_code() == Some(Code::InvalidRecord)
}

fn too_large(topic: &str, message: &OwnedMessage) -> String {
    let part = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let bytes = part(message.key()) + part(message.payload());
    format!(
        "a record with {bytes} bytes of key and value is larger than topic {topic} takes; raise its max.message.bytes, or send less"
    )
}

fn explain(producer: &Producer, topic: &str, error: &KafkaError) -> LogError {
    // A fatal producer answers each record with the first reason; only the client knows that it is fatal.
    match producer.client().fatal_error() {
        Some((code, reason)) => LogError::Fatal(format!("producer: {code}: {reason}")),
        None => classify(&format!("topic {topic}"), error),
    }
}
