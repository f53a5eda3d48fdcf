//! One attempt: rendered, signed, sent, and its answer put into words.

use homeostat_actors::ports::connector::{Answer, Order};
use homeostat_logic::ledger::record::FinishOutcome;
use reqwest::header::{HeaderValue, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, Url};

use super::answer;
use super::context::{Context, Plain};
use super::endpoint::Endpoint;
use super::template::Purpose;

/// Bytes of an answer that are read, if it has as many; the client hands over pieces of some KiB, so that the end of the
/// last one stays far below the 64 KiB of kafka-client §10.
const ANSWER_BYTES_READ: usize = 8 * 1_024;
/// Bytes of an answer that are kept, after secrets were masked: a secret cut in half would not be found.
const ANSWER_BYTES_KEPT: usize = 1_024;
/// Bytes of the request line that are kept.
const LINE_BYTES_KEPT: usize = 512;

impl Endpoint {
    /// Sends one attempt. Never waits longer than the endpoint's timeout.
    pub(super) async fn send(&self, order: &Order) -> Answer {
        let (url, request) = match self.request(order) {
            Ok(ready) => ready,
            Err(problem) => return answer::refused(problem),
        };
        let line = self.line(&url);
        let mut answer = match request.send().await {
            Err(error) => answer::of_error(&error),
            Ok(response) => self.read(response, order).await,
        };
        answer.detail = format!("{line}: {}", self.mask(&answer.detail));
        answer
    }

    fn request(&self, order: &Order) -> Result<(Url, RequestBuilder), String> {
        let url = self.url(&Plain::plain(order))?;
        let body = self.body(order)?;
        let id = order.action_id.to_string();
        let mut request = self
            .client
            .request(self.method.clone(), url.clone())
            .headers(self.headers.clone())
            .header("idempotency-key", &id)
            .header("homeostat-attempt", order.attempt);
        if let Some(signer) = &self.signer {
            let timestamp = order.now.div_euclid(1_000);
            request = request
                .header("webhook-id", &id)
                .header("webhook-timestamp", timestamp)
                .header("webhook-signature", signer.sign(&id, timestamp, &body));
        }
        Ok((url, request.body(body)))
    }

    pub(super) fn url(&self, context: &Plain<'_>) -> Result<Url, String> {
        let rendered = self
            .path
            .render(context)
            .map_err(|error| format!("the template `url` failed: {error}"))?;
        let path = rendered.split(['?', '#']).next().unwrap_or_default();
        // A URL reader resolves these, percent-encoded or not, and would end up on another path.
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err("a value of the template `url` is `.` or `..`".to_owned());
        }
        let base = self.origin.as_str().trim_end_matches('/');
        let slash = if rendered.starts_with('/') { "" } else { "/" };
        // What stands before the slash is fixed, and nothing after it can reach back.
        Url::parse(&format!("{base}{slash}{rendered}"))
            .map_err(|error| format!("the template `url` made no URL: {error}"))
    }

    fn body(&self, order: &Order) -> Result<String, String> {
        let Some(template) = &self.body else {
            return serde_json::to_string(&Context::exact(order))
                .map_err(|error| format!("the order cannot be written as JSON: {error}"));
        };
        let body = template
            .render(&Plain::plain(order))
            .map_err(|error| format!("the template `body` failed: {error}"))?;
        if self.content == Purpose::Json
            && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&body)
        {
            return Err(format!("the template `body` made no JSON: {error}"));
        }
        Ok(body)
    }

    /// Method and address without values of the query, and without the path if the address is a secret.
    pub(super) fn line(&self, url: &Url) -> String {
        let origin = self.origin.as_str().trim_end_matches('/');
        let mut line = format!("{} {origin}", self.method);
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

    /// A service may echo what it was sent.
    pub(super) fn mask(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.expose(), "***")
        })
    }

    /// The status decides; a body that breaks off changes nothing about it.
    pub(super) async fn read(&self, mut response: Response, order: &Order) -> Answer {
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
        let text: String = self
            .mask(&String::from_utf8_lossy(&body))
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
}

/// At most `bytes` of text, whole characters.
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}
