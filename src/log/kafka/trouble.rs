//! Why the cluster cannot be reached: librdkafka's error lines in words that say what to do. One line a minute in the log,
//! and the reason that readiness gives (issue 13, row 19).

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use homeostat_actors::ports::log::LogError;

use crate::log::sync::lock;

/// Time between two log lines with the same reason.
const PERIOD: Duration = Duration::from_mins(1);
/// A reason that is not repeated for this long no longer holds: the client repeats its own within 30 s.
const HOLDS: Duration = Duration::from_secs(45);
/// A connection that is closed sooner than this was not idle.
const AT_ONCE_MS: u32 = 2_000;
/// Reasons remembered as logged; beyond it all are forgotten, and may be logged again early.
const REMEMBERED: usize = 16;

/// What an error line of the client means. Of several, the greatest is reported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meaning {
    /// No connection: a cause beyond security.
    Unreachable(String),
    /// A connection, and a refusal on one of the sides.
    Refused(String),
    /// The broker's certificate did not pass; the client does not say why. With the broker as `host:port`.
    Certificate(String),
}

/// How the client presents itself, for messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Identity {
    /// `PLAIN`, …; empty without SASL.
    pub(super) mechanism: String,
    /// User, or client of OAuth.
    pub(super) user: String,
}

/// What an error line (`FAIL`) of librdkafka 2.12 means; `None` for those that say nothing by themselves.
pub(super) fn explain(line: &str, identity: &Identity) -> Option<Meaning> {
    let (broker, text) = parts(line);
    let Identity { mechanism, user } = identity;
    let refused = |reason: String| Some(Meaning::Refused(reason));
    if let Some(cause) = after(text, "SASL authentication error: ") {
        return refused(if mechanism == "OAUTHBEARER" {
            format!(
                "broker {broker} refused the token of client {user} (SASL OAUTHBEARER): {cause}; check what the broker expects of issuer, audience and scope, and kafka.sasl.client_id and kafka.sasl.scope"
            )
        } else {
            format!(
                "broker {broker} refused the password of user {user} (SASL {mechanism}): {cause}; check kafka.sasl.username and kafka.sasl.password"
            )
        });
    }
    if let Some(cause) = after(text, "mechanism handshake failed: ") {
        let offered = after(text, "supported mechanisms: ").unwrap_or_default();
        return refused(if offered.trim().is_empty() {
            format!(
                "broker {broker} takes no SASL {mechanism} on this port: {cause}; check the port in kafka.bootstrap_servers, or remove kafka.sasl"
            )
        } else {
            format!(
                "broker {broker} does not offer SASL {mechanism}; set kafka.sasl.mechanism to one of: {offered}"
            )
        });
    }
    if text.contains("certificate verify failed") || text.contains("0A000086") {
        return Some(Meaning::Certificate(broker.to_owned()));
    }
    if text.contains("alert certificate expired") {
        return refused(format!(
            "broker {broker} refused this client's certificate because it has expired; renew kafka.tls.certificate"
        ));
    }
    let unproven = [
        "alert certificate required",
        "alert bad certificate",
        "alert certificate unknown",
        "alert unknown ca",
        "alert handshake failure",
        "client SSL authentication might be required",
    ];
    if unproven.iter().any(|sign| text.contains(sign)) {
        return refused(format!(
            "broker {broker} requires a client certificate that it trusts and got none or another; set kafka.tls.certificate and kafka.tls.key, signed by a CA of the broker"
        ));
    }
    if text.contains("PLAINTEXT broker listener") || text.contains("wrong version number") {
        return refused(format!(
            "broker {broker} does not speak TLS on this port; check the port in kafka.bootstrap_servers, or set kafka.tls.enabled = false"
        ));
    }
    // A TLS alert that is read as the length of an answer begins with 0x15 0x03.
    if text.contains("Invalid response size 352") {
        return refused(format!(
            "broker {broker} closed a connection without TLS; its port probably speaks TLS: set kafka.tls.enabled = true"
        ));
    }
    // A broker says nothing when it is spoken to without TLS, or without a login: a guess, which what is certain outranks.
    let closed = text.starts_with("Disconnected");
    if closed && line.contains("in state APIVERSION_QUERY") && !line.contains("ssl://") {
        return Some(Meaning::Unreachable(format!(
            "broker {broker} closed a connection without TLS; its port probably speaks TLS: set kafka.tls.enabled = true"
        )));
    }
    let at_once = after(line, " (after ").and_then(|rest| rest.split_once("ms in state UP"));
    let at_once = at_once.and_then(|(time, _)| time.parse::<u32>().ok());
    if closed && mechanism.is_empty() && at_once.is_some_and(|time| time < AT_ONCE_MS) {
        return Some(Meaning::Unreachable(format!(
            "broker {broker} closed a connection without a login; it probably wants one: set kafka.sasl.mechanism"
        )));
    }
    if let Some(cause) = after(text, " failed: ").filter(|_| text.starts_with("Connect to ")) {
        return Some(Meaning::Unreachable(format!(
            "no connection to broker {broker}: {cause}; is it running there?"
        )));
    }
    if text.starts_with("Failed to resolve ") || text.starts_with("Connection setup timed out") {
        return Some(Meaning::Unreachable(format!(
            "no connection to broker {broker}: {text}; check kafka.bootstrap_servers"
        )));
    }
    None
}

/// The broker as `host:port`, and the text without the client's prefixes and its note on time.
fn parts(line: &str) -> (&str, &str) {
    let line = line
        .strip_prefix("[thrd:")
        .and_then(|rest| rest.split_once("]: "))
        .map_or(line, |(_, rest)| rest);
    let (name, mut text) = line.split_once(": ").unwrap_or(("", line));
    let mut broker = address(name);
    // A logical broker (`GroupCoordinator`) names its node next.
    if !broker.contains(':')
        && let Some((node, rest)) = text.split_once(": ")
        && node.contains(':')
    {
        (broker, text) = (address(node), rest);
    }
    let text = text.rsplit_once(" (after ").map_or(text, |(text, _)| text);
    (broker, text)
}

fn address(name: &str) -> &str {
    let name = name.split_once("://").map_or(name, |(_, rest)| rest);
    name.split_once('/').map_or(name, |(address, _)| address)
}

fn after<'a>(text: &'a str, sign: &str) -> Option<&'a str> {
    text.split_once(sign).map(|(_, rest)| rest)
}

/// The present trouble of all clients of a log, if any.
#[derive(Default)]
pub(super) struct Trouble(Mutex<State>);

#[derive(Default)]
struct State {
    present: Option<(Instant, Meaning)>,
    logged: HashMap<String, Instant>,
}

impl Trouble {
    /// Remembers what a client complained about, and logs it if it was not logged within a minute.
    pub(super) fn note(&self, meaning: Meaning) {
        if let Some(reason) = self.note_at(meaning, Instant::now()) {
            tracing::warn!("kafka: {reason}");
        }
    }

    /// What to log now.
    fn note_at(&self, meaning: Meaning, now: Instant) -> Option<String> {
        let state = &mut *lock(&self.0);
        let reason = text(&meaning).to_owned();
        let holds = |since: Instant| now.saturating_duration_since(since) < HOLDS;
        let outranked = state
            .present
            .as_ref()
            .is_some_and(|(since, present)| holds(*since) && rank(present) > rank(&meaning));
        if !outranked {
            state.present = Some((now, meaning));
        }
        let recent = |logged: &Instant| now.saturating_duration_since(*logged) < PERIOD;
        if outranked || state.logged.get(&reason).is_some_and(recent) {
            return None;
        }
        if state.logged.len() >= REMEMBERED {
            state.logged.clear();
        }
        state.logged.insert(reason.clone(), now);
        Some(reason)
    }

    /// Why the cluster cannot be reached, as far as it still holds.
    pub(super) fn reason(&self) -> Option<String> {
        let state = lock(&self.0);
        let (since, meaning) = state.present.as_ref()?;
        (since.elapsed() < HOLDS).then(|| text(meaning).to_owned())
    }

    /// An answer of the cluster; where there is none, with the reason if one is known.
    pub(super) fn explained<T>(&self, answer: Result<T, LogError>) -> Result<T, LogError> {
        if answer.is_ok() {
            self.clear();
        }
        answer.map_err(|error| self.explain(error))
    }

    /// The error, with the reason in place of the client's words if one is known.
    pub(super) fn explain(&self, error: LogError) -> LogError {
        match (error, self.reason()) {
            (LogError::Unavailable(_), Some(reason)) => LogError::Unavailable(reason),
            (error, _) => error,
        }
    }

    /// The cluster answered.
    pub(super) fn clear(&self) {
        lock(&self.0).present = None;
    }
}

const fn rank(meaning: &Meaning) -> u8 {
    match meaning {
        Meaning::Unreachable(_) => 0,
        Meaning::Refused(_) | Meaning::Certificate(_) => 1,
    }
}

fn text(meaning: &Meaning) -> &str {
    match meaning {
        Meaning::Unreachable(text) | Meaning::Refused(text) | Meaning::Certificate(text) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_lines_of_the_client_are_told_with_what_to_do() {
        let table = [
            (
                "PLAIN",
                "[thrd:sasl_ssl://kafka:9093/bootstrap]: sasl_ssl://kafka:9093/bootstrap: SASL authentication error: Authentication failed: Invalid username or password (after 301ms in state AUTH_REQ)",
                "broker kafka:9093 refused the password of user u (SASL PLAIN): Authentication failed: Invalid username or password; check kafka.sasl.username and kafka.sasl.password",
            ),
            (
                "PLAIN",
                "[thrd:GroupCoordinator]: GroupCoordinator: kafka:9093: SASL authentication error: no (after 1ms in state AUTH_REQ, 3 identical error(s) suppressed)",
                "broker kafka:9093 refused the password of user u (SASL PLAIN): no; check kafka.sasl.username and kafka.sasl.password",
            ),
            (
                "OAUTHBEARER",
                "sasl_ssl://kafka:9093/1: SASL authentication error: {\"status\":\"invalid_token\"} (after 1ms in state AUTH_REQ)",
                "broker kafka:9093 refused the token of client u (SASL OAUTHBEARER): {\"status\":\"invalid_token\"}; check what the broker expects",
            ),
            (
                "PLAIN",
                "sasl_ssl://kafka:9093/1: SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: SCRAM-SHA-512 (after 1ms in state AUTH_HANDSHAKE)",
                "broker kafka:9093 does not offer SASL PLAIN; set kafka.sasl.mechanism to one of: SCRAM-SHA-512",
            ),
            (
                "PLAIN",
                "sasl_ssl://kafka:9093/1: SASL PLAIN mechanism handshake failed: Broker: Request not valid in current SASL state: broker's supported mechanisms:  (after 1ms in state AUTH_HANDSHAKE)",
                "broker kafka:9093 takes no SASL PLAIN on this port",
            ),
            (
                "",
                "ssl://[::1]:9093/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified (after 5ms in state SSL_HANDSHAKE)",
                "[::1]:9093",
            ),
            (
                "",
                "ssl://kafka:9093/1: Receive failed: error:0A000415:SSL routines::sslv3 alert certificate expired: SSL alert number 45 (after 5ms in state APIVERSION_QUERY)",
                "broker kafka:9093 refused this client's certificate because it has expired",
            ),
            (
                "",
                "ssl://kafka:9093/1: Receive failed: error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number 116 (after 5ms in state APIVERSION_QUERY)",
                "broker kafka:9093 requires a client certificate that it trusts",
            ),
            (
                "",
                "ssl://kafka:9092/1: SSL handshake failed: Disconnected: connection closed by peer: connecting to a PLAINTEXT broker listener? (after 5ms in state SSL_HANDSHAKE)",
                "broker kafka:9092 does not speak TLS on this port",
            ),
            (
                "",
                "kafka:9093/bootstrap: Disconnected: requesting ApiVersion: might be caused by incorrect security.protocol configuration (connecting to a SSL listener?) or broker version is < 0.10 (see api.version.request) (after 5ms in state APIVERSION_QUERY)",
                "broker kafka:9093 closed a connection without TLS",
            ),
            (
                "",
                "kafka:9093/bootstrap: Receive failed: Invalid response size 352518912 (0..100000000): increase receive.message.max.bytes (after 5ms in state APIVERSION_QUERY)",
                "broker kafka:9093 closed a connection without TLS",
            ),
            (
                "",
                "[thrd:kafka:9093/bootstrap]: kafka:9093/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 6ms in state APIVERSION_QUERY)",
                "broker kafka:9093 closed a connection without TLS",
            ),
            (
                "",
                "ssl://kafka:9094/bootstrap: Disconnected: SSL connection closed by peer (after 9ms in state UP)",
                "broker kafka:9094 closed a connection without a login",
            ),
            (
                "",
                "kafka:9094/bootstrap: Disconnected: verify that security.protocol is correctly configured, broker might require SASL authentication (after 5ms in state UP)",
                "broker kafka:9094 closed a connection without a login",
            ),
            (
                "",
                "kafka:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)",
                "no connection to broker kafka:9092: Connection refused; is it running there?",
            ),
            (
                "",
                "nowhere:9092/bootstrap: Failed to resolve 'nowhere:9092': Name or service not known (after 0ms in state CONNECT)",
                "no connection to broker nowhere:9092: Failed to resolve",
            ),
        ];
        for (mechanism, line, expected) in table {
            let identity = Identity {
                mechanism: mechanism.to_owned(),
                user: "u".to_owned(),
            };
            let meaning = explain(line, &identity).unwrap();
            assert!(text(&meaning).starts_with(expected), "{line}\n{meaning:?}");
        }
        let silent = "kafka:9092/1: Disconnected (after 600000ms in state UP)";
        assert_eq!(explain(silent, &Identity::default()), None);
    }

    #[test]
    fn a_reason_is_logged_once_a_minute_and_a_refusal_outranks_an_absence() {
        let (trouble, start) = (Trouble::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let refused = || Meaning::Refused("refused".to_owned());
        let away = || Meaning::Unreachable("away".to_owned());
        assert!(trouble.note_at(away(), at(0)).is_some());
        assert!(trouble.note_at(refused(), at(1)).is_some());
        assert_eq!(trouble.note_at(away(), at(2)), None);
        assert_eq!(trouble.note_at(refused(), at(60)), None);
        assert!(trouble.note_at(refused(), at(61)).is_some());
        assert_eq!(trouble.reason().as_deref(), Some("refused"));
        // What is not repeated no longer holds.
        assert!(trouble.note_at(away(), at(61) + HOLDS).is_some());
        assert_eq!(trouble.reason().as_deref(), Some("away"));
        trouble.clear();
        assert_eq!(trouble.reason(), None);
    }
}
