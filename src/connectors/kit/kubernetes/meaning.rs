//! What the API server's answers mean for an attempt, and what to do about a refusal.
//!
//! | answer | to a change | to a question before it |
//! |---|---|---|
//! | 2xx | done | |
//! | 400, 404, 405, 415, 422, other 4xx | failed for good | failed for good |
//! | 401 | failed; the credentials are read again for the next attempt | the same |
//! | 403 without the right, or by a policy; a namespace that ends | failed for good | failed for good |
//! | 403 by a quota | failed; room may come | |
//! | 409 of a version | failed; the object is read again | |
//! | 429 | failed, with the pause that it asks for | not sent |
//! | 408, 5xx | unknown | not sent |
//!
//! What the connection says of a status goes before that (`retry_statuses`, `reject_statuses`).

use homeostat_actors::ports::connector::Answer;
use homeostat_logic::ledger::record::{FinishOutcome, Millis};
use serde_json::Value;

use super::object::Fields as _;
use super::right::Right;
use crate::connectors::kit::exchange::{cut, failed, not_sent};
use crate::connectors::kit::{Class, refused};

/// Bytes of the API server's message that are kept.
const MESSAGE_BYTES_KEPT: usize = 1_024;

/// What the API server answered.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(super) class: Class,
    /// Method and address.
    pub(super) line: String,
    /// `null` if it could not be read.
    pub(crate) body: Value,
    pub(super) retry_after_ms: Option<Millis>,
    pub(super) dry_run: bool,
}

/// No answer: of a change it is not known whether it was made.
pub(super) fn silence(changes: bool, line: &str, cause: &str) -> Answer {
    let mut answer = not_sent(format!("{line}: {cause}"));
    answer.trouble = true;
    if changes {
        answer.outcome = FinishOutcome::Unknown;
    }
    answer
}

impl Reply {
    pub(crate) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// `reason` of a `Status`.
    pub(crate) fn reason(&self) -> &str {
        self.body.at("/reason").as_str().unwrap_or_default()
    }

    /// A stale `resourceVersion`, or a change by another in the same moment.
    pub(crate) fn is_conflict(&self) -> bool {
        self.status == 409 && self.reason() != "AlreadyExists"
    }

    fn message(&self) -> String {
        let message = self.body.at("/message").as_str().unwrap_or_default();
        let message: String = message
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        cut(&message, MESSAGE_BYTES_KEPT).to_owned()
    }

    /// Request, status and message.
    pub(crate) fn detail(&self) -> String {
        let status = http::StatusCode::from_u16(self.status);
        let status = status.map_or_else(|_| self.status.to_string(), |status| status.to_string());
        let message = self.message();
        if message.is_empty() {
            format!("{}: {status}", self.line)
        } else {
            format!("{}: {status}: {message}", self.line)
        }
    }

    /// A change that was made, or in a dry run would be.
    pub(crate) fn done(&self, words: &str) -> Answer {
        done(self.dry_run, words)
    }

    /// The outcome of a change that was not made, or perhaps not.
    pub(crate) fn not_made(&self, right: &Right) -> Answer {
        let known = match self.status {
            408 | 500..=599 if !self.is_before_admission() => FinishOutcome::Unknown,
            100..=199 | 600.. => FinishOutcome::Unknown,
            _ => FinishOutcome::Failed,
        };
        // A dry run changed nothing, whatever it answered.
        let outcome = if self.dry_run {
            FinishOutcome::Failed
        } else {
            known
        };
        self.answer(outcome, right)
    }

    /// A question that was not answered: the change was not asked for.
    pub(crate) fn not_begun(&self, right: &Right) -> Answer {
        let outcome = match self.status {
            400..=407 | 409..=428 | 430..=499 => FinishOutcome::Failed,
            _ => FinishOutcome::NotSent,
        };
        self.answer(outcome, right)
    }

    fn answer(&self, outcome: FinishOutcome, right: &Right) -> Answer {
        let by_kind = match self.status {
            401 | 408 | 409 | 425 | 429 => false,
            403 => !self.is_quota(),
            400..=499 => true,
            _ => false,
        };
        let permanent = self.class.is_permanent(by_kind);
        let remedy = self.remedy(right);
        Answer {
            // What is refused for good was not done.
            outcome: if permanent {
                FinishOutcome::Failed
            } else {
                outcome
            },
            detail: if remedy.is_empty() {
                self.detail()
            } else {
                format!("{}; {remedy}", self.detail())
            },
            retry_after_ms: self.retry_after_ms.filter(|_| !permanent),
            permanent,
            trouble: self.class.is_trouble(),
        }
    }

    /// What to do about it, as far as the answer says; empty if it says nothing.
    pub(crate) fn remedy(&self, right: &Right) -> String {
        match self.status {
            401 => "the cluster does not accept the connection's credentials: check its token or kubeconfig".to_owned(),
            403 if self.is_quota() => {
                "the namespace's quota is used up: raise it, or wait until something ends".to_owned()
            }
            403 if self.is_ending() => "the namespace is being deleted: name another one".to_owned(),
            // The words of the RBAC authorizer; a policy's refusal explains itself.
            403 if self.message().contains(" cannot ") => {
                format!("give the connection's account the right: {right}")
            }
            404 if self.reason() != "NotFound" => {
                "the cluster does not have this kind of object: is its operator installed?".to_owned()
            }
            404 => "there is no such object: check name and namespace".to_owned(),
            _ => String::new(),
        }
    }

    fn is_quota(&self) -> bool {
        self.message().contains("exceeded quota")
    }

    fn is_ending(&self) -> bool {
        let causes = self.body.at("/details/causes").as_array();
        causes
            .into_iter()
            .flatten()
            .any(|cause| cause.at("/reason") == "NamespaceTerminating")
            || self.message().contains("because it is being terminated")
    }

    /// An admission webhook that could not be asked keeps a change from being made.
    fn is_before_admission(&self) -> bool {
        self.message().contains("failed calling webhook")
    }
}

/// A change that was made, or in a dry run would be.
pub(crate) fn done(dry_run: bool, words: &str) -> Answer {
    let detail = if dry_run {
        format!("dry run, nothing was changed: {words}")
    } else {
        words.to_owned()
    };
    crate::connectors::kit::exchange::done(detail)
}

/// Objects that changed between reading and writing, each time that they were read.
pub(crate) fn contested(place: &super::Place) -> Answer {
    failed(format!(
        "{place} was changed by others each time between reading and writing it"
    ))
}

/// A refusal of the connector's own.
pub(crate) fn refusal(problem: impl std::fmt::Display, remedy: &str) -> Answer {
    refused(format!("{problem}; {remedy}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connectors::kit::Statuses;
    use crate::connectors::kit::statuses::Written;

    fn reply(status: u16, reason: &str, message: &str) -> Reply {
        Reply {
            status,
            class: Statuses::default().class(status),
            line: "POST /apis/batch/v1/namespaces/ml/jobs".to_owned(),
            body: json!({"kind": "Status", "reason": reason, "message": message}),
            retry_after_ms: Some(7),
            dry_run: false,
        }
    }

    #[test]
    fn each_refusal_has_its_class_and_remedy() {
        use FinishOutcome::{Failed, NotSent, Unknown};
        let cannot = "jobs.batch is forbidden: User \"x\" cannot create resource \"jobs\"";
        let quota =
            "jobs.batch \"j\" is forbidden: exceeded quota: q, requested: count/jobs.batch=1";
        let ending = "jobs.batch \"j\" is forbidden: unable to create new content in namespace going because it is being terminated";
        let policy = "admission webhook \"p\" denied the request: no";
        let webhook = "Internal error occurred: failed calling webhook \"p\"";
        let table = [
            (
                401,
                "Unauthorized",
                "Unauthorized",
                (Failed, false),
                Failed,
                "credentials",
            ),
            (
                403,
                "Forbidden",
                cannot,
                (Failed, true),
                Failed,
                "verbs: [create]",
            ),
            (403, "Forbidden", quota, (Failed, false), Failed, "quota"),
            (
                403,
                "Forbidden",
                ending,
                (Failed, true),
                Failed,
                "being deleted",
            ),
            (403, "Forbidden", policy, (Failed, true), Failed, ""),
            (
                404,
                "NotFound",
                "not found",
                (Failed, true),
                Failed,
                "check name",
            ),
            (
                404,
                "",
                "404 page not found",
                (Failed, true),
                Failed,
                "operator",
            ),
            (409, "Conflict", "modified", (Failed, false), Failed, ""),
            (422, "Invalid", "invalid", (Failed, true), Failed, ""),
            (429, "TooManyRequests", "", (Failed, false), NotSent, ""),
            (500, "InternalError", webhook, (Failed, false), NotSent, ""),
            (500, "InternalError", "", (Unknown, false), NotSent, ""),
            (503, "ServiceUnavailable", "", (Unknown, false), NotSent, ""),
            (504, "Timeout", "", (Unknown, false), NotSent, ""),
        ];
        let right = Right::on(&super::super::Resource::JOB, "", "create");
        for (status, reason, message, class, asked, remedy) in table {
            let reply = reply(status, reason, message);
            let answer = reply.not_made(&right);
            assert_eq!(
                (answer.outcome, answer.permanent),
                class,
                "{status} {message}"
            );
            assert_eq!(answer.retry_after_ms.is_some(), !class.1);
            assert!(answer.detail.contains(remedy), "{}", answer.detail);
            assert_eq!(
                reply.remedy(&right).is_empty(),
                remedy.is_empty(),
                "{message}"
            );
            assert_eq!(reply.not_begun(&right).outcome, asked, "{status} {message}");
            let dry = Reply {
                dry_run: true,
                ..reply
            };
            assert_eq!(dry.not_made(&right).outcome, Failed, "{status}");
        }
    }

    #[test]
    fn what_the_connection_says_of_a_status_goes_before_the_cluster_s_table() {
        use FinishOutcome::{Failed, Unknown};
        let mut statuses = Statuses::default();
        statuses.write(404, Written::Retry);
        statuses.write(500, Written::Reject);
        statuses.write(401, Written::Reject);
        let right = Right::on(&super::super::Resource::JOB, "", "create");
        let table = [
            (404, (Failed, false, false)),
            (500, (Failed, true, false)),
            (401, (Failed, true, false)),
            (503, (Unknown, false, true)),
        ];
        for (status, expected) in table {
            let reply = Reply {
                class: statuses.class(status),
                ..reply(status, "", "")
            };
            let answer = reply.not_made(&right);
            let said = (answer.outcome, answer.permanent, answer.trouble);
            assert_eq!(said, expected, "{status}");
        }
    }
}
