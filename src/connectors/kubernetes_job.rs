//! The kind `kubernetes_job`: each action is one Job, made from a CronJob's template or from a manifest.
//!
//! The Job's name ends with the action's id, so that an attempt that is sent again finds the Job of the first one, and does nothing.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use homeostat_actors::ports::connector::{Answer, Connector, Finding, Order, Probe};
use homeostat_logic::actions::Action;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use self::made::ACTION_ID;

use super::kind::Kind;
use super::kit::kubernetes::manifest::Manifest;
use super::kit::kubernetes::meaning::{done, refusal};
use super::kit::kubernetes::object::{Fields as _, label};
use super::kit::kubernetes::rights::examined;
use super::kit::kubernetes::{
    Cluster, ClusterSettings, Place, Resource, Right, Session, Where, names,
};
use super::kit::{Act, Acting, Compile, Purpose, Template, Texts, refused};
use crate::secrets::{is_reference, resolve};

mod made;

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
pub(crate) struct KubernetesJob(Arc<Cluster>);

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
    const NOTES: &'static str = include_str!("kubernetes_job/notes.md");
    type Settings = ClusterSettings;
    type With = With;

    fn carries(action: Action) -> bool {
        action != Action::Ignore
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
        let source = source(&with, compile);
        let namespace = with.namespace.as_deref();
        // Any name will do where it is not looked at.
        let cronjob = with.cronjob.as_deref().unwrap_or("none");
        let cronjob = Where::compile(namespace, cronjob, compile);
        let prefix = compile.template("name", &with.name, Purpose::Plain);
        let env = Texts::compile("env", &with.env, compile);
        Some(Acting::connector(Jobs {
            cluster: Arc::clone(&self.0),
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
    env: Texts,
}

impl Act for Jobs {
    async fn carry_out(&self, order: &Order) -> Result<Answer, Answer> {
        let session = self.cluster.begin(order).await?;
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

    fn can_be_asked(&self) -> bool {
        true
    }

    async fn ask(&self, order: &Order) -> Result<Probe, Answer> {
        let session = self.cluster.begin(order).await?;
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
        let session = self.cluster.begin(order).await?;
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

impl Jobs {
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
        made::complete(&mut job, &place, order).ok_or_else(|| {
            refused("manifest: metadata, spec or a container is no object; correct it".to_owned())
        })?;
        made::give(&mut job, &self.env.fill(order)?);
        Ok((place, job))
    }

    fn place(&self, session: &Session<'_>, order: &Order) -> Result<Place, Answer> {
        let prefix = self.prefix.fill("name", order)?;
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
        Ok(made::of_cronjob(&place, &reply.body))
    }
}

fn right(verb: &'static str) -> Right {
    Right::on(&Resource::JOB, "", verb)
}
