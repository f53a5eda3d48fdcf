//! The kind `kubernetes_rollout`: takes a workload back to an earlier revision, as `kubectl rollout undo` does, but to a revision that
//! is chosen once.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::connector::{Answer, Connector, Finding, Order, Probe};
use homeostat_logic::actions::Action;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::kind::Kind;
use super::kit::act::unanswered;
use super::kit::exchange::not_sent;
use super::kit::kubernetes::meaning::{contested, done, refusal};
use super::kit::kubernetes::object::{Fields as _, annotation, is_observed, kept_by, own};
use super::kit::kubernetes::revisions::{self, Known, Plan, Wanted};
use super::kit::kubernetes::session::Patch;
use super::kit::kubernetes::subject::TRIES;
use super::kit::kubernetes::{
    Cluster, ClusterSettings, Place, Resolved, Resource, Right, Session, Subject, Where,
};
use super::kit::{Act, Acting, Compile, Purpose, Template};

/// Keys of `[actions.ACTION.with]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct With {
    /// What is rolled back.
    #[serde(default)]
    kind: Workload,
    /// Its name; a template.
    #[serde(default = "name")]
    #[schemars(length(min = 1))]
    name: String,
    /// Its namespace; a template. Without it, the connection's.
    #[schemars(length(min = 1))]
    namespace: Option<String>,
    /// Number of the revision to go back to; a template, of which nothing or 0 means the previous one. Without it, the previous one.
    #[schemars(length(min = 1))]
    revision: Option<String>,
    /// An object that Argo CD or Flux keeps as a repository says would be put back by it: refuse = leave it alone, allow = roll it
    /// back all the same, such as where automatic synchronisation is off.
    #[serde(default)]
    gitops: GitOps,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
enum Workload {
    #[default]
    Deployment,
    StatefulSet,
    Rollout,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum GitOps {
    #[default]
    Refuse,
    Allow,
}

fn name() -> String {
    "{{ target.name }}".to_owned()
}

/// A connection of this kind.
#[derive(Debug)]
pub(crate) struct KubernetesRollout(Arc<Cluster>);

impl Kind for KubernetesRollout {
    const NAME: &'static str = "kubernetes_rollout";
    const ABOUT: &'static str = "a Kubernetes cluster, whose Deployments, StatefulSets and Argo Rollouts it takes back to an earlier revision";
    const EXAMPLE: &'static str = r#"[connections.serving]
kind = "kubernetes_rollout"
server = "https://10.0.0.1:6443"
token = "env:CLUSTER_TOKEN"
namespace = "serving"

[actions.rollback]
connection = "serving"

[targets.fraud-detector.actions.rollback.with]
kind = "Rollout"
name = "fraud"
"#;
    const NOTES: &'static str = include_str!("kubernetes_rollout/notes.md");
    type Settings = ClusterSettings;
    type With = With;

    fn carries(action: Action) -> bool {
        action == Action::Rollback
    }

    fn probed_by() -> Option<&'static str> {
        Some("")
    }

    fn connect(settings: ClusterSettings, compile: &mut Compile<'_>) -> Option<Self> {
        Some(Self(Arc::new(Cluster::new(&settings, compile)?)))
    }

    fn carry(
        &self,
        _action: Action,
        with: With,
        compile: &mut Compile<'_>,
    ) -> Option<Arc<dyn Connector>> {
        let place = Where::compile(with.namespace.as_deref(), &with.name, compile);
        let revision = with.revision.as_ref();
        let revision = revision.map(|text| compile.template("revision", text, Purpose::Plain));
        Some(Acting::connector(Rollbacks {
            of: Subject {
                cluster: Arc::clone(&self.0),
                resource: match with.kind {
                    Workload::Deployment => Resource::DEPLOYMENT,
                    Workload::StatefulSet => Resource::STATEFUL_SET,
                    Workload::Rollout => Resource::ROLLOUT,
                },
                place: place?,
                subresource: "",
            },
            revision: match revision {
                Some(revision) => Some(revision?),
                None => None,
            },
            gitops: with.gitops,
        }))
    }
}

/// Revisions that are remembered as rolled back from, the newest.
const AVOIDED_MAX: usize = 20;
/// Times and pause in which an Argo Rollout is looked at after a change.
const LOOKS: u32 = 4;
const LOOK_PAUSE: Duration = Duration::from_millis(300);
const SEEN: &str = own!("touched");
const AVOIDED: &str = own!("rolled-back");
const EVENT: &str = own!("rollback-event");
const ACTION: &str = own!("action-id");

/// One action over its connection.
struct Rollbacks {
    of: Subject,
    revision: Option<Template>,
    gitops: GitOps,
}

impl Act for Rollbacks {
    async fn carry_out(&self, order: &Order) -> Result<Answer, Answer> {
        let plan: Plan = Resolved::plan(order)?;
        let (session, place) = self.of.begin(order).await?;
        let Plan { from, to, .. } = &plan;
        for _ in 0..TRIES {
            let workload = self.workload(&session, &place).await?;
            let all = revisions::read(&session, &place, &workload).await?;
            let present = revisions::present(&place, &workload, &all)?;
            if present.name == to.name {
                let words = format!("{place} is at {} already", Known::from(present));
                return Ok(done(order.dry_run, &words));
            }
            if present.name != from.name {
                return Err(refusal(
                    format!(
                        "{place} was to go from {from} to {to}, and is at {} now: another version was rolled out in between",
                        Known::from(present)
                    ),
                    "look whether it works, and order the action again if not",
                ));
            }
            let Some(target) = all.iter().find(|one| one.name == to.name) else {
                return Err(refusal(
                    format!("{to} of {place} is gone"),
                    "raise revisionHistoryLimit, and deploy a version that works",
                ));
            };
            let patch =
                revisions::patch(&workload, &target.template, &marks(order, &workload, from));
            let reply = session.patch(&place, "", Patch::Json, &patch).await?;
            if reply.is_success() {
                if self.of.resource == Resource::ROLLOUT && !order.dry_run {
                    self.make_seen(&session, &place).await;
                }
                return Ok(reply.done(&words(&place, &plan, &workload)));
            }
            if !reply.is_conflict() {
                return Err(reply.not_made(&self.of.right("patch")));
            }
        }
        Err(contested(&place))
    }

    fn can_be_asked(&self) -> bool {
        true
    }

    async fn ask(&self, order: &Order) -> Result<Probe, Answer> {
        let plan: Plan = Resolved::plan(order)?;
        let (session, place) = self.of.begin(order).await?;
        let workload = self.of.read(&session, &place).await?;
        let all = revisions::read(&session, &place, &workload).await?;
        let present = revisions::present(&place, &workload, &all)?;
        let words = format!("{place} is at {}", Known::from(present));
        Ok(if present.name == plan.to.name {
            Probe::Found(words)
        } else {
            Probe::Absent(words)
        })
    }

    async fn look(&self, order: &Order) -> Result<Vec<Finding>, Answer> {
        let kept = Right::on(&revisions::kept_in(&self.of.resource), "", "list");
        let found = async |_: &Session<'_>, place: &Place, _| {
            Ok(vec![match self.plan(order).await {
                Ok(Resolved::Plan(plan)) => Finding::Fine(format!(
                    "{place} found, at {}; would go to {}",
                    plan.from, plan.to
                )),
                Ok(Resolved::Nothing { because }) => Finding::Fine(because),
                Ok(Resolved::Refused { because }) => Finding::Unsure(because),
                Err(answer) => unanswered(answer),
            }])
        };
        self.of.look(order, &[kept], found).await
    }

    async fn fix(&self, order: &Order) -> Result<Option<Value>, Answer> {
        Resolved::keep(self.plan(order).await, order)
    }
}

impl Rollbacks {
    /// The workload, which may be rolled back.
    async fn workload(&self, session: &Session<'_>, place: &Place) -> Result<Value, Answer> {
        let workload = self.of.read(session, place).await?;
        if workload.at("/spec/paused") == true {
            return Err(refusal(
                format!("{place} is paused"),
                "resume it (kubectl rollout resume, of Argo Rollouts kubectl argo rollouts promote), and refire the action",
            ));
        }
        if self.gitops == GitOps::Refuse
            && let Some(tool) = kept_by(&workload)
        {
            return Err(refusal(
                format!("{place} is kept by {tool}, which would put a rollback back"),
                "go back in its repository, or write gitops = \"allow\"",
            ));
        }
        Ok(workload)
    }

    async fn plan(&self, order: &Order) -> Result<Resolved<Plan>, Answer> {
        let (session, place) = self.of.begin(order).await?;
        let workload = self.workload(&session, &place).await?;
        if annotation(&workload, EVENT) == Some(&*order.event_id)
            && annotation(&workload, ACTION) != Some(&*order.action_id.to_string())
        {
            return Ok(Resolved::Nothing {
                because: format!(
                    "{place} was rolled back for event {} already",
                    order.event_id
                ),
            });
        }
        if !is_observed(&workload) {
            return Err(not_sent(format!(
                "the controller of {place} has not seen its last change yet"
            )));
        }
        let all = revisions::read(&session, &place, &workload).await?;
        let present = revisions::present(&place, &workload, &all)?;
        let avoided: Vec<&str> = avoided(&workload);
        let wanted = Wanted {
            number: self.number(order)?,
            stable: workload
                .at("/status/stableRS")
                .as_str()
                .filter(|hash| !hash.is_empty()),
            avoided: &avoided,
        };
        Ok(revisions::choose(&place, &all, present, &wanted))
    }

    fn number(&self, order: &Order) -> Result<Option<i64>, Answer> {
        let Some(template) = &self.revision else {
            return Ok(None);
        };
        let text = template.fill("revision", order)?;
        match text.trim() {
            "" | "0" | "none" => Ok(None),
            number => number.parse().map(Some).map_err(|_| {
                refusal(
                    format!("the template `revision` rendered to `{number}`, which is no number of a revision"),
                    "correct it",
                )
            }),
        }
    }

    /// Argo Rollouts misses a change that falls into one of its own, until the next one comes: one is made then. The rollback itself
    /// is done, whatever comes of this.
    async fn make_seen(&self, session: &Session<'_>, place: &Place) {
        for look in 1..=LOOKS {
            tokio::time::sleep(LOOK_PAUSE).await;
            let reply = session.get(place, "").await;
            if reply.is_ok_and(|reply| is_observed(&reply.body)) {
                return;
            }
            let body = json!({"metadata": {"annotations": {SEEN: look.to_string()}}});
            if look > 1
                && let Err(answer) = session.patch(place, "", Patch::Merge, &body).await
            {
                tracing::debug!(detail = answer.detail, "a Rollout was not touched");
            }
        }
    }
}

fn avoided(workload: &Value) -> Vec<&str> {
    let names = annotation(workload, AVOIDED).unwrap_or_default().split(',');
    names.filter(|name| !name.is_empty()).collect()
}

/// Annotations that a rollback leaves.
fn marks(order: &Order, workload: &Value, from: &Known) -> [(&'static str, String); 3] {
    let mut names = avoided(workload);
    names.retain(|name| *name != from.name);
    names.push(&from.name);
    let first = names.len().saturating_sub(AVOIDED_MAX);
    let names: Vec<&str> = names.into_iter().skip(first).collect();
    [
        (AVOIDED, names.join(",")),
        (EVENT, order.event_id.clone()),
        (ACTION, order.action_id.to_string()),
    ]
}

fn words(place: &Place, plan: &Plan, workload: &Value) -> String {
    let mut words = format!("{place} goes from {} to {}", plan.from, plan.to);
    let strategy = workload.at("/spec/updateStrategy");
    if strategy.at("/type") == "OnDelete" {
        words.push_str("; its strategy is OnDelete: pods change when they are deleted");
    } else if strategy
        .at("/rollingUpdate/partition")
        .as_i64()
        .is_some_and(|from| from > 0)
    {
        words.push_str("; pods below its partition keep the present revision");
    }
    if let Some(tool) = kept_by(workload) {
        words = format!("{words}; {tool} keeps this object, and may put it back");
    }
    words
}
