//! What the lack of an answer means: the outcome classes of ledger-protocol §3; and the pauses that answers ask for.

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
