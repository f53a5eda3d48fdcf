//! The kind `kubernetes_job`: each action is one Job, made from a CronJob's template or from a manifest.
//!
//! The Job's name ends with the action's id, so that an attempt that is sent again finds the Job of the first one, and does nothing.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use homeostat_actors::ports::connector::{Answer, Connector, Finding, Order, Probe};
use homeostat_logic::actions::Action;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::kit::exchange::either;
use super::kit::kubernetes::manifest::Manifest;
use super::kit::kubernetes::meaning::{done, refusal};
use super::kit::kubernetes::object::{Fields as _, label, own};
use super::kit::kubernetes::rights::{examined, unanswered};
use super::kit::kubernetes::{
    Cluster, ClusterSettings, Place, Resource, Right, Session, Where, names,
};
use super::kit::{Compile, Plain, Purpose, Template, refused};
use crate::secrets::{is_reference, resolve};

/// Keys of `[connections.NAME]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Settings {
    #[serde(flatten)]
    cluster: ClusterSettings,
}

/// Keys of `[actions.ACTION.with]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct With {
    /// Name of a CronJob from whose template the Job is made, as `kubectl create job --from` does; a template. It may be suspended.
    #[schemars(length(min = 1))]
    cronjob: Option<String>,
    /// In place of cronjob: the Job as YAML, or file:PATH of it. Each text in it is a template, rendered by itself, so that no value
    /// can change anything around it; in YAML, a text that begins with `{{` needs quotes.
    #[schemars(length(min = 1))]
    manifest: Option<String>,
    /// Namespace; a template. Without it, the connection's.
    #[schemars(length(min = 1))]
    namespace: Option<String>,
    /// First part of the Job's name; a template. What no name may have becomes a hyphen, and the action's id follows.
    #[serde(default = "prefix")]
    #[schemars(length(min = 1))]
    name: String,
    /// Environment variables that every container gets, in place of its own of that name; each value is a template.
    #[serde(default)]
    env: BTreeMap<String, String>,
}

fn prefix() -> String {
    "{{ action }}-{{ target.name }}".to_owned()
}

/// A connection of this kind.
#[derive(Debug)]
pub(crate) struct KubernetesJob {
    cluster: Arc<Cluster>,
}

impl Kind for KubernetesJob {
    const NAME: &'static str = "kubernetes_job";
    const ABOUT: &'static str = "a Kubernetes cluster, where each action is one Job";
    const EXAMPLE: &'static str = r#"[connections.training]
kind = "kubernetes_job"
server = "https://10.0.0.1:6443"
token = "env:CLUSTER_TOKEN"
namespace = "ml"

[actions.retrain]
connection = "training"

[actions.retrain.with]
cronjob = "train-{{ target.name }}"
env = { REASON = "{{ event_type }}", PRIORITY = "{{ params.priority }}" }
"#;
    const NOTES: &'static str = r#"The Job's name is `ACTION-TARGET-` and the action's id, at most 63 characters. A name that exists already is the Job of an earlier
attempt, and the action is done; if that Job does not carry this action's id, the action is refused. In doubt, the Job is looked up by its
name. So that it can be found, it is kept for an hour at least after its end (`ttlSecondsAfterFinished`), and it belongs to its CronJob,
as with `kubectl create job --from`, only if that keeps finished Jobs. Labels and annotations `homeostat.dev/…` name action, target
and event. A quota that is used up is tried again; a missing right, an unknown field and a namespace that is being deleted are not.
Done means that the cluster accepted the Job, not that it succeeded: let the training report its result as an event.

The account needs, in the namespace of the Jobs (`cronjobs` only with `with.cronjob`):

```yaml
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: homeostat-job
rules:
  - apiGroups: ["batch"]
    resources: ["jobs"]
    verbs: ["create", "get"]
  - apiGroups: ["batch"]
    resources: ["cronjobs"]
    verbs: ["get"]
```

Tested against Kubernetes 1.34, November 2026.
"#;
    type Settings = Settings;
    type With = With;

    fn carries(action: Action) -> bool {
        action != Action::Ignore
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
        let source = source(&with, compile);
        let namespace = with.namespace.as_deref();
        // Any name will do where it is not looked at.
        let cronjob = with.cronjob.as_deref().unwrap_or("none");
        let cronjob = Where::compile(namespace, cronjob, compile);
        let prefix = compile.template("name", &with.name, Purpose::Plain);
        let env = compile.within("env", |compile| {
            let env = with.env.iter();
            let env: Option<Vec<(String, Template)>> = env
                .map(|(name, text)| {
                    let template = compile.template(name, text, Purpose::Plain)?;
                    Some((name.clone(), template))
                })
                .collect();
            env
        });
        Some(Arc::new(Jobs {
            cluster: Arc::clone(&self.cluster),
            source: source?,
            cronjob: cronjob?,
            prefix: prefix?,
            env: env?,
        }))
    }
}

fn source(with: &With, compile: &mut Compile<'_>) -> Option<Source> {
    let text = match (&with.cronjob, &with.manifest) {
        (Some(_), None) => return Some(Source::CronJob),
        (None, Some(text)) => text,
        (Some(_), Some(_)) => {
            compile.problem(
                "manifest",
                "is written beside `cronjob`",
                "write one of the two",
            );
            return None;
        }
        (None, None) => {
            compile.problem(
                "cronjob",
                "is missing, and so is `manifest`",
                "name a CronJob whose template is used, or write the Job as YAML",
            );
            return None;
        }
    };
    let manifest = if is_reference(text) {
        match resolve(text, compile.environment()) {
            Ok(text) => Manifest::compile("manifest", text.expose(), compile)?,
            Err(error) => {
                compile.problem("manifest", error.to_string(), error.remedy());
                return None;
            }
        }
    } else {
        Manifest::compile("manifest", text, compile)?
    };
    Some(Source::Manifest(manifest))
}

/// What a Job is made from.
enum Source {
    CronJob,
    Manifest(Manifest),
}

/// One action over its connection.
struct Jobs {
    cluster: Arc<Cluster>,
    source: Source,
    cronjob: Where,
    prefix: Template,
    env: Vec<(String, Template)>,
}

const ACTION_ID: &str = own!("action-id");
/// Seconds for which a finished Job can be looked up.
const KEPT_SECONDS: i64 = 3_600;
/// What `kubectl create job --from` writes.
const BY_HAND: &str = "cronjob.kubernetes.io/instantiate";

impl Jobs {
    async fn create(&self, order: &Order) -> Result<Answer, Answer> {
        let session = Session::begin(&self.cluster, order).await?;
        let (place, job) = self.job(&session, order).await?;
        let reply = session.create(&place, &job).await?;
        if reply.is_success() {
            return Ok(reply.done(&format!("{place} was created")));
        }
        if reply.status == 409 && reply.reason() == "AlreadyExists" {
            let found = session.get(&place, "").await?;
            if !found.is_success() {
                return Err(found.not_begun(&right("get")));
            }
            if label(&found.body, ACTION_ID) == Some(&*order.action_id.to_string()) {
                return Ok(done(
                    order.dry_run,
                    &format!("{place} exists already, from an earlier attempt"),
                ));
            }
            return Err(refusal(
                format!("{place} exists already and is not of this action"),
                "delete it, or choose another `name`, and refire the action",
            ));
        }
        Err(reply.not_made(&right("create")))
    }

    /// The Job as it is sent, and where.
    async fn job(&self, session: &Session<'_>, order: &Order) -> Result<(Place, Value), Answer> {
        let mut place = self.place(session, order)?;
        let mut job = match &self.source {
            Source::Manifest(manifest) => manifest.render("manifest", order)?,
            Source::CronJob => self.of_cronjob(session, order).await?,
        };
        if let Some(namespace) = job.at("/metadata/namespace").as_str()
            && !self.cronjob.has_namespace()
        {
            names::namespace(namespace)
                .map_err(|problem| refused(format!("manifest: {problem}")))?;
            namespace.clone_into(&mut place.namespace);
        }
        complete(&mut job, &place, order).ok_or_else(|| {
            refused("manifest: metadata, spec or a container is no object; correct it".to_owned())
        })?;
        let env: Result<Vec<(&str, String)>, Answer> = self
            .env
            .iter()
            .map(|(name, template)| {
                let value = template.render(&Plain::plain(order));
                let value = value.map_err(|error| {
                    refused(format!("the template `env.{name}` failed: {error}"))
                })?;
                Ok((&**name, value))
            })
            .collect();
        give(&mut job, &env?);
        Ok((place, job))
    }

    fn place(&self, session: &Session<'_>, order: &Order) -> Result<Place, Answer> {
        let prefix = self.prefix.render(&Plain::plain(order));
        let prefix =
            prefix.map_err(|error| refused(format!("the template `name` failed: {error}")))?;
        Ok(Place {
            resource: Resource::JOB,
            namespace: self.cronjob.namespace(order, session.namespace())?,
            name: names::with_id(&prefix, &order.action_id.to_string()),
        })
    }

    async fn of_cronjob(&self, session: &Session<'_>, order: &Order) -> Result<Value, Answer> {
        let resource = Resource::CRON_JOB;
        let place = self.cronjob.find(&resource, order, session.namespace())?;
        let reply = session.get(&place, "").await?;
        if !reply.is_success() {
            return Err(reply.not_begun(&Right::on(&resource, "", "get")));
        }
        let cronjob = reply.body;
        let template = cronjob.at("/spec/jobTemplate");
        let mut metadata = Map::new();
        for field in ["labels", "annotations"] {
            if template.at(&format!("/metadata/{field}")).is_object() {
                metadata.insert(
                    field.to_owned(),
                    template.at(&format!("/metadata/{field}")).clone(),
                );
            }
        }
        let kept = |field: &str| cronjob.at(&format!("/spec/{field}")).as_i64() != Some(0);
        if kept("successfulJobsHistoryLimit") && kept("failedJobsHistoryLimit") {
            let owner = json!([{
                "apiVersion": "batch/v1", "kind": "CronJob", "controller": true,
                "name": place.name, "uid": cronjob.at("/metadata/uid"),
            }]);
            metadata.insert("ownerReferences".to_owned(), owner);
        }
        let mut job = json!({ "metadata": metadata, "spec": template.at("/spec") });
        set(&mut job, "annotations", BY_HAND, "manual");
        Ok(job)
    }

    async fn ask(&self, order: &Order) -> Result<Probe, Answer> {
        let session = Session::begin(&self.cluster, order).await?;
        let mut place = self.place(&session, order)?;
        if let Source::Manifest(manifest) = &self.source
            && !self.cronjob.has_namespace()
        {
            let job = manifest.render("manifest", order)?;
            if let Some(namespace) = job.at("/metadata/namespace").as_str() {
                namespace.clone_into(&mut place.namespace);
            }
        }
        let reply = session.get(&place, "").await?;
        Ok(match reply.status {
            200 if label(&reply.body, ACTION_ID) == Some(&*order.action_id.to_string()) => {
                Probe::Found(format!("{place} exists"))
            }
            200 => Probe::NoAnswer(format!("{place} exists and is not of this action")),
            404 if reply.reason() == "NotFound" => Probe::Absent(format!("there is no {place}")),
            _ => Probe::NoAnswer(reply.detail()),
        })
    }

    async fn look(&self, order: &Order) -> Result<Vec<Finding>, Answer> {
        let session = Session::begin(&self.cluster, order).await?;
        let mut findings = vec![session.version().await];
        let place = self.place(&session, order)?;
        let mut rights = vec![right("create"), right("get")];
        if matches!(self.source, Source::CronJob) {
            rights.push(Right::on(&Resource::CRON_JOB, "", "get"));
        }
        findings.extend(session.rights(&place.namespace, &rights).await);
        if matches!(self.source, Source::CronJob) {
            let resource = Resource::CRON_JOB;
            let cronjob = self.cronjob.find(&resource, order, session.namespace())?;
            let reply = session.get(&cronjob, "").await?;
            findings.push(if reply.is_success() {
                Finding::Fine(format!("{cronjob} found"))
            } else {
                examined(&reply, &Right::on(&resource, "", "get"))
            });
        }
        Ok(findings)
    }
}

fn right(verb: &'static str) -> Right {
    Right::on(&Resource::JOB, "", verb)
}

/// Sets a label or an annotation.
fn set(job: &mut Value, field: &str, name: &str, value: &str) -> Option<()> {
    let metadata = job.as_object_mut()?.entry("metadata");
    let metadata = metadata.or_insert_with(|| json!({})).as_object_mut()?;
    let table = metadata.entry(field).or_insert_with(|| json!({}));
    table.as_object_mut()?.insert(name.to_owned(), value.into());
    Some(())
}

/// What every Job of an action has.
fn complete(job: &mut Value, place: &Place, order: &Order) -> Option<()> {
    let fields = job.as_object_mut()?;
    fields.insert("apiVersion".to_owned(), Resource::JOB.api_version().into());
    fields.insert("kind".to_owned(), Resource::JOB.kind.into());
    let id = order.action_id.to_string();
    set(job, "labels", "app.kubernetes.io/managed-by", "homeostat")?;
    set(job, "labels", ACTION_ID, &id)?;
    set(job, "annotations", own!("action"), order.action.name())?;
    set(
        job,
        "annotations",
        own!("target"),
        &order.target.to_string(),
    )?;
    set(job, "annotations", own!("event-type"), &order.event_type)?;
    set(job, "annotations", own!("event-id"), &order.event_id)?;
    let metadata = job.get_mut("metadata")?.as_object_mut()?;
    metadata.remove("generateName");
    metadata.insert("name".to_owned(), place.name.clone().into());
    metadata.insert("namespace".to_owned(), place.namespace.clone().into());
    let spec = job.get_mut("spec")?.as_object_mut()?;
    if let Some(seconds) = spec.get_mut("ttlSecondsAfterFinished")
        && seconds
            .as_i64()
            .is_some_and(|seconds| seconds < KEPT_SECONDS)
    {
        *seconds = KEPT_SECONDS.into();
    }
    Some(())
}

/// Gives every container these variables, in place of its own of that name.
fn give(job: &mut Value, env: &[(&str, String)]) {
    if env.is_empty() {
        return;
    }
    for list in ["initContainers", "containers"] {
        let containers = job.pointer_mut(&format!("/spec/template/spec/{list}"));
        let containers = containers.and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let Some(container) = container.as_object_mut() else {
                continue;
            };
            let own = container.entry("env").or_insert_with(|| json!([]));
            if let Some(own) = own.as_array_mut() {
                own.retain(|one| env.iter().all(|(name, _)| one.at("/name") != *name));
                let given = env.iter();
                own.extend(given.map(|(name, value)| json!({"name": name, "value": value})));
            }
        }
    }
}

impl Connector for Jobs {
    fn send(&self, order: Order) -> BoxFuture<'_, Answer> {
        async move { either(self.create(&order).await) }.boxed()
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
}
