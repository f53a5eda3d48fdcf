//! The metrics of the service: one [`Metrics`] made at start and passed in, never global.
//!
//! Every family is a line of [`inventory`], and counted by the field that the line names. Label values come from closed
//! sets: a topic or event type that is not known counts as `other`.

mod actors;
mod families;
pub mod inventory;
mod zero;

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

pub use homeostat_actors::ports::observer::Consumed;
use homeostat_logic::actions::Action;
use homeostat_logic::events::declared_types;
use homeostat_logic::history::Outcome;
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::topic;
use prometheus::{Registry, TextEncoder};

pub use actors::{ACTORS_MAX, ActorSample};
pub use families::{Counter, Gauge, Histogram};
use inventory::Families;

/// Most event types named by the configuration that get a label value of their own.
const CONFIGURED_TYPES_MAX: usize = 64;

/// Label values of HTTP statuses.
const STATUS_CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// What became of a request to publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// Every event is durable.
    Accepted,
    /// Nothing was published: the request is at fault.
    Refused,
    /// The log took some or none.
    Unacknowledged,
}

impl Published {
    /// The label value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Unacknowledged => "unacknowledged",
        }
    }
}

/// Brings gauges up to date; must not block.
pub type BeforeScrape = Box<dyn Fn(&Metrics) + Send + Sync>;

/// Every metric of the service. What needs no other word than its labels is counted by its field of [`Families`]; the methods
/// keep labels within their closed sets.
pub struct Metrics {
    registry: Registry,
    event_types: BTreeSet<String>,
    /// Topics of `[ingest]`, which the configuration bounds.
    further_topics: OnceLock<Vec<&'static str>>,
    before_scrape: OnceLock<BeforeScrape>,
    families: Families,
}

impl std::ops::Deref for Metrics {
    type Target = Families;

    fn deref(&self) -> &Families {
        &self.families
    }
}

impl Metrics {
    /// Registers every family. `event_types` are those that the configuration has rules for; `started` is the wall time
    /// of the process's start. Fails only if the inventory is inconsistent.
    pub fn new(
        event_types: impl IntoIterator<Item = String>,
        started: Millis,
    ) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let families = Families::new(&registry)?;
        families.build_info.set([env!("CARGO_PKG_VERSION")], 1);
        families
            .process_start_time
            .set([], started.div_euclid(1_000));
        #[cfg(target_os = "linux")]
        registry.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        let metrics = Self {
            event_types: known_types(event_types),
            further_topics: OnceLock::new(),
            before_scrape: OnceLock::new(),
            families,
            registry,
        };
        metrics.start_at_zero();
        Ok(metrics)
    }

    /// What is done before each scrape. The first hook set stays.
    pub fn before_scrape(&self, hook: BeforeScrape) {
        if self.before_scrape.set(hook).is_err() {
            tracing::warn!("the gauges are brought up to date already; the second hook is ignored");
        }
    }

    /// Topics beside the platform's that get a label of their own. The first list set stays.
    pub fn label_further_topics(&self, names: Vec<&'static str>) {
        self.further_topics.get_or_init(|| names);
    }

    /// The label of a topic: its name, or `other` of one that is not known.
    pub fn topic_label(&self, name: &str) -> &'static str {
        if let Some(topic) = topic::find(name) {
            return topic.name;
        }
        let mut further = self.further_topics.get().into_iter().flatten();
        further
            .find(|one| **one == name)
            .copied()
            .unwrap_or("other")
    }

    /// `count` events of a topic were dealt with.
    pub fn events_consumed(&self, topic: &str, outcome: Consumed, count: u64) {
        let labels = [self.topic_label(topic), outcome.name()];
        self.families.events_consumed.add(labels, count);
    }

    /// A record went to the dead-letter topic.
    pub fn dead_lettered(&self, topic: &str, reason: &'static str) {
        self.dead_letters.add([self.topic_label(topic), reason], 1);
    }

    /// A decision came to an outcome.
    pub fn decided(&self, event_type: &str, action: Action, outcome: Outcome) {
        let event_type = self.event_type_label(event_type);
        let labels = [event_type, action.name(), outcome.name()];
        self.decisions.add(labels, 1);
    }

    /// A request to publish ended, with this many events acknowledged.
    pub fn published(&self, topic: &str, outcome: Published, acknowledged: u64) {
        self.publish_requests.add([outcome.name()], 1);
        self.published_events(topic, acknowledged);
    }

    /// So many events of a topic were acknowledged to a publisher.
    pub fn published_events(&self, topic: &str, acknowledged: u64) {
        if acknowledged > 0 {
            let labels = [self.topic_label(topic)];
            self.families.published_events.add(labels, acknowledged);
        }
    }

    /// An HTTP request was answered after this time. `route` is the pattern of the route, never the path.
    pub fn http_request(&self, route: &str, status: u16, took: Duration) {
        let [success, redirection, client_error, server_error] = STATUS_CLASSES;
        let class = match status {
            0..300 => success,
            300..400 => redirection,
            400..500 => client_error,
            500.. => server_error,
        };
        self.http_requests.add([route, class], 1);
        self.http_duration.observe([route], took);
    }

    /// The Prometheus text format, version 0.0.4.
    pub fn render(&self) -> prometheus::Result<String> {
        if let Some(refresh) = self.before_scrape.get() {
            refresh(self);
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    fn event_type_label<'a>(&self, event_type: &'a str) -> &'a str {
        if self.event_types.contains(event_type) {
            event_type
        } else {
            "other"
        }
    }
}

fn known_types(configured: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let topics = topic::TOPICS.iter().map(|topic| topic.event_type);
    let known = topics.chain(declared_types()).map(str::to_owned);
    known
        .chain(configured.into_iter().take(CONFIGURED_TYPES_MAX))
        .collect()
}

#[cfg(test)]
mod tests;
