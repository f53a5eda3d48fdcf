//! `[recommendations.external.NAME]`: a model behind a server.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::time::Duration;

use homeostat_actors::throttle::Throttle;
use homeostat_logic::traffic::{BreakerLimits, Limits};
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;

use super::External;
use super::gate::Gate;
use super::ids::Ids;
use crate::connectors::kit::{Compile, Service, ServiceSettings};
use crate::secrets::is_reference;

/// What a model is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Items for a user, from the user and the newest items of the user.
    Candidates,
    /// A score for each item of our own list, which is sorted by it.
    Scores,
}

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// MLflow's scoring protocol.
    Mlflow(Form),
    /// KServe's Open Inference Protocol, version 2.
    Kserve,
}

/// The form of MLflow's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A data frame of columns and rows.
    #[default]
    DataframeSplit,
    /// A list of records.
    Inputs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ProtocolName {
    Mlflow,
    Kserve,
}

/// Keys of `[recommendations.external.NAME]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct ExternalSettings {
    /// mlflow = POST /invocations of MLflow's scoring server, kserve = POST /v2/models/MODEL/infer of KServe, MLServer, Seldon or Triton.
    protocol: ProtocolName,
    /// candidates = the model names the items, scores = it scores ours, and they are sorted by it.
    mode: Mode,
    /// Name of the model, for kserve.
    model: Option<String>,
    /// Version of the model, for kserve; without it the server chooses.
    version: Option<String>,
    /// Form of a request to mlflow: dataframe_split, or inputs = a list of records.
    #[serde(default)]
    form: Form,
    /// How ids are sent: text, or number = whole numbers where they are.
    #[serde(default)]
    ids: Ids,
    /// Milliseconds in which it has to answer; beyond them our own list is used.
    #[serde(default = "answer_within_ms")]
    #[schemars(range(min = 1, max = 10_000))]
    answer_within_ms: u64,
    /// Items of our own list that are scored.
    #[serde(default = "scored_max")]
    #[schemars(range(min = 1, max = 1_000))]
    scored_max: usize,
    /// Newest items of the user that are sent.
    #[serde(default = "recent_max")]
    #[schemars(range(min = 0, max = 100))]
    recent_max: usize,
    /// Requests to it at the same time; beyond them our own list is used.
    #[serde(default = "concurrency_max")]
    #[schemars(range(min = 1, max = 1_024))]
    concurrency_max: usize,
    /// Failures in a row after which it is left alone for a while. 0 = never.
    #[serde(default = "failures_max")]
    #[schemars(range(min = 0, max = 1_000))]
    failures_max: u32,
    /// Milliseconds that it is left alone first, before one request tries it; each trial that fails doubles them, to a minute.
    #[serde(default = "alone_ms")]
    #[schemars(range(min = 100, max = 60_000))]
    alone_ms: u64,
    #[serde(flatten)]
    service: ServiceSettings,
}

const fn answer_within_ms() -> u64 {
    50
}

const fn scored_max() -> usize {
    200
}

const fn recent_max() -> usize {
    20
}

const fn concurrency_max() -> usize {
    64
}

const fn failures_max() -> u32 {
    5
}

const fn alone_ms() -> u64 {
    1_000
}

impl ExternalSettings {
    /// Makes the model ready to be asked; `None` with at least one problem recorded.
    pub(crate) fn compile(mut self, name: &str, compile: &mut Compile<'_>) -> Option<External> {
        // A connection is kept for the next request: a handshake would take most of the time.
        self.service.client.idle_max = self.concurrency_max;
        let service = Service::of_api(&self.service, compile)?;
        let text = &self.service.url;
        if is_reference(text) || text.contains('{') {
            compile.problem(
                "url",
                "is a reference or holds an expression",
                "write the address of the model server; put a secret into `headers`",
            );
            return None;
        }
        let url = self.url(compile)?;
        Some(External {
            name: name.to_owned(),
            protocol: match self.protocol {
                ProtocolName::Mlflow => Protocol::Mlflow(self.form),
                ProtocolName::Kserve => Protocol::Kserve,
            },
            mode: self.mode,
            ids: self.ids,
            url,
            service,
            limit: Duration::from_millis(self.answer_within_ms),
            recent_max: self.recent_max,
            scored_max: self.scored_max,
            limits: self.limits(),
            gate: Gate::new(),
            counts: std::array::from_fn(|_| std::sync::atomic::AtomicU64::new(0)),
            failing: Throttle::new(),
        })
    }

    fn limits(&self) -> Limits {
        let open = Duration::from_millis(self.alone_ms);
        Limits {
            concurrency_max: self.concurrency_max,
            rate_per_minute: None,
            pause_max: Duration::ZERO,
            breaker: (self.failures_max > 0).then_some(BreakerLimits {
                failures: self.failures_max,
                open,
                open_max: Duration::from_mins(1).max(open),
            }),
        }
    }

    /// The address of the requests, below the one that is written.
    fn url(&self, compile: &mut Compile<'_>) -> Option<Url> {
        let mut url = Url::parse(&self.service.url).ok()?;
        let mut path: Vec<&str> = Vec::new();
        match self.protocol {
            ProtocolName::Mlflow => {
                if !url.path().trim_end_matches('/').ends_with("/invocations") {
                    path.push("invocations");
                }
            }
            ProtocolName::Kserve => {
                let model = self.model.as_deref().filter(|model| !model.is_empty());
                let Some(model) = model else {
                    compile.problem(
                        "model",
                        "is missing",
                        "write the model's name at the server",
                    );
                    return None;
                };
                path.extend(["v2", "models", model]);
                if let Some(version) = &self.version {
                    path.extend(["versions", version]);
                }
                path.push("infer");
            }
        }
        url.path_segments_mut().ok()?.pop_if_empty().extend(path);
        Some(url)
    }
}
