//! A Workflow submitted to the Argo server.

use homeostat_actors::ports::connector::{Answer, Finding, Order, Probe};
use reqwest::Method;
use serde_json::{Value, json};

use super::super::meaning::refusal;
use super::super::object::{Fields as _, own};
use super::{Origin, Submission};
use crate::connectors::kit::exchange::done;
use crate::connectors::kit::{Call, Reply, Service};

/// An Argo server.
pub(crate) struct Server(pub(crate) Service);

impl Server {
    /// Submits; a Workflow of an earlier attempt is found.
    pub(crate) async fn submit(
        &self,
        submission: &Submission,
        order: &Order,
    ) -> Result<Answer, Answer> {
        let talk = self.0.talk(order, &[]);
        let place = submission.place();
        let reply = if order.dry_run {
            // The cluster checks it, and keeps nothing.
            talk.ask(submit(submission, true)).await?
        } else {
            talk.change(submit(submission, false)).await?
        };
        if reply.is_page() {
            return Err(reply.outcome_unless_page());
        }
        if reply.is_success() && reply.is_half() {
            return Err(reply.half());
        }
        if reply.is_success() {
            let of = &submission.origin;
            return Ok(done(if order.dry_run {
                format!("dry run, nothing was changed: {place} would be created from {of}")
            } else {
                format!("{place} was created from {of}")
            }));
        }
        if !exists_already(&reply) {
            return Err(reply.outcome());
        }
        match self.find(submission, order).await? {
            Probe::Found(words) => Ok(done(format!("{words}, from an earlier attempt"))),
            Probe::NoAnswer(words) => Err(refusal(
                words,
                "delete it, or choose another `name`, and refire the action",
            )),
            // Deleted in between.
            Probe::Absent(_) => Err(reply.outcome()),
        }
    }

    /// Looks for it.
    pub(crate) async fn find(
        &self,
        submission: &Submission,
        order: &Order,
    ) -> Result<Probe, Answer> {
        let place = submission.place();
        let path = format!("/api/v1/workflows/{}/{}", place.namespace, place.name);
        let reply = self.0.talk(order, &[]).ask(Call::get(path)).await?;
        match reply.status {
            200..=299 => {}
            404 => return Ok(Probe::Absent(format!("there is no {place}"))),
            _ => return Err(reply.not_begun()),
        }
        let workflow: Value = match reply.json() {
            Ok(workflow) => workflow,
            Err(problem) => return Ok(Probe::NoAnswer(problem)),
        };
        let labels = workflow.at("/metadata/labels");
        let own = labels.get(own!("action-id")) == Some(&Value::from(&*submission.action));
        Ok(if own {
            let phase = workflow.at("/status/phase").as_str();
            Probe::Found(format!("{place} is {}", phase.unwrap_or("not begun yet")))
        } else {
            Probe::NoAnswer(format!("{place} exists already and is not of this action"))
        })
    }

    /// What an order like this one would find.
    pub(crate) async fn examine(
        &self,
        submission: &Submission,
        order: &Order,
    ) -> Result<Vec<Finding>, Answer> {
        let talk = self.0.talk(order, &[]);
        let reply = talk.ask(Call::get("/api/v1/version")).await?;
        let version: Value = reply.json().unwrap_or_default();
        let mut findings = vec![match version.at("/version").as_str() {
            Some(version) => reply.finding(|| format!("Argo Workflows {version}")),
            None if reply.is_success() => {
                let remedy = "check that the connection's url is that of the Argo server";
                return Ok(vec![Finding::wrong(reply.detail, remedy)]);
            }
            None => reply.finding(String::new),
        }];
        // Template, parameters and rights are all checked by a submission that is not kept.
        let reply = talk.ask(submit(submission, true)).await?;
        findings.push(
            reply.finding(|| format!("a Workflow of {} would be accepted", submission.origin)),
        );
        Ok(findings)
    }
}

fn submit(submission: &Submission, dry_run: bool) -> Call {
    let kind = match submission.kind {
        Origin::WorkflowTemplate => "WorkflowTemplate",
        Origin::ClusterWorkflowTemplate => "ClusterWorkflowTemplate",
        Origin::CronWorkflow => "CronWorkflow",
    };
    let parameters = submission.parameters.iter();
    let parameters: Vec<String> = parameters
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut options = json!({
        "name": submission.name,
        "parameters": parameters,
        "labels": format!(
            "{}={},app.kubernetes.io/managed-by=homeostat", own!("action-id"), submission.action
        ),
    });
    if let Some(fields) = options.as_object_mut() {
        if let Some(account) = &submission.service_account {
            fields.insert("serviceAccount".to_owned(), account.clone().into());
        }
        if dry_run {
            fields.insert("serverDryRun".to_owned(), true.into());
        }
    }
    let namespace = &submission.origin.namespace;
    let body = json!({
        "namespace": namespace, "resourceKind": kind, "resourceName": submission.origin.name,
        "submitOptions": options,
    });
    let path = format!("/api/v1/workflows/{namespace}/submit");
    Call::json(Method::POST, path, &body)
}

/// Versions of the server answer 409, 400 or 500 to it; the words are the cluster's.
fn exists_already(reply: &Reply) -> bool {
    let body: Value = reply.json().unwrap_or_default();
    let message = body.at("/message").as_str().unwrap_or_default();
    reply.status == 409 || (reply.status >= 400 && message.contains("already exists"))
}
