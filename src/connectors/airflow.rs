//! The kind `airflow`: an action is a run of a DAG, in Airflow 3 or 2, under an id made of the action's own.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

mod access;
mod dags;

use std::sync::Arc;

use chrono::DateTime;
use homeostat_actors::ports::connector::{Answer, Connector, Finding, Order, Probe};
use homeostat_logic::actions::Action;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::kit::exchange::cut;
use super::kit::{
    Act, Acting, Compile, CredentialSettings, Plain, Purpose, Service, ServiceSettings, Template,
    refused,
};
use crate::live::LiveSecret;
use access::{Access, Version};
use dags::{Dag, Known};

/// Characters of a note that Airflow 2 takes.
const NOTE_MAX: usize = 1_000;

/// Keys of `[connections.NAME]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Settings {
    #[serde(flatten)]
    service: ServiceSettings,
    #[serde(flatten)]
    credentials: CredentialSettings,
    /// Version of Airflow: 3, 2, or auto, which asks for it.
    #[serde(default)]
    api_version: ApiVersion,
}

/// Which of Airflow's APIs is used.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
enum ApiVersion {
    #[default]
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "3")]
    Three,
    #[serde(rename = "2")]
    Two,
}

/// Keys of `[actions.ACTION.with]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct With {
    /// Id of the DAG, a template.
    #[schemars(length(min = 1))]
    dag: String,
    /// Configuration of the run as a minijinja template of a JSON object, over the fields of a webhook's body. Without it all
    /// fields of the action are sent.
    #[schemars(length(min = 1))]
    conf: Option<String>,
    /// Note of the run, a template; without it one line that says why it was started.
    #[schemars(length(min = 1))]
    note: Option<String>,
    /// Earliest start of the run, a template of a time such as 2026-12-01T02:00:00Z (Airflow 3). An action that a rule lets wait
    /// for a maintenance window waits here, and needs none.
    #[schemars(length(min = 1))]
    run_after: Option<String>,
    /// Whether a paused DAG is unpaused, which also lets its other runs begin. Without it the action waits and fails.
    #[serde(default)]
    unpause: bool,
}

/// A connection of this kind.
#[derive(Debug)]
pub(crate) struct Airflow {
    service: Arc<Service>,
    access: Arc<Access>,
    api_version: ApiVersion,
}

impl Kind for Airflow {
    const NAME: &'static str = "airflow";
    const ABOUT: &'static str = "Apache Airflow 3 or 2";
    const EXAMPLE: &'static str = r#"[connections.airflow]
kind = "airflow"
url = "https://airflow.example.com"
username = "homeostat"
password = "env:AIRFLOW_PASSWORD"

[actions.retrain]
connection = "airflow"

[actions.retrain.with]
dag = "train_{{ target.name }}"
conf = '{"model": {{ target.name | tojson }}, "why": {{ reasons | tojson }}}'
"#;
    const NOTES: &'static str = include_str!("airflow/notes.md");
    type Settings = Settings;
    type With = With;

    fn probed_by() -> Option<&'static str> {
        Some("")
    }

    fn connect(settings: Settings, compile: &mut Compile<'_>) -> Option<Self> {
        let credentials = compile.credentials(&settings.credentials);
        let service = Service::of_api(&settings.service, compile)?;
        let configured = match settings.api_version {
            ApiVersion::Auto => None,
            ApiVersion::Three => Some(Version::Three),
            ApiVersion::Two => Some(Version::Two),
        };
        Some(Self {
            service: Arc::new(service),
            access: Arc::new(Access::new(credentials?, configured)),
            api_version: settings.api_version,
        })
    }

    fn carry(
        &self,
        _action: Action,
        with: With,
        compile: &mut Compile<'_>,
    ) -> Option<Arc<dyn Connector>> {
        if with.run_after.is_some() && matches!(self.api_version, ApiVersion::Two) {
            compile.problem(
                "run_after",
                "is unknown to Airflow 2",
                "remove it, or let the rule wait for a window (scheduled)",
            );
            return None;
        }
        let dag = compile.template("dag", &with.dag, Purpose::Plain);
        let mut optional = |key: &str, source: &Option<String>, purpose| match source {
            Some(source) => compile.template(key, source, purpose).map(Some),
            None => Some(None),
        };
        let conf = optional("conf", &with.conf, Purpose::Json);
        let note = optional("note", &with.note, Purpose::Plain);
        let run_after = optional("run_after", &with.run_after, Purpose::Plain);
        Some(Acting::connector(Runs {
            service: Arc::clone(&self.service),
            access: Arc::clone(&self.access),
            dag: dag?,
            conf: conf?,
            note: note?,
            run_after: run_after?,
            unpause: with.unpause,
            secrets: compile.secrets(),
        }))
    }
}

/// One action over a connection.
struct Runs {
    service: Arc<Service>,
    access: Arc<Access>,
    dag: Template,
    /// `None` = all fields.
    conf: Option<Template>,
    note: Option<Template>,
    run_after: Option<Template>,
    unpause: bool,
    secrets: Vec<LiveSecret>,
}

/// A run to be asked for.
#[derive(Debug)]
#[allow(clippy::struct_field_names, reason = "Airflow's own names")]
struct Run {
    conf: Map<String, Value>,
    note: String,
    run_after: Option<String>,
}

impl Act for Runs {
    async fn carry_out(&self, order: &Order) -> Result<Answer, Answer> {
        let run = self.run(order).map_err(refused)?;
        let mut dag = self.dag(order).await?;
        dag.fit(self.unpause).await?;
        if run.run_after.is_some() && dag.version == Version::Two {
            return Err(refused("with.run_after is unknown to Airflow 2; remove it, or let the rule wait for a window (scheduled)".to_owned()));
        }
        dag.trigger(&run).await
    }

    fn can_be_asked(&self) -> bool {
        true
    }

    async fn ask(&self, order: &Order) -> Result<Probe, Answer> {
        let dag = self.dag(order).await?;
        Ok(match dag.known().await? {
            Known::Ours(said) => Probe::Found(said),
            Known::Others(said) | Known::Unclear(said) => Probe::NoAnswer(said),
            Known::Absent(said) => Probe::Absent(said),
        })
    }

    async fn look(&self, order: &Order) -> Result<Vec<Finding>, Answer> {
        let mut findings = Vec::new();
        if let Err(problem) = self.run(order) {
            findings.push(Finding::wrong(problem, "correct the template"));
        }
        match self.dag(order).await {
            Ok(mut dag) => {
                findings.extend(dag.findings(self.unpause, self.run_after.is_some()).await);
            }
            Err(answer) => findings.push(Finding::unreachable(answer.detail)),
        }
        Ok(findings)
    }
}

impl Runs {
    async fn dag<'a>(&'a self, order: &'a Order) -> Result<Dag<'a>, Answer> {
        let talk = self.service.talk(order, &self.secrets);
        let id = rendered(&self.dag, "dag", order).map_err(refused)?;
        if id.trim().is_empty() {
            return Err(refused("the template `dag` rendered to nothing".to_owned()));
        }
        let version = self.access.version(&talk).await?;
        Ok(Dag {
            access: &self.access,
            talk,
            id,
            version,
        })
    }

    /// What is sent, whatever the version.
    fn run(&self, order: &Order) -> Result<Run, String> {
        let note = match &self.note {
            Some(template) => rendered(template, "note", order)?,
            None => format!(
                "homeostat: {} of {} for {} ({})",
                order.action, order.target, order.event_type, order.event_id
            ),
        };
        let note = cut_characters(&note);
        let run_after = self.run_after.as_ref();
        let run_after = run_after
            .map(|template| rendered(template, "run_after", order))
            .transpose()?;
        if let Some(time) = &run_after
            && let Err(error) = DateTime::parse_from_rfc3339(time)
        {
            return Err(format!(
                "the template `run_after` rendered to `{}`, which is no time as 2026-12-01T02:00:00Z: {error}",
                cut(time, 100)
            ));
        }
        Ok(Run {
            conf: self.conf(order)?,
            note,
            run_after,
        })
    }

    fn conf(&self, order: &Order) -> Result<Map<String, Value>, String> {
        let Some(template) = &self.conf else {
            let fields = serde_json::to_value(Plain::plain(order))
                .map_err(|error| format!("the order cannot be written as JSON: {error}"))?;
            return match fields {
                Value::Object(fields) => Ok(fields),
                other => Ok(Map::from_iter([("value".to_owned(), other)])),
            };
        };
        let conf = rendered(template, "conf", order)?;
        serde_json::from_str(&conf).map_err(|error| {
            format!("the template `conf` did not render to a JSON object: {error}")
        })
    }
}

impl Run {
    fn body(&self, id: &str, version: Version) -> Value {
        let mut body = json!({ "dag_run_id": id, "conf": self.conf, "note": self.note });
        if let (Version::Three, Some(fields)) = (version, body.as_object_mut()) {
            // Mandatory there, and refused by Airflow 2.
            fields.insert("logical_date".to_owned(), Value::Null);
            if let Some(time) = &self.run_after {
                fields.insert("run_after".to_owned(), time.as_str().into());
            }
        }
        body
    }
}

fn rendered(template: &Template, key: &str, order: &Order) -> Result<String, String> {
    let text = template.render(&Plain::plain(order));
    text.map_err(|error| format!("the template `{key}` failed: {error}"))
}

fn cut_characters(note: &str) -> String {
    note.chars().take(NOTE_MAX).collect()
}
