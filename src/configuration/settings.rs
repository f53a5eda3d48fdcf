//! The configuration as types, for those who use it. Meanings and units stand in `config/default.toml`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use homeostat_logic::action::Action;
use homeostat_logic::ledger::record::Millis;
use serde::Deserialize;

use super::secrets::Secret;
use crate::connectors::webhook::Endpoint;
use crate::http::Authority;

/// Everything but the rules.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of the service's files.
    pub data_dir: PathBuf,
    /// Section `[http]`.
    pub http: Http,
    /// Section `[kafka]`.
    pub kafka: Kafka,
    /// Section `[log]`.
    pub log: Log,
    /// Section `[ledger]`.
    pub ledger: Ledger,
    /// Section `[consumer]`.
    pub consumer: Consumer,
    /// Section `[dead_letters]`.
    pub dead_letters: DeadLetters,
    /// Section `[supervision]`.
    pub supervision: Supervision,
    /// Section `[log_output]`.
    pub log_output: LogOutput,
    /// Tables `[webhook.<action>]`, ready to send.
    pub webhook: BTreeMap<Action, Arc<Endpoint>>,
}

/// Section `[http]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Loopback address and port.
    pub listen: SocketAddr,
    /// Hosts that requests may name besides this machine.
    pub allowed_hosts: Vec<Authority>,
    /// Largest request body.
    pub body_bytes_max: usize,
    /// Largest event.
    pub event_bytes_max: usize,
    /// What an operator's request has to carry; `None` = no orders are taken.
    pub operator_token: Option<Secret>,
}

/// Section `[kafka]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kafka {
    /// `None` = the embedded log.
    pub bootstrap_servers: Option<String>,
    /// Consumer group.
    pub group_id: String,
    /// Session timeout.
    pub session_timeout_ms: u32,
    /// Copies of each record in topics created.
    pub replication_factor: i32,
    /// Generation of topic names.
    pub topic_generation: u32,
    /// Further options of the client by librdkafka's names, references resolved. Never printed.
    pub options: BTreeMap<String, Secret>,
}

/// Section `[log]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Hours records are kept in topics created.
    pub retention_hours: f64,
    /// Largest size of the embedded log without the ledger.
    pub bytes_max: u64,
}

/// Section `[ledger]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Partitions at creation.
    pub partitions: i32,
    /// What becomes of a topic that can lose acknowledged records.
    pub durability: Durability,
    /// Days its records are kept.
    pub retention_days: f64,
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

/// What becomes of a ledger that can lose acknowledged records (A1 of the ledger protocol).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// The start is refused.
    Production,
    /// It is warned of.
    Development,
}

/// Section `[consumer]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consumer {
    /// Events per batch.
    pub batch_events_max: usize,
    /// Records of a partition in flight.
    pub in_flight_records_max: usize,
    /// Tries of an event.
    pub attempts_max: u32,
    /// First pause between tries.
    pub retry_first_ms: u64,
    /// Longest pause between tries.
    pub retry_max_ms: u64,
    /// Longest drain.
    pub drain_ms: u64,
}

/// Section `[dead_letters]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetters {
    /// Records of a partition that are looked at together.
    pub stop_after: u32,
    /// Share of them beyond which it stops.
    pub stop_share: f64,
}

/// Section `[supervision]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supervision {
    /// Restarts within the window.
    pub restarts_max: u32,
    /// The window.
    pub restart_window_ms: u64,
    /// First pause before a restart.
    pub backoff_first_ms: u64,
    /// Longest pause before a restart.
    pub backoff_max_ms: u64,
    /// Messages per mailbox.
    pub mailbox_messages_max: usize,
    /// Longest handling of one message.
    pub handling_max_ms: u64,
    /// Longest standstill of a partition with lag.
    pub stall_max_ms: u64,
}

/// Section `[log_output]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogOutput {
    /// Form.
    pub format: LogFormat,
    /// Filter directives.
    pub level: String,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}
