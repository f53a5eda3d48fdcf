//! How the Kafka clients are configured: our own fixed choices (kafka-client §4) and the few options users may add.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::oauth::{TokenEndpoint, endpoint_fault};
use super::options;
use super::trouble::Identity;
use crate::log::MAX_RECORD_BYTES;

/// Largest batch of several records, in bytes before compression. A single larger record still goes alone into a batch.
pub(super) const BATCH_BYTES: i64 = 1_000_000;

/// Options that this adapter follows itself: librdkafka's own fetching of tokens needs a build with curl.
const OWN: &str = "sasl.oauthbearer.";

/// Where Kafka is and how to talk to it.
#[derive(Clone)]
pub struct KafkaSettings {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// First part of the client id; the rest is unique per client.
    pub client_id: String,
    /// The topic whose records are sent without lingering: its latency sits before each action.
    pub ledger_topic: String,
    /// After this long without a heartbeat a member has left its group.
    pub session_timeout: Duration,
    /// Further librdkafka options, from a list of harmless ones.
    pub options: BTreeMap<String, String>,
}

impl KafkaSettings {
    /// The defaults of kafka-client §4.
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            client_id: "homeostat".to_owned(),
            ledger_topic: "homeostat.ledger".to_owned(),
            session_timeout: Duration::from_secs(10),
            options: BTreeMap::new(),
        }
    }

    /// Checks the options of the user: their names, and what librdkafka says to their values.
    pub fn check(&self) -> Result<(), KafkaSettingsError> {
        let unknown = self.options.keys().find(|name| !options::is_allowed(name));
        if let Some(name) = unknown {
            return Err(KafkaSettingsError::NotAllowed {
                name: name.clone(),
                allowed: options::allowed().join(", "),
            });
        }
        if self.mechanism().eq_ignore_ascii_case("OAUTHBEARER") {
            let url = self.option(&format!("{OWN}token.endpoint.url"));
            if let Some((problem, remedy)) = endpoint_fault(url) {
                return Err(KafkaSettingsError::Client {
                    reason: format!("{OWN}token.endpoint.url {problem}; {remedy}"),
                });
            }
        }
        let native = self.admin().create_native_config();
        native
            .map(drop)
            .map_err(|error| KafkaSettingsError::Client {
                reason: error.to_string(),
            })
    }

    fn option(&self, name: &str) -> &str {
        self.options.get(name).map_or("", String::as_str)
    }

    fn mechanism(&self) -> &str {
        let names = ["sasl.mechanism", "sasl.mechanisms"].map(|name| self.option(name));
        names
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or("")
    }

    fn is_tls(&self) -> bool {
        let protocol = self.option("security.protocol");
        protocol.to_ascii_uppercase().ends_with("SSL")
    }

    /// How the clients present themselves, for messages.
    pub(super) fn identity(&self) -> Identity {
        let users = ["sasl.username", "sasl.oauthbearer.client.id"].map(|name| self.option(name));
        Identity {
            mechanism: self.mechanism().to_owned(),
            user: users.concat(),
        }
    }

    /// Certificates of the CA as PEM, if others than the system's are configured and can be read.
    pub(super) fn ca(&self) -> Option<Vec<u8>> {
        let (pem, path) = (self.option("ssl.ca.pem"), self.option("ssl.ca.location"));
        match (pem, path) {
            ("", "") => None,
            ("", path) => std::fs::read(path).ok(),
            (pem, _) => Some(pem.as_bytes().to_vec()),
        }
    }

    /// Where tokens come from, with SASL OAUTHBEARER.
    pub(super) fn token_endpoint(&self) -> Option<TokenEndpoint> {
        if !self.mechanism().eq_ignore_ascii_case("OAUTHBEARER") {
            return None;
        }
        let own = |name: &str| self.option(&format!("{OWN}{name}")).to_owned();
        Some(TokenEndpoint {
            url: own("token.endpoint.url").parse().ok()?,
            client_id: own("client.id"),
            client_secret: own("client.secret"),
            scope: own("scope"),
        })
    }

    /// What every client has in common.
    fn client(&self, role: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        // Brokers that come back are found within this time; with the client's own 10 s a restart costs as much again.
        config.set("reconnect.backoff.max.ms", "2000");
        for (name, value) in self
            .options
            .iter()
            .filter(|(name, _)| !name.starts_with(OWN))
        {
            config.set(name, value);
        }
        if self.is_tls() {
            config.set("ssl.endpoint.identification.algorithm", "https");
            if self.ca().is_none() {
                // OpenSSL is linked in, so that it does not know where this system keeps its certificates.
                config.set("ssl.ca.location", "probe");
            }
        }
        config
            // Failed connections are logged at this level, and taken up by the context.
            .set_log_level(RDKafkaLogLevel::Info)
            .set("bootstrap.servers", &self.bootstrap_servers)
            // Identical ids have sent cooperative groups into endless rebalances (librdkafka #4783).
            .set(
                "client.id",
                format!("{}-{role}-{}", self.client_id, uuid::Uuid::new_v4()),
            )
            // Topics that appear later are noticed within this time.
            .set("topic.metadata.refresh.interval.ms", "10000");
        config
    }

    /// A producer that gives up after `delivery_timeout`.
    pub(super) fn producer(&self, delivery_timeout: Duration, linger: Duration) -> ClientConfig {
        let mut config = self.client("producer");
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", linger.as_millis().to_string())
            .set(
                "delivery.timeout.ms",
                delivery_timeout.as_millis().to_string(),
            )
            .set(
                "message.max.bytes",
                (MAX_RECORD_BYTES + 64 * 1024).to_string(),
            )
            .set("batch.size", BATCH_BYTES.to_string())
            .set("queue.buffering.max.messages", "100000")
            .set("queue.buffering.max.kbytes", "65536");
        config
    }

    /// The producer of ordinary records: SPEC §2 asks for three retries a second apart and an answer within 10 s.
    pub(super) fn ordinary_producer(&self) -> ClientConfig {
        let mut config = self.producer(Duration::from_secs(10), Duration::from_millis(5));
        config
            .set("retries", "3")
            .set("retry.backoff.ms", "1000")
            .set("retry.backoff.max.ms", "1000");
        config
    }

    /// The producer of ledger records: tried again, as often as it takes, for 30 s. A count of retries would only let
    /// it give up earlier, and an idempotent producer that gives up has to start a new sequence.
    pub(super) fn ledger_producer(&self) -> ClientConfig {
        self.producer(Duration::from_secs(30), Duration::ZERO)
    }

    /// What all consumers have in common.
    fn consumer(&self, role: &str, group: &str) -> ClientConfig {
        let mut config = self.client(role);
        config
            .set("group.id", group)
            .set("enable.auto.offset.store", "false")
            // Also of the ledger: a foreign record of an aborted transaction would stop its partition for good, an open
            // transaction holds it for a while and is reported.
            .set("isolation.level", "read_committed")
            .set("check.crcs", "true")
            // Bounds memory per partition; fetching stops by itself when a queue is not polled.
            .set("queued.max.messages.kbytes", "2048")
            .set("queued.min.messages", "10000")
            .set("fetch.message.max.bytes", "1048576")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.error.backoff.ms", "100")
            .set("auto.offset.reset", "earliest")
            .set("allow.auto.create.topics", "false");
        config
    }

    /// A member of a group.
    pub(super) fn member(&self, group: &str) -> ClientConfig {
        let session = self.session_timeout.as_millis();
        let mut config = self.consumer("member", group);
        config
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "1000")
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session.to_string())
            .set("heartbeat.interval.ms", (session / 3).to_string())
            .set("max.poll.interval.ms", "60000")
            .set("statistics.interval.ms", "5000");
        config
    }

    /// A reader outside any group: librdkafka wants a group name to assign by hand, but never joins it.
    pub(super) fn reader(&self) -> ClientConfig {
        let mut config = self.consumer("reader", &format!("{}-reader", self.client_id));
        config.set("enable.auto.commit", "false");
        config
    }

    /// As [`Self::reader`], and reports now and then how far it came.
    pub(super) fn tails(&self) -> ClientConfig {
        let mut config = self.reader();
        config.set("statistics.interval.ms", "1000");
        config
    }

    /// As [`Self::reader`], and gets an event where a partition ends.
    pub(super) fn bounded_reader(&self) -> ClientConfig {
        let mut config = self.reader();
        config.set("enable.partition.eof", "true");
        config
    }

    /// For topics and their settings.
    pub(super) fn admin(&self) -> ClientConfig {
        let mut config = self.client("admin");
        // It asks for topics that may not be there, and brokers may create what a producer asks for.
        config.set("allow.auto.create.topics", "false");
        config
    }
}

impl std::fmt::Debug for KafkaSettings {
    /// Options are named, not shown: there may be a password among them.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("KafkaSettings")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("client_id", &self.client_id)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Why settings are refused. All are reasons to stop and correct the configuration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KafkaSettingsError {
    /// Not on the list.
    #[error("the Kafka option {name} cannot be set; remove it or use one of: {allowed}")]
    NotAllowed {
        /// Its name.
        name: String,
        /// The list.
        allowed: String,
    },
    /// librdkafka did not take a value.
    #[error("the Kafka client cannot be created: {reason}; correct the Kafka options")]
    Client {
        /// What it said.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str) -> Result<(), KafkaSettingsError> {
        let mut settings = KafkaSettings::new("localhost:9092");
        settings.options.insert(name.to_owned(), value.to_owned());
        settings.check()
    }

    #[test]
    fn options_that_lose_data_or_load_code_are_refused() {
        for name in [
            "enable.auto.offset.store",
            "enable.auto.commit",
            "enable.ssl.certificate.verification",
            "plugin.library.paths",
            "group.id",
            "group.instance.id",
            "debug",
            "message.max.bytes",
            "sasl.oauthbearer.assertion.file",
        ] {
            let refused = check(name, "1");
            assert!(
                matches!(refused, Err(KafkaSettingsError::NotAllowed { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn a_value_that_the_client_does_not_take_is_told_at_once() {
        for (name, value, right) in [
            ("security.protocol", "SASL_SSL", true),
            ("security.protocol", "TLS", false),
            ("compression.type", "zstd", true),
            ("compression.type", "zip", false),
            ("sasl.mechanism", "SCRAM-SHA-512", true),
            ("client.rack", "r1", true),
        ] {
            assert_eq!(check(name, value).is_ok(), right, "{name}={value}");
        }
    }

    #[test]
    fn the_identity_of_brokers_is_always_checked_and_tokens_are_fetched_here() {
        let mut settings = KafkaSettings::new("localhost:9092");
        for (name, value) in [
            ("security.protocol", "sasl_ssl"),
            ("ssl.endpoint.identification.algorithm", "none"),
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.oauthbearer.method", "oidc"),
            ("sasl.oauthbearer.token.endpoint.url", "https://idp/token"),
            ("sasl.oauthbearer.client.id", "me"),
            ("sasl.oauthbearer.client.secret", "secret"),
        ] {
            settings.options.insert(name.to_owned(), value.to_owned());
        }
        let config = settings.admin();
        let checked = config.get("ssl.endpoint.identification.algorithm");
        assert_eq!(checked, Some("https"));
        assert_eq!(config.get("ssl.ca.location"), Some("probe"));
        assert_eq!(config.get("sasl.oauthbearer.method"), None);
        let endpoint = settings.token_endpoint().unwrap();
        assert_eq!(
            (endpoint.url.as_str(), endpoint.client_id.as_str()),
            ("https://idp/token", "me")
        );
        assert_eq!(settings.identity().user, "me");
    }

    #[test]
    fn passwords_are_not_shown() {
        let mut settings = KafkaSettings::new("localhost:9092");
        settings
            .options
            .insert("sasl.password".to_owned(), "secret".to_owned());
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
