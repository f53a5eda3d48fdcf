//! The metrics of the service: one [`Metrics`] made at start and passed in, never global.
//!
//! Every family stands in [`inventory::INVENTORY`]; every method below counts one fact. Label values come from closed
//! sets: a topic or event type that is not known counts as `other`.

mod actors;
mod families;
pub mod inventory;
mod zero;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use homeostat_actors::ports::observer::Consumed;
use homeostat_logic::action::Action;
use homeostat_logic::history::Outcome;
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::topic;
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec, Registry, TextEncoder};

pub use actors::{ACTORS_MAX, ActorSample, ActorSource};
use families::{counter, gauge, histogram, registered};
use inventory::{
    ACTION_DURATION, ACTIONS, ACTIONS_IN_FLIGHT, BUILD_INFO, CONSUMER_LAG, DEAD_LETTERS,
    DECISION_LATENCY, DECISIONS, DECODE_REJECTS, EVENTS_CONSUMED, HTTP_DURATION, HTTP_REQUESTS,
    LEDGER_BOUNDARY_COVERS, LEDGER_BOUNDARY_HASH, LEDGER_FOLD_ENTRIES, LEDGER_LAG,
    LEDGER_OPEN_ACTIONS, LEDGER_OWNED, LEDGER_PAUSED, LEDGER_POSITION, LEDGER_SILENCED,
    LEDGER_TIME_AHEAD, LEDGER_UNDELIVERED, LEDGER_VOIDS, OPEN_TRANSACTION, PARTITION_STANDSTILL,
    PARTITION_STOPPED, PROCESS_START_TIME, PUBLISH_REQUESTS, PUBLISHED_EVENTS, RECORDS_IN_FLIGHT,
    RESPONSE_LATENCY, SETTLED_OFFSET, SUPPRESSED, WATCHDOG_STEPS,
};

/// Types of SPEC §4 that are not the type of a topic.
const MATRIX_TYPES: [&str; 4] = [
    "system_overload",
    "prediction_latency_high",
    "service_health_check_failed",
    "drift_alert",
];

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

/// The state of an owned partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionGauges {
    /// Offset up to which (exclusive) everything is settled.
    pub settled: i64,
    /// Offset the next record gets, if known.
    pub high: Option<i64>,
    /// Records read and not settled.
    pub in_flight: u64,
    /// Whether it stands for too many dead letters.
    pub stopped: bool,
    /// Whole seconds for which records have been in flight and the settled offset has not moved.
    pub standstill: u64,
    /// Whole seconds for which an open transaction of another producer has held it.
    pub held: u64,
}

/// Brings gauges up to date; must not block.
pub type BeforeScrape = Box<dyn Fn(&Metrics) + Send + Sync>;

/// Every metric of the service.
pub struct Metrics {
    registry: Registry,
    event_types: BTreeSet<String>,
    actors: Arc<OnceLock<ActorSource>>,
    before_scrape: OnceLock<BeforeScrape>,
    events_consumed: IntCounterVec,
    decode_rejects: IntCounterVec,
    dead_letters: IntCounterVec,
    partition_stopped: IntGaugeVec,
    partition_standstill: IntGaugeVec,
    open_transaction: IntGaugeVec,
    records_in_flight: IntGaugeVec,
    consumer_lag: IntGaugeVec,
    settled_offset: IntGaugeVec,
    decisions: IntCounterVec,
    decision_latency: HistogramVec,
    suppressed: IntCounterVec,
    actions: IntCounterVec,
    action_duration: HistogramVec,
    response_latency: HistogramVec,
    actions_in_flight: IntGaugeVec,
    ledger_position: IntGaugeVec,
    ledger_owned: IntGaugeVec,
    ledger_lag: IntGaugeVec,
    ledger_boundary_covers: IntGaugeVec,
    ledger_boundary_hash: IntGaugeVec,
    ledger_open_actions: IntGaugeVec,
    ledger_time_ahead: IntGaugeVec,
    ledger_undelivered: IntGaugeVec,
    ledger_paused: IntGaugeVec,
    ledger_silenced: IntGaugeVec,
    ledger_fold_entries: IntGaugeVec,
    ledger_voids: IntCounterVec,
    watchdog_steps: IntCounterVec,
    publish_requests: IntCounterVec,
    published_events: IntCounterVec,
    http_requests: IntCounterVec,
    http_duration: HistogramVec,
}

impl Metrics {
    /// Registers every family. `event_types` are those that the configuration has rules for; `started` is the wall time
    /// of the process's start. Fails only if the inventory is inconsistent.
    pub fn new(
        event_types: impl IntoIterator<Item = String>,
        started: Millis,
    ) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let actors = actors::Actors::new()?;
        let source = Arc::clone(&actors.source);
        registry.register(Box::new(actors))?;
        registered(&registry, gauge(&BUILD_INFO))?
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        registered(&registry, gauge(&PROCESS_START_TIME))?
            .with_label_values::<&str>(&[])
            .set(started.div_euclid(1_000));
        let counter = |family| registered(&registry, counter(family));
        let gauge = |family| registered(&registry, gauge(family));
        let histogram = |family| registered(&registry, histogram(family));
        #[cfg(target_os = "linux")]
        registry.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        let metrics = Self {
            event_types: known_types(event_types),
            actors: source,
            before_scrape: OnceLock::new(),
            events_consumed: counter(&EVENTS_CONSUMED)?,
            decode_rejects: counter(&DECODE_REJECTS)?,
            dead_letters: counter(&DEAD_LETTERS)?,
            partition_stopped: gauge(&PARTITION_STOPPED)?,
            partition_standstill: gauge(&PARTITION_STANDSTILL)?,
            open_transaction: gauge(&OPEN_TRANSACTION)?,
            records_in_flight: gauge(&RECORDS_IN_FLIGHT)?,
            consumer_lag: gauge(&CONSUMER_LAG)?,
            settled_offset: gauge(&SETTLED_OFFSET)?,
            decisions: counter(&DECISIONS)?,
            decision_latency: histogram(&DECISION_LATENCY)?,
            suppressed: counter(&SUPPRESSED)?,
            actions: counter(&ACTIONS)?,
            action_duration: histogram(&ACTION_DURATION)?,
            response_latency: histogram(&RESPONSE_LATENCY)?,
            actions_in_flight: gauge(&ACTIONS_IN_FLIGHT)?,
            ledger_position: gauge(&LEDGER_POSITION)?,
            ledger_owned: gauge(&LEDGER_OWNED)?,
            ledger_lag: gauge(&LEDGER_LAG)?,
            ledger_boundary_covers: gauge(&LEDGER_BOUNDARY_COVERS)?,
            ledger_boundary_hash: gauge(&LEDGER_BOUNDARY_HASH)?,
            ledger_open_actions: gauge(&LEDGER_OPEN_ACTIONS)?,
            ledger_time_ahead: gauge(&LEDGER_TIME_AHEAD)?,
            ledger_undelivered: gauge(&LEDGER_UNDELIVERED)?,
            ledger_paused: gauge(&LEDGER_PAUSED)?,
            ledger_silenced: gauge(&LEDGER_SILENCED)?,
            ledger_fold_entries: gauge(&LEDGER_FOLD_ENTRIES)?,
            ledger_voids: counter(&LEDGER_VOIDS)?,
            watchdog_steps: counter(&WATCHDOG_STEPS)?,
            publish_requests: counter(&PUBLISH_REQUESTS)?,
            published_events: counter(&PUBLISHED_EVENTS)?,
            http_requests: counter(&HTTP_REQUESTS)?,
            http_duration: histogram(&HTTP_DURATION)?,
            registry,
        };
        metrics.start_at_zero();
        Ok(metrics)
    }

    /// Where the actors' samples come from. The first source set stays.
    pub fn watch_actors(&self, source: ActorSource) {
        if self.actors.set(source).is_err() {
            tracing::warn!("the actors' metrics have a source already; the second one is ignored");
        }
    }

    /// What is done before each scrape. The first hook set stays.
    pub fn before_scrape(&self, hook: BeforeScrape) {
        if self.before_scrape.set(hook).is_err() {
            tracing::warn!("the gauges are brought up to date already; the second hook is ignored");
        }
    }

    /// `count` events of a topic were dealt with.
    pub fn events_consumed(&self, topic: &str, outcome: Consumed, count: u64) {
        let labels = [topic_label(topic), outcome.name()];
        self.events_consumed
            .with_label_values(&labels)
            .inc_by(count);
    }

    /// A record is no event.
    pub fn decode_rejected(&self, reason: &'static str) {
        self.decode_rejects.with_label_values(&[reason]).inc();
    }

    /// A record went to the dead-letter topic.
    pub fn dead_lettered(&self, topic: &str, reason: &'static str) {
        let labels = [topic_label(topic), reason];
        self.dead_letters.with_label_values(&labels).inc();
    }

    /// How far an owned partition is.
    pub fn partition(&self, topic: &str, partition: i32, gauges: PartitionGauges) {
        let partition = partition.to_string();
        let labels = [topic_label(topic), partition.as_str()];
        self.settled_offset
            .with_label_values(&labels)
            .set(gauges.settled);
        self.records_in_flight
            .with_label_values(&labels)
            .set(i64::try_from(gauges.in_flight).unwrap_or(i64::MAX));
        self.partition_stopped
            .with_label_values(&labels)
            .set(i64::from(gauges.stopped));
        self.partition_standstill
            .with_label_values(&labels)
            .set(i64::try_from(gauges.standstill).unwrap_or(i64::MAX));
        self.open_transaction
            .with_label_values(&labels)
            .set(i64::try_from(gauges.held).unwrap_or(i64::MAX));
        if let Some(high) = gauges.high {
            // What was delivered may be known before where the partition ends.
            let delivered = i64::try_from(gauges.in_flight).unwrap_or(i64::MAX);
            let lag = high.saturating_sub(gauges.settled).max(delivered);
            self.consumer_lag.with_label_values(&labels).set(lag);
        }
    }

    /// A partition is no longer owned: its gauges would only go stale.
    pub fn forget_partition(&self, topic: &str, partition: i32) {
        let partition = partition.to_string();
        let labels = [topic_label(topic), partition.as_str()];
        for family in [
            &self.partition_stopped,
            &self.partition_standstill,
            &self.open_transaction,
            &self.settled_offset,
            &self.records_in_flight,
            &self.consumer_lag,
        ] {
            // A partition that was never reported has nothing to remove.
            family.remove_label_values(&labels).unwrap_or_default();
        }
    }

    /// A decision came to an outcome.
    pub fn decided(&self, event_type: &str, action: Action, outcome: Outcome) {
        let labels = [
            self.event_type_label(event_type),
            action.name(),
            outcome.name(),
        ];
        self.decisions.with_label_values(&labels).inc();
    }

    /// A decision was recorded this long after its event.
    pub fn decision_latency(&self, latency: Duration) {
        self.decision_latency
            .with_label_values::<&str>(&[])
            .observe(latency.as_secs_f64());
    }

    /// A gate held a response back.
    pub fn suppressed(&self, reason: &'static str) {
        self.suppressed.with_label_values(&[reason]).inc();
    }

    /// An attempt was answered.
    pub fn attempted(
        &self,
        action: Action,
        connector: &'static str,
        outcome: &'static str,
        took: Duration,
    ) {
        let labels = [action.name(), connector, outcome];
        self.actions.with_label_values(&labels).inc();
        self.action_duration
            .with_label_values(&[action.name()])
            .observe(took.as_secs_f64());
    }

    /// An action ended this long after its event.
    pub fn response_latency(&self, action: Action, latency: Duration) {
        self.response_latency
            .with_label_values(&[action.name()])
            .observe(latency.as_secs_f64());
    }

    /// This many attempts are under way.
    pub fn actions_in_flight(&self, count: usize) {
        self.actions_in_flight
            .with_label_values::<&str>(&[])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The ledger is folded up to (exclusive) this offset.
    pub fn ledger_position(&self, partition: i32, offset: i64) {
        self.ledger_position
            .with_label_values(&[partition.to_string()])
            .set(offset);
    }

    /// Whether this instance executes a ledger partition.
    pub fn ledger_owned(&self, partition: i32, owned: bool) {
        self.ledger_owned
            .with_label_values(&[partition.to_string()])
            .set(i64::from(owned));
    }

    /// A ledger partition is folded up to this many records before the log's end, if that is known.
    pub fn ledger_lag(&self, partition: i32, lag: Option<u64>) {
        let labels = [partition.to_string()];
        match lag {
            Some(lag) => {
                let lag = i64::try_from(lag).unwrap_or(i64::MAX);
                self.ledger_lag.with_label_values(&labels).set(lag);
            }
            // Never reported: nothing to remove.
            None => self
                .ledger_lag
                .remove_label_values(&labels)
                .unwrap_or_default(),
        }
    }

    /// The state hashed last covers this offset; `hash` is hexadecimal.
    pub fn ledger_boundary(&self, partition: i32, covers: i64, hash: &str) {
        let labels = [partition.to_string()];
        // 13 digits: as many as a float, which metrics are, holds exactly.
        let digits = hash.get(..13).unwrap_or_default();
        let number = i64::from_str_radix(digits, 16).unwrap_or(0);
        self.ledger_boundary_covers
            .with_label_values(&labels)
            .set(covers);
        self.ledger_boundary_hash
            .with_label_values(&labels)
            .set(number);
    }

    /// This many actions are open in a phase.
    pub fn ledger_open_actions(&self, phase: &str, count: usize) {
        self.ledger_open_actions
            .with_label_values(&[phase])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Log time is this many ms ahead of the own clock.
    pub fn ledger_time_ahead(&self, ahead: Millis) {
        self.ledger_time_ahead
            .with_label_values::<&str>(&[])
            .set(ahead.div_euclid(1_000));
    }

    /// This many derived alerts reached nobody.
    pub fn ledger_undelivered_alerts(&self, count: usize) {
        self.ledger_undelivered
            .with_label_values::<&str>(&[])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Which orders of operators hold a ledger partition.
    pub fn ledger_holds(&self, partition: i32, paused: bool, silenced: bool) {
        let labels = [partition.to_string()];
        self.ledger_paused
            .with_label_values(&labels)
            .set(i64::from(paused));
        self.ledger_silenced
            .with_label_values(&labels)
            .set(i64::from(silenced));
    }

    /// The fold holds this many entries of a kind.
    pub fn ledger_fold_entries(&self, kind: &'static str, count: usize) {
        self.ledger_fold_entries
            .with_label_values(&[kind])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A ledger record had no effect.
    pub fn ledger_void(&self, reason: &'static str) {
        self.ledger_voids.with_label_values(&[reason]).inc();
    }

    /// The watchdog has taken a step this often since the start.
    pub fn watchdog_steps(&self, step: &'static str, taken: u64) {
        let counter = self.watchdog_steps.with_label_values(&[step]);
        counter.inc_by(taken.saturating_sub(counter.get()));
    }

    /// A request to publish ended, with this many events acknowledged.
    pub fn published(&self, topic: &str, outcome: Published, acknowledged: u64) {
        self.publish_requests
            .with_label_values(&[outcome.name()])
            .inc();
        self.published_events(topic, acknowledged);
    }

    /// So many events of a topic were acknowledged to a publisher.
    pub fn published_events(&self, topic: &str, acknowledged: u64) {
        if acknowledged > 0 {
            self.published_events
                .with_label_values(&[topic_label(topic)])
                .inc_by(acknowledged);
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
        self.http_requests.with_label_values(&[route, class]).inc();
        self.http_duration
            .with_label_values(&[route])
            .observe(took.as_secs_f64());
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

fn topic_label(name: &str) -> &'static str {
    topic::find(name).map_or("other", |topic| topic.name)
}

fn known_types(configured: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let topics = topic::TOPICS.iter().map(|topic| topic.event_type);
    let known = topics.chain(MATRIX_TYPES).map(str::to_owned);
    known
        .chain(configured.into_iter().take(CONFIGURED_TYPES_MAX))
        .collect()
}

#[cfg(test)]
mod tests;
