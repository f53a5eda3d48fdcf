//! How the service runs, as types. A key is declared once, by its field: the comment documents it in `config/default.toml`
//! and in the JSON Schema, the attributes are its bounds and its default value.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use homeostat_logic::ledger::record::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::authority::Authority;
use crate::schema;
use crate::secrets::{InboundSecrets, Secret};
use homeostat_actors::ports::connector::Connections;

/// A day in milliseconds: the bound of pauses and limits that are not part of the ledger.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Largest size limit that can be set, 1 GiB: sizes are held in memory.
const GIB: usize = 1 << 30;

/// Everything but the rules.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Settings {
    /// Folder of everything that the service keeps on disk (the embedded log and its index); relative to the working directory.
    #[schemars(length(min = 1), extend("default" = "data"))]
    pub data_dir: PathBuf,
    /// Whether nothing is changed outside, whatever the connections say: actions are decided and recorded as done, with what
    /// would have been sent. The option `--dry-run` of `homeostat run` sets it.
    #[schemars(extend("default" = false))]
    pub dry_run: bool,
    /// The HTTP API.
    pub http: Http,
    /// Payloads of other tools.
    pub inbound: Inbound,
    /// The Kafka cluster.
    pub kafka: Kafka,
    /// Topics that the service creates, and the embedded log.
    pub log: Log,
    /// The ledger of decisions.
    pub ledger: Ledger,
    /// Reading events.
    pub consumer: Consumer,
    /// Events that cannot be handled.
    pub dead_letters: DeadLetters,
    /// Restarts of actors, and the watchdog.
    pub supervision: Supervision,
    /// The service's own log.
    pub log_output: LogOutput,
    /// The operator's token, resolved; `None` = no orders are accepted.
    #[serde(skip)]
    pub operator_token: Option<Secret>,
    /// What senders of other tools' payloads have to show, resolved.
    #[serde(skip)]
    pub inbound_secrets: InboundSecrets,
    /// Options of the Kafka client by librdkafka's names, references resolved. Never printed.
    #[serde(skip)]
    pub kafka_options: BTreeMap<String, Secret>,
    /// The connections, and which actions they carry out.
    #[serde(skip)]
    pub connections: Connections,
}

/// Section `[http]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Address and port of the HTTP API; port 0 picks a free one, which is printed. It must be a loopback address, because this
    /// version has no authentication. To reach the API from elsewhere, put an authenticating proxy in front of it.
    #[schemars(with = "String", length(min = 1), extend("default" = "127.0.0.1:8470"))]
    pub listen: SocketAddr,
    /// Names under which the API is reached besides localhost, loopback addresses and the address above, as host (any port) or
    /// host:port: those of a proxy in front of it, or what a probe sends, such as `["homeostat.example", "10.1.2.3:8470"]`. A
    /// request for another host is answered with 421, so that no web page can reach the API by pointing its own name to this
    /// machine (DNS rebinding). This holds for probes and metrics too. A page whose origin is none of these may not write (403).
    #[schemars(schema_with = "schema::hosts", extend("default" = []))]
    pub allowed_hosts: Vec<Authority>,
    /// Largest request body in bytes; a larger one is answered with 413. Enough for thousands of events in JSON Lines.
    #[schemars(range(min = 1_024, max = GIB), extend("default" = 8_388_608))]
    pub body_bytes_max: usize,
    /// Largest single event in bytes; a larger one is refused. What Kafka's brokers accept by default.
    #[schemars(range(min = 1_024, max = GIB), extend("default" = 1_048_576))]
    pub event_bytes_max: usize,
    /// Token that operators' orders (POST /api/v1/control/...) carry as `Authorization: Bearer`, as a reference to a secret:
    /// "env:NAME" or "file:PATH". Empty = no orders are accepted. With a token, replaying dead letters and resuming their
    /// partitions need it too.
    #[schemars(extend("default" = ""))]
    pub operator_token: String,
}

/// Section `[inbound]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inbound {
    /// Token that senders of other tools' payloads (POST /api/v1/events/alertmanager, ...) show, as a reference to a secret:
    /// "env:NAME" or "file:PATH". It comes as `Authorization: Bearer`, or as the password of Basic authentication. Empty = none
    /// is needed. MLflow signs instead.
    #[schemars(extend("default" = ""))]
    pub token: String,
    /// Secret with which MLflow signs its webhooks, as a reference. Empty = POST /api/v1/events/mlflow is refused.
    #[schemars(extend("default" = ""))]
    pub mlflow_secret: String,
    /// The secret before that, which is accepted too while webhooks change to the new one. Empty = none.
    #[schemars(extend("default" = ""))]
    pub mlflow_previous_secret: String,
}

/// Section `[kafka]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// Kafka brokers as host:port, separated by commas. Empty = the embedded log: one process, no server needed.
    #[serde(deserialize_with = "unless_empty")]
    #[schemars(with = "String", extend("default" = ""))]
    pub bootstrap_servers: Option<String>,
    /// Consumer group; instances with the same name share the partitions between them.
    #[schemars(length(min = 1), extend("default" = "homeostat"))]
    pub group_id: String,
    /// Milliseconds after which the broker gives a silent instance's partitions to others: the wait of a failover. Brokers accept
    /// 6 s to 30 min by default.
    #[schemars(range(min = 6_000, max = 1_800_000), extend("default" = 10_000))]
    pub session_timeout_ms: u32,
    /// Copies of each record in topics that the service creates. 1 suits a single broker; use 3 in production.
    #[schemars(range(min = 1, max = 32), extend("default" = 1))]
    pub replication_factor: i32,
    /// Raise by one after source topics were deleted and created again: their offsets repeat, and the generation keeps new events
    /// from being mistaken for old ones.
    #[schemars(range(min = 1), extend("default" = 1))]
    pub topic_generation: u32,
    /// Further options of the Kafka client, by librdkafka's names, e.g. "security.protocol" = "SASL_SSL". Only options that
    /// cannot break delivery are accepted; passwords by env: or file: reference. In the environment a single underscore is written
    /// for the dot: HOMEOSTAT__KAFKA__OPTIONS__SECURITY_PROTOCOL.
    #[schemars(schema_with = "schema::client_options", extend("default" = {}))]
    pub options: BTreeMap<String, toml::Value>,
    /// TLS to the brokers.
    pub tls: Tls,
    /// Login at the brokers.
    pub sasl: Sasl,
}

/// Section `[kafka.tls]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Whether brokers are reached by TLS. Their certificate must be valid, of a trusted CA and for their host name; that check
    /// cannot be switched off.
    #[schemars(extend("default" = false))]
    pub enabled: bool,
    /// The CA that signs the brokers' certificates: path of a PEM file, or env:NAME or file:PATH with its content. Empty = the
    /// CAs that this system trusts.
    #[schemars(extend("default" = ""))]
    pub ca: String,
    /// This client's own certificate, for clusters that ask for one (mTLS), as above. Empty = none.
    #[schemars(extend("default" = ""))]
    pub certificate: String,
    /// Key of that certificate: path of a PEM file, or env:NAME or file:PATH with its content.
    #[schemars(extend("default" = ""))]
    pub key: String,
    /// Password of that key by env: or file: reference. Empty = it has none.
    #[schemars(extend("default" = ""))]
    pub key_password: String,
}

/// Section `[kafka.sasl]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    /// How the service logs in: none, PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER. Without TLS only SCRAM hides the
    /// password.
    #[schemars(extend("default" = "none", "enum" = ["none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]))]
    pub mechanism: String,
    /// User of PLAIN and SCRAM.
    #[schemars(extend("default" = ""))]
    pub username: String,
    /// Its password by env: or file: reference.
    #[schemars(extend("default" = ""))]
    pub password: String,
    /// OAUTHBEARER: where tokens are fetched with the client's credentials (OAuth 2.0, RFC 6749 section 4.4). https, or http on
    /// this machine; its certificate must be of a CA that this system trusts. A token is renewed when four fifths of its life are
    /// over.
    #[schemars(extend("default" = ""))]
    pub token_url: String,
    /// Name of the client there.
    #[schemars(extend("default" = ""))]
    pub client_id: String,
    /// Its secret by env: or file: reference.
    #[schemars(extend("default" = ""))]
    pub client_secret: String,
    /// Scopes asked for, separated by spaces. Empty = those that the provider gives by default.
    #[schemars(extend("default" = ""))]
    pub scope: String,
}

/// Section `[log]`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Hours that records are kept in the topics that the service creates, in Kafka or in the embedded log; the ledger is exempt.
    /// A week leaves time to look into what happened.
    #[schemars(range(min = 1.0, max = 87_600.0), extend("default" = 168.0))]
    pub retention_hours: f64,
    /// Largest size of the embedded log in bytes, without the ledger; beyond it the oldest records are removed first.
    #[schemars(range(min = 1_048_576, max = 1_125_899_906_842_624_u64), extend("default" = 1_073_741_824))]
    pub bytes_max: u64,
}

/// Section `[ledger]`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Partitions of `homeostat.ledger`, fixed when it is created: targets are spread over them, and no more instances than this
    /// decide at the same time.
    #[schemars(range(min = 1, max = 1_024), extend("default" = 4))]
    pub partitions: i32,
    /// Days that its records are kept at least, 9 or more (ledger-protocol section 8). Older ones are removed behind a checkpoint
    /// by the instance that executes the partition. Cooldowns, budgets and open actions are read from what is left at each start,
    /// some ten thousand records a second.
    #[schemars(range(min = 9.0, max = 3_650.0), extend("default" = 30.0))]
    pub retention_days: f64,
    /// What happens with a Kafka topic that can lose acknowledged records: fewer than 3 copies, min.insync.replicas below 2, or
    /// unclean leader elections. A lost record can mean that an action is sent twice. "development" warns at each start, so that
    /// a single broker is enough; "production" refuses to start, and needs kafka.replication_factor = 3. The embedded log needs
    /// neither.
    #[schemars(extend("default" = "development"))]
    pub durability: Durability,
}

impl Ledger {
    /// Least age of a record that may be removed.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the days are bounded by the configuration"
    )]
    pub fn keep_ms(&self) -> Millis {
        (self.retention_days * 86_400_000.0) as Millis
    }
}

/// What happens with a ledger that can lose acknowledged records (A1 of the ledger protocol).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// The start is refused.
    Production,
    /// A warning is logged.
    Development,
}

/// Section `[consumer]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consumer {
    /// Most events handed to an actor at once. Batches make the hop between actors cheap; beyond a few hundred nothing is gained.
    #[schemars(range(min = 1, max = 10_000), extend("default" = 256))]
    pub batch_events_max: usize,
    /// Most records of one partition that are in flight through the actors; beyond it the partition is not polled.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 1_024))]
    pub in_flight_records_max: usize,
    /// How often an event is tried before it goes to the dead-letter topic with the reason.
    #[schemars(range(min = 1, max = 100), extend("default" = 3))]
    pub attempts_max: u32,
    /// Pause before the second try of an event, in milliseconds; it doubles with each further one.
    #[schemars(range(min = 1, max = DAY_MS), extend("default" = 200))]
    pub retry_first_ms: u64,
    /// Longest pause between two tries, in milliseconds.
    #[schemars(range(min = 1, max = DAY_MS), extend("default" = 5_000))]
    pub retry_max_ms: u64,
    /// How long revoked partitions, or the whole service at its end, may finish what is in flight, in milliseconds. Below half of
    /// the session timeout, or the broker expels the instance while it drains; the default suits the shortest session (6 s) too.
    #[schemars(range(min = 0, max = DAY_MS), extend("default" = 2_500))]
    pub drain_ms: u64,
}

/// Section `[dead_letters]`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetters {
    /// A partition stops when too many of its records become dead letters, because then the cause is not a single bad record but,
    /// say, a changed schema. This many of its last records are considered together.
    #[schemars(range(min = 1, max = 10_000), extend("default" = 100))]
    pub stop_after: u32,
    /// It stops when more than this share of them are dead letters, 0 to 1; at 1 it never stops. Nothing is lost: it continues
    /// where it stopped after `homeostat dead-letters resume`, and a restart tries as well.
    #[schemars(range(min = 0.0, max = 1.0), extend("default" = 0.5))]
    pub stop_share: f64,
}

/// Section `[supervision]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Supervision {
    /// Restarts of one actor within the window below; one more, and its supervisor gives up and the failure goes up a level.
    #[schemars(range(min = 0, max = 10_000), extend("default" = 100))]
    pub restarts_max: u32,
    /// Length of that window, in milliseconds.
    #[schemars(range(min = 1, max = DAY_MS), extend("default" = 60_000))]
    pub restart_window_ms: u64,
    /// Pause before the first restart, in milliseconds; it doubles with each restart in the window, with some jitter.
    #[schemars(range(min = 1, max = DAY_MS), extend("default" = 50))]
    pub backoff_first_ms: u64,
    /// Longest pause before a restart, in milliseconds.
    #[schemars(range(min = 1, max = DAY_MS), extend("default" = 5_000))]
    pub backoff_max_ms: u64,
    /// Messages that a mailbox holds; when it is full, the partition that fills it is not polled.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 256))]
    pub mailbox_messages_max: usize,
    /// How long an actor may handle one message, in milliseconds, before the watchdog considers it hung and replaces it.
    #[schemars(range(min = 100, max = DAY_MS), extend("default" = 30_000))]
    pub handling_max_ms: u64,
    /// How long a partition with lag may make no progress, in milliseconds, before the watchdog heals it: the actor first, then
    /// the client, then the process. Longer than the log may take to answer (30 s): while it answers no, the partition only waits.
    #[schemars(range(min = 1_000, max = DAY_MS), extend("default" = 60_000))]
    pub stall_max_ms: u64,
}

/// Section `[log_output]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogOutput {
    /// Form of the log on standard error: text for people, json for machines, auto = text on a terminal, else json.
    #[schemars(extend("default" = "auto"))]
    pub format: LogFormat,
    /// What is logged: error, warn, info, debug or trace, also per module: "info,homeostat_actors=debug".
    #[schemars(length(min = 1), extend("default" = "info"))]
    pub level: String,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Text, or nothing where it is empty.
fn unless_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(|text| Some(text).filter(|text| !text.is_empty()))
}
