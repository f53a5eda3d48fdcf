//! One order's dealings with a service: each request is rendered, sent, read within limits, and put into words without secrets.
//! All requests of one order together end within the connection's `timeout_ms`.

use homeostat_actors::ports::connector::{Answer, Finding, Order};
use homeostat_logic::ledger::record::{FinishOutcome, Millis};
use percent_encoding::utf8_percent_encode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use tokio::time::Instant;

use super::answer;
use super::context::Plain;
use super::headers;
use super::rehearsal::{self, Shown};
use super::sent::Sent;
use super::service::Service;
use super::statuses::Class;
use super::template::{ENCODED, Template};
use crate::live::LiveSecret;

/// Bytes of an answer that are read; one that is larger cannot be used where its content decides.
const ANSWER_BYTES_READ: usize = 4 * 1_024 * 1_024;
/// Bytes of an answer that go into words: a secret that lies across their end is not masked as a whole, so that more are masked
/// than are kept.
const ANSWER_BYTES_MASKED: usize = 8 * 1_024;
/// Bytes of an answer that are kept, after secrets were masked: a secret cut in half would not be found.
const ANSWER_BYTES_KEPT: usize = 1_024;
/// Bytes of the request line that are kept.
const LINE_BYTES_KEPT: usize = 512;
/// Bytes of a body that a dry run shows.
const BODY_BYTES_SHOWN: usize = 2_048;

/// What to do about a page in place of an answer.
const PAGE_REMEDY: &str = "this is a page of something before the service; check the url";

/// A request, but for the address and the headers of its service.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Appended to the service's path; encoded.
    pub(crate) path: Option<String>,
    /// Take the place of the service's headers of the same name.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<String>,
}

impl Call {
    /// A request without a body.
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: Some(path.into()),
            headers: HeaderMap::new(),
            body: None,
        }
    }

    /// A question.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A request with a JSON body.
    pub(crate) fn json(method: Method, path: impl Into<String>, body: &Value) -> Self {
        let mut call = Self::new(method, path);
        call.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(headers::JSON));
        call.body = Some(body.to_string());
        call
    }

    /// With a header in place of one of the same name.
    pub(crate) fn header(mut self, name: reqwest::header::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// Text as one segment of a path, or one value of a query.
pub(crate) fn segment(text: &str) -> String {
    match text {
        // As they are they would lead to another path, and no encoding of them would not.
        "." => "%252E".to_owned(),
        ".." => "%252E%252E".to_owned(),
        text => utf8_percent_encode(text, ENCODED).to_string(),
    }
}

/// An order being carried out at a service.
pub(crate) struct Talk<'a> {
    service: &'a Service,
    pub(crate) order: &'a Order,
    /// Values that must not appear in details, besides the service's own.
    secrets: &'a [LiveSecret],
    until: Instant,
}

/// What a service answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Request and answer in words, without secrets.
    pub(crate) detail: String,
    /// Pause that it asked for.
    pub(crate) retry_after_ms: Option<Millis>,
    class: Class,
    /// A refusal that may end by itself, unless the connection says something of its status.
    may_mend: bool,
    /// `None` = larger than what is read.
    body: Option<Vec<u8>>,
    /// The connection ended before its end.
    broke_off: bool,
}

impl Service {
    /// Begins to carry out an order.
    pub(crate) fn talk<'a>(&'a self, order: &'a Order, secrets: &'a [LiveSecret]) -> Talk<'a> {
        Talk {
            service: self,
            order,
            secrets,
            until: Instant::now() + self.timeout,
        }
    }
}

impl Talk<'_> {
    /// Asks something; it changes nothing there. `Err` = there was no answer, so that the action did not begin.
    pub(crate) async fn ask(&self, call: Call) -> Result<Reply, Answer> {
        let sent = self.send(call).await;
        sent.map_err(|mut answer| {
            if answer.outcome == FinishOutcome::Unknown {
                answer.outcome = FinishOutcome::NotSent;
            }
            answer
        })
    }

    /// Asks for the root of the service, whatever it answers.
    pub(crate) async fn reach(&self) -> Result<Reply, Answer> {
        let mut url = self.service.address.current().origin.clone();
        url.set_path("/");
        self.send_to(url, Call::new(Method::HEAD, "")).await
    }

    /// Asks for the change that the order is about, once. In a dry run it answers with what would be sent. `Err` = there was no
    /// answer.
    pub(crate) async fn change(&self, call: Call) -> Result<Reply, Answer> {
        if self.order.dry_run {
            return Err(self.shown(&call));
        }
        self.send(call).await
    }

    /// What a dry run answers in place of a request.
    fn shown(&self, call: &Call) -> Answer {
        let line = match self.url(call.path.as_deref()) {
            Ok(url) => self.line(&call.method, &url),
            Err(problem) => return answer::refused(problem),
        };
        rehearsal::show(|| Shown {
            line: line.clone(),
            headers: self.shown_headers(call),
            body: call.body.as_deref().map(|body| self.mask(body)),
        });
        let body = call.body.as_deref().unwrap_or_default();
        let body = self.mask(cut(body, ANSWER_BYTES_MASKED));
        let body = match cut(&body, BODY_BYTES_SHOWN) {
            "" => String::new(),
            shown => format!(" with {shown}"),
        };
        done(format!("dry run: would send {line}{body}"))
    }

    fn shown_headers(&self, call: &Call) -> Vec<(String, String)> {
        let mut headers = self.service.headers.map();
        for (name, value) in &call.headers {
            headers.insert(name, value.clone());
        }
        let shown = headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.to_string(), self.mask(&value))
        });
        shown.collect()
    }

    async fn send(&self, call: Call) -> Result<Reply, Answer> {
        let url = self.url(call.path.as_deref()).map_err(answer::refused)?;
        self.send_to(url, call).await
    }

    async fn send_to(&self, url: Url, call: Call) -> Result<Reply, Answer> {
        let line = self.line(&call.method, &url);
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let detail = format!("{line}: not sent, because the time limit of the action is over");
            return Err(Answer {
                // The service took all of it for the requests before.
                trouble: true,
                ..not_sent(detail)
            });
        }
        let mut headers = self.service.headers.map();
        for (name, value) in &call.headers {
            headers.insert(name, value.clone());
        }
        let sent = Sent::of(&headers);
        let client = self.service.client.current();
        let mut builder = client
            .request(call.method, url)
            .headers(headers)
            .timeout(left);
        if let Some(body) = call.body {
            builder = builder.body(body);
        }
        match builder.send().await {
            Err(error) => {
                let mut answer = answer::of_error(&error);
                answer.detail = format!("{line}: {}", self.mask(&answer.detail));
                Err(answer)
            }
            Ok(response) => Ok(self.received(&line, &sent, response).await),
        }
    }

    /// The status decides, but where a kind knows its service by the body ([`Reply::is_half`]).
    async fn received(&self, line: &str, sent: &Sent, mut response: Response) -> Reply {
        let status = response.status();
        let pause = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value: &HeaderValue| value.to_str().ok())
            .and_then(|value| answer::retry_after(value, self.order.now))
            .or_else(|| {
                (status == StatusCode::TOO_MANY_REQUESTS).then_some(answer::TOO_MANY_PAUSE_MS)
            });
        let (mut body, mut broke_off) = (Vec::new(), false);
        while body.len() <= ANSWER_BYTES_READ {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                end => {
                    broke_off = end.is_err();
                    break;
                }
            }
        }
        let shown = body.get(..body.len().min(ANSWER_BYTES_MASKED));
        let text = self.mask(&String::from_utf8_lossy(shown.unwrap_or_default()));
        let text: String = sent
            .mask(text)
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        Reply {
            status: status.as_u16(),
            detail: format!("{line}: {status}: {}", cut(text.trim(), ANSWER_BYTES_KEPT)),
            retry_after_ms: pause,
            class: self.service.statuses.class(status.as_u16()),
            may_mend: false,
            body: (body.len() <= ANSWER_BYTES_READ).then_some(body),
            broke_off,
        }
    }

    /// Text without secrets.
    pub(crate) fn mask(&self, text: &str) -> String {
        let secrets = self.service.secrets.iter().chain(self.secrets);
        secrets.fold(text.to_owned(), |text, secret| secret.mask(&text))
    }

    /// The address of a page of the service, for people; `None` if the address is a secret.
    pub(crate) fn page(&self, path: &str) -> Option<String> {
        let url = self.url(Some(path)).ok()?;
        self.service.path_is_public.then(|| url.to_string())
    }

    /// When the time limit of the order is over.
    pub(crate) const fn until(&self) -> Instant {
        self.until
    }

    /// A template of a path, rendered for the order.
    pub(crate) fn path(&self, template: &Template) -> Result<String, Answer> {
        rendered(template, "path", &Plain::plain(self.order)).map_err(answer::refused)
    }

    fn url(&self, path: Option<&str>) -> Result<Url, String> {
        let address = self.service.address.current();
        let mut rendered = rendered(&address.path, "url", &Plain::plain(self.order))?;
        if let Some(path) = path {
            rendered = format!(
                "{}/{}",
                rendered.trim_end_matches('/'),
                path.trim_start_matches('/')
            );
        }
        let base = address.origin.as_str().trim_end_matches('/');
        let slash = if rendered.starts_with('/') { "" } else { "/" };
        // What is before the slash is fixed, and nothing after it can reach back.
        Url::parse(&format!("{base}{slash}{rendered}"))
            .map_err(|error| format!("the template `url` did not render to a URL: {error}"))
    }

    /// Method and address without values of the query, and without the path if the address is a secret.
    fn line(&self, method: &Method, url: &Url) -> String {
        let origin = url.origin().ascii_serialization();
        let mut line = format!("{method} {origin}");
        if self.service.path_is_public {
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

impl Reply {
    pub(crate) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// The content as JSON, or what is wrong with it.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        let unreadable = |why: &str| format!("{}: the answer cannot be read: {why}", self.detail);
        let body = self
            .body
            .as_ref()
            .ok_or_else(|| unreadable("it is larger than 4 MiB"))?;
        serde_json::from_slice(body).map_err(|error| unreadable(&error.to_string()))
    }

    /// The content as text, for what is no JSON.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.body.as_deref().unwrap_or_default()).into_owned()
    }

    /// A page of something before the service, such as a login, which no service of an API answers.
    pub(crate) fn is_page(&self) -> bool {
        self.is_success() && self.text().trim_start().starts_with('<')
    }

    /// Only the beginning of an answer, from which nothing can be known.
    pub(crate) fn is_half(&self) -> bool {
        let text = self.text();
        let half = |error: serde_json::Error| error.is_eof();
        self.broke_off
            || (text.trim_start().starts_with('{')
                && serde_json::from_str::<IgnoredAny>(&text).is_err_and(half))
    }

    /// The outcome of a change of which the answer broke off: it may be done.
    pub(crate) fn half(self) -> Answer {
        self.with_remedy("the answer broke off")
            .answer(FinishOutcome::Unknown, false)
    }

    /// The outcome of a change, but for a page: that is not the service's word.
    pub(crate) fn outcome_unless_page(self) -> Answer {
        if !self.is_page() {
            return self.outcome();
        }
        self.with_remedy(PAGE_REMEDY)
            .answer(FinishOutcome::Failed, false)
    }

    /// In other words.
    pub(crate) fn in_words(mut self, detail: String) -> Self {
        self.detail = detail;
        self
    }

    /// With what to do about it.
    pub(crate) fn with_remedy(mut self, remedy: &str) -> Self {
        self.detail = format!("{}; {remedy}", self.detail);
        self
    }

    /// Of a service that does not know who asks: credentials are rotated, so that it may do so later.
    pub(crate) const fn of_unknown_account(mut self) -> Self {
        self.may_mend = true;
        self
    }

    /// The outcome of a change by the table of statuses ([`Class::outcome`]).
    pub(crate) fn outcome(self) -> Answer {
        let (outcome, permanent) = self.meaning();
        self.answer(outcome, permanent)
    }

    fn meaning(&self) -> (FinishOutcome, bool) {
        let (outcome, permanent) = self.class.outcome();
        let by_kind = permanent && !self.may_mend;
        (outcome, self.class.is_permanent(by_kind))
    }

    /// The answer to a question that was no success: the change was not asked for.
    pub(crate) fn not_begun(self) -> Answer {
        let (_, permanent) = self.meaning();
        let outcome = if permanent {
            FinishOutcome::Failed
        } else {
            FinishOutcome::NotSent
        };
        self.answer(outcome, permanent)
    }

    /// An outcome of one's own.
    pub(crate) fn answer(self, outcome: FinishOutcome, permanent: bool) -> Answer {
        Answer {
            outcome,
            detail: self.detail,
            retry_after_ms: self
                .retry_after_ms
                .filter(|_| outcome != FinishOutcome::Done && !permanent),
            permanent,
            trouble: self.class.is_trouble(),
        }
    }

    /// The answer of a service that is examined: fine, or what is wrong.
    pub(crate) fn finding(&self, fine: impl FnOnce() -> String) -> Finding {
        match self.status {
            200..=299 if self.is_page() => Finding::wrong(&*self.detail, PAGE_REMEDY),
            200..=299 => Finding::Fine(fine()),
            401 => Finding::wrong(
                &*self.detail,
                "check the credentials of the connection: the service does not accept them",
            ),
            403 => Finding::wrong(
                &*self.detail,
                "give the account of the connection the right to do this",
            ),
            404 => Finding::wrong(&*self.detail, "check the name, and the connection's url"),
            _ => Finding::Unsure(self.detail.clone()),
        }
    }
}

/// The change was confirmed, or is there already.
pub(crate) const fn done(detail: String) -> Answer {
    plain(FinishOutcome::Done, detail)
}

/// Nothing was sent; it may be sent later.
pub(crate) const fn not_sent(detail: String) -> Answer {
    plain(FinishOutcome::NotSent, detail)
}

/// The service refused, and may not do so later.
pub(crate) const fn failed(detail: String) -> Answer {
    plain(FinishOutcome::Failed, detail)
}

const fn plain(outcome: FinishOutcome, detail: String) -> Answer {
    Answer {
        outcome,
        detail,
        retry_after_ms: None,
        permanent: false,
        trouble: false,
    }
}

/// Either answer of an order that ends early.
pub(crate) fn either(answer: Result<Answer, Answer>) -> Answer {
    answer.unwrap_or_else(|answer| answer)
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

/// At most `bytes` of text, whole characters.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}
