//! The kind `kubernetes_scale`: gives a workload more or fewer instances, by its scale subresource or by its autoscaler.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::sync::Arc;

use homeostat_actors::ports::connector::{Answer, Connector, Finding, Order, Probe};
use homeostat_logic::actions::Action;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::kind::Kind;
use super::kit::kubernetes::meaning::{contested, done, refusal};
use super::kit::kubernetes::object::Fields as _;
use super::kit::kubernetes::scaling::{Bounds, Plan, Scaler, plan};
use super::kit::kubernetes::session::Patch;
use super::kit::kubernetes::subject::TRIES;
use super::kit::kubernetes::{
    Cluster, ClusterSettings, Place, Resolved, Resource, Right, Session, Subject, Where,
};
use super::kit::{Act, Acting, Compile, refused};

mod found;

/// Keys of `[actions.ACTION.with]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct With {
    /// Deployment, StatefulSet, Rollout (of Argo Rollouts), or any resource with a scale subresource as PLURAL.VERSION.GROUP, such as
    /// widgets.v1.example.com.
    #[serde(default = "deployment")]
    kind: String,
    /// Its name; a template.
    #[serde(default = "name")]
    #[schemars(length(min = 1))]
    name: String,
    /// Its namespace; a template. Without it, the connection's.
    #[schemars(length(min = 1))]
    namespace: Option<String>,
    /// Fewest instances that are left, whatever an event asks for.
    #[serde(default = "min")]
    #[schemars(range(min = 0, max = 100_000))]
    min: u32,
    /// Most instances that are asked for. An order beyond it is refused, so that a person learns that more are needed.
    #[schemars(range(min = 1, max = 100_000))]
    max: u32,
    /// If a HorizontalPodAutoscaler scales the workload: adjust = change its minReplicas (or minReplicaCount of KEDA's ScaledObject),
    /// refuse = leave it to it, ignore = do not look for one and set replicas, which it may change back.
    #[serde(default)]
    autoscaler: Autoscaler,
}

/// What is done about an autoscaler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Autoscaler {
    #[default]
    Adjust,
    Refuse,
    Ignore,
}

fn deployment() -> String {
    Resource::DEPLOYMENT.kind.into_owned()
}

fn name() -> String {
    "{{ target.name }}".to_owned()
}

const fn min() -> u32 {
    1
}

/// A connection of this kind.
#[derive(Debug)]
pub(crate) struct KubernetesScale(Arc<Cluster>);

impl Kind for KubernetesScale {
    const NAME: &'static str = "kubernetes_scale";
    const ABOUT: &'static str =
        "a Kubernetes cluster, whose Deployments, StatefulSets and other workloads it scales";
    const EXAMPLE: &'static str = r#"[connections.cluster]
kind = "kubernetes_scale"
server = "https://10.0.0.1:6443"
token = "env:CLUSTER_TOKEN"
namespace = "serving"

[actions.scale_up]
connection = "cluster"
with.max = 10

[actions.scale_down]
connection = "cluster"
with.max = 10

[targets.recommender.actions.scale_up]
with.max = 40
"#;
    const NOTES: &'static str = include_str!("kubernetes_scale/notes.md");
    type Settings = ClusterSettings;
    type With = With;

    fn carries(action: Action) -> bool {
        matches!(action, Action::ScaleUp | Action::ScaleDown)
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
        if with.min > with.max {
            let problem = format!("{} is above max ({})", with.min, with.max);
            compile.problem("min", problem, "write at most max");
        }
        let Some(resource) = Resource::workload(&with.kind) else {
            compile.problem(
                "kind",
                format!("`{}` is not known", with.kind),
                "write Deployment, StatefulSet, Rollout or PLURAL.VERSION.GROUP",
            );
            return None;
        };
        Some(Acting::connector(Scales {
            of: Subject {
                cluster: Arc::clone(&self.0),
                resource,
                place: place?,
                subresource: "scale",
            },
            bounds: Bounds {
                min: with.min.into(),
                max: with.max.into(),
            },
            autoscaler: with.autoscaler,
        }))
    }
}

/// One action over its connection.
struct Scales {
    of: Subject,
    bounds: Bounds,
    autoscaler: Autoscaler,
}

impl Act for Scales {
    async fn carry_out(&self, order: &Order) -> Result<Answer, Answer> {
        let plan: Plan = Resolved::plan(order, self.plan(order)).await?;
        let (session, place) = self.of.begin(order).await?;
        let Plan { by, from, to, .. } = &plan;
        for _ in 0..TRIES {
            let found = self.find(&session, &place).await?;
            let now = found.present.value;
            if found.present.scaler != *by {
                return Err(refusal(
                    format!(
                        "{place} was to be scaled by {by}, and is scaled by {} now",
                        found.present.scaler
                    ),
                    "order the action again",
                ));
            }
            if plan.is_reached(now) {
                return Ok(done(
                    order.dry_run,
                    &format!("{by} of {place} is {now} already"),
                ));
            }
            let body =
                json!({"metadata": {"resourceVersion": found.version}, "spec": {found.field: to}});
            let reply = session
                .patch(&found.object, found.subresource, Patch::Merge, &body)
                .await?;
            if reply.is_success() {
                let mut words = format!("{by} of {place} was set from {now} to {to}");
                if now != *from {
                    words = format!("{words}; it was {from} when the action was decided");
                }
                if let Some(tool) = found.kept_by {
                    words = format!("{words}; {tool} keeps this object, and may set it back");
                }
                return Ok(reply.done(&words));
            }
            if !reply.is_conflict() {
                let right = Right::on(&found.object.resource, found.subresource, "patch");
                return Err(reply.not_made(&right));
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
        let found = self.find(&session, &place).await?;
        let words = format!(
            "{} of {place} is {}",
            found.present.scaler, found.present.value
        );
        Ok(
            if found.present.scaler == plan.by && plan.is_reached(found.present.value) {
                Probe::Found(words)
            } else {
                Probe::Absent(words)
            },
        )
    }

    async fn look(&self, order: &Order) -> Result<Vec<Finding>, Answer> {
        let further = match self.autoscaler {
            Autoscaler::Ignore => Vec::new(),
            _ => ["list", "patch"]
                .map(|verb| Right::on(&Resource::AUTOSCALER, "", verb))
                .into(),
        };
        let found = async |session: &Session<'_>, place: &Place, scale: Value| {
            let replicas = scale.at("/spec/replicas").as_i64().unwrap_or(0);
            let words = format!("{place} found, with {replicas} replicas");
            let mut findings = vec![Finding::Fine(words)];
            let found = self.find(session, place).await?;
            if found.present.scaler != Scaler::Replicas {
                let words = format!("{place} is scaled by {}", found.present.scaler);
                findings.push(Finding::Fine(words));
            }
            Ok(findings)
        };
        self.of.look(order, &further, found).await
    }

    async fn fix(&self, order: &Order) -> Result<Option<Value>, Answer> {
        Resolved::keep(self.plan(order).await, order)
    }
}

impl Scales {
    async fn plan(&self, order: &Order) -> Result<Resolved<Plan>, Answer> {
        let params = order.params.value();
        let change = params.at("/change").as_i64().filter(|change| *change != 0);
        let change = change.ok_or_else(|| {
            refused("the order has no parameter `change` other than 0; set it in [actions.scale_up.parameters]".to_owned())
        })?;
        let (session, place) = self.of.begin(order).await?;
        let found = self.find(&session, &place).await?;
        Ok(plan(
            &place.to_string(),
            &found.present,
            change,
            self.bounds,
        ))
    }
}
