//! The HTTP client of a connection: which addresses it reaches, whom it trusts, and through which proxy. It never retries, follows
//! no redirect, and uses no proxy of the environment, so that one call is one request.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::time::Duration;

use homeostat_logic::ledger::times::REQUEST_LIMIT;
use reqwest::{Certificate, Client, Identity, Proxy, Url};
use schemars::JsonSchema;
use serde::Deserialize;

use super::addresses::{CheckedResolver, Reach};
use super::compile::Compile;
use crate::live::{Derived, LiveSecret};
use crate::secrets::{Secret, is_reference};

/// The request limit T of ledger-protocol §7 in milliseconds.
const REQUEST_MS_MAX: u64 = REQUEST_LIMIT.as_secs() * 1_000;
/// Time to connect that is used when none is written (kafka-client §10).
const CONNECT_TIMEOUT_MS: u64 = 2_000;

/// How a service is connected to: keys that every kind of connection over HTTP has.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct ClientSettings {
    /// Limit of a whole action in milliseconds, with all of its requests.
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
    /// The CA that signs the service's certificate, in place of those that the system trusts: path of a PEM file, or a reference.
    #[schemars(length(min = 1))]
    pub(crate) ca: Option<String>,
    /// This client's own certificate, for services that ask for one (mTLS): path of a PEM file, or a reference.
    #[schemars(length(min = 1))]
    pub(crate) certificate: Option<String>,
    /// Key of that certificate, likewise.
    #[schemars(length(min = 1))]
    pub(crate) key: Option<String>,
    /// Proxy for every request: http://HOST:PORT, or a reference if it holds a password. The proxy of the environment
    /// (HTTP_PROXY) is not used; write "env:HTTP_PROXY" for that. The proxy then decides which addresses are reached.
    #[schemars(length(min = 1))]
    pub(crate) proxy: Option<String>,
    /// Connections that are kept for the next request; none where a request is an attempt.
    #[serde(skip)]
    pub(crate) idle_max: usize,
}

const fn timeout_ms() -> u64 {
    REQUEST_MS_MAX
}

impl ClientSettings {
    /// Time to connect: as written, else two seconds or the whole timeout if that is shorter.
    fn connect_timeout_ms(&self) -> u64 {
        self.connect_timeout_ms
            .unwrap_or_else(|| CONNECT_TIMEOUT_MS.min(self.timeout_ms))
    }

    /// How far an address may be.
    pub(crate) const fn reach(&self, loopback: bool) -> Reach {
        match (self.allow_private_addresses, loopback) {
            (true, _) => Reach::Private,
            (false, true) => Reach::Loopback,
            (false, false) => Reach::Public,
        }
    }
}

/// What a client is made of besides its limits; places in the list of its secrets.
#[derive(Clone, Copy, Default)]
struct Material {
    ca: Option<usize>,
    identity: Option<(usize, usize)>,
    proxy: Option<usize>,
}

impl Compile<'_> {
    /// A client for services within `reach`.
    pub(crate) fn client(
        &mut self,
        settings: &ClientSettings,
        reach: Reach,
    ) -> Option<Derived<Client>> {
        let connect = settings.connect_timeout_ms();
        if connect > settings.timeout_ms {
            self.problem(
                "connect_timeout_ms",
                format!("{connect} is above timeout_ms ({})", settings.timeout_ms),
                format!("write at most {}", settings.timeout_ms),
            );
        }
        let mut secrets = Vec::new();
        let material = self.material(settings, &mut secrets)?;
        // The address that the service has behind a proxy is the proxy's business.
        let reach = if material.proxy.is_some() {
            Reach::Private
        } else {
            reach
        };
        let (timeout, idle_max) = (settings.timeout_ms, settings.idle_max);
        install_tls();
        let made = Derived::new(secrets, move |secrets| {
            make(secrets, material, reach, (connect, timeout), idle_max)
        });
        made.map_err(|problem| {
            let key = if material.ca.is_some() {
                "ca"
            } else if material.identity.is_some() {
                "certificate"
            } else {
                "url"
            };
            self.problem(
                key,
                problem,
                "correct it; certificates and keys are in PEM form",
            );
        })
        .ok()
    }

    fn material(
        &mut self,
        settings: &ClientSettings,
        secrets: &mut Vec<LiveSecret>,
    ) -> Option<Material> {
        let mut material = Material::default();
        let mut place = |secret: LiveSecret| {
            secrets.push(secret);
            secrets.len() - 1
        };
        if let Some(ca) = &settings.ca {
            material.ca = Some(place(self.pem("ca", ca)?));
        }
        match (&settings.certificate, &settings.key) {
            (Some(certificate), Some(key)) => {
                let certificate = self.pem("certificate", certificate)?;
                let key = self.pem("key", key)?;
                material.identity = Some((place(certificate), place(key)));
            }
            (None, None) => {}
            (Some(_), None) => {
                self.problem("key", "is missing", "write the key of `certificate`");
                return None;
            }
            (None, Some(_)) => {
                self.problem(
                    "certificate",
                    "is missing",
                    "write the certificate of `key`",
                );
                return None;
            }
        }
        if let Some(proxy) = &settings.proxy {
            material.proxy = Some(place(self.proxy(proxy)?));
        }
        Some(material)
    }

    /// The URL of a proxy, or a reference to it.
    pub(crate) fn proxy(&mut self, text: &str) -> Option<LiveSecret> {
        const KEY: &str = "proxy";
        const WRITE: &str = "write http://HOST:PORT";
        if is_reference(text) {
            let proxy = self.secret_of_form(KEY, text, proxy_form)?;
            if let Some(problem) = proxy_form(proxy.current().expose()) {
                self.problem(KEY, problem, WRITE);
                return None;
            }
            return Some(proxy);
        }
        if text.contains('@') {
            self.problem(
                KEY,
                "holds a user name or password",
                "write a reference, env:NAME or file:PATH, to the whole URL",
            );
            return None;
        }
        if let Some(problem) = proxy_form(text) {
            self.problem(KEY, problem, WRITE);
            return None;
        }
        Some(LiveSecret::fixed(Secret::new(text)))
    }

    /// A PEM file by its path or by a reference.
    pub(crate) fn pem(&mut self, key: &str, text: &str) -> Option<LiveSecret> {
        if is_reference(text) {
            self.secret(key, text)
        } else if text.contains("-----BEGIN") {
            self.problem(
                key,
                "holds the content of a PEM file",
                "write the path of the file, env:NAME or file:PATH",
            );
            None
        } else {
            self.secret(key, &format!("file:{text}"))
        }
    }
}

fn proxy_form(text: &str) -> Option<String> {
    let is_proxy = Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    (!is_proxy).then(|| "is not the URL of a proxy".to_owned())
}

fn make(
    secrets: &[Secret],
    material: Material,
    reach: Reach,
    (connect_ms, timeout_ms): (u64, u64),
    idle_max: usize,
) -> Result<Client, String> {
    let text = |place: usize| secrets.get(place).map_or("", |secret| secret.expose());
    let mut client = Client::builder()
        .user_agent(concat!("homeostat/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        // A kept connection that the service closed would make a failed attempt of the next request.
        .pool_max_idle_per_host(idle_max)
        .dns_resolver(CheckedResolver(reach))
        .connect_timeout(Duration::from_millis(connect_ms))
        .timeout(Duration::from_millis(timeout_ms));
    if let Some(ca) = material.ca {
        let certificates = Certificate::from_pem_bundle(text(ca).as_bytes())
            .map_err(|_| "has no certificate in PEM form".to_owned())?;
        if certificates.is_empty() {
            return Err("has no certificate in PEM form".to_owned());
        }
        client = client.tls_certs_only(certificates);
    }
    if let Some((certificate, key)) = material.identity {
        let both = format!("{}\n{}\n", text(certificate), text(key));
        let identity = Identity::from_pem(both.as_bytes())
            .map_err(|_| "is not a certificate with its key in PEM form".to_owned())?;
        client = client.identity(identity);
    }
    if let Some(proxy) = material.proxy {
        let proxy = Proxy::all(text(proxy)).map_err(|_| "has no proxy's URL".to_owned())?;
        client = client.proxy(proxy);
    }
    client.build().map_err(|error| {
        format!(
            "cannot make a client: {error}; check that the system's certificate store is installed"
        )
    })
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
