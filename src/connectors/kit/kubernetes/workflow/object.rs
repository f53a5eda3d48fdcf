//! A Workflow made through the Kubernetes API.

use homeostat_actors::ports::connector::{Answer, Finding, Probe};
use serde_json::{Value, json};

use super::super::meaning::{done, refusal};
use super::super::object::{Fields as _, label, own};
use super::super::right::Right;
use super::super::rights::examined;
use super::super::session::Session;
use super::{Origin, Submission, WORKFLOW};

const ACTION_ID: &str = own!("action-id");

fn right(verb: &'static str) -> Right {
    Right::on(&WORKFLOW, "", verb)
}

impl Submission {
    /// Makes it; one of an earlier attempt is found.
    pub(crate) async fn create(&self, session: &Session<'_>) -> Result<Answer, Answer> {
        let place = self.place();
        let workflow = self.workflow(session).await?;
        let reply = session.create(&place, &workflow).await?;
        if reply.is_success() {
            return Ok(reply.done(&format!("{place} was created from {}", self.origin)));
        }
        if reply.status != 409 || reply.reason() != "AlreadyExists" {
            return Err(reply.not_made(&right("create")));
        }
        let found = session.get(&place, "").await?;
        if !found.is_success() {
            return Err(found.not_begun(&right("get")));
        }
        if label(&found.body, ACTION_ID) == Some(&*self.action) {
            let words = format!("{place} exists already, from an earlier attempt");
            return Ok(done(session.is_dry_run(), &words));
        }
        Err(refusal(
            format!("{place} exists already and is not of this action"),
            "delete it, or choose another `name`, and refire the action",
        ))
    }

    /// Looks for it.
    pub(crate) async fn find(&self, session: &Session<'_>) -> Result<Probe, Answer> {
        let place = self.place();
        let reply = session.get(&place, "").await?;
        Ok(match reply.status {
            200 if label(&reply.body, ACTION_ID) == Some(&*self.action) => {
                let phase = reply.body.at("/status/phase").as_str();
                Probe::Found(format!("{place} is {}", phase.unwrap_or("not begun yet")))
            }
            200 => Probe::NoAnswer(format!("{place} exists and is not of this action")),
            404 if reply.reason() == "NotFound" => Probe::Absent(format!("there is no {place}")),
            _ => Probe::NoAnswer(reply.detail()),
        })
    }

    /// What an order like this one would find.
    pub(crate) async fn examine(&self, session: &Session<'_>) -> Result<Vec<Finding>, Answer> {
        let mut findings = vec![session.version().await];
        let rights = [right("create"), right("get"), self.reading()];
        findings.extend(session.rights(&self.origin.namespace, &rights).await);
        let reply = session.ask(&self.address()).await?;
        findings.push(if reply.is_success() {
            Finding::Fine(format!("{} found", self.origin))
        } else {
            examined(&reply, &self.reading())
        });
        Ok(findings)
    }

    fn reading(&self) -> Right {
        Right::on(&self.origin.resource, "", "get")
    }

    fn address(&self) -> String {
        let path = self.origin.path("");
        if self.kind == Origin::ClusterWorkflowTemplate {
            // It is in no namespace.
            path.replace(&format!("/namespaces/{}", self.origin.namespace), "")
        } else {
            path
        }
    }

    /// As the Argo server makes it of a template.
    async fn workflow(&self, session: &Session<'_>) -> Result<Value, Answer> {
        // The API server does not look whether it is there; Argo's controller would find out later.
        let reply = session.ask(&self.address()).await?;
        if !reply.is_success() {
            return Err(reply.not_begun(&self.reading()));
        }
        let name = &self.origin.name;
        let (mut spec, of) = match self.kind {
            Origin::CronWorkflow => (
                reply.body.at("/spec/workflowSpec").clone(),
                "workflows.argoproj.io/cron-workflow",
            ),
            Origin::WorkflowTemplate => (
                json!({"workflowTemplateRef": {"name": name}}),
                "workflows.argoproj.io/workflow-template",
            ),
            Origin::ClusterWorkflowTemplate => (
                json!({"workflowTemplateRef": {"name": name, "clusterScope": true}}),
                "workflows.argoproj.io/cluster-workflow-template",
            ),
        };
        let given = self.parameters.iter();
        let given = given.map(|(name, value)| json!({"name": name, "value": value}));
        let mut parameters: Vec<Value> = given.collect();
        let own = spec.at("/arguments/parameters").as_array();
        let kept = own.into_iter().flatten().filter(|one| {
            let mut given = self.parameters.iter();
            given.all(|(name, _)| one.at("/name") != name.as_str())
        });
        parameters.extend(kept.cloned());
        let mut arguments = spec.at("/arguments").clone();
        if !arguments.is_object() {
            arguments = json!({});
        }
        if let Some(fields) = arguments.as_object_mut() {
            fields.insert("parameters".to_owned(), parameters.into());
        }
        if let Some(fields) = spec.as_object_mut() {
            fields.insert("arguments".to_owned(), arguments);
            if let Some(account) = &self.service_account {
                fields.insert("serviceAccountName".to_owned(), account.clone().into());
            }
        }
        Ok(json!({
            "apiVersion": WORKFLOW.api_version(), "kind": WORKFLOW.kind,
            "metadata": {
                "name": self.name, "namespace": self.origin.namespace,
                "labels": {
                    of: name, ACTION_ID: self.action, "app.kubernetes.io/managed-by": "homeostat",
                },
            },
            "spec": spec,
        }))
    }
}
