//! What all clients of a log share, and the context of those outside a group: passes the client's log on, reports why the
//! cluster cannot be reached, hands out tokens, and reports when a client has failed for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use homeostat_actors::ports::log::LogError;
use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use tokio::sync::watch;

use super::certificate;
use super::ends::Ends;
use super::oauth::Tokens;
use super::repeats::log_line;
use super::settings::KafkaSettings;
use super::trouble::{Identity, Meaning, Trouble, explain};

/// Where librdkafka logs that a client has failed for good (`rd_kafka_set_fatal_error0`).
const FATAL: &str = "FATAL";
/// Where it logs that a connection failed.
const FAIL: &str = "FAIL";
/// Where it logs, among others, that no broker is left.
const ERROR: &str = "ERROR";

/// What the clients of a log have in common: their identity towards the cluster, its trouble, and whether one of them has
/// failed for good.
#[derive(Clone, Default)]
pub(super) struct Failure {
    known: watch::Sender<Option<LogError>>,
    pub(super) link: Link,
}

/// How the clients stand with the cluster.
#[derive(Clone, Default)]
pub(super) struct Link {
    identity: Arc<Identity>,
    /// As PEM; `None` = those of the system.
    ca: Option<Arc<[u8]>>,
    tokens: Option<Arc<Tokens>>,
    pub(super) trouble: Arc<Trouble>,
    /// A certificate is looked at right now.
    looking: Arc<AtomicBool>,
}

impl Link {
    pub(super) fn new(settings: &KafkaSettings) -> Self {
        let trouble = Arc::<Trouble>::default();
        let tokens = settings.token_endpoint().map(|endpoint| {
            let tokens = Tokens::new(endpoint, Arc::clone(&trouble));
            Arc::new(tokens)
        });
        Self {
            identity: Arc::new(settings.identity()),
            ca: settings.ca().map(Arc::from),
            tokens,
            trouble,
            looking: Arc::default(),
        }
    }

    /// Takes a line of a client's log up if it says why a connection failed. `false`: it means nothing to this.
    pub(super) fn takes_up(&self, facility: &str, line: &str) -> bool {
        // Said each time a connection is tried again, and of each token; the reason has been logged.
        let repeats = line.ends_with("brokers are down") || line.contains("Failed to acquire SASL");
        if facility == ERROR && repeats && self.trouble.reason().is_some() {
            tracing::debug!(target: "librdkafka", facility, line);
            return true;
        }
        // Set for a client that asks and never produces.
        if facility == "CONFWARN" && line.contains("allow.auto.create.topics") {
            return true;
        }
        if facility != FAIL {
            return false;
        }
        match explain(line, &self.identity) {
            None => return false,
            Some(Meaning::Certificate(broker)) => self.look_at(broker),
            Some(meaning) => self.trouble.note(meaning),
        }
        tracing::debug!(target: "librdkafka", facility, line);
        true
    }

    /// On a separate thread, because the broker is asked again; one at a time.
    fn look_at(&self, broker: String) {
        if self.looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let link = self.clone();
        let looking = std::thread::Builder::new()
            .name("kafka-certificate".to_owned())
            .spawn(move || {
                let reason = certificate::why(&broker, link.ca.as_deref());
                link.trouble.note(Meaning::Refused(reason));
                link.looking.store(false, Ordering::Release);
            });
        if let Err(error) = looking {
            tracing::warn!(%error, "cannot start a thread to look at a certificate");
            self.looking.store(false, Ordering::Release);
        }
    }

    /// A token for SASL OAUTHBEARER. Blocking.
    pub(super) fn token(&self) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        match &self.tokens {
            Some(tokens) => Ok(tokens.token()?),
            None => Err("no token endpoint is configured".into()),
        }
    }
}

impl Failure {
    pub(super) fn new(settings: &KafkaSettings) -> Self {
        Self {
            link: Link::new(settings),
            ..Self::default()
        }
    }

    fn note(&self, reason: &str) {
        self.known.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert_with(|| LogError::Fatal(reason.to_owned()));
            first
        });
    }

    /// Resolves when a client has failed for good.
    pub(super) async fn occurred(self) -> LogError {
        let mut known = self.known.subscribe();
        // The sender lives as long as this future.
        match known.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_else(gone),
            Err(_) => gone(),
        }
    }
}

fn gone() -> LogError {
    LogError::Fatal("the watch over the clients has ended".to_owned())
}

/// See the module.
#[derive(Clone)]
pub(super) struct LoneContext {
    /// What the client is for, in messages.
    pub(super) role: &'static str,
    pub(super) failure: Failure,
    /// How far the partitions were passed; for clients that report it.
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
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(
        &self,
        _: Option<&str>,
    ) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.failure.link.token()
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // The one place that reports it for producers and consumers alike: the error callback gets the cause's code, which
        // does not say that it is fatal.
        if facility == FATAL {
            self.failure.note(&format!("{}: {message}", self.role));
        }
        if !self.failure.link.takes_up(facility, message) {
            log_line(level, facility, message);
        }
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
        let text = tokio::time::timeout(Duration::from_secs(30), failure.occurred()).await;
        let text = text.unwrap().to_string();
        assert!(
            text.contains("producer: ") && text.contains("authoriz"),
            "{text}"
        );
        drop(sent);
    }
}
