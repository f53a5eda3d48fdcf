//! The closed list of metric families: what `/metrics` may show, what the table of docs/metrics.md says, in one place.

use prometheus::Registry;

use super::families::{Counter, Gauge, Histogram};
pub use super::families::{Family, Kind};

/// A line is a family: the field of [`Families`] by which it is counted, its kind, its name, its labels and its help.
macro_rules! families {
    ($($field:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        /// Every family, each counted by its field; the kind and the number of labels are part of its type.
        #[allow(clippy::doc_markdown, reason = "the help is plain text")]
        pub struct Families {
            $(#[doc = $help] pub $field: $kind<{ <[&str]>::len(&[$($label),*]) }>,)*
        }

        impl Families {
            /// Registers every family. Fails only if the list below is inconsistent.
            pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
                let mut families = INVENTORY.iter();
                let mut next = || families.next().ok_or(prometheus::Error::AlreadyReg);
                Ok(Self { $($field: $kind::registered(registry, next()?)?,)* })
            }
        }

        /// Every family, in the order of the data flow.
        pub const INVENTORY: &[Family] = &[$(Family {
            name: concat!("homeostat_", $name),
            kind: Kind::$kind,
            labels: &[$($label),*],
            help: $help,
        }),*];
    };
}

families! {
    events_consumed = Counter "events_consumed_total" ["topic", "outcome"]
        "Events read from the log, by outcome.";
    decode_rejects = Counter "decode_rejects_total" ["reason"]
        "Records that are not events, by reason.";
    dead_letters = Counter "dead_letters_total" ["topic", "reason"]
        "Records put on the dead-letter topic, by topic of origin and reason.";
    partition_stopped = Gauge "partition_stopped" ["topic", "partition"]
        "1 while an owned partition is stopped because too many of its records were dead letters.";
    partition_standstill = Gauge "partition_standstill_seconds" ["topic", "partition"]
        "Whole seconds for which an owned partition has had records in flight and its settled offset has not moved, or for which reading it has failed; 0 for one that stopped for too many dead letters.";
    partition_open_transaction = Gauge "partition_open_transaction_seconds" ["topic", "partition"]
        "Whole seconds for which an open transaction of another producer has held an owned partition that was read up to it; 0 if none does.";
    records_in_flight = Gauge "records_in_flight" ["topic", "partition"]
        "Records read and not yet settled.";
    consumer_lag = Gauge "consumer_lag_records" ["topic", "partition"]
        "Records of an owned partition that are not settled yet, up to where it ends for a reader: records of an open transaction count once it is committed, markers of transactions and records of aborted ones not at all once they were passed.";
    settled_offset = Gauge "settled_offset" ["topic", "partition"]
        "Offset up to which (exclusive) everything is settled, or is not a record.";
    decisions = Counter "decisions_total" ["event_type", "action", "outcome"]
        "Decisions that ended, by outcome; open ones are in ledger_fold_entries.";
    decision_latency = Histogram "decision_latency_seconds" []
        "From the log time of an event to its recorded decision.";
    suppressed = Counter "suppressed_total" ["reason"]
        "Responses held back, by the gate that did.";
    actions = Counter "actions_total" ["action", "connector", "outcome"]
        "Attempts of actions, by connector and outcome.";
    action_duration = Histogram "action_duration_seconds" ["action"]
        "From sending an attempt to its answer.";
    response_latency = Histogram "response_latency_seconds" ["action"]
        "From the log time of an event to the end of its action.";
    actions_in_flight = Gauge "actions_in_flight" []
        "Attempts sent and not yet answered.";
    connection_state = Gauge "connection_state" ["connection", "state"]
        "1 for the state that a connection is in: closed, open (failed too often in a row), paused (its service asked for it), half_open (one request tries).";
    connection_in_flight = Gauge "connection_in_flight" ["connection"]
        "Places taken at a connection: attempts from their bid to their answer, and questions.";
    connection_waiting = Gauge "connection_waiting" ["connection", "reason"]
        "Due actions that wait for room at a connection, by what the first of them waits for. They spend no attempt.";
    connection_opened = Counter "connection_opened_total" ["connection"]
        "Times that a connection was left alone because it failed too often in a row.";
    connection_paused = Counter "connection_paused_total" ["connection"]
        "Times that the service of a connection asked for a pause.";
    connection_attempts = Counter "connection_attempts_total" ["connection", "outcome"]
        "Attempts over a connection that ended, by outcome.";
    ledger_position = Gauge "ledger_position" ["partition"]
        "Offset up to which (exclusive) the ledger is folded.";
    ledger_owned = Gauge "ledger_owned" ["partition"]
        "1 if this instance executes the ledger partition, 0 if another one does. Over all instances each sums to 1.";
    ledger_lag = Gauge "ledger_lag" ["partition"]
        "Records between the fold of a ledger partition and the end of the log for a reader, as last asked; absent while the log does not answer.";
    ledger_boundary_covers = Gauge "ledger_boundary_covers" ["partition"]
        "Offset of the last record included in the state that was hashed last.";
    ledger_boundary_hash = Gauge "ledger_boundary_hash" ["partition"]
        "First 52 bits of that hash, as a number: instances with the same ledger_boundary_covers must show the same.";
    ledger_open_actions = Gauge "ledger_open_actions" ["phase"]
        "Open actions, by phase.";
    ledger_time_ahead = Gauge "ledger_time_ahead_seconds" []
        "Whole seconds by which the time of the ledger is ahead of this machine's clock, 0 if it is not.";
    ledger_undelivered = Gauge "ledger_undelivered_alerts" []
        "Alerts about failed actions of the last eight days that were not delivered.";
    ledger_paused = Gauge "ledger_paused" ["partition"]
        "1 while an operator's pause holds the ledger partition.";
    ledger_silenced = Gauge "ledger_silenced" ["partition"]
        "1 while an operator's silence holds the ledger partition, also during a pause.";
    ledger_fold_entries = Gauge "ledger_fold_entries" ["kind"]
        "Entries that the fold of the ledger holds in memory, by kind.";
    ledger_voids = Counter "ledger_voids_total" ["reason"]
        "Ledger records without effect, by reason.";
    catalog_items = Gauge "catalog_items" ["state"]
        "Items of the catalog: known, or removed and remembered.";
    catalog_bytes = Gauge "catalog_bytes" []
        "Memory that the catalog takes, in bytes.";
    catalog_records = Counter "catalog_records_total" ["outcome"]
        "Records of catalog.items that were read, by what became of them: taken, removed, refused (the catalog is full), unreadable.";
    external_lists = Counter "external_lists_total" ["model", "outcome"]
        "Lists that an external model was asked for, by what became of it: used, or why ours was.";
    catalog_left_out = Counter "catalog_left_out_total" ["what"]
        "What the catalog did not take for its bounds: items, further fields of items, genres.";
    watchdog_steps = Counter "watchdog_steps_total" ["step"]
        "Steps taken by the watchdog to restart what made no progress.";
    publish_requests = Counter "publish_requests_total" ["outcome"]
        "Requests to publish events over HTTP, by outcome.";
    published_events = Counter "published_events_total" ["topic"]
        "Events acknowledged to publishers over HTTP.";
    model_items = Gauge "model_items" []
        "Items that the model of recommendations knows.";
    model_pairs = Gauge "model_pairs" []
        "Pairs of items that the model of recommendations keeps.";
    model_users = Gauge "model_users" []
        "Users that the model of recommendations holds in memory.";
    model_unreadable = Counter "model_unreadable_total" []
        "Records of homeostat.model that could not be read and were passed over.";
    user_store_losses = Counter "user_store_losses_total" []
        "Times that the user store had lost what was written of the users of a partition.";
    user_store_restored = Counter "user_store_restored_total" []
        "Users in memory that were written again because the user store had lost them.";
    push_users = Gauge "push_users" []
        "Users who are connected for updates of their recommendations.";
    push_connections = Gauge "push_connections" ["channel"]
        "Connections of users, by channel.";
    push_updates = Counter "push_updates_total" ["channel"]
        "Updates sent to connections of users; one that is replaced before it is read is not counted.";
    push_closed = Counter "push_closed_total" ["channel", "reason"]
        "Connections of users that ended, by reason: slow for a client that did not read, silent for one that answered no ping.";
    push_refused = Counter "push_refused_total" ["reason"]
        "Connections of users that were refused for want of a place, or because the service ends.";
    user_token_refusals = Counter "user_token_refusals_total" ["reason"]
        "Requests refused for the token of a user, by reason.";
    http_requests = Counter "http_requests_total" ["route", "status"]
        "HTTP requests, by route and status class.";
    http_duration = Histogram "http_request_duration_seconds" ["route"]
        "From the head of an HTTP request to the head of its answer, by route.";
    mailbox_depth = Gauge "mailbox_depth" ["actor"]
        "Messages waiting in an actor's mailbox.";
    mailbox_high_water = Gauge "mailbox_high_water" ["actor"]
        "Most messages that ever waited in an actor's mailbox.";
    mailbox_capacity = Gauge "mailbox_capacity" ["actor"]
        "Messages that an actor's mailbox takes.";
    mailbox_enqueued = Counter "mailbox_enqueued_total" ["actor"]
        "Messages put into an actor's mailbox.";
    mailbox_handled = Counter "mailbox_handled_total" ["actor"]
        "Messages that an actor handled.";
    mailbox_rejected = Counter "mailbox_rejected_total" ["actor"]
        "Messages refused because the mailbox was full.";
    actor_restarts = Counter "actor_restarts_total" ["actor"]
        "Times an actor was restarted.";
    build_info = Gauge "build_info" ["version"]
        "Always 1; the label says what runs.";
    process_start_time = Gauge "process_start_time_seconds" []
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
