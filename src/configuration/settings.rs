//! How the service runs, as types. A key is declared once, by its field: the comment documents it in `config/default.toml`
//! and in the JSON Schema, the attributes are its bounds and its default value.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use homeostat_logic::experiments::Experiment;
use homeostat_logic::ledger::record::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::recommendations::Recommendations;
use crate::authority::Authority;
use crate::catalog::CatalogSection;
use crate::recommendations::external::External;
use crate::schema;
use crate::schema_registry::{Registry, RegistrySettings};
use crate::secrets::{InboundSecrets, Secret};
use crate::store::{Store, StoreSettings};
use crate::user_secret::UserSecret;
use homeostat_actors::ports::connector::Connections;

/// A day in milliseconds: the bound of pauses and limits that are not part of the ledger.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Largest size limit that can be set, 1 GiB: sizes are held in memory.
const GIB: usize = 1 << 30;

/// Everything but the rules.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Settings {
    /// Folder of everything kept on disk (the embedded log and its index), relative to the working directory.
    #[schemars(length(min = 1), extend("default" = "data"))]
    pub data_dir: PathBuf,
    /// Whether nothing is changed outside: actions are recorded as done, with what would be sent. `--dry-run` sets it.
    #[schemars(extend("default" = false))]
    pub dry_run: bool,
    /// The HTTP API.
    pub http: Http,
    /// Payloads of other tools.
    pub inbound: Inbound,
    /// Topics whose records other tools write, by a name of yours.
    pub ingest: BTreeMap<String, Ingest>,
    /// The schema registry of topics of the form `registry`.
    pub(crate) registry: Option<RegistrySettings>,
    /// The Kafka cluster.
    pub kafka: Kafka,
    /// Topics that the service creates, and the embedded log.
    pub log: Log,
    /// The ledger of decisions.
    pub ledger: Ledger,
    /// Reading events.
    pub consumer: Consumer,
    /// Where users are kept.
    pub store: Store,
    /// Events that cannot be handled.
    pub dead_letters: DeadLetters,
    /// Items that are recommended.
    pub catalog: CatalogSection,
    /// Restarts of actors, and the watchdog.
    pub supervision: Supervision,
    /// Recommendations to users.
    pub recommendations: Recommendations,
    /// The service's own log.
    pub log_output: LogOutput,
    /// The operator's token, resolved; `None` = no orders are accepted.
    #[serde(skip)]
    pub operator_token: Option<Secret>,
    /// What senders of other tools' payloads have to show, resolved.
    #[serde(skip)]
    pub inbound_secrets: InboundSecrets,
    /// The secret of users' tokens, resolved.
    #[serde(skip)]
    pub user_secret: UserSecret,
    /// The experiments of `recommendations`, checked.
    #[serde(skip)]
    pub experiments: Vec<Experiment>,
    /// The schema registry of each table of `ingest` that has the form `registry`; equal ones are one.
    #[serde(skip)]
    pub(crate) registries: BTreeMap<String, Arc<Registry>>,
    /// External models, ready to be asked.
    #[serde(skip)]
    pub external_models: Vec<Arc<External>>,
    /// Options of the Kafka client by librdkafka's names, references resolved. Never printed.
    #[serde(skip)]
    pub kafka_options: BTreeMap<String, Secret>,
    /// The connections, and which actions they carry out.
    #[serde(skip)]
    pub connections: Connections,
    /// Where users are kept, references resolved.
    #[serde(skip)]
    pub user_store: StoreSettings,
}

/// Section `[http]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Address and port of the API. Only loopback, for it has no authentication; port 0 picks a free one.
    #[schemars(with = "String", length(min = 1), extend("default" = "127.0.0.1:8470"))]
    pub listen: SocketAddr,
    /// Further names of the API as host or host:port, such as a proxy's or a probe's; any other is refused (421).
    #[schemars(schema_with = "schema::hosts", extend("default" = []))]
    pub allowed_hosts: Vec<Authority>,
    /// Largest request body in bytes; a larger one is answered with 413. Enough for thousands of events.
    #[schemars(range(min = 1_024, max = GIB), extend("default" = 8_388_608))]
    pub body_bytes_max: usize,
    /// Largest single event in bytes; a larger one is refused. What Kafka's brokers accept by default.
    #[schemars(range(min = 1_024, max = GIB), extend("default" = 1_048_576))]
    pub event_bytes_max: usize,
    /// Bearer token of operators' orders, as "env:NAME" or "file:PATH". Empty = no orders are accepted.
    #[schemars(extend("default" = ""))]
    pub operator_token: String,
}

/// Section `[inbound]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inbound {
    /// Token of senders of other tools' payloads, as a reference; they show it as Bearer or Basic password. Empty = none.
    #[schemars(extend("default" = ""))]
    pub token: String,
    /// Secret with which MLflow signs its webhooks, as a reference. Empty = POST /api/v1/events/mlflow is refused.
    #[schemars(extend("default" = ""))]
    pub mlflow_secret: String,
    /// The secret before that, which is accepted too while webhooks change to the new one. Empty = none.
    #[schemars(extend("default" = ""))]
    pub mlflow_previous_secret: String,
}

/// Section `[ingest.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ingest {
    /// The topic in Kafka. It is never created; while it is missing, that is logged and looked for again.
    #[schemars(length(min = 1))]
    pub topic: String,
    /// What its records are: the payloads of a tool (docs/inbound.md), `event` = events of the topic in `to`, also in envelopes,
    /// or `registry` = Avro, Protobuf or JSON that a schema registry describes.
    #[schemars(schema_with = "schema::ingest_form")]
    pub form: String,
    /// The topic of the platform whose events these are, for the forms `event` and `registry`.
    pub to: Option<String>,
    /// Model of payloads that name none: "fraud", "fraud@3".
    pub model: Option<String>,
    /// Service of payloads that name none.
    pub service: Option<String>,
    /// The schema registry of this topic, in place of that in `[registry]`.
    pub(crate) registry: Option<RegistrySettings>,
}

/// Section `[kafka]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// Kafka brokers as host:port, separated by commas. Empty = the embedded log, which needs no server.
    #[serde(deserialize_with = "unless_empty")]
    #[schemars(with = "String", extend("default" = ""))]
    pub bootstrap_servers: Option<String>,
    /// Consumer group; instances with the same name share the partitions between them.
    #[schemars(length(min = 1), extend("default" = "homeostat"))]
    pub group_id: String,
    /// Milliseconds until a silent instance's partitions go to others. Brokers accept 6 s to 30 min.
    #[schemars(range(min = 6_000, max = 1_800_000), extend("default" = 10_000))]
    pub session_timeout_ms: u32,
    /// Copies of each record in topics that the service creates. 1 suits a single broker; use 3 in production.
    #[schemars(range(min = 1, max = 32), extend("default" = 1))]
    pub replication_factor: i32,
    /// Raise by one after source topics were deleted and created again, because their offsets repeat.
    #[schemars(range(min = 1), extend("default" = 1))]
    pub topic_generation: u32,
    /// Further options of the client by librdkafka's names, e.g. "client.rack" = "r1"; passwords by reference.
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
    /// Whether brokers are reached by TLS. Their certificates are always checked, with the host name.
    #[schemars(extend("default" = false))]
    pub enabled: bool,
    /// The CA of the brokers: path of a PEM file, or env:NAME or file:PATH with its content. Empty = those of this system.
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
    /// none, PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER. Without TLS only SCRAM hides the password.
    #[schemars(extend("default" = "none", "enum" = ["none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]))]
    pub mechanism: String,
    /// User of PLAIN and SCRAM.
    #[schemars(extend("default" = ""))]
    pub username: String,
    /// Its password by env: or file: reference.
    #[schemars(extend("default" = ""))]
    pub password: String,
    /// OAUTHBEARER: where tokens are fetched by client credentials (OAuth 2.0). https, or http on this machine.
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
    /// Hours that records are kept in topics that the service creates, but for the ledger's: a week.
    #[schemars(range(min = 1.0, max = 87_600.0), extend("default" = 168.0))]
    pub retention_hours: f64,
    /// Largest size of the embedded log in bytes, without the ledger; beyond it the oldest records go.
    #[schemars(range(min = 1_048_576, max = 1_125_899_906_842_624_u64), extend("default" = 1_073_741_824))]
    pub bytes_max: u64,
}

/// Section `[ledger]`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Partitions of `homeostat.ledger`, fixed at its creation; no more instances decide at the same time.
    #[schemars(range(min = 1, max = 1_024), extend("default" = 4))]
    pub partitions: i32,
    /// Days that its records are kept at least, 9 or more; older ones are removed behind a checkpoint.
    #[schemars(range(min = 9.0, max = 3_650.0), extend("default" = 30.0))]
    pub retention_days: f64,
    /// A topic that can lose records: "development" warns of it, "production" refuses to start.
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
    /// Most events handed to an actor at once; beyond a few hundred nothing is gained.
    #[schemars(range(min = 1, max = 10_000), extend("default" = 256))]
    pub batch_events_max: usize,
    /// Most records of a partition that are in flight; beyond it the partition is not polled.
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
    /// Milliseconds to finish what is in flight, at the end or on revocation; below half of the session timeout.
    #[schemars(range(min = 0, max = DAY_MS), extend("default" = 2_500))]
    pub drain_ms: u64,
}

/// Section `[dead_letters]`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetters {
    /// Last records of a partition that are considered together: too many dead letters among them stop it.
    #[schemars(range(min = 1, max = 10_000), extend("default" = 100))]
    pub stop_after: u32,
    /// It stops above this share, 0 to 1, until `homeostat dead-letters resume`; at 1 it never stops.
    #[schemars(range(min = 0.0, max = 1.0), extend("default" = 0.5))]
    pub stop_share: f64,
}

/// Section `[supervision]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Supervision {
    /// Restarts of an actor within the window below; with one more the failure goes up a level.
    #[schemars(range(min = 0, max = 10_000), extend("default" = 100))]
    pub restarts_max: u32,
    /// Length of that window, in milliseconds.
    #[schemars(range(min = 1, max = DAY_MS), extend("default" = 60_000))]
    pub restart_window_ms: u64,
    /// Pause before the first restart, in milliseconds; it doubles with each one in the window.
    #[schemars(range(min = 1, max = DAY_MS), extend("default" = 50))]
    pub backoff_first_ms: u64,
    /// Longest pause before a restart, in milliseconds.
    #[schemars(range(min = 1, max = DAY_MS), extend("default" = 5_000))]
    pub backoff_max_ms: u64,
    /// Messages that a mailbox holds; when it is full, the partition that fills it is not polled.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 256))]
    pub mailbox_messages_max: usize,
    /// Milliseconds that a message may take before the watchdog replaces its actor.
    #[schemars(range(min = 100, max = DAY_MS), extend("default" = 30_000))]
    pub handling_max_ms: u64,
    /// Milliseconds that a partition with lag may make no progress before the watchdog heals it.
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
