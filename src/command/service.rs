//! A client for a running service, as every subcommand with `--url` needs it.

use std::time::Duration;

use reqwest::Url;

use super::Failure;

/// The service answers within 10 s, and may wait as long for its turn.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// Time to reach the service.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// A client, and the service's URL.
pub(super) fn client(url: &str) -> Result<(reqwest::Client, Url), Failure> {
    let usage = |problem: &str| {
        Failure::Usage(format!(
            "--url {url}: {problem}; give it as http://127.0.0.1:8470"
        ))
    };
    let parsed = Url::parse(url).map_err(|error| usage(&error.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(usage("neither http nor https"));
    }
    // Fails only if a provider is installed already, which does as well.
    rustls::crypto::ring::default_provider()
        .install_default()
        .unwrap_or_default();
    let mut client = reqwest::Client::builder()
        .timeout(REQUEST_LIMIT)
        .connect_timeout(CONNECT_LIMIT)
        .redirect(reqwest::redirect::Policy::none());
    if matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
        client = client.no_proxy();
    }
    let client = client
        .build()
        .map_err(|error| Failure::Failed(error.to_string()))?;
    Ok((client, parsed))
}

/// reqwest's own message names the URL and hides the reason.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
