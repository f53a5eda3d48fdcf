//! A DAG and its runs: whether it can run, the run of an order, and what Airflow says of it.

use homeostat_actors::ports::connector::{Answer, Finding};
use homeostat_logic::ledger::record::FinishOutcome;
use reqwest::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::Run;
use super::access::{Access, Said, Version};
use crate::connectors::kit::exchange::{done, not_sent, segment};
use crate::connectors::kit::{Call, Reply, Talk, refused};

/// What every id of a run of ours begins with; the id of the action follows.
const PREFIX: &str = "homeostat__";

/// A DAG that an order runs.
pub(super) struct Dag<'a> {
    pub(super) access: &'a Access,
    pub(super) talk: Talk<'a>,
    pub(super) id: String,
    pub(super) version: Version,
}

/// What Airflow knows about the run of an order.
pub(super) enum Known {
    Ours(String),
    Others(String),
    Absent(String),
    /// Airflow did not say.
    Unclear(String),
}

#[derive(Deserialize)]
struct DagState {
    #[serde(rename = "dag_id")]
    _dag_id: IgnoredAny,
    #[serde(default)]
    is_paused: Option<bool>,
    #[serde(default)]
    has_import_errors: Option<bool>,
    /// Airflow 3.
    #[serde(default)]
    is_stale: Option<bool>,
    /// Airflow 2.
    #[serde(default)]
    is_active: Option<bool>,
}

#[derive(Deserialize)]
struct RunState {
    dag_run_id: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    conf: Option<Map<String, Value>>,
}

/// What keeps a DAG from running.
enum Obstacle {
    Paused,
    Broken(&'static str),
}

impl DagState {
    fn obstacle(&self) -> Option<Obstacle> {
        if self.has_import_errors == Some(true) {
            let what = "its file has import errors: correct it (see the import errors on Airflow's page of DAGs)";
            Some(Obstacle::Broken(what))
        } else if self.is_stale == Some(true) || self.is_active == Some(false) {
            Some(Obstacle::Broken(
                "its file is no longer there: restore it, or name another DAG in with.dag",
            ))
        } else if self.is_paused == Some(true) {
            Some(Obstacle::Paused)
        } else {
            None
        }
    }
}

impl Dag<'_> {
    fn path(&self) -> String {
        format!("{}/dags/{}", self.version.api(), segment(&self.id))
    }

    fn run_id(&self) -> String {
        format!("{PREFIX}{}", self.talk.order.action_id)
    }

    /// The page of the run, for people.
    fn page(&self) -> Option<String> {
        let (dag, run) = (segment(&self.id), segment(&self.run_id()));
        self.talk.page(&match self.version {
            Version::Three => format!("dags/{dag}/runs/{run}"),
            Version::Two => format!("dags/{dag}/grid?dag_run_id={run}"),
        })
    }

    /// Asks for the DAG. A path that Airflow does not know may be that of another version: that is asked for again.
    async fn ask(&mut self) -> Result<Reply, Answer> {
        let reply = self
            .access
            .ask(&self.talk, self.version, Call::get(self.path()))
            .await?;
        let other = match self.version {
            Version::Two => Version::Three,
            Version::Three => Version::Two,
        };
        let is_page = reply.is_success() && reply.json::<DagState>().is_err();
        if (is_page || matches!(reply.status, 404 | 405 | 410))
            && self.access.changed(&self.talk, self.version).await?
        {
            self.version = other;
            return self
                .access
                .ask(&self.talk, self.version, Call::get(self.path()))
                .await;
        }
        Ok(reply)
    }

    /// Whether the DAG can run now. Nothing was sent if it cannot, and that may change: a DAG is unpaused, a file corrected.
    pub(super) async fn fit(&mut self, unpause: bool) -> Result<(), Answer> {
        let id = self.id.clone();
        let reply = self.ask().await?;
        if reply.status == 404 {
            return Err(self.missing(reply).not_begun());
        }
        if !reply.is_success() {
            return Err(reply.not_begun());
        }
        let state: DagState = reply.json().map_err(not_sent)?;
        match state.obstacle() {
            None => Ok(()),
            Some(Obstacle::Paused) if unpause => self.unpause().await,
            Some(Obstacle::Paused) => Err(not_sent(format!(
                "DAG {id} is paused, so that a run would only wait; nothing was sent. Unpause it in Airflow, or write with.unpause = true"
            ))),
            Some(Obstacle::Broken(what)) => Err(not_sent(format!(
                "DAG {id} cannot run; nothing was sent: {what}"
            ))),
        }
    }

    fn missing(&self, reply: Reply) -> Reply {
        let words = format!(
            "Airflow has no DAG {}; correct with.dag, or add the DAG: {}",
            self.id, reply.detail
        );
        reply.in_words(words)
    }

    async fn unpause(&self) -> Result<(), Answer> {
        if self.talk.order.dry_run {
            return Ok(());
        }
        let path = format!("{}?update_mask=is_paused", self.path());
        let call = Call::json(Method::PATCH, path, &json!({ "is_paused": false }));
        // Asked for as a question: without an answer the run was not asked for.
        let reply = self.access.ask(&self.talk, self.version, call).await?;
        if reply.is_success() {
            return Ok(());
        }
        Err(reply.with_remedy("the DAG was to be unpaused").not_begun())
    }

    pub(super) async fn trigger(&self, run: &Run) -> Result<Answer, Answer> {
        let id = self.run_id();
        let path = format!("{}/dagRuns", self.path());
        let call = Call::json(Method::POST, path, &run.body(&id, self.version));
        let reply = self.access.change(&self.talk, self.version, call).await?;
        match reply.status {
            200..=299 => Ok(match reply.json::<RunState>() {
                Ok(state) if state.dag_run_id == id => done(self.said(&state, &reply)),
                _ => reply
                    .with_remedy("this is no DAG run; whether one was made is not known")
                    .answer(FinishOutcome::Unknown, false),
            }),
            409 => self.repeated(reply).await,
            404 => Ok(self.missing(reply).outcome()),
            400 | 422 => {
                let remedy = "correct with.conf, or the params of the DAG";
                Ok(reply.with_remedy(remedy).outcome())
            }
            _ => Ok(reply.outcome()),
        }
    }

    /// A run of this id is there already: an earlier attempt had its effect, if it is ours.
    async fn repeated(&self, reply: Reply) -> Result<Answer, Answer> {
        let unknown = |question: &str, reply: Reply| {
            let mut answer = reply.answer(FinishOutcome::Unknown, false);
            answer.detail = format!("{}; {question}", answer.detail);
            answer
        };
        Ok(match self.known().await {
            Ok(Known::Ours(said)) => done(format!("an earlier attempt made it: {said}")),
            Ok(Known::Others(said)) => refused(said),
            // Airflow 2: two runs of one instant exclude each other.
            Ok(Known::Absent(said)) => {
                let mut answer = reply.answer(FinishOutcome::Failed, false);
                answer.detail = format!("{}; {said}", answer.detail);
                answer
            }
            Ok(Known::Unclear(said)) => unknown(&said, reply),
            Err(answer) => unknown(&answer.detail, reply),
        })
    }

    /// Asks for the run of the order.
    pub(super) async fn known(&self) -> Result<Known, Answer> {
        let id = self.run_id();
        let call = Call::get(format!("{}/dagRuns/{id}", self.path()));
        let reply = self.access.ask(&self.talk, self.version, call).await?;
        if reply.is_success() {
            return Ok(match reply.json::<RunState>() {
                Ok(state) if state.dag_run_id == id && self.is_ours(&state) => {
                    Known::Ours(self.said(&state, &reply))
                }
                Ok(state) if state.dag_run_id == id => Known::Others(format!(
                    "run {id} of {} was made for another action",
                    self.id
                )),
                Ok(_) => Known::Unclear(reply.detail),
                Err(problem) => Known::Unclear(problem),
            });
        }
        // A page of something before Airflow says nothing about its runs.
        let is_airflow = reply.status == 404
            && reply
                .json::<Missing>()
                .is_ok_and(|missing| missing.detail.contains(&id));
        Ok(if is_airflow {
            Known::Absent(reply.detail)
        } else {
            Known::Unclear(reply.detail)
        })
    }

    /// Where the configuration of the run names an action, it is this one.
    fn is_ours(&self, state: &RunState) -> bool {
        let named = state.conf.as_ref().and_then(|conf| conf.get("action_id"));
        named
            .and_then(Value::as_str)
            .is_none_or(|named| named == self.talk.order.action_id.to_string())
    }

    fn said(&self, state: &RunState, reply: &Reply) -> String {
        let (id, dag) = (self.run_id(), &self.id);
        let page = self
            .page()
            .map_or_else(String::new, |page| format!(" {page}"));
        format!(
            "run {id} of DAG {dag} is {}{page}: {}",
            state.state, reply.detail
        )
    }

    pub(super) async fn findings(&mut self, unpause: bool, run_after: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        // Looked at first: it finds out about a version that was guessed wrong.
        let dag = self.dag_finding(unpause).await;
        if let Ok(reply) = self.access.said(&self.talk, self.version).await {
            findings.push(reply.finding(|| match reply.json::<Said>() {
                Ok(said) => format!("Airflow {}", said.version),
                Err(_) => "Airflow answers".to_owned(),
            }));
        }
        findings.push(self.health().await);
        findings.push(dag);
        if run_after && self.version == Version::Two {
            findings.push(Finding::wrong(
                "with.run_after is unknown to Airflow 2",
                "remove it, or let the rule wait for a window (scheduled)",
            ));
        }
        findings
    }

    async fn dag_finding(&mut self, unpause: bool) -> Finding {
        let id = self.id.clone();
        let reply = match self.ask().await {
            Ok(reply) => reply,
            Err(answer) => {
                return Finding::wrong(
                    answer.detail,
                    "check url and credentials of the connection",
                );
            }
        };
        if !reply.is_success() {
            return reply.finding(String::new);
        }
        match reply.json::<DagState>() {
            Err(problem) => Finding::Unsure(problem),
            Ok(state) => match state.obstacle() {
                None => Finding::Fine(format!("DAG {id} found")),
                Some(Obstacle::Paused) if unpause => Finding::Fine(format!(
                    "DAG {id} found; it is paused, and will be unpaused"
                )),
                Some(Obstacle::Paused) => Finding::wrong(
                    format!("DAG {id} is paused"),
                    "unpause it in Airflow, or write with.unpause = true",
                ),
                Some(Obstacle::Broken(what)) => {
                    Finding::wrong(format!("DAG {id} cannot run"), what)
                }
            },
        }
    }

    async fn health(&self) -> Finding {
        let path = match self.version {
            Version::Three => "api/v2/monitor/health",
            Version::Two => "api/v1/health",
        };
        let reply = match self
            .access
            .ask(&self.talk, self.version, Call::get(path))
            .await
        {
            Ok(reply) => reply,
            Err(answer) => return Finding::Unsure(answer.detail),
        };
        match reply.json::<Map<String, Value>>() {
            Ok(parts) if reply.is_success() => {
                let status =
                    |part: &str| parts.get(part)?.get("status")?.as_str().map(str::to_owned);
                let ill: Vec<_> = ["metadatabase", "scheduler"]
                    .into_iter()
                    .filter(|part| status(part).is_none_or(|status| status != "healthy"))
                    .collect();
                if ill.is_empty() {
                    Finding::Fine("database and scheduler are healthy".to_owned())
                } else {
                    Finding::wrong(
                        format!("not healthy: {}", ill.join(", ")),
                        "look after Airflow: a run would only wait",
                    )
                }
            }
            _ => Finding::Unsure(reply.detail),
        }
    }
}

/// Airflow's own 404: both versions say in `detail` what is missing.
#[derive(Deserialize)]
struct Missing {
    detail: String,
}
