//! The service behind a connection: its checked address, headers, time limits and client, all made at load.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use homeostat_logic::ledger::times::REQUEST_LIMIT;
use reqwest::header::HeaderMap;
use reqwest::{Client, Url};
use schemars::JsonSchema;
use serde::Deserialize;

use super::addresses::{CheckedResolver, Reach, is_loopback_host, literal};
use super::compile::Compile;
use super::template::{Purpose, Template};
use crate::secrets::{Secret, is_reference};

/// The request limit T of ledger-protocol §7 in milliseconds.
const REQUEST_MS_MAX: u64 = REQUEST_LIMIT.as_secs() * 1_000;
/// Time to connect that is used when none is written (kafka-client §10).
const CONNECT_TIMEOUT_MS: u64 = 2_000;

/// How a service is reached over HTTP: keys that every kind of connection over HTTP has.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct ServiceSettings {
    /// Address. Path and query may hold minijinja expressions, whose values are percent-encoded; scheme, host and port may not. A
    /// URL that is itself a secret is written as a reference (env: or file:).
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) url: String,
    /// Further headers of each request; a value may be a reference. Credentials must be.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// Limit of a whole request in milliseconds.
    #[serde(default = "timeout_ms")]
    #[schemars(range(min = 1, max = REQUEST_MS_MAX))]
    pub(crate) timeout_ms: u64,
    /// Limit of connecting in milliseconds; without it 2000, or timeout_ms if that is less.
    #[schemars(range(min = 1, max = REQUEST_MS_MAX))]
    pub(crate) connect_timeout_ms: Option<u64>,
    /// Whether plain http is allowed. It is without this key for 127.0.0.1, `[::1]` and localhost.
    #[serde(default)]
    pub(crate) allow_http: bool,
    /// Whether the host may have a private or loopback address. It may without this key when `url` itself names 127.0.0.1, `[::1]`
    /// or localhost. Link-local addresses (where clouds serve credentials) are never reached.
    #[serde(default)]
    pub(crate) allow_private_addresses: bool,
}

const fn timeout_ms() -> u64 {
    REQUEST_MS_MAX
}

impl ServiceSettings {
    /// Time to connect: as written, else two seconds or the whole timeout if that is shorter.
    fn connect_timeout_ms(&self) -> u64 {
        self.connect_timeout_ms
            .unwrap_or_else(|| CONNECT_TIMEOUT_MS.min(self.timeout_ms))
    }
}

/// A service, ready to be asked. Scheme, host and port are fixed here; nothing of an event can change them.
#[derive(Debug)]
pub(crate) struct Service {
    /// Scheme, host and port.
    pub(super) origin: Url,
    /// Path and query.
    pub(super) path: Template,
    /// Whether a further path cannot be appended.
    pub(crate) has_query: bool,
    /// Whether the path may be shown: not when the URL came by reference.
    pub(super) path_is_public: bool,
    /// Sent with each request.
    pub(crate) headers: HeaderMap,
    /// Values that must not appear in details.
    pub(super) secrets: Vec<Secret>,
    pub(super) client: Client,
}

struct Address {
    origin: Url,
    has_query: bool,
    path: Template,
    reach: Reach,
}

impl Service {
    /// Checks the settings and makes them ready; `None` with at least one problem recorded.
    pub(crate) fn new(settings: &ServiceSettings, compile: &mut Compile<'_>) -> Option<Self> {
        let address = compile.address(settings);
        let headers = compile.headers(&settings.headers);
        let connect = settings.connect_timeout_ms();
        if connect > settings.timeout_ms {
            compile.problem(
                "connect_timeout_ms",
                format!("{connect} is above timeout_ms ({})", settings.timeout_ms),
                format!("write at most {}", settings.timeout_ms),
            );
        }
        let address = address?;
        let client = compile.client(settings, address.reach)?;
        Some(Self {
            origin: address.origin,
            path: address.path,
            has_query: address.has_query,
            path_is_public: !is_reference(&settings.url),
            headers,
            secrets: compile.secrets(),
            client,
        })
    }
}

impl Compile<'_> {
    fn address(&mut self, settings: &ServiceSettings) -> Option<Address> {
        const KEY: &str = "url";
        let text = if is_reference(&settings.url) {
            self.secret(KEY, &settings.url)?.expose().to_owned()
        } else {
            settings.url.clone()
        };
        // The text itself is not repeated in messages: it may be a secret.
        let Some((scheme, rest)) = text.split_once("://") else {
            self.problem(
                KEY,
                "is not a URL, or is missing",
                "write https://HOST/PATH",
            );
            return None;
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('{') || scheme.contains('{') {
            self.problem(
                KEY,
                "has a template in scheme, host or port",
                "write them out; templates may fill path and query only",
            );
            return None;
        }
        let origin = match Url::parse(&format!("{scheme}://{authority}/")) {
            Ok(origin) if origin.has_host() => origin,
            Ok(_) => {
                self.problem(KEY, "has no host", "write https://HOST/PATH");
                return None;
            }
            Err(error) => {
                self.problem(
                    KEY,
                    format!("is not a URL: {error}"),
                    "write https://HOST/PATH",
                );
                return None;
            }
        };
        if !origin.username().is_empty() || origin.password().is_some() {
            self.problem(
                KEY,
                "holds a user name or password",
                "write an Authorization header with a value by env: or file: reference",
            );
        }
        let reach = self.reach(settings, &origin);
        let path = self.template(KEY, path, Purpose::Url)?;
        Some(Address {
            origin,
            has_query: text.contains(['?', '#']),
            path,
            reach,
        })
    }

    /// A URL that itself names this machine plainly means it: http and loopback are then allowed without further keys.
    fn reach(&mut self, settings: &ServiceSettings, origin: &Url) -> Reach {
        let host = origin.host_str().unwrap_or_default();
        let loopback = is_loopback_host(host);
        match origin.scheme() {
            "https" => {}
            "http" if settings.allow_http || loopback => {}
            "http" => self.problem(
                "url",
                "is plain http, which others on the network can read and change",
                "write https, or allow_http = true",
            ),
            scheme => self.problem("url", format!("has the scheme `{scheme}`"), "write https"),
        }
        let reach = match (settings.allow_private_addresses, loopback) {
            (true, _) => Reach::Private,
            (false, true) => Reach::Loopback,
            (false, false) => Reach::Public,
        };
        if let Some(address) = literal(host)
            && !reach.permits(address)
        {
            let remedy = if Reach::Private.permits(address) {
                "write allow_private_addresses = true if that is meant"
            } else {
                "write another address: link-local and metadata addresses are never reached"
            };
            self.problem("url", format!("{address} is not a public address"), remedy);
        }
        reach
    }

    /// A client per connection, because the addresses that it may reach are its own. It never retries, follows no
    /// redirect, uses no proxy of the environment, and keeps no connection, so that a failed attempt is one attempt.
    fn client(&mut self, settings: &ServiceSettings, reach: Reach) -> Option<Client> {
        install_tls();
        let client = Client::builder()
            .user_agent(concat!("homeostat/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .pool_max_idle_per_host(0)
            .dns_resolver(CheckedResolver(reach))
            .connect_timeout(Duration::from_millis(settings.connect_timeout_ms()))
            .timeout(Duration::from_millis(settings.timeout_ms))
            .build();
        match client {
            Ok(client) => Some(client),
            Err(error) => {
                self.problem(
                    "url",
                    format!("cannot make a client: {error}"),
                    "check that the system's certificate store is installed",
                );
                None
            }
        }
    }
}

/// The one place where the process chooses its cryptography. A second call changes nothing.
pub(crate) fn install_tls() {
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        tracing::trace!("the cryptography provider is installed already");
    }
}
