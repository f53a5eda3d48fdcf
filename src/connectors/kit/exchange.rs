//! One request to a service and its answer: rendered, sent, read within limits, and put into words without secrets.

use homeostat_actors::ports::connector::{Answer, Order};
use homeostat_logic::ledger::record::FinishOutcome;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, Url};

use super::answer;
use super::context::Plain;
use super::service::Service;
use super::template::Template;
use crate::secrets::Secret;

/// Bytes of an answer that are read, if it has as many; the client hands over pieces of some KiB, so that the end of the
/// last one stays far below the 64 KiB of kafka-client §10.
const ANSWER_BYTES_READ: usize = 8 * 1_024;
/// Bytes of an answer that are kept, after secrets were masked: a secret cut in half would not be found.
const ANSWER_BYTES_KEPT: usize = 1_024;
/// Bytes of the request line that are kept.
const LINE_BYTES_KEPT: usize = 512;

/// A request, but for the address and the headers of its service.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    /// Appended to the service's path.
    pub(crate) path: Option<&'a Template>,
    /// Take the place of the service's headers of the same name.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<String>,
    /// Values that must not appear in the detail, besides the service's own.
    pub(crate) secrets: &'a [Secret],
}

/// What came of a request.
pub(crate) struct Said {
    /// `None`: there was no answer.
    pub(crate) status: Option<u16>,
    /// The outcome that the status means by the contract of the webhook, and both sides in words.
    pub(crate) answer: Answer,
}

impl Service {
    /// Sends one request. Never waits longer than the connection's timeout.
    ///
    /// # Errors
    /// Why there is no such request: a template failed for this order.
    pub(crate) async fn send(&self, request: Request<'_>, order: &Order) -> Result<Said, String> {
        let url = self.url(request.path, &Plain::plain(order))?;
        let line = self.line(&request.method, &url);
        let mut headers = self.headers.clone();
        for (name, value) in &request.headers {
            headers.insert(name, value.clone());
        }
        let mut builder = self.client.request(request.method, url).headers(headers);
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let mask = |text: &str| {
            let secrets = self.secrets.iter().chain(request.secrets);
            secrets.fold(text.to_owned(), |text, secret| {
                text.replace(secret.expose(), "***")
            })
        };
        let mut said = match builder.send().await {
            Err(error) => Said {
                status: None,
                answer: answer::of_error(&error),
            },
            Ok(response) => Said {
                status: Some(response.status().as_u16()),
                answer: read(response, order, mask).await,
            },
        };
        said.answer.detail = format!("{line}: {}", mask(&said.answer.detail));
        Ok(said)
    }

    fn url(&self, path: Option<&Template>, context: &Plain<'_>) -> Result<Url, String> {
        let mut rendered = rendered(&self.path, "url", context)?;
        if let Some(path) = path {
            let further = self::rendered(path, "path", context)?;
            rendered = format!(
                "{}/{}",
                rendered.trim_end_matches('/'),
                further.trim_start_matches('/')
            );
        }
        let base = self.origin.as_str().trim_end_matches('/');
        let slash = if rendered.starts_with('/') { "" } else { "/" };
        // What is before the slash is fixed, and nothing after it can reach back.
        Url::parse(&format!("{base}{slash}{rendered}"))
            .map_err(|error| format!("the template `url` did not render to a URL: {error}"))
    }

    /// Method and address without values of the query, and without the path if the address is a secret.
    fn line(&self, method: &Method, url: &Url) -> String {
        let origin = self.origin.as_str().trim_end_matches('/');
        let mut line = format!("{method} {origin}");
        if self.path_is_public {
            line.push_str(url.path());
            for (place, (name, _)) in url.query_pairs().enumerate() {
                line.push(if place == 0 { '?' } else { '&' });
                line.push_str(&name);
                line.push_str("=…");
            }
        } else {
            line.push_str("/***");
        }
        cut(&line, LINE_BYTES_KEPT).to_owned()
    }
}

fn rendered(template: &Template, key: &str, context: &Plain<'_>) -> Result<String, String> {
    let rendered = template
        .render(context)
        .map_err(|error| format!("the template `{key}` failed: {error}"))?;
    let path = rendered.split(['?', '#']).next().unwrap_or_default();
    // A URL reader resolves these, percent-encoded or not, and would end up on another path.
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(format!("a value of the template `{key}` is `.` or `..`"));
    }
    Ok(rendered)
}

/// The status decides; a body that breaks off changes nothing about it.
async fn read(mut response: Response, order: &Order, mask: impl Fn(&str) -> String) -> Answer {
    let status = response.status();
    let (outcome, permanent) = answer::of_status(status.as_u16());
    let pause = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value: &HeaderValue| value.to_str().ok())
        .and_then(|value| answer::retry_after(value, order.now));
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES_READ
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    let text: String = mask(&String::from_utf8_lossy(&body))
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    Answer {
        outcome,
        detail: format!("{status}: {}", cut(text.trim(), ANSWER_BYTES_KEPT)),
        retry_after_ms: pause.filter(|_| outcome != FinishOutcome::Done && !permanent),
        permanent,
    }
}

/// At most `bytes` of text, whole characters.
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}
