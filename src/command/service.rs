//! A client for a running service, as every subcommand with `--url` needs it.

use std::time::Duration;

use homeostat_logic::params::plain;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use super::Failure;
use super::text::quoted;

/// Where the operator's token is looked for. Not an option: command lines can be read by everybody on the machine.
const TOKEN: &str = "HOMEOSTAT_OPERATOR_TOKEN";

/// The service answers within 10 s, and may wait as long for its turn.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// Time to reach the service.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// A running service.
pub(super) struct Service {
    client: reqwest::Client,
    base: Url,
    token: Option<String>,
}

/// A question to it.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    /// Segments behind `/api/v1`.
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) headers: &'a [(&'static str, &'a str)],
    pub(super) body: Option<Value>,
}

impl<'a> Question<'a> {
    /// Without anything but a path.
    pub(super) const fn get(path: &'a [&'a str]) -> Self {
        Self {
            method: Method::GET,
            path,
            query: &[],
            headers: &[],
            body: None,
        }
    }
}

impl Service {
    /// At a URL, with the operator's token if the environment has one.
    pub(super) fn at(url: &str) -> Result<Self, Failure> {
        let (client, base) = client(url)?;
        let token = token()?;
        Ok(Self {
            client,
            base,
            token,
        })
    }

    /// The answer, whatever it is; silence is a failure.
    pub(super) async fn answer(
        &self,
        question: Question<'_>,
    ) -> Result<(StatusCode, Value), Failure> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments
                .pop_if_empty()
                .extend(["api", "v1"])
                .extend(question.path);
        }
        if !question.query.is_empty() {
            url.query_pairs_mut().extend_pairs(question.query);
        }
        let mut request = self.client.request(question.method, url);
        for (name, value) in question.headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = question.body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(|error| {
            let (base, cause) = (&self.base, innermost(&error));
            Failure::NotReached(format!("{base}: {cause}; is the service running there?"))
        })?;
        let status = response.status();
        let text = response.text().await.map_err(|error| {
            let (base, cause) = (&self.base, innermost(&error));
            Failure::NotReached(format!(
                "{base}: the answer was cut off: {cause}; repeat the command"
            ))
        })?;
        Ok((status, document(&text)))
    }

    /// The answer's document; a refusal or silence is a failure that says why.
    pub(super) async fn ask(&self, question: Question<'_>) -> Result<Value, Failure> {
        let (status, answer) = self.answer(question).await?;
        if status.is_success() && !answer.is_null() {
            return Ok(answer);
        }
        Err(self.refusal(status, &answer))
    }

    /// A refusal in words.
    pub(super) fn refusal(&self, status: StatusCode, answer: &Value) -> Failure {
        let detail = answer.get("detail").and_then(Value::as_str);
        let detail = detail.unwrap_or("the answer is not from Homeostat");
        let hint = match (status, &self.token) {
            (StatusCode::UNAUTHORIZED, None) => format!(" (put it into {TOKEN})"),
            (StatusCode::UNAUTHORIZED, Some(_)) => format!(" (it is in {TOKEN})"),
            _ => String::new(),
        };
        let (base, code) = (&self.base, status.as_u16());
        let problem = format!("{base}: {code}: {detail}{hint}");
        match status {
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Failure::NotReached(problem),
            _ => Failure::Failed(problem),
        }
    }
}

/// The operator's token, if the environment has one. A line break at its end is one of the file that it was read from.
fn token() -> Result<Option<String>, Failure> {
    let Some(token) = std::env::var_os(TOKEN) else {
        return Ok(None);
    };
    let unreadable = || {
        let what = "holds characters that no header can carry; set it to the token alone";
        Failure::Usage(format!("{TOKEN} {what}"))
    };
    let token = token.into_string().map_err(|_| unreadable())?;
    let token = token.trim_end_matches(['\r', '\n']);
    if token.chars().any(char::is_control) {
        return Err(unreadable());
    }
    Ok(Some(token.to_owned()).filter(|token| !token.is_empty()))
}

/// A client, and the service's URL.
pub(super) fn client(url: &str) -> Result<(reqwest::Client, Url), Failure> {
    let usage = |problem: &str| {
        Failure::Usage(format!(
            "--url {}: {problem}; give it as http://127.0.0.1:8470",
            quoted(url)
        ))
    };
    if !url.contains("://") {
        return Err(usage("has no http:// in front"));
    }
    let parsed = Url::parse(url).map_err(|error| usage(&error.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(usage("neither http nor https"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        // Not repeated: it is a secret.
        let problem = "--url: has a user or a password, which no service takes; give it as http://127.0.0.1:8470";
        return Err(Failure::Usage(problem.to_owned()));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(usage("has a ? or # in it"));
    }
    // Fails only if a provider is installed already, which does as well.
    rustls::crypto::ring::default_provider()
        .install_default()
        .unwrap_or_default();
    let mut client = reqwest::Client::builder()
        .timeout(REQUEST_LIMIT)
        .connect_timeout(CONNECT_LIMIT)
        .redirect(reqwest::redirect::Policy::none());
    if matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
        client = client.no_proxy();
    }
    let client = client
        .build()
        .map_err(|error| Failure::Failed(error.to_string()))?;
    Ok((client, parsed))
}

/// reqwest's own message names the URL and hides the reason.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// An answer as a document; null if it is none. Events in it may hold what no value can (1e999): that is shown as its text.
fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| {
        if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
            plain(text).0
        } else {
            Value::Null
        }
    })
}
