//! Tokens for SASL OAUTHBEARER: OAuth 2.0 client credentials (RFC 6749 §4.4), one token for all clients of a log. librdkafka
//! asks for a new one when four fifths of the life of the last are over, and 10 s after a failure.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rdkafka::client::OAuthToken;
use reqwest::Url;
use serde_json::Value;

use super::trouble::{Meaning, Trouble};
use crate::connectors::kit::addresses::{CheckedResolver, Reach, is_loopback_host, literal};
use crate::log::sync::lock;

/// Longest wait for a connection, and for the whole answer: a client's thread waits meanwhile.
const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(5);
/// Largest answer read.
const ANSWER_BYTES: usize = 64 * 1024;
/// A failure is answered to the other clients for this long without asking again.
const FAILURE_HOLDS: Duration = Duration::from_secs(1);
/// Longest part of a refusal that is repeated in messages.
const DETAIL_BYTES: usize = 200;

/// Where tokens come from. The address comes from the configuration alone (kafka-client §10).
#[derive(Clone)]
pub(super) struct TokenEndpoint {
    pub(super) url: Url,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) scope: String,
}

/// What is wrong with an address of a token endpoint, and what to do; `None` = nothing. Private addresses are allowed, because
/// identity providers live there; those of clouds' credentials never are.
pub fn endpoint_fault(url: &str) -> Option<(String, &'static str)> {
    let Ok(parsed) = Url::parse(url) else {
        return Some(("is not a URL".to_owned(), "write https://HOST/PATH"));
    };
    let host = parsed.host_str().unwrap_or_default();
    let fault = |problem: &str, remedy| Some((problem.to_owned(), remedy));
    match parsed.scheme() {
        "https" => {}
        "http" if is_loopback_host(host) => {}
        "http" => {
            return fault(
                "is plain http, which sends the client's secret in the clear",
                "write https",
            );
        }
        _ => return fault("is neither https nor http", "write https://HOST/PATH"),
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return fault(
            "holds a user name or password",
            "use client_id and client_secret",
        );
    }
    match literal(host) {
        Some(address) if !Reach::Private.permits(address) => fault(
            "is a link-local or metadata address",
            "write the address of the identity provider",
        ),
        _ => None,
    }
}

/// Hands tokens out.
pub(super) struct Tokens {
    endpoint: TokenEndpoint,
    trouble: Arc<Trouble>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    token: Option<Token>,
    failure: Option<(Instant, String)>,
}

#[derive(Clone)]
struct Token {
    text: String,
    /// Since when, and until when, in milliseconds of Unix time.
    taken: i64,
    expires: i64,
}

impl Tokens {
    pub(super) fn new(endpoint: TokenEndpoint, trouble: Arc<Trouble>) -> Self {
        Self {
            endpoint,
            trouble,
            kept: Mutex::default(),
        }
    }

    /// The token of the last answer while it is in the first half of its life, else a new one. Blocking, for [`ANSWER`] at
    /// most for each client before this one.
    pub(super) fn token(&self) -> Result<OAuthToken, String> {
        let mut kept = lock(&self.kept);
        let now = now_ms();
        let young = |token: &&Token| now < token.taken + (token.expires - token.taken) / 2;
        if let Some(token) = kept.token.as_ref().filter(young) {
            return Ok(self.hand_out(token));
        }
        if let Some((since, reason)) = &kept.failure
            && since.elapsed() < FAILURE_HOLDS
        {
            return Err(reason.clone());
        }
        match fetch(&self.endpoint).and_then(|answer| read(&answer, now)) {
            Ok(token) => {
                kept.failure = None;
                Ok(self.hand_out(kept.token.insert(token)))
            }
            Err(problem) => {
                let reason = format!(
                    "no token for Kafka from {}: {problem}; check kafka.sasl.token_url, client_id and client_secret",
                    self.endpoint.url
                );
                self.trouble.note(Meaning::Refused(reason.clone()));
                kept.failure = Some((Instant::now(), reason.clone()));
                Err(reason)
            }
        }
    }

    fn hand_out(&self, token: &Token) -> OAuthToken {
        OAuthToken {
            token: token.text.clone(),
            principal_name: self.endpoint.client_id.clone(),
            lifetime_ms: token.expires,
        }
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

/// Asks for a token on a separate thread: callbacks run on threads that may or may not belong to a runtime.
fn fetch(endpoint: &TokenEndpoint) -> Result<Value, String> {
    let endpoint = endpoint.clone();
    let asking = std::thread::Builder::new()
        .name("kafka-token".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| format!("no runtime: {error}"))?;
            let answer = runtime.block_on(ask(&endpoint));
            // A name that is still being resolved would hold it up.
            runtime.shutdown_background();
            answer
        })
        .map_err(|error| format!("no thread: {error}"))?;
    asking
        .join()
        .unwrap_or_else(|_| Err("the request was cut off".to_owned()))
}

async fn ask(endpoint: &TokenEndpoint) -> Result<Value, String> {
    crate::connectors::kit::client::install_tls();
    let client = reqwest::Client::builder()
        .user_agent(concat!("homeostat/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .dns_resolver(CheckedResolver(Reach::Private))
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .build()
        .map_err(|error| cause(&error))?;
    let mut form = url_encoded(&[("grant_type", "client_credentials")]);
    if !endpoint.scope.is_empty() {
        form = url_encoded(&[
            ("grant_type", "client_credentials"),
            ("scope", &endpoint.scope),
        ]);
    }
    // RFC 6749 §2.3.1: both are form-encoded before they are joined.
    let (user, password) = (
        encoded(&endpoint.client_id),
        encoded(&endpoint.client_secret),
    );
    let mut response = client
        .post(endpoint.url.clone())
        .basic_auth(user, Some(password))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json")
        .body(form)
        .send()
        .await
        .map_err(|error| cause(&error))?;
    let status = response.status();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_BYTES {
            return Err(format!("its answer is larger than {ANSWER_BYTES} bytes"));
        }
    }
    let answer: Option<Value> = serde_json::from_slice(&bytes).ok();
    if !status.is_success() {
        let field = |name: &str| answer.as_ref()?.get(name)?.as_str().map(str::to_owned);
        let detail: Vec<_> = ["error", "error_description"]
            .into_iter()
            .filter_map(field)
            .collect();
        let mut detail = detail.join(": ");
        detail.truncate(detail.floor_char_boundary(DETAIL_BYTES));
        return Err(format!("it answered {} {detail}", status.as_u16())
            .trim()
            .to_owned());
    }
    answer.ok_or_else(|| "its answer is not JSON".to_owned())
}

/// What forms leave as it is.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}

fn url_encoded(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    pairs.join("&")
}

/// reqwest's own message names the URL and hides the reason.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The token of an answer. Its end is the earlier of `expires_in` and, of a JWT, `exp`.
fn read(answer: &Value, now: i64) -> Result<Token, String> {
    let text = answer.get("access_token").and_then(Value::as_str);
    let text = text
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e)))
        .ok_or("its answer has no access_token")?;
    if let Some(kind) = answer.get("token_type").and_then(Value::as_str)
        && !kind.eq_ignore_ascii_case("bearer")
    {
        return Err(format!("its token is of type {kind}, not Bearer"));
    }
    let lasting = match answer.get("expires_in") {
        None | Some(Value::Null) => None,
        Some(value) => Some(seconds(value).ok_or("its expires_in is not a number of seconds")?),
    };
    let expires = lasting
        .map(|lasting| now.saturating_add(lasting))
        .into_iter()
        .chain(end_of_jwt(text))
        .min()
        .ok_or("its answer does not say when the token expires (no expires_in, and no JWT)")?;
    if expires <= now {
        return Err("its token has already expired; check the clocks".to_owned());
    }
    Ok(Token {
        text: text.to_owned(),
        taken: now,
        expires,
    })
}

/// A number of seconds in milliseconds; some providers write it as text.
fn seconds(value: &Value) -> Option<i64> {
    let seconds = match value {
        Value::String(text) => text.parse().ok()?,
        other => other.as_f64()?,
    };
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a cast from a float saturates, and what is not finite is left out"
    )]
    seconds.is_finite().then_some((seconds * 1_000.0) as i64)
}

fn end_of_jwt(token: &str) -> Option<i64> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    seconds(claims.get("exp")?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_000_000_000_000;

    fn jwt(exp: i64) -> String {
        let claims = URL_SAFE_NO_PAD.encode(json!({"sub": "x", "exp": exp}).to_string());
        format!("e30.{claims}.c2ln")
    }

    #[test]
    fn a_token_ends_when_the_answer_or_the_token_says_whichever_is_earlier() {
        let soon = NOW / 1_000 + 60;
        let table = [
            (json!({"access_token": "t", "expires_in": 90}), Ok(90_000)),
            (
                json!({"access_token": "t", "expires_in": "90", "token_type": "bearer"}),
                Ok(90_000),
            ),
            (json!({"access_token": jwt(soon)}), Ok(60_000)),
            (
                json!({"access_token": jwt(soon), "expires_in": 90}),
                Ok(60_000),
            ),
            (
                json!({"access_token": jwt(soon), "expires_in": 30}),
                Ok(30_000),
            ),
            (json!({"access_token": "t"}), Err("when the token expires")),
            (
                json!({"access_token": "t", "expires_in": "soon"}),
                Err("expires_in"),
            ),
            (
                json!({"access_token": "t", "expires_in": 0}),
                Err("expired"),
            ),
            (
                json!({"access_token": "", "expires_in": 90}),
                Err("no access_token"),
            ),
            (
                json!({"access_token": "t\u{1}", "expires_in": 90}),
                Err("no access_token"),
            ),
            (json!({"error": "x"}), Err("no access_token")),
            (
                json!({"access_token": "t", "expires_in": 9, "token_type": "mac"}),
                Err("not Bearer"),
            ),
        ];
        for (answer, expected) in table {
            match (read(&answer, NOW), expected) {
                (Ok(token), Ok(lasting)) => assert_eq!(token.expires - NOW, lasting, "{answer}"),
                (Err(problem), Err(part)) => assert!(problem.contains(part), "{answer}: {problem}"),
                (found, _) => panic!("{answer}: {:?}", found.map(|token| token.expires)),
            }
        }
    }

    #[test]
    fn an_endpoint_is_https_or_on_this_machine_and_never_a_metadata_service() {
        for (url, right) in [
            ("https://idp.example/token", true),
            ("https://10.0.0.7:8443/token", true),
            ("http://127.0.0.1:8080/token", true),
            ("http://localhost/token", true),
            ("http://idp.example/token", false),
            ("https://169.254.169.254/token", false),
            ("https://user:pass@idp.example/token", false),
            ("file:///etc/passwd", false),
            ("idp.example/token", false),
        ] {
            assert_eq!(endpoint_fault(url).is_none(), right, "{url}");
        }
    }
}
