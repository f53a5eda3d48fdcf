//! The headers of a table: what may be set, and what must be a reference.

use std::collections::BTreeMap;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::compile::Compile;
use super::template::Purpose;
use crate::secrets::{Secret, is_reference};

/// The type of a body unless a header says otherwise.
pub(crate) const JSON: &str = "application/json";

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
    /// The headers of a table `headers`. A value may be a reference; credentials must be.
    pub(crate) fn headers(&mut self, settings: &BTreeMap<String, String>) -> HeaderMap {
        self.within("headers", |compile| {
            let headers = settings.iter();
            headers
                .filter_map(|(name, text)| compile.header(name, text))
                .collect()
        })
    }

    fn header(&mut self, key: &str, text: &str) -> Option<(HeaderName, HeaderValue)> {
        let Ok(name) = HeaderName::from_bytes(key.as_bytes()) else {
            self.problem(
                key,
                "is not a header name",
                "use letters, digits and hyphens",
            );
            return None;
        };
        if RESERVED.contains(&name.as_str()) {
            self.problem(key, "is set by the connector itself", "remove it");
            return None;
        }
        let is_secret = is_reference(text) || CREDENTIALS.contains(&name.as_str());
        let secret = if is_secret {
            self.secret(key, text)?
        } else {
            Secret::new(text)
        };
        let Ok(mut value) = HeaderValue::from_str(secret.expose()) else {
            self.problem(
                key,
                "has characters that no header value may have",
                "remove line breaks and control characters",
            );
            return None;
        };
        value.set_sensitive(is_secret);
        Some((name, value))
    }
}

/// How values are made safe for a body of the type that these headers name.
pub(crate) fn purpose(headers: &HeaderMap) -> Purpose {
    let kind = headers
        .get(CONTENT_TYPE)
        .map_or(Ok(JSON), |value| value.to_str());
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    if kind.contains("json") {
        Purpose::Json
    } else if kind.contains("x-www-form-urlencoded") {
        Purpose::Url
    } else {
        Purpose::Plain
    }
}
