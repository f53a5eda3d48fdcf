//! Calls a URL per action: templates, signature, address check, and what an answer means.

pub(crate) mod addresses;
mod answer;
mod context;
mod endpoint;
mod headers;
mod probe;
mod request;
mod settings;
mod signature;
mod template;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use homeostat_actors::ports::connector::{Answer, Connector, Order, Probe};
use homeostat_logic::action::Action;

pub use endpoint::Endpoint;
pub(crate) use endpoint::install_tls;
pub use settings::{Problem, WebhookSettings};

/// Name in configuration and records.
pub const NAME: &str = "webhook";

/// See the module.
#[derive(Debug)]
pub struct Webhook {
    endpoints: BTreeMap<Action, Arc<Endpoint>>,
}

impl Webhook {
    /// Sends each action to its endpoint.
    pub fn new(endpoints: BTreeMap<Action, Arc<Endpoint>>) -> Self {
        Self { endpoints }
    }
}

impl Connector for Webhook {
    fn name(&self) -> &'static str {
        NAME
    }

    fn send(&self, order: Order) -> BoxFuture<'static, Answer> {
        let endpoint = self.endpoints.get(&order.action).cloned();
        async move {
            match endpoint {
                Some(endpoint) => endpoint.send(&order).await,
                // The configuration at load had one; a record of an earlier configuration may still ask for it.
                None => answer::refused(format!(
                    "there is no table [webhook.{}] in the configuration",
                    order.action
                )),
            }
        }
        .boxed()
    }
    fn probe(&self, order: Order) -> BoxFuture<'static, Option<Probe>> {
        let endpoint = self.endpoints.get(&order.action).cloned();
        async move {
            let probe = endpoint
                .as_ref()
                .and_then(|endpoint| endpoint.probe.as_ref());
            match probe {
                Some(probe) => Some(probe.ask(&order).await),
                None => None,
            }
        }
        .boxed()
    }
}
