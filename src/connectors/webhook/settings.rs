//! A table `[webhook.<action>]` as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Keys, meanings and defaults stand at the end of `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(
    missing_docs,
    reason = "each field is documented in config/default.toml"
)]
pub struct WebhookSettings {
    #[serde(default)]
    pub url: String,
    #[serde(default = "method")]
    pub method: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub body: Option<String>,
    pub secret: Option<String>,
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
    pub connect_timeout_ms: Option<u64>,
    #[serde(default)]
    pub allow_http: bool,
    #[serde(default)]
    pub allow_private_addresses: bool,
    pub probe: Option<ProbeSettings>,
}

/// A table `[webhook.<action>.probe]`; documented where its parent is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(
    missing_docs,
    reason = "each field is documented in config/default.toml"
)]
pub struct ProbeSettings {
    #[serde(default)]
    pub url: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

fn method() -> String {
    "POST".to_owned()
}

/// The request limit T of ledger-protocol §7.
const fn timeout_ms() -> u64 {
    10_000
}

/// Time to connect that is used when none is written (kafka-client §10).
const CONNECT_TIMEOUT_MS: u64 = 2_000;

impl WebhookSettings {
    /// Time to connect: as written, else two seconds or the whole timeout if that is shorter.
    pub(super) fn connect_timeout_ms(&self) -> u64 {
        self.connect_timeout_ms
            .unwrap_or_else(|| CONNECT_TIMEOUT_MS.min(self.timeout_ms))
    }

    /// The probe as a table of its own: address and headers are its own, times and permissions those of this one.
    pub(super) fn of_probe(&self, probe: &ProbeSettings) -> Self {
        Self {
            url: probe.url.clone(),
            method: "GET".to_owned(),
            headers: probe.headers.clone(),
            body: None,
            secret: None,
            probe: None,
            ..*self
        }
    }
}

/// Something wrong with a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the key below the table.
    pub key: Vec<String>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    pub(super) fn new(key: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            key: vec![key.to_owned()],
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    pub(super) fn below(mut self, table: &str) -> Self {
        self.key.insert(0, table.to_owned());
        self
    }
}
