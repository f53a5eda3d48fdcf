//! How actions reach the platform's services: kinds of connections, one file each, and the connections of a configuration.
//!
//! A new kind is a file here that implements `kind::Kind`, its `mod` line and its line in `KINDS`.

mod airflow;
mod alertmanager;
mod argo_workflows;
pub(crate) mod common;
mod examine;
mod kafka;
pub(crate) mod kind;
pub(crate) mod kit;
mod kubernetes_job;
mod kubernetes_monitor;
mod kubernetes_rollout;
mod kubernetes_scale;
pub mod log;
mod mlflow;
mod pagerduty;
pub mod preview;
mod reference;
mod slack;
mod smtp;
mod teams;
mod webhook;

use std::sync::Arc;

use homeostat_actors::ports::connector::{Binding, Connections};
use homeostat_actors::ports::log::EventLog;
use homeostat_logic::actions::Action;
use homeostat_logic::traffic::Limits;

use kind::{AnyKind, Entry};

pub use examine::{Examined, examine};
pub use kit::Problem;
pub use reference::reference;

/// Every kind of connection.
// One a line.
#[rustfmt::skip]
pub(crate) static KINDS: &[&dyn AnyKind] = &[
    &Entry::<alertmanager::Alertmanager>::NEW,
    &Entry::<airflow::Airflow>::NEW,
    &Entry::<argo_workflows::ArgoWorkflows>::NEW,
    &Entry::<kafka::Kafka>::NEW,
    &Entry::<kubernetes_job::KubernetesJob>::NEW,
    &Entry::<kubernetes_monitor::KubernetesMonitor>::NEW,
    &Entry::<kubernetes_rollout::KubernetesRollout>::NEW,
    &Entry::<kubernetes_scale::KubernetesScale>::NEW,
    &Entry::<pagerduty::Pagerduty>::NEW,
    &Entry::<slack::Slack>::NEW,
    &Entry::<smtp::Smtp>::NEW,
    &Entry::<teams::Teams>::NEW,
    &Entry::<mlflow::Mlflow>::NEW,
    &Entry::<webhook::Webhook>::NEW,
];

/// Names of all kinds, with the built-in connection's.
pub fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once(log::NAME).chain(KINDS.iter().map(|kind| kind.name()))
}

/// Names that templates of requests may use.
pub const fn request_variables() -> [&'static str; kit::NAMES.len()] {
    kit::NAMES
}

/// Binds each action to the built-in connection `log`, beside what the configuration binds, and gives the event log to what
/// publishes on it.
pub fn with_log(configured: &Connections, events: &Arc<dyn EventLog>) -> Connections {
    let mut connections = configured.clone();
    let connector = Arc::new(log::LogConnector::new(Arc::clone(events)));
    connections.limit(log::NAME, Limits::INTERNAL);
    for action in Action::ALL {
        let binding = Binding {
            kind: log::NAME,
            connector: Arc::clone(&connector) as _,
            // It changes nothing outside.
            dry_run: false,
        };
        connections.bind(log::NAME, action, None, binding);
    }
    for (name, action, target, binding) in configured.iter() {
        if let Some(connector) = binding.connector.over(events) {
            let binding = Binding {
                connector,
                ..binding.clone()
            };
            connections.bind(name, action, target.cloned(), binding);
        }
    }
    connections
}

/// Whether a connection publishes on the service's event log.
pub fn needs_log(connections: &Connections, name: &str) -> bool {
    let mut uses = connections.iter();
    uses.any(|(connection, _, _, binding)| {
        connection == name && binding.kind == <kafka::Kafka as kind::Kind>::NAME
    })
}
