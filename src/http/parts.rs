//! The parts of the service that the handlers need. Each handler names those that it uses.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Data, ServiceConfig};
use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::log::EventLog;
use homeostat_actors::traffic::Traffic;

use super::catalog::CatalogItems;
use super::connection_list::InUse;
use super::control::{self, Control};
use super::cooldowns::Cooldowns;
use super::dead_letters::{Ingested, Reading, Stopped};
use super::decisions::Decisions;
use super::log::Log;
use super::probes::{Health, Tree};
use super::publish::{self, Publishing};
use super::token::Token;
use super::users;
use crate::authority::Authority;
use crate::metrics::Metrics;
use crate::push::Hub;
use crate::secrets::{InboundSecrets, Secret};
use crate::user_secret::UserSecret;
use crate::users::Users;

/// The time that SPEC §2 gives.
pub const ACKNOWLEDGE_LIMIT: Duration = Duration::from_secs(10);

/// What the handlers need.
pub struct ApiParts {
    /// Where published events go.
    pub log: Arc<dyn EventLog>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What `/metrics` prints.
    pub metrics: Arc<Metrics>,
    /// Where decisions are kept.
    pub decisions: Arc<dyn Decisions>,
    /// Where cooldowns and budgets are kept.
    pub cooldowns: Arc<dyn Cooldowns>,
    /// Where items are kept.
    pub catalog: Arc<dyn CatalogItems>,
    /// Whether the service does its work.
    pub health: Arc<dyn Health>,
    /// The supervision tree.
    pub tree: Arc<dyn Tree>,
    /// Partitions that stopped.
    pub stopped: Arc<dyn Stopped>,
    /// What is under way over the connections.
    pub traffic: Arc<Traffic>,
    /// What operators' orders need.
    pub control: Control,
    /// What an operator has to show; without one no orders are taken.
    pub operator_token: Option<Secret>,
    /// What senders of other tools' payloads have to show.
    pub inbound: InboundSecrets,
    /// Who is connected for updates.
    pub push: Arc<Hub>,
    /// The secret by which tokens of users are signed; without one users need none.
    pub user_secret: UserSecret,
    /// What is known of users; `None`: recommendations are switched off.
    pub users: Option<Arc<Users>>,
    /// Publishers learn within this time whether the log acknowledged; see [`ACKNOWLEDGE_LIMIT`].
    pub acknowledge_limit: Duration,
    /// Topics that `[ingest]` reads beside the platform's.
    pub ingested: Vec<&'static str>,
    /// Names that the service goes by besides its own: `http.allowed_hosts`.
    pub allowed_hosts: Vec<Authority>,
}

impl ApiParts {
    /// Hands each part to the handlers that name it.
    pub(super) fn installer(self) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
        let reading = Data::new(Reading::of(&self.log));
        let ingested = Data::new(Ingested(self.ingested));
        let log = Data::new(Log {
            log: self.log,
            limit: self.acknowledge_limit,
        });
        let clock: Data<dyn Clock> = Data::from(self.clock);
        let metrics = Data::from(self.metrics);
        let publishing = Data::new(Publishing {
            log: log.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            admission: Data::new(publish::Admission::new()),
        });
        let (decisions, cooldowns) = (Data::from(self.decisions), Data::from(self.cooldowns));
        let catalog = Data::from(self.catalog);
        let (health, tree) = (Data::from(self.health), Data::from(self.tree));
        let stopped = Data::from(self.stopped);
        let in_use = Data::new(InUse {
            live: Arc::clone(&self.control.live),
            traffic: self.traffic,
        });
        let control = Data::new(self.control);
        let orders = Data::new(control::Admission::new());
        let token = Data::new(Token(self.operator_token));
        let inbound = Data::new(self.inbound);
        let (push, secret) = (Data::from(self.push), Data::new(self.user_secret));
        let users = Data::new(users::Known(self.users));
        move |application| {
            application
                .app_data(log.clone())
                .app_data(clock.clone())
                .app_data(metrics.clone())
                .app_data(publishing.clone())
                .app_data(reading.clone())
                .app_data(ingested.clone())
                .app_data(decisions.clone())
                .app_data(cooldowns.clone())
                .app_data(catalog.clone())
                .app_data(health.clone())
                .app_data(tree.clone())
                .app_data(stopped.clone())
                .app_data(in_use.clone())
                .app_data(control.clone())
                .app_data(orders.clone())
                .app_data(token.clone())
                .app_data(inbound.clone())
                .app_data(push.clone())
                .app_data(secret.clone())
                .app_data(users.clone());
        }
    }
}
