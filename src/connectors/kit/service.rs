//! The service behind a connection: its checked address, headers, time limits and client, all made at load.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Client, Url};
use schemars::JsonSchema;
use serde::Deserialize;

use super::addresses::{Reach, is_loopback_host, literal};
use super::client::ClientSettings;
use super::compile::Compile;
use super::headers::Headers;
use super::statuses::{StatusSettings, Statuses};
use super::template::{Purpose, Template};
use crate::live::{Derived, LiveSecret};
use crate::secrets::is_reference;

const KEY: &str = "url";

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
    #[serde(flatten)]
    pub(crate) client: ClientSettings,
    #[serde(flatten)]
    pub(crate) statuses: StatusSettings,
}

/// A service, ready to be asked. Scheme, host and port are fixed here; nothing of an event can change them.
#[derive(Debug)]
pub(crate) struct Service {
    pub(super) address: Derived<Address>,
    /// Whether the path may be shown: not when the URL came by reference.
    pub(super) path_is_public: bool,
    /// Sent with each request.
    pub(crate) headers: Headers,
    /// Values that must not appear in details.
    pub(super) secrets: Vec<LiveSecret>,
    pub(crate) client: Derived<Client>,
    pub(super) timeout: Duration,
    /// What it says of statuses.
    pub(super) statuses: Statuses,
}

/// Where a service is.
#[derive(Debug)]
pub(super) struct Address {
    /// Scheme, host and port.
    pub(super) origin: Url,
    /// Path and query.
    pub(super) path: Template,
    has_query: bool,
    reach: Reach,
}

impl Service {
    /// Checks the settings and makes them ready; `None` with at least one problem recorded.
    pub(crate) fn new(settings: &ServiceSettings, compile: &mut Compile<'_>) -> Option<Self> {
        let address = compile.service_address(settings);
        let headers = compile.headers(&settings.headers);
        let reach = address.as_ref().map(|address| address.current().reach);
        let client = compile.client(&settings.client, reach.unwrap_or(Reach::Public));
        let statuses = settings.statuses.compile(compile);
        Some(Self {
            address: address?,
            path_is_public: !is_reference(&settings.url),
            headers,
            secrets: compile.secrets(),
            client: client?,
            timeout: Duration::from_millis(settings.client.timeout_ms),
            statuses,
        })
    }

    /// As [`Service::new`], for a kind that appends the paths of an API.
    pub(crate) fn of_api(settings: &ServiceSettings, compile: &mut Compile<'_>) -> Option<Self> {
        let service = Self::new(settings, compile)?;
        if service.has_query() {
            compile.problem(
                KEY,
                "has a query, behind which no path can be appended",
                "write the address under which the service's pages are, such as https://HOST",
            );
            return None;
        }
        Some(service)
    }

    /// Whether a further path cannot be appended.
    pub(crate) fn has_query(&self) -> bool {
        self.address.current().has_query
    }
}

impl Compile<'_> {
    /// The address of the settings. By reference, it follows its secret.
    fn service_address(&mut self, settings: &ServiceSettings) -> Option<Derived<Address>> {
        let secret = if is_reference(&settings.url) {
            vec![self.secret(KEY, &settings.url)?]
        } else {
            Vec::new()
        };
        let present = secret.first().map(LiveSecret::current);
        let text = present.as_ref().map_or(&*settings.url, |url| url.expose());
        // With its problems at their keys; later ones are one line of the log.
        self.address(text, &settings.client)?;
        let settings = settings.clone();
        let made = Derived::new(secret, move |secrets| {
            let nothing = BTreeMap::new();
            let mut compile = Compile::new(&nothing);
            let text = secrets.first().map_or(&*settings.url, |url| url.expose());
            let address = compile.address(text, &settings.client);
            let problem = compile.problems.pop().map(|found| found.problem);
            match (address, problem) {
                (Some(address), None) => Ok(address),
                (_, problem) => Err(format!("the url {}", problem.unwrap_or_default())),
            }
        });
        // The problems were recorded above.
        made.ok()
    }

    fn address(&mut self, text: &str, settings: &ClientSettings) -> Option<Address> {
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
    fn reach(&mut self, settings: &ClientSettings, origin: &Url) -> Reach {
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
        let reach = settings.reach(loopback);
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
}
