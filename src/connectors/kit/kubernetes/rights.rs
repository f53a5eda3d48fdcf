//! Examinations: whether the cluster answers, and whether the connection's account has the rights that its actions need.

use homeostat_actors::ports::connector::Finding;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};

use super::meaning::Reply;
use super::object::Fields as _;
use super::place::Resource;
use super::right::Right;
use super::session::Session;
use crate::connectors::kit::act::unanswered;

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

impl Session<'_> {
    /// Whether the cluster answers, and with which version.
    pub(crate) async fn version(&self) -> Finding {
        match self.ask("/version").await {
            Ok(reply) if reply.is_success() => Finding::Fine(format!(
                "Kubernetes {}",
                reply
                    .body
                    .at("/gitVersion")
                    .as_str()
                    .unwrap_or("of no version")
            )),
            Ok(reply) => examined(&reply, &Right::on(&Resource::JOB, "", "get")),
            Err(answer) => Finding::wrong(answer.detail, "check the connection's address and CA"),
        }
    }

    /// Whether the connection's account has these rights in a namespace.
    pub(crate) async fn rights(&self, namespace: &str, rights: &[Right]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for right in rights {
            findings.push(self.right(namespace, right).await);
        }
        findings
    }

    async fn right(&self, namespace: &str, right: &Right) -> Finding {
        let (resource, subresource) = match right.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (&*right.resource, None),
        };
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    namespace: Some(namespace.to_owned()),
                    verb: Some(right.verb.to_owned()),
                    group: Some(right.group.clone()),
                    resource: Some(resource.to_owned()),
                    subresource,
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let body = match serde_json::to_value(&review) {
            Ok(body) => body,
            Err(error) => return Finding::Unsure(format!("the review cannot be written: {error}")),
        };
        let (verb, of) = (right.verb, &right.resource);
        match self.review(REVIEWS, &body).await {
            Ok(reply) if !reply.is_success() => examined(&reply, right),
            Ok(reply) if reply.body.at("/status/allowed") == true => {
                Finding::Fine(format!("may {verb} {of} in {namespace}"))
            }
            Ok(_) => Finding::wrong(
                format!("may not {verb} {of} in {namespace}"),
                format!("give the connection's account the right: {right}"),
            ),
            Err(answer) => unanswered(answer),
        }
    }
}

/// What an answer to an examination says.
pub(crate) fn examined(reply: &Reply, right: &Right) -> Finding {
    match reply.status {
        401 | 403 | 404 => Finding::wrong(reply.detail(), reply.remedy(right)),
        _ => Finding::Unsure(reply.detail()),
    }
}
