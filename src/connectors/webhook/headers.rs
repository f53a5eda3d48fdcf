//! The headers of a table: what may be set, and what must be a reference.

use std::collections::BTreeMap;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::endpoint::Compile;
use super::settings::Problem;
use super::template::Purpose;
use crate::configuration::{Secret, is_reference, resolve_word};

/// Headers that belong to the connector or to HTTP itself.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "homeostat-attempt",
    "host",
    "idempotency-key",
    "transfer-encoding",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// Headers whose values are credentials by their name.
const CREDENTIALS: [&str; 5] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "x-auth-token",
];

impl Compile<'_> {
    /// JSON unless the table says otherwise, and the table's headers.
    pub(super) fn headers(&mut self, settings: &BTreeMap<String, String>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, text) in settings {
            match self.header(name, text) {
                Ok((name, value)) => {
                    headers.insert(name, value);
                }
                Err((problem, remedy)) => self.problems.push(Problem {
                    key: vec!["headers".to_owned(), name.clone()],
                    problem,
                    remedy: remedy.to_owned(),
                }),
            }
        }
        headers
    }

    /// Name and value, or problem and remedy.
    fn header(
        &mut self,
        name: &str,
        text: &str,
    ) -> Result<(HeaderName, HeaderValue), (String, &'static str)> {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            let problem = "is no header name".to_owned();
            (problem, "use letters, digits and hyphens")
        })?;
        if RESERVED.contains(&name.as_str()) {
            return Err(("is set by the connector itself".to_owned(), "remove it"));
        }
        let is_secret = is_reference(text) || CREDENTIALS.contains(&name.as_str());
        let secret = if is_secret {
            let secret = resolve_word(text, self.environment)
                .map_err(|error| (error.to_string(), error.remedy()))?;
            self.secrets.push(secret.clone());
            secret
        } else {
            Secret::new(text)
        };
        let mut value = HeaderValue::from_str(secret.expose()).map_err(|_| {
            let problem = "has characters that no header value may have".to_owned();
            (problem, "remove line breaks and control characters")
        })?;
        value.set_sensitive(is_secret);
        Ok((name, value))
    }
}

/// How values are made safe for a body of this type.
pub(super) fn purpose(headers: &HeaderMap) -> Purpose {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    if kind.contains("json") {
        Purpose::Json
    } else if kind.contains("x-www-form-urlencoded") {
        Purpose::Url
    } else {
        Purpose::Plain
    }
}
