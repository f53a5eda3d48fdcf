//! The one list of all keys and what their values may be. Meanings, units and reasons stand in `config/default.toml`; a
//! test holds both lists together.

use homeostat_logic::action::Action;
use homeostat_logic::severity::Severity;

use super::shape::Shape::{
    self, ClientOptions, Flag, Hosts, Map, MapOf, Number, OneOf, Open, Table, Text, TimeOfDay,
    Whole, Words, Zone,
};
use crate::connectors;

/// The horizon H of ledger-protocol §7: no cooldown, window, age or pause may be longer.
pub(super) const HORIZON_MINUTES: f64 = 8.0 * 24.0 * 60.0;
/// The same in milliseconds.
pub(super) const HORIZON_MS: i64 = 8 * 24 * 60 * 60 * 1000;
/// A day in milliseconds: the bound of pauses and limits that are not part of the ledger.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// The request limit T of ledger-protocol §7.
const REQUEST_MS_MAX: i64 = 10_000;
/// Largest size limit that can be set, 1 GiB: sizes are held in memory.
const GIB: i64 = 1 << 30;

/// Sections that deserialise into `RuleSettings`.
pub(super) const RULE_SECTIONS: [&str; 9] = [
    "severity",
    "working_hours",
    "cooldown",
    "budget",
    "maintenance",
    "defaults",
    "rules",
    "targets",
    "actions",
];

/// Actions that are carried out; `ignore` is only recorded.
pub(super) fn executed_actions() -> Vec<&'static str> {
    Action::ALL
        .into_iter()
        .filter(|action| *action != Action::Ignore)
        .map(Action::name)
        .collect()
}

fn severities() -> Vec<&'static str> {
    Severity::ALL.map(Severity::name).to_vec()
}

/// Everything.
pub(super) fn configuration() -> Shape {
    Table(vec![
        ("data_dir", Text { empty: false }),
        ("http", http()),
        ("kafka", kafka()),
        ("log", log()),
        (
            "ledger",
            Table(vec![
                ("partitions", Whole(1, 1_024)),
                ("durability", OneOf(vec!["production", "development"])),
                // Above what a start from a checkpoint needs, ledger-protocol §8.
                ("retention_days", Number(9.0, 3_650.0)),
            ]),
        ),
        ("consumer", consumer()),
        (
            "dead_letters",
            Table(vec![
                ("stop_after", Whole(1, 10_000)),
                ("stop_share", Number(0.0, 1.0)),
            ]),
        ),
        ("supervision", supervision()),
        (
            "log_output",
            Table(vec![
                ("format", OneOf(vec!["auto", "text", "json"])),
                ("level", Text { empty: false }),
            ]),
        ),
        (
            "severity",
            Table(vec![("synonyms", Map(Box::new(OneOf(severities()))))]),
        ),
        ("working_hours", working_hours()),
        ("cooldown", cooldown()),
        (
            "budget",
            Open(
                vec![
                    ("responses_per_hour", responses_per_hour()),
                    ("max_event_age_minutes", max_event_age()),
                    ("trust_event_time", Flag),
                ],
                Box::new(further_budget()),
            ),
        ),
        ("maintenance", maintenance()),
        (
            "defaults",
            Table(vec![
                ("model", Text { empty: true }),
                ("service", Text { empty: true }),
            ]),
        ),
        ("rules", Map(Box::new(rule()))),
        ("targets", Map(Box::new(target()))),
        ("actions", MapOf(executed_actions(), Box::new(action()))),
        ("webhook", MapOf(executed_actions(), Box::new(webhook()))),
    ])
}

fn http() -> Shape {
    Table(vec![
        ("listen", Text { empty: false }),
        ("allowed_hosts", Hosts),
        ("body_bytes_max", Whole(1_024, GIB)),
        ("event_bytes_max", Whole(1_024, GIB)),
        ("operator_token", Text { empty: true }),
    ])
}

fn kafka() -> Shape {
    Table(vec![
        ("bootstrap_servers", Text { empty: true }),
        ("group_id", Text { empty: false }),
        // Brokers take 6 s to 30 min unless told otherwise.
        ("session_timeout_ms", Whole(6_000, 1_800_000)),
        ("replication_factor", Whole(1, 32)),
        ("topic_generation", Whole(1, i64::from(u32::MAX))),
        ("options", ClientOptions),
        (
            "tls",
            Table(vec![
                ("enabled", Flag),
                ("ca", Text { empty: true }),
                ("certificate", Text { empty: true }),
                ("key", Text { empty: true }),
                ("key_password", Text { empty: true }),
            ]),
        ),
        (
            "sasl",
            Table(vec![
                (
                    "mechanism",
                    OneOf(vec![
                        "none",
                        "PLAIN",
                        "SCRAM-SHA-256",
                        "SCRAM-SHA-512",
                        "OAUTHBEARER",
                    ]),
                ),
                ("username", Text { empty: true }),
                ("password", Text { empty: true }),
                ("token_url", Text { empty: true }),
                ("client_id", Text { empty: true }),
                ("client_secret", Text { empty: true }),
                ("scope", Text { empty: true }),
            ]),
        ),
    ])
}

fn log() -> Shape {
    Table(vec![
        ("retention_hours", Number(1.0, 87_600.0)),
        ("bytes_max", Whole(1 << 20, 1 << 50)),
    ])
}

fn consumer() -> Shape {
    Table(vec![
        ("batch_events_max", Whole(1, 10_000)),
        ("in_flight_records_max", Whole(1, 1_000_000)),
        ("attempts_max", Whole(1, 100)),
        ("retry_first_ms", Whole(1, DAY_MS)),
        ("retry_max_ms", Whole(1, DAY_MS)),
        ("drain_ms", Whole(0, DAY_MS)),
    ])
}

fn supervision() -> Shape {
    Table(vec![
        ("restarts_max", Whole(0, 10_000)),
        ("restart_window_ms", Whole(1, DAY_MS)),
        ("backoff_first_ms", Whole(1, DAY_MS)),
        ("backoff_max_ms", Whole(1, DAY_MS)),
        ("mailbox_messages_max", Whole(1, 1_000_000)),
        ("handling_max_ms", Whole(100, DAY_MS)),
        ("stall_max_ms", Whole(1_000, DAY_MS)),
    ])
}

fn working_hours() -> Shape {
    Table(vec![
        ("enabled", Flag),
        ("start", Whole(0, 23)),
        ("end", Whole(0, 23)),
        ("timezone", Zone),
        ("gate_critical", Flag),
        ("gate_scheduled", Flag),
    ])
}

fn cooldown() -> Shape {
    let minutes = || Number(0.0, HORIZON_MINUTES);
    Table(vec![
        ("retrain_minutes", minutes()),
        ("rollback_minutes", minutes()),
        ("scale_up_minutes", minutes()),
        ("scale_down_minutes", minutes()),
        ("alert_minutes", minutes()),
        ("monitor_minutes", minutes()),
    ])
}

const fn responses_per_hour() -> Shape {
    Whole(1, 1_000_000)
}

fn further_budget() -> Shape {
    Table(vec![
        ("actions", Words(executed_actions())),
        ("window_minutes", Number(0.1, HORIZON_MINUTES)),
        ("cap", Whole(1, 1_000_000)),
    ])
}

const fn max_event_age() -> Shape {
    // With 0 every event would be too old.
    Number(0.001, HORIZON_MINUTES)
}

fn maintenance() -> Shape {
    Table(vec![
        (
            "days",
            Words(vec!["mon", "tue", "wed", "thu", "fri", "sat", "sun"]),
        ),
        ("start", TimeOfDay),
        ("end", TimeOfDay),
        ("timezone", Zone),
    ])
}

fn rule() -> Shape {
    let cell = || OneOf(Action::ALL.map(Action::name).to_vec());
    // A threshold is compared with a score, a share or a count; none of them is negative or endless.
    let thresholds = Map(Box::new(Number(0.0, 1e15)));
    Table(vec![
        ("low", cell()),
        ("medium", cell()),
        ("high", cell()),
        ("critical", cell()),
        ("default_severity", OneOf(severities())),
        ("raise", MapOf(severities(), Box::new(thresholds))),
        ("scheduled", Words(severities())),
        ("cooldown", cooldown()),
        ("responses_per_hour", responses_per_hour()),
        ("max_event_age_minutes", max_event_age()),
        ("trust_event_time", Flag),
        ("working_hours", working_hours()),
    ])
}

fn target() -> Shape {
    Table(vec![
        ("cooldown", cooldown()),
        ("responses_per_hour", responses_per_hour()),
        ("budget", Map(Box::new(further_budget()))),
        ("working_hours", working_hours()),
        ("rules", Map(Box::new(rule()))),
    ])
}

fn action() -> Shape {
    Table(vec![
        ("connector", OneOf(connectors::NAMES.to_vec())),
        ("approval", Flag),
        (
            "policy",
            OneOf(vec!["idempotent", "verify", "at_most_once"]),
        ),
        ("max_attempts", Whole(1, 10)),
        (
            "backoff",
            Table(vec![
                ("first_ms", Whole(0, HORIZON_MS)),
                ("factor", Whole(1, 100)),
                ("max_ms", Whole(0, HORIZON_MS)),
            ]),
        ),
    ])
}

fn webhook() -> Shape {
    Table(vec![
        ("url", Text { empty: false }),
        ("method", OneOf(vec!["POST", "PUT", "PATCH"])),
        ("headers", Map(Box::new(Text { empty: true }))),
        ("body", Text { empty: true }),
        ("secret", Text { empty: false }),
        ("timeout_ms", Whole(1, REQUEST_MS_MAX)),
        ("connect_timeout_ms", Whole(1, REQUEST_MS_MAX)),
        ("allow_http", Flag),
        ("allow_private_addresses", Flag),
        (
            "probe",
            Table(vec![
                ("url", Text { empty: false }),
                ("headers", Map(Box::new(Text { empty: true }))),
            ]),
        ),
    ])
}
