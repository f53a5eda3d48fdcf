//! What an answer means: the outcome classes of ledger-protocol §3, narrowed by the contract of the webhook, and by what a connection
//! says of its service's statuses.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::time::{Duration, SystemTime};

use homeostat_actors::ports::connector::Answer;
use homeostat_logic::ledger::record::{FinishOutcome, Millis};

use super::addresses::AddressRefused;

/// Longest pause taken from a target: while an action waits, its key is closed and no alert is sent. A target that wants
/// more is asked again each hour until the attempts are used, then an alert is sent.
const RETRY_AFTER_MS_MAX: Millis = 60 * 60 * 1000;

/// Pause of the whole connection behind a 429 that asks for none: it is too much for the service all the same.
pub(crate) const TOO_MANY_PAUSE_MS: Millis = 1_000;

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

/// What a request without answer means. Only an error while connecting proves that no byte of the request left.
pub(crate) fn of_error(error: &reqwest::Error) -> Answer {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<AddressRefused>() {
            return self::refused(refused.to_string());
        }
        causes.push(cause.to_string());
        source = cause.source();
    }
    let cause = causes.last().map_or("no cause given", String::as_str);
    let (outcome, what) = if error.is_builder() {
        (FinishOutcome::NotSent, "the request could not be built")
    } else if error.is_connect() {
        (FinishOutcome::NotSent, "no connection")
    } else if error.is_timeout() {
        (FinishOutcome::Unknown, "no answer within the time limit")
    } else {
        (FinishOutcome::Unknown, "the connection broke")
    };
    Answer {
        outcome,
        detail: format!("{what}: {cause}"),
        retry_after_ms: None,
        permanent: false,
        trouble: !error.is_builder(),
    }
}

/// A request that was never sent and never will be.
pub(crate) fn refused(detail: String) -> Answer {
    Answer {
        outcome: FinishOutcome::Failed,
        detail,
        retry_after_ms: None,
        permanent: true,
        trouble: false,
    }
}

/// Reads `Retry-After`: seconds, or an HTTP date counted from `now`; at most an hour.
pub(crate) fn retry_after(value: &str, now: Millis) -> Option<Millis> {
    let value = value.trim();
    let pause = if value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() {
        // More digits than fit are simply very long.
        value
            .parse::<Millis>()
            .map_or(RETRY_AFTER_MS_MAX, |seconds| seconds.saturating_mul(1_000))
    } else {
        let date = httpdate::parse_http_date(value).ok()?;
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now).ok()?);
        let pause = date.duration_since(now).unwrap_or_default();
        Millis::try_from(pause.as_millis()).ok()?
    };
    Some(pause.min(RETRY_AFTER_MS_MAX))
}

#[cfg(test)]
mod tests {
    use super::super::addresses::{CheckedResolver, Reach};
    use super::*;

    #[tokio::test]
    async fn a_name_with_no_permitted_address_is_refused_for_good_and_says_why() {
        super::super::client::install_tls();
        let client = reqwest::Client::builder()
            .no_proxy()
            .dns_resolver(CheckedResolver(Reach::Public))
            .build()
            .unwrap();
        let error = client.get("http://localhost:1/").send().await.unwrap_err();
        let answer = of_error(&error);
        assert_eq!(
            (answer.outcome, answer.permanent),
            (FinishOutcome::Failed, true)
        );
        assert!(
            answer.detail.contains("allow_private_addresses"),
            "{}",
            answer.detail
        );
    }

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

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date_and_bounded() {
        let now = 1_700_000_000_000;
        let table = [
            ("0", Some(0)),
            ("120", Some(120_000)),
            (" 7 ", Some(7_000)),
            ("99999999", Some(RETRY_AFTER_MS_MAX)),
            ("99999999999999999999999", Some(RETRY_AFTER_MS_MAX)),
            ("Tue, 14 Nov 2023 22:13:50 GMT", Some(30_000)),
            ("Tue, 14 Nov 2023 22:13:10 GMT", Some(0)),
            ("soon", None),
            ("-5", None),
            ("", None),
        ];
        for (value, pause) in table {
            assert_eq!(retry_after(value, now), pause, "{value}");
        }
    }
}
