//! The context of every client outside a group: passes the client's log on, and tells when it has failed for good.

use homeostat_actors::ports::log::LogError;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use tokio::sync::watch;

use super::context::log_line;
use super::ends::Ends;

/// Where librdkafka logs that a client has failed for good (`rd_kafka_set_fatal_error0`).
const FATAL: &str = "FATAL";

/// Whether a client of this process has failed for good: the first reason, for whoever watches.
#[derive(Clone, Default)]
pub(super) struct Failure(watch::Sender<Option<LogError>>);

impl Failure {
    fn note(&self, reason: &str) {
        self.0.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert_with(|| LogError::Fatal(reason.to_owned()));
            first
        });
    }

    /// Resolves when a client has failed for good.
    pub(super) async fn occurred(self) -> LogError {
        let mut known = self.0.subscribe();
        // The sender lives as long as this future.
        match known.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_else(gone),
            Err(_) => gone(),
        }
    }
}

fn gone() -> LogError {
    LogError::Fatal("nobody watches the clients any more".to_owned())
}

/// See the module.
#[derive(Clone)]
pub(super) struct LoneContext {
    /// What the client is for, in messages.
    pub(super) role: &'static str,
    pub(super) failure: Failure,
    /// How far the partitions were passed; for clients that tell of it.
    pub(super) ends: Ends,
}

impl LoneContext {
    /// The context of a client that does `role`.
    pub(super) fn new(role: &'static str, failure: &Failure) -> Self {
        Self {
            role,
            failure: failure.clone(),
            ends: Ends::default(),
        }
    }
}

impl ClientContext for LoneContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // The one place that tells it of producers and consumers alike: the error callback gets the cause's code, which
        // does not say that it is fatal.
        if facility == FATAL {
            self.failure.note(&format!("{}: {message}", self.role));
        }
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.ends.note(&statistics);
    }
}

impl ConsumerContext for LoneContext {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use rdkafka::ClientConfig;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{FutureProducer, FutureRecord};
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;

    #[tokio::test]
    async fn a_producer_that_the_broker_refuses_for_good_is_told() {
        let cluster = MockCluster::new(1).unwrap();
        let refusal = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED; 3];
        cluster.request_errors(RDKafkaApiKey::InitProducerId, &refusal);
        let failure = Failure::default();
        let context = LoneContext::new("producer", &failure);
        let producer: FutureProducer<LoneContext> = ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .set("enable.idempotence", "true")
            .create_with_context(context)
            .unwrap();
        assert!(failure.clone().occurred().now_or_never().is_none());
        let record = FutureRecord::<[u8], [u8]>::to("topic").payload(b"x");
        let sent = producer.send_result(record);
        let told = tokio::time::timeout(Duration::from_secs(30), failure.occurred()).await;
        let told = told.unwrap().to_string();
        assert!(
            told.contains("producer: ") && told.contains("authoriz"),
            "{told}"
        );
        drop(sent);
    }
}
