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
use super::kit::kubernetes::revisions::{self, Known, Plan, Revision, Wanted};
use super::kit::kubernetes::session::Patch;
use super::kit::kubernetes::since::changed;
use super::kit::kubernetes::subject::TRIES;
use super::kit::kubernetes::watching::time;
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
const TO: &str = own!("rolled-back-to");

/// One action over its connection.
struct Rollbacks {
    of: Subject,
    revision: Option<Template>,
    gitops: GitOps,
}

impl Act for Rollbacks {
    async fn carry_out(&self, order: &Order) -> Result<Answer, Answer> {
        let plan: Plan = Resolved::plan(order, self.plan(order)).await?;
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
                revisions::patch(&workload, &target.template, &marks(order, &workload, &plan));
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
        let plan: Plan = match Resolved::asked(order) {
            Ok(plan) => plan,
            Err(known) => return Ok(known),
        };
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
        if !is_observed(&workload) {
            return Err(not_sent(format!(
                "the controller of {place} has not seen its last change yet"
            )));
        }
        let all = revisions::read(&session, &place, &workload).await?;
        let present = revisions::present(&place, &workload, &all)?;
        let number = self.number(order)?;
        unchanged(order, &place, &workload, (&all, present))?;
        if number.is_none() {
            unrepeated(order, &place, &workload, present)?;
        }
        let avoided: Vec<&str> = avoided(&workload);
        let wanted = Wanted {
            number,
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

/// Refuses where somebody changed the template after the action was wanted: what runs now is not what it is about.
fn unchanged(
    order: &Order,
    place: &Place,
    workload: &Value,
    (all, present): (&[Revision], &Revision),
) -> Result<(), Answer> {
    let changed = changed(workload, all, present).filter(|changed| changed.at > order.as_of);
    let Some(changed) = changed else {
        return Ok(());
    };
    let by = changed.by.map(|by| format!(" by {by}")).unwrap_or_default();
    Err(refusal(
        format!(
            "{place} was changed at {}{by}, after {}, as of which the rollback was wanted; it is at {} now, and is left as it is",
            time(changed.at),
            time(order.as_of),
            Known::from(present)
        ),
        "look whether it works, and refire the action if it is to be rolled back all the same",
    ))
}

/// Refuses where a rollback for an event of the same id made what runs: it may be the same event once more. An event's id is no
/// identity, so that anything else is rolled back.
fn unrepeated(
    order: &Order,
    place: &Place,
    workload: &Value,
    present: &Revision,
) -> Result<(), Answer> {
    let same_event = annotation(workload, EVENT) == Some(&*order.event_id);
    let own = annotation(workload, ACTION) == Some(&*order.action_id.to_string());
    if !same_event || own || annotation(workload, TO) != Some(&*present.name) {
        return Ok(());
    }
    Err(refusal(
        format!(
            "{place} was rolled back to {} for an event of the id {} before, and runs it still: an event that is repeated takes nothing one version further back",
            Known::from(present),
            order.event_id
        ),
        "look whether it works; if not, force a rollback, or send an event with an id of its own",
    ))
}

fn avoided(workload: &Value) -> Vec<&str> {
    let names = annotation(workload, AVOIDED).unwrap_or_default().split(',');
    names.filter(|name| !name.is_empty()).collect()
}

/// Annotations that a rollback leaves.
fn marks(order: &Order, workload: &Value, plan: &Plan) -> [(&'static str, String); 4] {
    let from = &plan.from;
    let mut names = avoided(workload);
    names.retain(|name| *name != from.name);
    names.push(&from.name);
    let first = names.len().saturating_sub(AVOIDED_MAX);
    let names: Vec<&str> = names.into_iter().skip(first).collect();
    [
        (AVOIDED, names.join(",")),
        (EVENT, order.event_id.clone()),
        (ACTION, order.action_id.to_string()),
        (TO, plan.to.name.clone()),
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
