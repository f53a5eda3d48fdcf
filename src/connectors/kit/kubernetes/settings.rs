//! How a cluster is reached, as it is written: keys that every kind of connection to Kubernetes has.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::time::Duration;

use homeostat_logic::ledger::times::REQUEST_LIMIT;
use kube::config::Kubeconfig;
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;

use super::cluster::{Cluster, Source};
use super::names;
use crate::connectors::kit::client::install_tls;
use crate::connectors::kit::{Compile, ServiceSettings, StatusSettings};
use crate::live::LiveSecret;

/// The request limit T of ledger-protocol §7 in milliseconds.
const REQUEST_MS_MAX: u64 = REQUEST_LIMIT.as_secs() * 1_000;
/// Time to connect that is used when none is written (kafka-client §10).
const CONNECT_TIMEOUT_MS: u64 = 2_000;

/// Keys of every connection to Kubernetes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct ClusterSettings {
    /// Path of a kubeconfig file; it is read again for each action. Without it and without server, the service account of the
    /// pod in which Homeostat runs is used.
    #[schemars(length(min = 1))]
    kubeconfig: Option<String>,
    /// Context of the kubeconfig; without it, its current one.
    #[schemars(length(min = 1))]
    context: Option<String>,
    /// Address of the API server, https://HOST:PORT, in place of a kubeconfig.
    #[schemars(length(min = 1))]
    server: Option<String>,
    /// Bearer token for server: a reference (env: or file:). A file is read again when it changes.
    #[schemars(length(min = 1))]
    token: Option<String>,
    /// CA of the server's certificate, in place of those that the system trusts: path of a PEM file, or a reference.
    #[schemars(length(min = 1))]
    ca: Option<String>,
    /// Proxy for every request, http://HOST:PORT, or a reference if it holds a password. Without it, the kubeconfig's proxy-url is
    /// used. The proxy of the environment (HTTPS_PROXY) is not; write "env:HTTPS_PROXY" for that.
    #[schemars(length(min = 1))]
    proxy: Option<String>,
    /// Namespace of actions that name none; without it, that of the kubeconfig's context or of the service account.
    #[schemars(length(min = 1))]
    namespace: Option<String>,
    /// Limit of a whole action in milliseconds, with all of its requests.
    #[serde(default = "timeout_ms")]
    #[schemars(range(min = 1, max = REQUEST_MS_MAX))]
    timeout_ms: u64,
    /// Limit of connecting in milliseconds; without it 2000, or half of timeout_ms if that is less.
    #[schemars(range(min = 1, max = REQUEST_MS_MAX))]
    connect_timeout_ms: Option<u64>,
    #[serde(flatten)]
    statuses: StatusSettings,
}

const fn timeout_ms() -> u64 {
    REQUEST_MS_MAX
}

impl ClusterSettings {
    /// A cluster by a kubeconfig or the pod's service account, for kinds that have other ways besides.
    pub(crate) fn of_kubeconfig(
        kubeconfig: Option<String>,
        context: Option<String>,
        namespace: Option<String>,
        service: &ServiceSettings,
    ) -> Self {
        let client = &service.client;
        Self {
            kubeconfig,
            context,
            server: None,
            token: None,
            ca: client.ca.clone(),
            proxy: client.proxy.clone(),
            namespace,
            timeout_ms: client.timeout_ms,
            connect_timeout_ms: client.connect_timeout_ms,
            statuses: service.statuses.clone(),
        }
    }
}

impl Cluster {
    /// Checks the settings, without reaching the cluster; `None` with at least one problem recorded.
    pub(crate) fn new(settings: &ClusterSettings, compile: &mut Compile<'_>) -> Option<Self> {
        install_tls();
        let source = source(settings, compile);
        let proxy = settings.proxy.as_ref().map(|text| compile.proxy(text));
        if let Some(namespace) = &settings.namespace
            && let Err(problem) = names::namespace(namespace)
        {
            compile.problem("namespace", problem, "write a namespace of the cluster");
        }
        let connect = settings.connect_timeout_ms;
        let connect =
            connect.unwrap_or_else(|| CONNECT_TIMEOUT_MS.min((settings.timeout_ms / 2).max(1)));
        if connect > settings.timeout_ms {
            compile.problem(
                "connect_timeout_ms",
                format!("{connect} is above timeout_ms ({})", settings.timeout_ms),
                format!("write at most {}", settings.timeout_ms),
            );
        }
        Some(Self::of(
            source?,
            match proxy {
                Some(proxy) => Some(proxy?),
                None => None,
            },
            settings.namespace.clone(),
            (
                Duration::from_millis(connect),
                Duration::from_millis(settings.timeout_ms),
            ),
            compile.secrets(),
            settings.statuses.compile(compile),
        ))
    }
}

fn source(settings: &ClusterSettings, compile: &mut Compile<'_>) -> Option<Source> {
    let unused = |compile: &mut Compile<'_>, key: &str, written: bool, with: &str| {
        if written {
            let problem = format!("is used with `{with}` only");
            compile.problem(key, problem, format!("remove it, or write `{with}`"));
        }
    };
    if settings.server.is_none() {
        unused(compile, "token", settings.token.is_some(), "server");
        unused(compile, "ca", settings.ca.is_some(), "server");
    }
    if settings.kubeconfig.is_none() {
        unused(compile, "context", settings.context.is_some(), "kubeconfig");
    }
    match (&settings.kubeconfig, &settings.server) {
        (Some(_), Some(_)) => {
            compile.problem(
                "server",
                "is written beside `kubeconfig`",
                "write one of the two",
            );
            None
        }
        (Some(path), None) => kubeconfig(path, settings.context.as_deref(), compile),
        (None, Some(server)) => of_server(settings, server, compile),
        (None, None) => {
            if !compile
                .environment()
                .contains_key("KUBERNETES_SERVICE_HOST")
            {
                compile.doubt(
                    "kubeconfig",
                    "is missing, and this process does not run in a pod (KUBERNETES_SERVICE_HOST is not set)",
                    "write kubeconfig = \"PATH\", or server and token; in a pod its service account is used",
                );
            }
            Some(Source::Pod)
        }
    }
}

/// The file is only looked at: credential plugins that it names run when an action is sent.
fn kubeconfig(path: &str, context: Option<&str>, compile: &mut Compile<'_>) -> Option<Source> {
    let file = match Kubeconfig::read_from(path) {
        Ok(file) => file,
        Err(error) => {
            compile.problem(
                "kubeconfig",
                format!("{path} cannot be read: {error}"),
                "correct the path or the file",
            );
            return None;
        }
    };
    let name = context.or(file.current_context.as_deref());
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        compile.problem(
            "context",
            format!("is missing, and {path} has no current context"),
            "write the name of one of its contexts",
        );
        return None;
    };
    if !file.contexts.iter().any(|known| known.name == name) {
        let known: Vec<&str> = file.contexts.iter().map(|context| &*context.name).collect();
        compile.problem(
            if context.is_some() {
                "context"
            } else {
                "kubeconfig"
            },
            format!("{path} has no context `{name}`"),
            format!("write one of: {}", known.join(", ")),
        );
        return None;
    }
    Some(Source::File {
        path: path.into(),
        context: context.map(str::to_owned),
    })
}

fn of_server(
    settings: &ClusterSettings,
    server: &str,
    compile: &mut Compile<'_>,
) -> Option<Source> {
    let token = settings.token.as_ref();
    let token = token.and_then(|reference| compile.secret("token", reference));
    if settings.token.is_none() {
        compile.problem(
            "token",
            "is missing",
            "write a reference to the token of a service account, such as file:/run/secrets/token",
        );
    }
    let ca = settings.ca.as_ref().map(|ca| compile.pem("ca", ca));
    let url = match Url::parse(server) {
        Ok(url) if url.scheme() == "https" && url.has_host() && url.username().is_empty() => url,
        _ => {
            compile.problem(
                "server",
                "is not the address of an API server",
                "write https://HOST:PORT",
            );
            return None;
        }
    };
    let Ok(address) = url.as_str().parse() else {
        compile.problem(
            "server",
            "is not the address of an API server",
            "write https://HOST:PORT",
        );
        return None;
    };
    let ca: Option<LiveSecret> = match ca {
        Some(ca) => Some(ca?),
        None => None,
    };
    if let Some(ca) = &ca
        && let Err(problem) = super::cluster::certificates(ca.current().expose())
    {
        compile.problem("ca", problem, "correct it; certificates are in PEM form");
        return None;
    }
    Some(Source::Server {
        address,
        token: token?,
        ca,
    })
}
