//! The closed list of metric families: what `/metrics` may show, what the README's table says, in one place.

/// How a family is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

impl Kind {
    /// The name in the exposition format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One family. Label values come from closed sets only: never ids, users, models or versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Full name.
    pub name: &'static str,
    /// How it is counted.
    pub kind: Kind,
    /// Names of its labels, in the order of their values.
    pub labels: &'static [&'static str],
    /// What it says, one sentence.
    pub help: &'static str,
}

macro_rules! families {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) const $constant: Family = Family {
            name: concat!("homeostat_", $name),
            kind: Kind::$kind,
            labels: &[$($label),*],
            help: $help,
        };)*
        /// Every family, in the order of the data flow.
        pub const INVENTORY: &[Family] = &[$($constant),*];
    };
}

families! {
    EVENTS_CONSUMED = Counter "events_consumed_total" ["topic", "outcome"]
        "Events read from the log, by what became of them.";
    DECODE_REJECTS = Counter "decode_rejects_total" ["reason"]
        "Records that are no event, by reason.";
    DEAD_LETTERS = Counter "dead_letters_total" ["topic", "reason"]
        "Records put on the dead-letter topic, by topic of origin and reason.";
    PARTITION_STOPPED = Gauge "partition_stopped" ["topic", "partition"]
        "1 while an owned partition stands because too many of its records were dead letters.";
    PARTITION_STANDSTILL = Gauge "partition_standstill_seconds" ["topic", "partition"]
        "Whole seconds for which an owned partition has had records in flight and its settled offset has not moved, or for which reading it has failed; 0 for one that stopped for too many dead letters.";
    OPEN_TRANSACTION = Gauge "partition_open_transaction_seconds" ["topic", "partition"]
        "Whole seconds for which an open transaction of another producer has held an owned partition that was read up to it; 0 if none does.";
    RECORDS_IN_FLIGHT = Gauge "records_in_flight" ["topic", "partition"]
        "Records read and not yet settled.";
    CONSUMER_LAG = Gauge "consumer_lag_records" ["topic", "partition"]
        "Records of an owned partition that are not settled yet, up to where it ends for a reader: records of an open transaction count once it is committed, markers of transactions and records of aborted ones not at all once they were passed.";
    SETTLED_OFFSET = Gauge "settled_offset" ["topic", "partition"]
        "Offset up to which (exclusive) everything is settled, or is no record.";
    DECISIONS = Counter "decisions_total" ["event_type", "action", "outcome"]
        "Decisions that came to an end, by what became of them; those still open are in ledger_fold_entries.";
    DECISION_LATENCY = Histogram "decision_latency_seconds" []
        "From the log time of an event to its recorded decision.";
    SUPPRESSED = Counter "suppressed_total" ["reason"]
        "Responses held back, by the gate that did.";
    ACTIONS = Counter "actions_total" ["action", "connector", "outcome"]
        "Attempts of actions, by connector and outcome.";
    ACTION_DURATION = Histogram "action_duration_seconds" ["action"]
        "From sending an attempt to its answer.";
    RESPONSE_LATENCY = Histogram "response_latency_seconds" ["action"]
        "From the log time of an event to the end of its action.";
    ACTIONS_IN_FLIGHT = Gauge "actions_in_flight" []
        "Attempts sent and not yet answered.";
    LEDGER_POSITION = Gauge "ledger_position" ["partition"]
        "Offset up to which (exclusive) the ledger is folded.";
    LEDGER_OWNED = Gauge "ledger_owned" ["partition"]
        "1 if this instance executes the ledger partition, 0 if another one does. Over all instances each sums to 1.";
    LEDGER_LAG = Gauge "ledger_lag" ["partition"]
        "Records between the fold of a ledger partition and the end of the log for a reader, as last asked; absent while the log does not answer.";
    LEDGER_BOUNDARY_COVERS = Gauge "ledger_boundary_covers" ["partition"]
        "Offset of the last record included in the state that was hashed last.";
    LEDGER_BOUNDARY_HASH = Gauge "ledger_boundary_hash" ["partition"]
        "First 52 bits of that hash, as a number: instances with the same ledger_boundary_covers must show the same.";
    LEDGER_OPEN_ACTIONS = Gauge "ledger_open_actions" ["phase"]
        "Open actions, by phase.";
    LEDGER_TIME_AHEAD = Gauge "ledger_time_ahead_seconds" []
        "Whole seconds by which the time of the ledger is ahead of this machine's clock, 0 if it is not.";
    LEDGER_UNDELIVERED = Gauge "ledger_undelivered_alerts" []
        "Alerts about failed actions of the last eight days that reached nobody.";
    LEDGER_PAUSED = Gauge "ledger_paused" ["partition"]
        "1 while an operator's pause holds the ledger partition.";
    LEDGER_SILENCED = Gauge "ledger_silenced" ["partition"]
        "1 while an operator's silence holds the ledger partition, also during a pause.";
    LEDGER_FOLD_ENTRIES = Gauge "ledger_fold_entries" ["kind"]
        "Entries that the fold of the ledger holds in memory, by kind.";
    LEDGER_VOIDS = Counter "ledger_voids_total" ["reason"]
        "Ledger records without effect, by reason.";
    WATCHDOG_STEPS = Counter "watchdog_steps_total" ["step"]
        "Steps by which the watchdog healed what stood still.";
    PUBLISH_REQUESTS = Counter "publish_requests_total" ["outcome"]
        "Requests to publish events over HTTP, by outcome.";
    PUBLISHED_EVENTS = Counter "published_events_total" ["topic"]
        "Events acknowledged to publishers over HTTP.";
    HTTP_REQUESTS = Counter "http_requests_total" ["route", "status"]
        "HTTP requests, by route and status class.";
    HTTP_DURATION = Histogram "http_request_duration_seconds" ["route"]
        "From the head of an HTTP request to the head of its answer, by route.";
    MAILBOX_DEPTH = Gauge "mailbox_depth" ["actor"]
        "Messages waiting in an actor's mailbox.";
    MAILBOX_HIGH_WATER = Gauge "mailbox_high_water" ["actor"]
        "Most messages that ever waited in an actor's mailbox.";
    MAILBOX_CAPACITY = Gauge "mailbox_capacity" ["actor"]
        "Messages that an actor's mailbox takes.";
    MAILBOX_ENQUEUED = Counter "mailbox_enqueued_total" ["actor"]
        "Messages put into an actor's mailbox.";
    MAILBOX_HANDLED = Counter "mailbox_handled_total" ["actor"]
        "Messages that an actor handled.";
    MAILBOX_REJECTED = Counter "mailbox_rejected_total" ["actor"]
        "Messages refused because the mailbox was full.";
    ACTOR_RESTARTS = Counter "actor_restarts_total" ["actor"]
        "Times an actor was restarted.";
    BUILD_INFO = Gauge "build_info" ["version"]
        "Always 1; the label says what runs.";
    PROCESS_START_TIME = Gauge "process_start_time_seconds" []
        "When the process started, in seconds since the Unix epoch.";
}

/// What the `prometheus` crate reads of this process, on Linux only, under the names that every exporter uses.
pub const PROCESS: [Family; 7] = [
    process(
        "process_cpu_seconds_total",
        Kind::Counter,
        "Total user and system CPU time spent in seconds.",
    ),
    process(
        "process_max_fds",
        Kind::Gauge,
        "Maximum number of open file descriptors.",
    ),
    process(
        "process_open_fds",
        Kind::Gauge,
        "Number of open file descriptors.",
    ),
    process(
        "process_resident_memory_bytes",
        Kind::Gauge,
        "Resident memory size in bytes.",
    ),
    process(
        "process_start_time_seconds",
        Kind::Gauge,
        "Start time of the process since unix epoch in seconds.",
    ),
    process(
        "process_threads",
        Kind::Gauge,
        "Number of OS threads in the process.",
    ),
    process(
        "process_virtual_memory_bytes",
        Kind::Gauge,
        "Virtual memory size in bytes.",
    ),
];

const fn process(name: &'static str, kind: Kind, help: &'static str) -> Family {
    Family {
        name,
        kind,
        labels: &[],
        help,
    }
}
