//! The headers of a table: what may be set, and what must be a reference.

use std::collections::BTreeMap;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::compile::Compile;
use super::template::Purpose;
use crate::live::LiveSecret;
use crate::secrets::is_reference;

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

/// Headers of each request. Those by reference follow their secret.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers(Vec<(HeaderName, Value)>);

#[derive(Clone, Debug)]
enum Value {
    Fixed(HeaderValue),
    Live(LiveSecret),
}

impl Headers {
    /// One more; it takes the place of those of the same name.
    fn insert(&mut self, name: HeaderName, value: Value) {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value));
    }

    /// These, with others in place of those of the same name.
    pub(crate) fn with(mut self, others: Self) -> Self {
        for (name, value) in others.0 {
            self.insert(name, value);
        }
        self
    }

    /// As they are sent now.
    pub(crate) fn map(&self) -> HeaderMap {
        let values = self.0.iter().filter_map(|(name, value)| {
            let value = match value {
                Value::Fixed(value) => value.clone(),
                Value::Live(secret) => {
                    // The form was checked when the secret was read.
                    let mut value = HeaderValue::from_str(secret.current().expose()).ok()?;
                    value.set_sensitive(true);
                    value
                }
            };
            Some((name.clone(), value))
        });
        values.collect()
    }
}

/// What no header value may have.
const CONTROL: &str = "has characters that no header value may have";

fn header_form(value: &str) -> Option<String> {
    HeaderValue::from_str(value)
        .err()
        .map(|_| CONTROL.to_owned())
}

impl Compile<'_> {
    /// The headers of a table `headers`. A value may be a reference; credentials must be.
    pub(crate) fn headers(&mut self, settings: &BTreeMap<String, String>) -> Headers {
        self.within("headers", |compile| {
            let mut headers = Headers::default();
            for (name, text) in settings {
                if let Some((name, value)) = compile.header(name, text) {
                    headers.insert(name, value);
                }
            }
            headers
        })
    }

    fn header(&mut self, key: &str, text: &str) -> Option<(HeaderName, Value)> {
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
            Some(self.secret_of_form(key, text, header_form)?)
        } else {
            None
        };
        let present = secret.as_ref().map(LiveSecret::current);
        let text = present.as_ref().map_or(text, |secret| secret.expose());
        let Ok(value) = HeaderValue::from_str(text) else {
            self.problem(key, CONTROL, "remove line breaks and control characters");
            return None;
        };
        Some((name, secret.map_or(Value::Fixed(value), Value::Live)))
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
