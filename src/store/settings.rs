//! The section `[store]`, checked and ready for use.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::user_store::Lifetimes;
use schemars::JsonSchema;
use serde::Deserialize;

use super::redis::{Access, Material, RedisSettings};
use crate::connectors::kit::Compile;
use crate::connectors::kit::client::install_tls;
use crate::live::{Derived, LiveSecret};
use crate::secrets::{Secret, is_reference};

/// Limits that hold where none is written.
const CONNECT_TIMEOUT_MS: u64 = 2_000;
const RESPONSE_TIMEOUT_MS: u64 = 2_000;
/// Bytes of a prefix at most.
const PREFIX_BYTES_MAX: usize = 64;

/// Section `[store]`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Redis of all instances: "redis://HOST:6379", rediss with TLS. Empty = the embedded store. Keys: docs/store.md.
    #[schemars(extend("default" = ""))]
    pub redis_url: String,
    /// User of Redis (ACL); may be a reference. Without it the user is `default`.
    #[schemars(length(min = 1))]
    pub username: Option<String>,
    /// Password of that user: a reference.
    #[schemars(length(min = 1))]
    pub password: Option<String>,
    /// The CA that signs Redis' certificate, in place of those that the system trusts: path of a PEM file, or a reference.
    #[schemars(length(min = 1))]
    pub ca: Option<String>,
    /// This client's own certificate, for a Redis that asks for one (mTLS): path of a PEM file, or a reference.
    #[schemars(length(min = 1))]
    pub certificate: Option<String>,
    /// Key of that certificate, likewise.
    #[schemars(length(min = 1))]
    pub key: Option<String>,
    /// What each key in Redis begins with, such as "homeostat:", for a Redis that others use too. Without it nothing.
    #[schemars(length(min = 1))]
    pub key_prefix: Option<String>,
    /// Limit of connecting in milliseconds; without it 2000.
    #[schemars(range(min = 10, max = 60_000))]
    pub connect_timeout_ms: Option<u64>,
    /// Limit of one answer in milliseconds; without it 2000.
    #[schemars(range(min = 10, max = 60_000))]
    pub response_timeout_ms: Option<u64>,
    /// Minutes that a user's stream of activity is kept after it was last written; without it 60.
    #[schemars(range(min = 0.01, max = 525_600.0))]
    pub stream_minutes: Option<f64>,
    /// Minutes that recommendations are kept that were computed on request; without it 30.
    #[schemars(range(min = 0.01, max = 525_600.0))]
    pub recommendations_minutes: Option<f64>,
    /// Minutes that recommendations are kept that were computed because the user acted; without it 30.
    #[schemars(range(min = 0.01, max = 525_600.0))]
    pub realtime_minutes: Option<f64>,
}

/// Which store, and how long entries are kept.
#[derive(Clone, Debug, Default)]
pub struct StoreSettings {
    /// Lifetimes of entries.
    pub lifetimes: Lifetimes,
    /// The Redis; `None` = the embedded store.
    pub redis: Option<RedisSettings>,
}

/// Compiles the section; `None` with a problem recorded.
pub(crate) fn compile(section: &Store, compile: &mut Compile<'_>) -> Option<StoreSettings> {
    let lifetimes = lifetimes(section);
    if section.redis_url.is_empty() {
        without_effect(section, compile);
        return Some(StoreSettings {
            lifetimes,
            redis: None,
        });
    }
    let mut given = Given::default();
    let url = given.url(&section.redis_url, compile);
    let username = given.optional(section.username.as_deref(), |text| {
        if is_reference(text) {
            compile.secret("username", text)
        } else {
            Some(fixed(text))
        }
    });
    let password = given.optional(section.password.as_deref(), |text| {
        compile.secret("password", text)
    });
    if section.username.is_some() && section.password.is_none() {
        compile.problem("password", "is missing", "write the password of username");
    }
    let ca = given.optional(section.ca.as_deref(), |text| compile.pem("ca", text));
    let certificate = given.optional(section.certificate.as_deref(), |text| {
        compile.pem("certificate", text)
    });
    let key = given.optional(section.key.as_deref(), |text| compile.pem("key", text));
    match (&section.certificate, &section.key) {
        (Some(_), None) => compile.problem("key", "is missing", "write the key of `certificate`"),
        (None, Some(_)) => {
            compile.problem(
                "certificate",
                "is missing",
                "write the certificate of `key`",
            );
        }
        _ => {}
    }
    let prefix = prefix(section, compile)?;
    if !compile.problems.is_empty() {
        return None;
    }
    let material = Material {
        url: url?,
        username,
        password,
        ca,
        identity: certificate.zip(key),
    };
    install_tls();
    let access = Derived::new(given.secrets, move |secrets| Access::new(secrets, material));
    let access = access
        .map_err(|problem| {
            let key = if problem.contains("PEM") || problem.contains("is given") {
                if ca.is_some() { "ca" } else { "certificate" }
            } else {
                "redis_url"
            };
            compile.problem(key, problem, "correct it (docs/store.md)");
        })
        .ok()?;
    if access.current().is_in_the_clear() {
        compile.doubt(
            "redis_url",
            "sends the password over the network in the clear",
            "write rediss:// where Redis has TLS",
        );
    }
    let limit =
        |written: Option<u64>, otherwise| Duration::from_millis(written.unwrap_or(otherwise));
    Some(StoreSettings {
        lifetimes,
        redis: Some(RedisSettings {
            access: Arc::new(access),
            key_prefix: prefix,
            connect_timeout: limit(section.connect_timeout_ms, CONNECT_TIMEOUT_MS),
            response_timeout: limit(section.response_timeout_ms, RESPONSE_TIMEOUT_MS),
        }),
    })
}

fn lifetimes(section: &Store) -> Lifetimes {
    let default = Lifetimes::default();
    // The bounds of the schema leave nothing that is no duration.
    let minutes = |written: Option<f64>, otherwise: Duration| {
        written.map_or(otherwise, |minutes| {
            Duration::try_from_secs_f64(minutes * 60.0).unwrap_or(otherwise)
        })
    };
    Lifetimes {
        stream: minutes(section.stream_minutes, default.stream),
        recommendations: minutes(section.recommendations_minutes, default.recommendations),
        realtime: minutes(section.realtime_minutes, default.realtime),
    }
}

/// Keys of Redis have no effect on the embedded store.
fn without_effect(section: &Store, compile: &mut Compile<'_>) {
    for (key, is_written) in [
        ("username", section.username.is_some()),
        ("password", section.password.is_some()),
        ("ca", section.ca.is_some()),
        ("certificate", section.certificate.is_some()),
        ("key", section.key.is_some()),
        ("key_prefix", section.key_prefix.is_some()),
        ("connect_timeout_ms", section.connect_timeout_ms.is_some()),
        ("response_timeout_ms", section.response_timeout_ms.is_some()),
    ] {
        if is_written {
            compile.doubt(
                key,
                "has no effect: the store is the embedded one",
                "write store.redis_url, or remove it",
            );
        }
    }
}

fn prefix(section: &Store, compile: &mut Compile<'_>) -> Option<String> {
    let prefix = section.key_prefix.clone().unwrap_or_default();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
    if prefix.len() > PREFIX_BYTES_MAX || !prefix.bytes().all(fits) {
        compile.problem(
            "key_prefix",
            "is no prefix of keys",
            format!("write at most {PREFIX_BYTES_MAX} letters, digits and - _ . : /"),
        );
        return None;
    }
    Some(prefix)
}

fn fixed(text: &str) -> LiveSecret {
    LiveSecret::fixed(Secret::new(text))
}

/// What was given so far; places in its list are what [`Material`] names.
#[derive(Default)]
struct Given {
    secrets: Vec<LiveSecret>,
}

impl Given {
    fn place(&mut self, secret: LiveSecret) -> usize {
        self.secrets.push(secret);
        self.secrets.len() - 1
    }

    fn optional(
        &mut self,
        text: Option<&str>,
        read: impl FnOnce(&str) -> Option<LiveSecret>,
    ) -> Option<usize> {
        let secret = read(text?)?;
        Some(self.place(secret))
    }

    /// A URL in the clear, or a reference to it, as which it may hold a password.
    fn url(&mut self, text: &str, compile: &mut Compile<'_>) -> Option<usize> {
        const KEY: &str = "redis_url";
        let secret = if is_reference(text) {
            compile.secret(KEY, text)?
        } else if text.contains('@') {
            compile.problem(
                KEY,
                "holds a user name or password",
                "write them as store.username and store.password, or the whole as env:NAME or file:PATH",
            );
            return None;
        } else {
            fixed(text)
        };
        Some(self.place(secret))
    }
}
