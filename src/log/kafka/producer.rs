//! Appending: two idempotent producers, one for ordinary records and one, without lingering, for the ledger.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use homeostat_actors::ports::log::{Appended, LogError, NewRecord};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::Delivery;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};

use super::client::{Failure, LoneContext};
use super::error::classify;
use super::settings::KafkaSettings;

/// Longest wait for what is under way when the log is closed.
const FLUSH: Duration = Duration::from_secs(5);

/// The producers.
pub(super) struct Producers {
    ordinary: FutureProducer<LoneContext>,
    ledger: FutureProducer<LoneContext>,
    ledger_topic: String,
    closed: AtomicBool,
}

impl Producers {
    /// Creates the clients; brokers need not be up.
    pub(super) fn new(settings: &KafkaSettings, failure: &Failure) -> Result<Self, KafkaError> {
        let context = |role| LoneContext {
            role,
            failure: failure.clone(),
        };
        let (ordinary, ledger) = (context("producer"), context("ledger producer"));
        Ok(Self {
            ordinary: settings.ordinary_producer().create_with_context(ordinary)?,
            ledger: settings.ledger_producer().create_with_context(ledger)?,
            ledger_topic: settings.ledger_topic.clone(),
            closed: AtomicBool::new(false),
        })
    }

    /// Puts a record into the client's bounded queue, without waiting: the order of calls is the order of records.
    pub(super) fn send(&self, record: &NewRecord) -> Result<DeliveryFuture, LogError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(LogError::Unavailable(
                "the Kafka producer is closed".to_owned(),
            ));
        }
        let producer = self.producer(&record.topic);
        let mut message = FutureRecord::<[u8], [u8]>::to(&record.topic);
        message.partition = record.partition;
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        if !record.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            let add = |headers: OwnedHeaders, (key, value): &(String, Vec<u8>)| {
                headers.insert(Header {
                    key,
                    value: Some(value),
                })
            };
            message.headers = Some(record.headers.iter().fold(headers, add));
        }
        producer
            .send_result(message)
            .map_err(|(error, _)| self.explain(&record.topic, &error))
    }

    /// Waits for the broker's answer.
    pub(super) async fn delivered(
        &self,
        topic: &str,
        delivery: DeliveryFuture,
    ) -> Result<Appended, LogError> {
        match delivery.await {
            Ok(Ok(Delivery {
                partition, offset, ..
            })) => Ok(Appended { partition, offset }),
            Ok(Err((error, _))) => Err(self.explain(topic, &error)),
            Err(_) => Err(LogError::Unavailable(format!(
                "the record for topic {topic} was cut off"
            ))),
        }
    }

    /// Sends what is queued, for a bounded time; appends fail afterwards. Blocking.
    pub(super) fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        for producer in [&self.ledger, &self.ordinary] {
            if let Err(error) = producer.flush(FLUSH) {
                tracing::warn!(%error, "kafka: records were not sent before closing");
            }
        }
    }

    fn producer(&self, topic: &str) -> &FutureProducer<LoneContext> {
        if topic == self.ledger_topic {
            &self.ledger
        } else {
            &self.ordinary
        }
    }

    fn explain(&self, topic: &str, error: &KafkaError) -> LogError {
        // A fatal producer answers each record with the first reason; only the client knows that it is fatal.
        match self.producer(topic).client().fatal_error() {
            Some((code, reason)) => LogError::Fatal(format!("producer: {code}: {reason}")),
            None => classify(&format!("topic {topic}"), error),
        }
    }
}
