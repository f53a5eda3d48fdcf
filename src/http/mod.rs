//! The HTTP API (DESIGN §7): publishing, the decision history, operators' orders, probes, metrics, the
//! supervision tree.
//!
//! Reads come from [`Queries`], which the service implements on its projections; writes go to the event log and are
//! acknowledged when they are durable. Every error is a problem document (RFC 9457), see [`problem`]. Every route
//! stands in [`routes::table`] and in `openapi.json`; a test compares them.

mod body;
mod connections;
mod control;
mod dead_letters;
mod decisions;
mod guard;
mod hosts;
mod ledger;
pub mod problem;
mod publish;
mod publish_lines;
pub mod routes;
mod server;
mod topics;

use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::log::EventLog;
use homeostat_logic::history::{ActiveBudget, ActiveCooldown, DecisionStory, Filter, Page};
use homeostat_logic::ledger::record::Id;

use crate::metrics::Metrics;

pub use body::{BODY_BYTES_MAX, EVENTS_MAX};
pub use connections::CONNECTIONS_MAX;
pub use control::Control;
pub use hosts::{Authority, NoAuthority};
pub use server::{ServeError, Server};
pub use topics::usage as topic_usage;

/// What the handlers need.
pub struct ApiState {
    /// Where published events go.
    pub log: Arc<dyn EventLog>,
    /// Where answers come from.
    pub queries: Arc<dyn Queries>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What `/metrics` prints.
    pub metrics: Arc<Metrics>,
    /// Publishers learn within this time whether the log acknowledged; see [`ACKNOWLEDGE_LIMIT`].
    pub acknowledge_limit: Duration,
    /// Names that the service goes by besides its own: `http.allowed_hosts`.
    pub allowed_hosts: Vec<Authority>,
    /// What operators' orders need.
    pub control: Control,
}

/// The time that SPEC §2 gives.
pub const ACKNOWLEDGE_LIMIT: Duration = Duration::from_secs(10);

/// What the service tells about itself. Called on the HTTP worker: answers at once, from memory.
pub trait Queries: Send + Sync + 'static {
    /// A page of decisions, newest first.
    fn decisions(&self, filter: &Filter) -> Page;

    /// The whole story of one decision, if memory still has it.
    fn decision(&self, id: Id) -> Option<DecisionStory>;

    /// Closed cooldown keys.
    fn cooldowns(&self) -> Vec<ActiveCooldown>;

    /// Budgets in use.
    fn budgets(&self) -> Vec<ActiveBudget>;

    /// The supervision tree as shown by `/api/v1/actors`.
    fn actors(&self) -> serde_json::Value;

    /// Lets partitions go on that stopped for too many dead letters, all or those of a topic; which did, as `topic/partition`.
    fn resume_stopped(&self, topic: Option<&str>) -> Vec<String>;

    /// Whether the service does its work.
    fn readiness(&self) -> Readiness;
}

/// Whether the service does its work, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Assigned, restored, progressing.
    pub ready: bool,
    /// What is missing, one sentence each.
    pub reasons: Vec<String>,
    /// What people should look at although the service does its work, one sentence each.
    pub warnings: Vec<String>,
}
