//! A cluster and how it is reached: a client of the crate `kube`, made for each order, so that a token, certificate or kubeconfig that
//! was replaced is used at once.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use parking_lot::Mutex;
use reqwest::header::HeaderValue;

use crate::connectors::kit::Statuses;
use crate::live::LiveSecret;

/// How long the client of a credential plugin is kept: to run one takes seconds. The crate runs it again when its token ends.
const PLUGIN_CLIENT_KEPT: Duration = Duration::from_mins(10);
/// Stands in a kubeconfig without a proxy, so that the crate does not read that of the environment.
const NO_PROXY: &str = "http://none.invalid";

/// Where credentials come from.
pub(crate) enum Source {
    /// A kubeconfig.
    File {
        /// Its path.
        path: PathBuf,
        /// `None` = its current one.
        context: Option<String>,
    },
    /// The service account of the pod.
    Pod,
    /// A server with a token.
    Server {
        /// Of the API server.
        address: http::Uri,
        token: LiveSecret,
        ca: Option<LiveSecret>,
    },
}

/// A cluster, ready to be asked.
pub(crate) struct Cluster {
    source: Source,
    proxy: Option<LiveSecret>,
    namespace: Option<String>,
    connect: Duration,
    /// Of a whole order.
    pub(super) limit: Duration,
    secrets: Vec<LiveSecret>,
    /// What it says of statuses.
    pub(super) statuses: Statuses,
    plugin: Mutex<Option<Kept>>,
}

/// The client of a credential plugin. It lives on the runtime that made it.
struct Kept {
    since: Instant,
    runtime: tokio::runtime::Id,
    file: String,
    access: Access,
}

/// A client, and what its requests have of their own.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) client: Client,
    pub(super) authorization: Option<HeaderValue>,
    /// That of orders that name none.
    pub(super) namespace: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let source = match &self.source {
            Source::File { path, .. } => path.display().to_string(),
            Source::Pod => "service account".to_owned(),
            Source::Server { address, .. } => address.to_string(),
        };
        formatter.debug_tuple("Cluster").field(&source).finish()
    }
}

impl Cluster {
    pub(super) const fn of(
        source: Source,
        proxy: Option<LiveSecret>,
        namespace: Option<String>,
        (connect, limit): (Duration, Duration),
        secrets: Vec<LiveSecret>,
        statuses: Statuses,
    ) -> Self {
        Self {
            source,
            proxy,
            namespace,
            connect,
            limit,
            secrets,
            statuses,
            plugin: Mutex::new(None),
        }
    }

    /// Text without secrets.
    pub(super) fn mask(&self, text: &str) -> String {
        let secrets = self.secrets.iter();
        secrets.fold(text.to_owned(), |text, secret| secret.mask(&text))
    }

    /// A client with the credentials of now.
    ///
    /// # Errors
    /// Why there is none: a file is missing or no longer readable, a credential plugin failed. No secret is in it.
    pub(super) async fn access(&self) -> Result<Access, String> {
        match &self.source {
            Source::File { path, context } => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
                // Paths in it are relative to it, which only this reader knows.
                let file = Kubeconfig::read_from(path)
                    .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
                self.of_file(text, file, context.clone()).await
            }
            Source::Pod => {
                let config = Config::incluster().map_err(|error| in_words(&error))?;
                self.finish(config, None, None)
            }
            Source::Server { address, token, ca } => {
                let mut config = Config::new(address.clone());
                if let Some(ca) = ca {
                    config.root_cert = Some(certificates(ca.current().expose())?);
                }
                let header = format!("Bearer {}", token.current().expose());
                let mut header = HeaderValue::try_from(header)
                    .map_err(|_| "the token has characters that no header may have".to_owned())?;
                header.set_sensitive(true);
                self.finish(config, None, Some(header))
            }
        }
    }

    async fn of_file(
        &self,
        text: String,
        mut file: Kubeconfig,
        context: Option<String>,
    ) -> Result<Access, String> {
        let runtime = tokio::runtime::Handle::current().id();
        if let Some(kept) = self.plugin.lock().as_ref()
            && kept.runtime == runtime
            && kept.file == text
            && kept.since.elapsed() < PLUGIN_CLIENT_KEPT
        {
            return Ok(kept.access.clone());
        }
        let own = |url: &Option<String>| url.clone().filter(|url| !url.is_empty());
        for named in &mut file.clusters {
            if let Some(cluster) = &mut named.cluster
                && own(&cluster.proxy_url).is_none()
            {
                cluster.proxy_url = Some(NO_PROXY.to_owned());
            }
        }
        let options = KubeConfigOptions {
            context,
            ..KubeConfigOptions::default()
        };
        let config = Config::from_custom_kubeconfig(file, &options).await;
        let mut config = config.map_err(|error| in_words(&error))?;
        let proxy = config.proxy_url.take();
        let proxy = proxy.filter(|proxy| proxy.host() != Some("none.invalid"));
        let auth = &config.auth_info;
        if auth.exec.is_none() && auth.auth_provider.is_none() {
            return self.finish(config, proxy, None);
        }
        // The crate runs the plugin where it is called, and waits for it.
        let limit = self.connect;
        let namespace = self.namespace.clone();
        let own = self.proxy()?;
        let made = tokio::task::spawn_blocking(move || {
            finish(config, own.or(proxy), None, limit, namespace)
        });
        let access = made.await.map_err(|error| error.to_string())??;
        *self.plugin.lock() = Some(Kept {
            since: Instant::now(),
            runtime,
            file: text,
            access: access.clone(),
        });
        Ok(access)
    }

    fn finish(
        &self,
        config: Config,
        proxy: Option<http::Uri>,
        authorization: Option<HeaderValue>,
    ) -> Result<Access, String> {
        let proxy = self.proxy()?.or(proxy);
        let namespace = self.namespace.clone();
        finish(config, proxy, authorization, self.connect, namespace)
    }

    fn proxy(&self) -> Result<Option<http::Uri>, String> {
        let proxy = self.proxy.as_ref();
        let proxy = proxy.map(|proxy| proxy.current().expose().parse());
        proxy
            .transpose()
            .map_err(|_| "the proxy is not a URL".to_owned())
    }

    /// Forgets the client of a credential plugin: its credentials were not accepted.
    pub(super) fn forget(&self) {
        self.plugin.lock().take();
    }
}

fn finish(
    mut config: Config,
    proxy: Option<http::Uri>,
    authorization: Option<HeaderValue>,
    connect: Duration,
    namespace: Option<String>,
) -> Result<Access, String> {
    config.proxy_url = proxy;
    config.connect_timeout = Some(connect);
    // The limit of the order holds for all of its requests.
    config.read_timeout = None;
    config.write_timeout = None;
    // One call is one request.
    config.default_retry = false;
    let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config).map_err(|error| of_client(&error))?;
    Ok(Access {
        client,
        authorization,
        namespace,
    })
}

/// A credential plugin's error holds all that it printed, which may be a token.
fn of_client(error: &kube::Error) -> String {
    use kube::client::AuthError;
    match error {
        kube::Error::Auth(AuthError::AuthExecRun { out, .. }) => {
            format!("the kubeconfig's credential plugin failed ({})", out.status)
        }
        kube::Error::Auth(AuthError::AuthExecParse(_)) => {
            "the kubeconfig's credential plugin printed no credentials".to_owned()
        }
        other => in_words(other),
    }
}

/// An error with its causes.
pub(super) fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words = format!("{words}: {cause_words}");
        }
        source = cause.source();
    }
    words
}

/// The certificates of a PEM file.
pub(super) fn certificates(pem: &str) -> Result<Vec<Vec<u8>>, String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(|one| one.map(|one| one.as_ref().to_vec()))
        .collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err("has no certificate in PEM form".to_owned()),
    }
}
