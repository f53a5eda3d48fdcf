//! A Workflow of Argo to be run for an action, and the two ways to have it run.

mod object;
mod server;

use schemars::JsonSchema;
use serde::Deserialize;

use super::place::{Place, Resource};

pub(crate) use super::cluster::Cluster;
pub(crate) use server::Server;

/// What a Workflow is made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(crate) enum Origin {
    #[default]
    WorkflowTemplate,
    ClusterWorkflowTemplate,
    CronWorkflow,
}

impl Origin {
    /// As the API names it.
    pub(crate) const fn resource(self) -> Resource {
        let (plural, kind) = match self {
            Self::WorkflowTemplate => ("workflowtemplates", self.name()),
            Self::ClusterWorkflowTemplate => ("clusterworkflowtemplates", self.name()),
            Self::CronWorkflow => ("cronworkflows", self.name()),
        };
        Resource::new("argoproj.io", "v1alpha1", plural, kind)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::WorkflowTemplate => "WorkflowTemplate",
            Self::ClusterWorkflowTemplate => "ClusterWorkflowTemplate",
            Self::CronWorkflow => "CronWorkflow",
        }
    }
}

/// A Workflow for an action.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    /// What it is made from; in its namespace it runs.
    pub(crate) origin: Place,
    pub(crate) kind: Origin,
    pub(crate) name: String,
    /// The action's id.
    pub(crate) action: String,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) service_account: Option<String>,
}

const WORKFLOW: Resource = Resource::new("argoproj.io", "v1alpha1", "workflows", "Workflow");

impl Submission {
    fn place(&self) -> Place {
        self.origin.beside(WORKFLOW, &*self.name)
    }
}
