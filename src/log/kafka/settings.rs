//! How the Kafka clients are configured: our own fixed choices (kafka-client §4) and the few options users may add.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;

use crate::log::MAX_RECORD_BYTES;

/// Largest batch of several records, in bytes before compression. A single larger record still has a batch of its own.
pub(super) const BATCH_BYTES: i64 = 1_000_000;

/// librdkafka options users may set. Everything else is refused: it is owned by the adapter (a wrong
/// `enable.auto.offset.store` loses data), or dangerous (`plugin.library.paths` loads code).
const ALLOWED: [&str; 12] = [
    "broker.address.family",
    "client.rack",
    "compression.codec",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.timeout.ms",
];

/// Options of TLS and SASL.
const SECURITY: [&str; 13] = [
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
];

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

    /// Checks the options of the user.
    pub fn check(&self) -> Result<(), KafkaSettingsError> {
        for name in self.options.keys() {
            if !SECURITY.contains(&name.as_str()) && !ALLOWED.contains(&name.as_str()) {
                return Err(KafkaSettingsError::NotAllowed {
                    name: name.clone(),
                    allowed: ALLOWED.join(", "),
                });
            }
        }
        Ok(())
    }

    /// What every client has in common.
    fn client(&self, role: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        // Brokers that come back are found within this time; with the client's own 10 s a restart costs as much again.
        config.set("reconnect.backoff.max.ms", "2000");
        for (name, value) in &self.options {
            config.set(name, value);
        }
        config
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

    /// As [`Self::reader`], and tells now and then how far it came.
    pub(super) fn tails(&self) -> ClientConfig {
        let mut config = self.reader();
        config.set("statistics.interval.ms", "1000");
        config
    }

    /// As [`Self::reader`], and told where a partition ends.
    pub(super) fn bounded_reader(&self) -> ClientConfig {
        let mut config = self.reader();
        config.set("enable.partition.eof", "true");
        config
    }

    /// For topics and their settings.
    pub(super) fn admin(&self) -> ClientConfig {
        self.client("admin")
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

    fn check(name: &str) -> Result<(), KafkaSettingsError> {
        let mut settings = KafkaSettings::new("localhost:9092");
        settings
            .options
            .insert(name.to_owned(), "secret".to_owned());
        settings.check()
    }

    #[test]
    fn options_that_lose_data_or_load_code_are_refused() {
        for name in [
            "enable.auto.offset.store",
            "enable.auto.commit",
            "plugin.library.paths",
            "group.id",
            "group.instance.id",
            "debug",
            "sasl.oauthbearer.token.endpoint.url",
            "ssl.endpoint.identification.algorithm",
        ] {
            assert!(
                matches!(check(name), Err(KafkaSettingsError::NotAllowed { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn harmless_and_security_options_are_taken() {
        for name in ALLOWED.iter().chain(&SECURITY) {
            assert_eq!(check(name), Ok(()), "{name}");
        }
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
