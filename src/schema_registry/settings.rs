//! `[registry]` and `[ingest.NAME.registry]`: where a schema registry is, and who we are there.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::time::Duration;

use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;

use super::client::Client;
use crate::connectors::kit::addresses::{Reach, is_loopback_host, literal};
use crate::connectors::kit::client::ClientSettings;
use crate::connectors::kit::{Compile, CredentialSettings, Credentials};

/// A registry answers from memory; longer than this it is as good as down.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// Instances of one registry at most: each may take the time limit.
const SERVERS_MAX: usize = 8;

/// A schema registry that speaks Confluent's API.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub(crate) struct RegistrySettings {
    /// Its address, such as "https://registry.example:8081"; of Apicurio with its path, "http://127.0.0.1:8080/apis/ccompat/v7". More
    /// instances of it are separated by commas: when one does not answer, the next is asked. Plain http takes no credentials
    /// anywhere but to this machine.
    #[serde(default)]
    #[schemars(length(min = 1))]
    url: String,
    #[serde(flatten)]
    credentials: CredentialSettings,
    /// The CA that signs its certificate, in place of those that the system trusts: path of a PEM file, or a reference.
    #[schemars(length(min = 1))]
    ca: Option<String>,
    /// This client's own certificate (mTLS), likewise.
    #[schemars(length(min = 1))]
    certificate: Option<String>,
    /// Key of that certificate, likewise.
    #[schemars(length(min = 1))]
    key: Option<String>,
    /// Proxy for every request: http://HOST:PORT, or a reference.
    #[schemars(length(min = 1))]
    proxy: Option<String>,
}

impl RegistrySettings {
    /// What asks it; `None` with at least one problem recorded.
    pub(super) fn client(&self, compile: &mut Compile<'_>) -> Option<Client> {
        let credentials = compile.credentials(&self.credentials);
        let is_open = matches!(credentials, Some(Credentials::None));
        let servers = servers(&self.url, is_open, compile);
        let limit = u64::try_from(TIME_LIMIT.as_millis()).unwrap_or(u64::MAX);
        let settings = ClientSettings {
            timeout_ms: limit,
            connect_timeout_ms: None,
            allow_http: true,
            allow_private_addresses: true,
            ca: self.ca.clone(),
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            proxy: self.proxy.clone(),
            idle_max: 0,
        };
        // Nothing of an event is in these addresses; clusters have registries of their own.
        let http = compile.client(&settings, Reach::Private);
        Some(Client::new(servers?, credentials?, http?))
    }
}

fn servers(text: &str, is_open: bool, compile: &mut Compile<'_>) -> Option<Vec<Url>> {
    let texts: Vec<&str> = text.split(',').map(str::trim).collect();
    if texts.len() > SERVERS_MAX {
        let problem = format!("names {} addresses", texts.len());
        compile.problem("url", problem, format!("write at most {SERVERS_MAX}"));
        return None;
    }
    let servers = texts.into_iter().map(|text| match server(text, is_open) {
        Ok(server) => Some(server),
        Err((problem, remedy)) => {
            compile.problem("url", problem, remedy);
            None
        }
    });
    // Each of them is checked, not only up to the first fault.
    let servers: Vec<Option<Url>> = servers.collect();
    servers.into_iter().collect()
}

/// One address, with a slash behind its path, or problem and remedy. The text is not repeated: it may hold a password.
fn server(text: &str, is_open: bool) -> Result<Url, (String, &'static str)> {
    const WRITE: &str = "write https://HOST:PORT";
    if text.is_empty() {
        return Err(("is missing, or has an empty address".to_owned(), WRITE));
    }
    let mut url = Url::parse(text).map_err(|error| (format!("is not a URL: {error}"), WRITE))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(("is not a URL of http or https".to_owned(), WRITE));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let remedy = "write username, and password by reference";
        return Err(("holds a user name or password".to_owned(), remedy));
    }
    if url.query().is_some() || url.fragment().is_some() {
        let problem = "has a query, behind which no path can be appended";
        return Err((problem.to_owned(), WRITE));
    }
    let host = url.host_str().unwrap_or_default();
    if literal(host).is_some_and(|address| !Reach::Private.permits(address)) {
        let problem = format!("{host} is no address of a registry");
        let remedy = "write another: link-local and metadata addresses are never reached";
        return Err((problem, remedy));
    }
    if url.scheme() == "http" && !is_open && !is_loopback_host(host) {
        let problem = "is plain http, in which others on the network can read the credentials";
        return Err((problem.to_owned(), "write https"));
    }
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_one_by_one() {
        let read = |text: &str, is_open| {
            let nothing = std::collections::BTreeMap::new();
            let mut compile = Compile::new(&nothing);
            let servers = servers(text, is_open, &mut compile);
            let problems = compile.problems.into_iter().map(|found| found.problem);
            let urls = servers.into_iter().flatten().map(String::from);
            (urls.collect::<Vec<_>>(), problems.collect::<Vec<_>>())
        };
        let (urls, problems) = read("https://a:8081, http://b/apis/ccompat/v7/", true);
        assert_eq!(urls, ["https://a:8081/", "http://b/apis/ccompat/v7/"]);
        assert!(problems.is_empty());
        assert_eq!(read("http://localhost:1", false).0.len(), 1);
        for (text, is_open, problem) in [
            ("", true, "is missing"),
            ("https://a,", true, "is missing"),
            ("registry:8081", true, "is not a URL of http"),
            ("registry", true, "is not a URL"),
            ("https://u:p@a", true, "holds a user name"),
            ("https://a?x=1", true, "has a query"),
            ("http://169.254.169.254", true, "is no address"),
            ("http://a", false, "is plain http"),
            (
                "http://a,http://b,http://c,http://d,http://e,http://f,http://g,http://h,http://i",
                true,
                "names 9",
            ),
        ] {
            let (urls, problems) = read(text, is_open);
            assert!(urls.is_empty(), "{text}");
            assert!(problems[0].contains(problem), "{text}: {problems:?}");
        }
    }
}
