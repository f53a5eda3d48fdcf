//! What an answer's status means: the outcome classes of ledger-protocol §3, narrowed by the contract of the webhook, and by what a
//! connection says of its service.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::collections::BTreeMap;

use homeostat_logic::ledger::record::FinishOutcome;
use schemars::JsonSchema;
use serde::Deserialize;

use super::compile::Compile;

/// Which statuses of answers can be classed.
const STATUSES: std::ops::RangeInclusive<u16> = 400..=599;

/// Keys of every connection over HTTP: what statuses mean of a service that uses them in its own way.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct StatusSettings {
    /// Statuses from 400 to 599 after which an attempt is sent again, besides 408, 409, 425, 429 and 5xx. Such as [404] where a proxy
    /// answers so while the service is being deployed.
    #[serde(default)]
    #[schemars(inner(range(min = 400, max = 599)), length(max = 200))]
    retry_statuses: Vec<u16>,
    /// Statuses from 400 to 599 that refuse an order for good, besides other 4xx. Such as [500] of a service that answers so to a
    /// wrong order. The service then counts as working.
    #[serde(default)]
    #[schemars(inner(range(min = 400, max = 599)), length(max = 200))]
    reject_statuses: Vec<u16>,
}

impl StatusSettings {
    /// Checks them, and makes them ready.
    pub(crate) fn compile(&self, compile: &mut Compile<'_>) -> Statuses {
        let lists = [
            ("retry_statuses", &self.retry_statuses, Written::Retry),
            ("reject_statuses", &self.reject_statuses, Written::Reject),
        ];
        let mut statuses = Statuses::default();
        for (key, list, written) in lists {
            for status in list {
                if !STATUSES.contains(status) {
                    let problem = format!("has {status}, which is no status from 400 to 599");
                    compile.problem(key, problem, "remove it");
                } else if statuses.write(*status, written) == Some(Written::Retry)
                    && written == Written::Reject
                {
                    let problem = format!("has {status}, which is in retry_statuses too");
                    compile.problem(key, problem, "remove it from one of the two");
                }
            }
        }
        statuses
    }
}

/// What a connection says of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It may end by itself.
    Retry,
    /// It is a refusal for good.
    Reject,
}

/// The statuses of which a connection says something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statuses(BTreeMap<u16, Written>);

impl Statuses {
    /// Notes what is said of a status; answers what was said before.
    pub(crate) fn write(&mut self, status: u16, written: Written) -> Option<Written> {
        self.0.insert(status, written)
    }

    /// What an answer with a status means here.
    pub(crate) fn class(&self, status: u16) -> Class {
        Class {
            status,
            written: self.0.get(&status).copied(),
        }
    }
}

/// What an answer's status means on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    status: u16,
    written: Option<Written>,
}

impl Class {
    /// The outcome, and whether no repetition can mend it. A 429 means, by the webhook's contract, that nothing was done. 409 and 425
    /// say that the request, or one before it, may be under way: to write that they are tried again does not make that known.
    pub(crate) const fn outcome(self) -> (FinishOutcome, bool) {
        let (outcome, permanent) = match self.status {
            200..=299 => (FinishOutcome::Done, false),
            429 => (FinishOutcome::Failed, false),
            300..=407 | 410..=424 | 426..=428 | 430..=499 => (FinishOutcome::Failed, true),
            _ => (FinishOutcome::Unknown, false),
        };
        match self.written {
            None => (outcome, permanent),
            Some(Written::Retry) => (outcome, false),
            Some(Written::Reject) => (FinishOutcome::Failed, true),
        }
    }

    /// Whether no repetition can mend it, where a kind knows better than the table and the connection says nothing.
    pub(crate) fn is_permanent(self, by_kind: bool) -> bool {
        self.written
            .map_or(by_kind, |written| written == Written::Reject)
    }

    /// Whether the service failed itself.
    pub(crate) fn is_trouble(self) -> bool {
        self.status >= 500 && self.written != Some(Written::Reject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_class() {
        use FinishOutcome::{Done, Failed, Unknown};
        let table = [
            (&[200, 201, 202, 204, 299][..], (Done, false)),
            (&[429], (Failed, false)),
            (&[301, 302, 304, 307, 308], (Failed, true)),
            (
                &[
                    400, 401, 403, 404, 405, 410, 413, 422, 424, 426, 428, 430, 499,
                ],
                (Failed, true),
            ),
            (&[408, 409, 425], (Unknown, false)),
            (&[500, 501, 502, 503, 504, 599, 100, 600], (Unknown, false)),
        ];
        for (statuses, class) in table {
            for status in statuses {
                let said = Statuses::default().class(*status);
                assert_eq!(said.outcome(), class, "{status}");
            }
        }
    }

    #[test]
    fn a_connection_can_class_statuses_in_its_own_way() {
        use FinishOutcome::{Failed, Unknown};
        let mut statuses = Statuses::default();
        for status in [400, 404, 409, 429, 503] {
            statuses.write(status, Written::Retry);
        }
        for status in [401, 408, 425, 500] {
            statuses.write(status, Written::Reject);
        }
        let table = [
            (&[400, 404, 429][..], (Failed, false), false),
            // Whether something was done is not known by writing that it is tried again.
            (&[409], (Unknown, false), false),
            (&[503], (Unknown, false), true),
            (&[401, 408, 425, 500], (Failed, true), false),
            // Not written: as everywhere.
            (&[403, 422], (Failed, true), false),
            (&[502, 504], (Unknown, false), true),
        ];
        for (list, outcome, trouble) in table {
            for status in list {
                let class = statuses.class(*status);
                assert_eq!(class.outcome(), outcome, "{status}");
                assert_eq!(class.is_trouble(), trouble, "{status}");
            }
        }
        for by_kind in [true, false] {
            assert!(!statuses.class(404).is_permanent(by_kind));
            assert!(statuses.class(401).is_permanent(by_kind));
            assert_eq!(statuses.class(403).is_permanent(by_kind), by_kind);
        }
    }

    /// What is wrong with both lists.
    fn faults(retry: &[u16], reject: &[u16]) -> Vec<(String, String)> {
        let settings = StatusSettings {
            retry_statuses: retry.to_vec(),
            reject_statuses: reject.to_vec(),
        };
        let environment = BTreeMap::new();
        let mut compile = Compile::new(&environment);
        settings.compile(&mut compile);
        let faults = compile.problems.into_iter();
        faults
            .map(|fault| (fault.key.concat(), fault.problem))
            .collect()
    }

    #[test]
    fn a_status_has_one_class_and_is_one_of_a_refusal_or_failure() {
        assert_eq!(faults(&[404, 404, 599], &[400, 500]), []);
        for wrong in [0, 200, 302, 399, 600, u16::MAX] {
            let [(key, problem)] = &faults(&[wrong], &[])[..] else {
                panic!("{wrong}");
            };
            assert_eq!(key, "retry_statuses");
            assert!(problem.contains(&wrong.to_string()), "{problem}");
            assert_eq!(faults(&[], &[wrong])[0].0, "reject_statuses");
        }
        let [(key, problem)] = &faults(&[404, 503], &[503])[..] else {
            panic!();
        };
        assert_eq!(key, "reject_statuses");
        assert!(problem.contains("503"), "{problem}");
    }
}
