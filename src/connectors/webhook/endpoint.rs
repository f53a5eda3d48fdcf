//! A checked table `[webhook.<action>]`: address, headers, templates, signer and client, all made at load.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Url};

use super::addresses::{CheckedResolver, Reach, is_loopback_host, literal};
use super::headers::purpose;
use super::settings::{Problem, WebhookSettings};
use super::signature::Signer;
use super::template::{Purpose, Template};
use crate::configuration::{Secret, is_reference, resolve_word};

/// Where and how one action is sent. Scheme, host and port are fixed here; nothing of an event can change them.
#[derive(Debug)]
pub struct Endpoint {
    pub(super) method: Method,
    /// Scheme, host and port.
    pub(super) origin: Url,
    /// Path and query.
    pub(super) path: Template,
    /// Whether the path may be told: not when the URL came by reference.
    pub(super) path_is_public: bool,
    pub(super) headers: HeaderMap,
    pub(super) content: Purpose,
    /// `None` = all fields as JSON.
    pub(super) body: Option<Template>,
    pub(super) signer: Option<Signer>,
    /// Values that must not appear in details.
    pub(super) secrets: Vec<Secret>,
    pub(super) client: Client,
    /// Where the target is asked whether an action had its effect.
    pub(super) probe: Option<Box<Self>>,
    /// What works and is probably not meant, for the one who reads the configuration's warnings.
    pub(crate) doubts: Vec<Problem>,
}

impl Endpoint {
    /// Checks a table and makes it ready. All problems are told, not only the first.
    pub fn compile(
        settings: &WebhookSettings,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<Problem>> {
        let mut compile = Compile {
            environment,
            secrets: Vec::new(),
            problems: Vec::new(),
            doubts: Vec::new(),
        };
        let url = compile.url(settings);
        let headers = compile.headers(&settings.headers);
        let signer = settings
            .secret
            .as_ref()
            .and_then(|reference| compile.signer(reference));
        let content = purpose(&headers);
        let body = settings
            .body
            .as_ref()
            .and_then(|source| compile.template("body", source, content));
        if settings.connect_timeout_ms() > settings.timeout_ms {
            compile.problem(
                "connect_timeout_ms",
                format!(
                    "{} is above timeout_ms ({})",
                    settings.connect_timeout_ms(),
                    settings.timeout_ms
                ),
                format!("write at most {}", settings.timeout_ms),
            );
        }
        let probe = settings
            .probe
            .as_ref()
            .and_then(|probe| compile.probe(&settings.of_probe(probe)));
        let client = url
            .as_ref()
            .and_then(|url| compile.client(settings, url.reach));
        match (url, client) {
            (Some(url), Some(client)) if compile.problems.is_empty() => Ok(Self {
                method: Method::from_bytes(settings.method.as_bytes()).unwrap_or(Method::POST),
                origin: url.origin,
                path: url.path,
                path_is_public: !is_reference(&settings.url),
                headers,
                content,
                body,
                signer,
                secrets: compile.secrets,
                client,
                probe,
                doubts: compile.doubts,
            }),
            _ => Err(compile.problems),
        }
    }
}

struct CompiledUrl {
    origin: Url,
    path: Template,
    reach: Reach,
}

/// A compilation under way: what was found so far.
pub(super) struct Compile<'a> {
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) secrets: Vec<Secret>,
    pub(super) problems: Vec<Problem>,
    doubts: Vec<Problem>,
}

impl Compile<'_> {
    fn problem(&mut self, key: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem::new(key, problem, remedy));
    }

    fn secret(&mut self, key: &str, reference: &str) -> Option<Secret> {
        match resolve_word(reference, self.environment) {
            Ok(secret) => {
                self.secrets.push(secret.clone());
                Some(secret)
            }
            Err(error) => {
                self.problem(key, error.to_string(), error.remedy());
                None
            }
        }
    }

    fn probe(&mut self, settings: &WebhookSettings) -> Option<Box<Endpoint>> {
        match Endpoint::compile(settings, self.environment) {
            Ok(probe) => Some(Box::new(probe)),
            Err(problems) => {
                let problems = problems.into_iter().map(|problem| problem.below("probe"));
                self.problems.extend(problems);
                None
            }
        }
    }

    fn url(&mut self, settings: &WebhookSettings) -> Option<CompiledUrl> {
        const KEY: &str = "url";
        let text = if is_reference(&settings.url) {
            self.secret(KEY, &settings.url)?.expose().to_owned()
        } else {
            settings.url.clone()
        };
        // The text itself is not repeated in messages: it may be a secret.
        let Some((scheme, rest)) = text.split_once("://") else {
            self.problem(KEY, "is no URL, or missing", "write https://HOST/PATH");
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
                    format!("is no URL: {error}"),
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
        Some(CompiledUrl {
            origin,
            path,
            reach,
        })
    }

    /// A URL that itself names this machine plainly means it: http and loopback are then allowed without further keys.
    fn reach(&mut self, settings: &WebhookSettings, origin: &Url) -> Reach {
        let host = origin.host_str().unwrap_or_default();
        let loopback = is_loopback_host(host);
        match origin.scheme() {
            "https" => {}
            "http" if settings.allow_http || loopback => {}
            "http" => self.problem(
                "url",
                "is plain http, which anybody on the way can read and change",
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

    fn signer(&mut self, reference: &str) -> Option<Signer> {
        let secret = self.secret("secret", reference)?;
        match Signer::new(&secret) {
            Ok(signer) => {
                let doubt = signer.doubt();
                let doubt = doubt.map(|(problem, remedy)| Problem::new("secret", problem, remedy));
                self.doubts.extend(doubt);
                Some(signer)
            }
            Err(error) => {
                self.problem("secret", error.to_string(), error.remedy());
                None
            }
        }
    }

    fn template(&mut self, key: &str, source: &str, purpose: Purpose) -> Option<Template> {
        match Template::compile(source, purpose) {
            Ok(template) => Some(template),
            Err(problem) => {
                self.problem(
                    key,
                    format!("is no template: {problem}"),
                    "correct it (https://docs.rs/minijinja, page syntax)",
                );
                None
            }
        }
    }

    /// A client of its own per endpoint, because the addresses it may reach are its own. It never retries, follows no
    /// redirect, uses no proxy of the environment, and keeps no connection, so that a failed attempt is one attempt.
    fn client(&mut self, settings: &WebhookSettings, reach: Reach) -> Option<Client> {
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
                    format!("no client can be made: {error}"),
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
