//! The kind `kubernetes_scale`: gives a workload more or fewer instances, by its scale subresource or by its autoscaler.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use homeostat_actors::ports::connector::{Answer, Connector, Finding, Order, Probe};
use homeostat_logic::actions::Action;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::kind::Kind;
use super::kit::exchange::either;
use super::kit::kubernetes::meaning::{contested, done, refusal};
use super::kit::kubernetes::object::{Fields as _, kept_by, version};
use super::kit::kubernetes::rights::{examined, unanswered};
use super::kit::kubernetes::scaling::{Bounds, Plan, Present, Scaler, plan};
use super::kit::kubernetes::session::Patch;
use super::kit::kubernetes::{
    Cluster, ClusterSettings, Place, Resolved, Resource, Right, Session, Where,
};
use super::kit::{Compile, refused};

/// Keys of `[connections.NAME]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Settings {
    #[serde(flatten)]
    cluster: ClusterSettings,
}

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
pub(crate) struct KubernetesScale {
    cluster: Arc<Cluster>,
}

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
    const NOTES: &'static str = r#"The number of instances is decided once, before the first attempt, from what is there then and `parameters.change`, within `min` and
`max`; it is kept in the ledger, so that an attempt that is sent again asks for the same number. A change names the version that was
read: if others changed the object in between, it is read again within the attempt. In doubt, the number is read.

A workload that a HorizontalPodAutoscaler scales would be changed back, so that its `minReplicas` is moved instead, within its
`maxReplicas`; behind KEDA, `minReplicaCount` of the ScaledObject. (KEDA's annotation `paused-replicas` would switch autoscaling off
until a person removes it, also under more load; it is not used.) A workload that is scaled to 0 is started by an order, unless a
HorizontalPodAutoscaler owns it: 0 switches that off, and the order is refused. An order for more at `max` is refused, an order for fewer
at `min` is done without a change.

The account needs, in the namespace of the workloads (with `autoscaler = "ignore"` the first rule alone; `scaledobjects` only with KEDA):

```yaml
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: homeostat-scale
rules:
  - apiGroups: ["apps"]
    resources: ["deployments/scale", "statefulsets/scale"]
    verbs: ["get", "patch"]
  - apiGroups: ["argoproj.io"]
    resources: ["rollouts/scale"]
    verbs: ["get", "patch"]
  - apiGroups: ["autoscaling"]
    resources: ["horizontalpodautoscalers"]
    verbs: ["list", "patch"]
  - apiGroups: ["keda.sh"]
    resources: ["scaledobjects"]
    verbs: ["get", "patch"]
```

Tested against Kubernetes 1.34 and Argo Rollouts 1.9, November 2026; KEDA by its ScaledObject alone, without its operator.
"#;
    type Settings = Settings;
    type With = With;

    fn carries(action: Action) -> bool {
        matches!(action, Action::ScaleUp | Action::ScaleDown)
    }

    fn probed_by() -> Option<&'static str> {
        Some("")
    }

    fn connect(settings: Settings, compile: &mut Compile<'_>) -> Option<Self> {
        let cluster = Arc::new(Cluster::new(&settings.cluster, compile)?);
        Some(Self { cluster })
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
        Some(Arc::new(Scales {
            cluster: Arc::clone(&self.cluster),
            resource,
            place: place?,
            bounds: Bounds {
                min: with.min.into(),
                max: with.max.into(),
            },
            autoscaler: with.autoscaler,
        }))
    }
}

/// Times that an object is read and written within one attempt, if others change it in between.
const TRIES: usize = 4;
/// What KEDA takes for the most, where a ScaledObject says nothing.
const KEDA_MOST: i64 = 100;

/// One action over its connection.
struct Scales {
    cluster: Arc<Cluster>,
    resource: Resource,
    place: Where,
    bounds: Bounds,
    autoscaler: Autoscaler,
}

/// What is there, and the object whose field is changed.
struct Found {
    present: Present,
    /// To patch, with its subresource and the name of its field.
    object: Place,
    subresource: &'static str,
    field: &'static str,
    version: String,
    kept_by: Option<&'static str>,
}

impl Scales {
    fn scale(&self, verb: &'static str) -> Right {
        Right::on(&self.resource, "scale", verb)
    }

    async fn plan(&self, order: &Order) -> Result<Resolved<Plan>, Answer> {
        let params = order.params.value();
        let change = params.at("/change").as_i64().filter(|change| *change != 0);
        let change = change.ok_or_else(|| {
            refused("the order has no parameter `change` other than 0; set it in [actions.scale_up.parameters]".to_owned())
        })?;
        let session = Session::begin(&self.cluster, order).await?;
        let place = self
            .place
            .find(&self.resource, order, session.namespace())?;
        let found = self.find(&session, &place).await?;
        Ok(plan(
            &place.to_string(),
            &found.present,
            change,
            self.bounds,
        ))
    }

    async fn find(&self, session: &Session<'_>, place: &Place) -> Result<Found, Answer> {
        let reply = session.get(place, "scale").await?;
        if !reply.is_success() {
            return Err(reply.not_begun(&self.scale("get")));
        }
        let scale = reply.body;
        // A scale of 0 is written by leaving `replicas` out.
        let replicas = scale.at("/spec/replicas").as_i64().unwrap_or(0);
        let itself = Found {
            present: Present {
                scaler: Scaler::Replicas,
                replicas,
                value: replicas,
                most: i64::MAX,
            },
            object: place.clone(),
            subresource: "scale",
            field: "replicas",
            version: version(&scale).to_owned(),
            kept_by: kept_by(&scale),
        };
        if self.autoscaler == Autoscaler::Ignore {
            return Ok(itself);
        }
        let Some(autoscaler) = self.autoscaler_of(session, place).await? else {
            return Ok(itself);
        };
        let name = autoscaler.at("/metadata/name").as_str().unwrap_or_default();
        if self.autoscaler == Autoscaler::Refuse {
            return Err(refusal(
                format!("{place} is scaled by HorizontalPodAutoscaler {name}"),
                "leave it to it, or write autoscaler = \"adjust\"",
            ));
        }
        let owners = autoscaler.at("/metadata/ownerReferences").as_array();
        let keda = owners
            .into_iter()
            .flatten()
            .find(|owner| owner.at("/kind") == "ScaledObject");
        let Some(keda) = keda.and_then(|owner| owner.at("/name").as_str()) else {
            let spec = autoscaler.at("/spec");
            return Ok(Found {
                present: Present {
                    scaler: Scaler::Autoscaler(name.to_owned()),
                    replicas,
                    value: spec.at("/minReplicas").as_i64().unwrap_or(1),
                    most: spec.at("/maxReplicas").as_i64().unwrap_or(0),
                },
                object: place.beside(Resource::AUTOSCALER, name),
                subresource: "",
                field: "minReplicas",
                version: version(&autoscaler).to_owned(),
                kept_by: kept_by(&autoscaler),
            });
        };
        let object = place.beside(Resource::SCALED_OBJECT, keda);
        let reply = session.get(&object, "").await?;
        if !reply.is_success() {
            return Err(reply.not_begun(&Right::on(&object.resource, "", "get")));
        }
        let spec = reply.body.at("/spec");
        Ok(Found {
            present: Present {
                scaler: Scaler::ScaledObject(keda.to_owned()),
                replicas,
                value: spec.at("/minReplicaCount").as_i64().unwrap_or(0),
                most: spec.at("/maxReplicaCount").as_i64().unwrap_or(KEDA_MOST),
            },
            version: version(&reply.body).to_owned(),
            kept_by: kept_by(&reply.body),
            object,
            subresource: "",
            field: "minReplicaCount",
        })
    }

    async fn autoscaler_of(
        &self,
        session: &Session<'_>,
        place: &Place,
    ) -> Result<Option<Value>, Answer> {
        let autoscalers = Resource::AUTOSCALER;
        let reply = session.list(&autoscalers, &place.namespace, "").await?;
        if !reply.is_success() {
            return Err(reply.not_begun(&Right::on(&autoscalers, "", "list")));
        }
        let items = reply.body.at("/items").as_array();
        let own = items.into_iter().flatten().find(|autoscaler| {
            let of = autoscaler.at("/spec/scaleTargetRef");
            let text = |field: &str| of.get(field).and_then(Value::as_str).unwrap_or_default();
            text("name") == place.name
                && place.resource.is_meant_by(text("apiVersion"), text("kind"))
        });
        Ok(own.cloned())
    }

    async fn carry_out(&self, order: &Order) -> Result<Answer, Answer> {
        let plan: Plan = Resolved::plan(order)?;
        let session = Session::begin(&self.cluster, order).await?;
        let place = self
            .place
            .find(&self.resource, order, session.namespace())?;
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

    async fn ask(&self, order: &Order) -> Result<Probe, Answer> {
        let plan: Plan = Resolved::plan(order)?;
        let session = Session::begin(&self.cluster, order).await?;
        let place = self
            .place
            .find(&self.resource, order, session.namespace())?;
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
        let session = Session::begin(&self.cluster, order).await?;
        let mut findings = vec![session.version().await];
        let namespace = self.place.namespace(order, session.namespace())?;
        let mut rights = vec![self.scale("get"), self.scale("patch")];
        if self.autoscaler != Autoscaler::Ignore {
            rights.push(Right::on(&Resource::AUTOSCALER, "", "list"));
            rights.push(Right::on(&Resource::AUTOSCALER, "", "patch"));
        }
        findings.extend(session.rights(&namespace, &rights).await);
        let place = self
            .place
            .find(&self.resource, order, session.namespace())?;
        let reply = session.get(&place, "scale").await?;
        findings.push(if reply.is_success() {
            let replicas = reply.body.at("/spec/replicas").as_i64().unwrap_or(0);
            Finding::Fine(format!("{place} found, with {replicas} replicas"))
        } else {
            examined(&reply, &self.scale("get"))
        });
        if reply.is_success() {
            let found = self.find(&session, &place).await?;
            if found.present.scaler != Scaler::Replicas {
                let words = format!("{place} is scaled by {}", found.present.scaler);
                findings.push(Finding::Fine(words));
            }
        }
        Ok(findings)
    }
}

impl Connector for Scales {
    fn send(&self, order: Order) -> BoxFuture<'_, Answer> {
        async move { either(self.carry_out(&order).await) }.boxed()
    }

    fn can_be_probed(&self) -> bool {
        true
    }

    fn probe(&self, order: Order) -> BoxFuture<'_, Option<Probe>> {
        async move {
            let probe = self.ask(&order).await;
            Some(probe.unwrap_or_else(|answer| Probe::NoAnswer(answer.detail)))
        }
        .boxed()
    }

    fn examine(&self, order: Order) -> BoxFuture<'_, Vec<Finding>> {
        async move {
            let findings = self.look(&order).await;
            findings.unwrap_or_else(|answer| vec![unanswered(answer)])
        }
        .boxed()
    }

    fn resolve(&self, order: Order) -> BoxFuture<'_, Result<Option<Value>, String>> {
        async move { Resolved::keep(self.plan(&order).await, &order) }.boxed()
    }
}
