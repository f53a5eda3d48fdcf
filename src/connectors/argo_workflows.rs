//! The kind `argo_workflows`: each action is one Workflow, submitted to the Argo server, or made through the Kubernetes API.
//!
//! The Workflow's name ends with the action's id, so that an attempt that is sent again finds the Workflow of the first one.

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

use super::kind::Kind;
use super::kit::kubernetes::meaning::refusal;
use super::kit::kubernetes::workflow::{Cluster, Origin, Server, Submission};
use super::kit::kubernetes::{ClusterSettings, Where, names};
use super::kit::{Act, Acting, Compile, Purpose, Service, ServiceSettings, Template, Texts};

/// Keys of `[connections.NAME]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Settings {
    #[serde(flatten)]
    service: ServiceSettings,
    /// Without url, the Workflow is made through the Kubernetes API: path of a kubeconfig file, which is read again for each action.
    /// Without either, the service account of the pod in which Homeostat runs is used.
    #[schemars(length(min = 1))]
    kubeconfig: Option<String>,
    /// Context of the kubeconfig; without it, its current one.
    #[schemars(length(min = 1))]
    context: Option<String>,
    /// Namespace of actions that name none.
    #[schemars(length(min = 1))]
    namespace: Option<String>,
}

/// Keys of `[actions.ACTION.with]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct With {
    /// Name of the WorkflowTemplate, ClusterWorkflowTemplate or CronWorkflow that is run; a template.
    #[schemars(length(min = 1))]
    template: String,
    /// What that is.
    #[serde(default)]
    kind: Origin,
    /// Namespace of the Workflow; a template. Without it, the connection's.
    #[schemars(length(min = 1))]
    namespace: Option<String>,
    /// First part of the Workflow's name; a template. What no name may have becomes a hyphen, and the action's id follows.
    #[serde(default = "prefix")]
    #[schemars(length(min = 1))]
    name: String,
    /// Parameters of the Workflow; each value is a template. A value that holds `{{` is refused, because Argo would expand it.
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    /// Service account of the Workflow's pods, in place of the template's.
    #[schemars(length(min = 1))]
    service_account: Option<String>,
}

fn prefix() -> String {
    "{{ action }}-{{ target.name }}".to_owned()
}

/// A connection of this kind.
pub(crate) struct ArgoWorkflows {
    way: Way,
    /// Of actions that name none, where the connection does.
    namespace: Option<String>,
}

/// How a Workflow comes to be.
#[derive(Clone)]
enum Way {
    Server(Arc<Server>),
    Cluster(Arc<Cluster>),
}

impl Kind for ArgoWorkflows {
    const NAME: &'static str = "argo_workflows";
    const ABOUT: &'static str = "Argo Workflows, where each action is one Workflow";
    const EXAMPLE: &'static str = r#"[connections.pipelines]
kind = "argo_workflows"
url = "https://argo.example.com"
headers = { Authorization = "env:ARGO_AUTHORIZATION" }
namespace = "ml"

[actions.retrain]
connection = "pipelines"

[actions.retrain.with]
template = "train-{{ target.name }}"
parameters = { reason = "{{ event_type }}", priority = "{{ params.priority }}" }
"#;
    const NOTES: &'static str = include_str!("argo_workflows/notes.md");
    type Settings = Settings;
    type With = With;

    fn carries(action: Action) -> bool {
        action != Action::Ignore
    }

    fn probed_by() -> Option<&'static str> {
        Some("")
    }

    fn connect(settings: Settings, compile: &mut Compile<'_>) -> Option<Self> {
        let namespace = settings.namespace.clone();
        if let Some(namespace) = &namespace
            && let Err(problem) = names::namespace(namespace)
        {
            compile.problem("namespace", problem, "write a namespace of the cluster");
        }
        let way = if settings.service.url.is_empty() {
            if !settings.service.headers.is_empty() {
                let problem = "are used with `url` only";
                compile.problem("headers", problem, "remove them, or write `url`");
            }
            let cluster = ClusterSettings::of_kubeconfig(
                settings.kubeconfig,
                settings.context,
                settings.namespace,
                &settings.service,
            );
            Way::Cluster(Arc::new(Cluster::new(&cluster, compile)?))
        } else {
            for (key, written) in [
                ("kubeconfig", settings.kubeconfig.is_some()),
                ("context", settings.context.is_some()),
            ] {
                if written {
                    compile.problem(key, "is written beside `url`", "write one of the two");
                }
            }
            let service = Service::new(&settings.service, compile)?;
            Way::Server(Arc::new(Server(service)))
        };
        Some(Self { way, namespace })
    }

    fn carry(
        &self,
        _action: Action,
        with: With,
        compile: &mut Compile<'_>,
    ) -> Option<Arc<dyn Connector>> {
        if matches!(self.way, Way::Server(_))
            && self.namespace.is_none()
            && with.namespace.is_none()
        {
            let remedy = "write it here or in the connection: the Argo server has no default";
            compile.problem("namespace", "is missing", remedy);
        }
        let origin = Where::compile(with.namespace.as_deref(), &with.template, compile);
        let prefix = compile.template("name", &with.name, Purpose::Plain);
        let parameters = Texts::compile("parameters", &with.parameters, compile);
        Some(Acting::connector(Workflows {
            way: self.way.clone(),
            namespace: self.namespace.clone().unwrap_or_default(),
            kind: with.kind,
            origin: origin?,
            prefix: prefix?,
            parameters: parameters?,
            service_account: with.service_account,
        }))
    }
}

/// One action over its connection.
struct Workflows {
    way: Way,
    namespace: String,
    kind: Origin,
    origin: Where,
    prefix: Template,
    parameters: Texts,
    service_account: Option<String>,
}

impl Act for Workflows {
    async fn carry_out(&self, order: &Order) -> Result<Answer, Answer> {
        match &self.way {
            Way::Server(server) => {
                let submission = self.submission(order, &self.namespace)?;
                server.submit(&submission, order).await
            }
            Way::Cluster(cluster) => {
                let session = cluster.begin(order).await?;
                let submission = self.submission(order, session.namespace())?;
                submission.create(&session).await
            }
        }
    }

    fn can_be_asked(&self) -> bool {
        true
    }

    async fn ask(&self, order: &Order) -> Result<Probe, Answer> {
        match &self.way {
            Way::Server(server) => {
                let submission = self.submission(order, &self.namespace)?;
                server.find(&submission, order).await
            }
            Way::Cluster(cluster) => {
                let session = cluster.begin(order).await?;
                let submission = self.submission(order, session.namespace())?;
                submission.find(&session).await
            }
        }
    }

    async fn look(&self, order: &Order) -> Result<Vec<Finding>, Answer> {
        match &self.way {
            Way::Server(server) => {
                let submission = self.submission(order, &self.namespace)?;
                server.examine(&submission, order).await
            }
            Way::Cluster(cluster) => {
                let session = cluster.begin(order).await?;
                let submission = self.submission(order, session.namespace())?;
                submission.examine(&session).await
            }
        }
    }
}

impl Workflows {
    fn submission(&self, order: &Order, namespace: &str) -> Result<Submission, Answer> {
        let prefix = self.prefix.fill("name", order)?;
        let parameters = self.parameters.fill(order)?;
        if let Some((name, _)) = parameters.iter().find(|(_, value)| value.contains("{{")) {
            return Err(refusal(
                format!("the parameter {name} holds {{{{, which Argo would expand"),
                "leave that field of the event out of it",
            ));
        }
        Ok(Submission {
            origin: self.origin.find(&self.kind.resource(), order, namespace)?,
            kind: self.kind,
            name: names::with_id(&prefix, &order.action_id.to_string()),
            action: order.action_id.to_string(),
            parameters,
            service_account: self.service_account.clone(),
        })
    }
}
