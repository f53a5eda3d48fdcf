//! Rules that concern several keys, or that a range cannot say. All of them are called from [`check`], and each has a test
//! in `tests/configuration/relations.rs`. They read the merged tree and skip what is not there or was already refused, so
//! that one fault never hides another.

mod budgets;
mod ingest;
mod intervals;
mod unmatched;

use std::net::SocketAddr;

use homeostat_logic::actions::Action;
use homeostat_logic::ledger::times::HORIZON_MS;
use homeostat_logic::rules::schema::executed_actions;
use homeostat_logic::severity::Severity;
use homeostat_logic::target::TargetKind;
use toml::Value;

use super::brokers;
use super::effective::{self, HIDDEN};
use super::faults::{Fault, Origin, suggest};
use super::layers::Entry;
use super::security::Security;
use crate::log::kafka::options;

/// `lease_ms` and `probe_for_ms` of ledger-protocol §7, which bound how long all attempts together may take.
const LEASE_MS: i64 = 60_000;
const PROBE_MS: i64 = 600_000;

/// Copies without which an acknowledged record can be lost with one broker.
const COPIES_MIN: i64 = 3;

/// The merged tree, and the faults found in it so far.
pub(super) struct Relations<'a> {
    root: &'a Entry,
    faults: &'a mut Vec<Fault>,
}

/// Checks every relation.
pub(super) fn check(root: &Entry, faults: &mut Vec<Fault>) {
    let mut relations = Relations { root, faults };
    relations.listen_is_loopback();
    relations.bootstrap_servers_are_host_and_port();
    relations.client_options_are_allowed();
    relations.security_of_kafka_goes_together();
    relations.log_level_is_a_filter();
    relations.maintenance_has_days();
    relations.intervals_are_known();
    relations.rules_answer_every_severity();
    relations.drain_ends_before_the_session();
    relations.production_has_copies();
    relations.ingest_is_complete();
    relations.budgets_are_complete_and_few();
    relations.budgets_of_targets_exist();
    relations.alerts_wait_for_nobody();
    relations.hidden_values_are_filled_in();
    relations.targets_are_written_once();
    relations.attempts_end_within_a_quarter_of_the_horizon();
    for (low, high) in ORDERED {
        relations.not_above(low, high);
    }
}

/// Finds what is allowed and has no effect.
pub(super) fn warn(root: &Entry, warnings: &mut Vec<Fault>) {
    let mut relations = Relations {
        root,
        faults: warnings,
    };
    relations.ingest_has_kafka();
    relations.rules_have_events();
    relations.texts_have_events();
    relations.targets_are_names();
    relations.thresholds_have_fields();
    relations.intervals_have_an_effect();
}

/// Pairs of keys, the first of which may not be above the second.
const ORDERED: [(&[&str], &[&str]); 4] = [
    (&["http", "event_bytes_max"], &["http", "body_bytes_max"]),
    (
        &["consumer", "batch_events_max"],
        &["consumer", "in_flight_records_max"],
    ),
    (
        &["consumer", "retry_first_ms"],
        &["consumer", "retry_max_ms"],
    ),
    (
        &["supervision", "backoff_first_ms"],
        &["supervision", "backoff_max_ms"],
    ),
];

impl Relations<'_> {
    fn whole(&self, path: &[&str]) -> Option<i64> {
        self.root.at(path)?.leaf()?.as_integer()
    }

    fn text(&self, path: &[&str]) -> Option<String> {
        Some(self.root.at(path)?.leaf()?.as_str()?.to_owned())
    }

    fn fault(&mut self, path: &[&str], problem: String, remedy: impl Into<String>) {
        // A missing key is reported at its table.
        let origin = (0..=path.len())
            .rev()
            .find_map(|length| self.root.at(path.get(..length)?))
            .map_or(Origin::Default { line: 1 }, |entry| entry.origin.clone());
        let key = path.iter().fold(String::new(), |parent, name| {
            super::faults::join(&parent, name)
        });
        self.faults.push(Fault {
            origin,
            key,
            problem,
            remedy: remedy.into(),
        });
    }

    fn listen_is_loopback(&mut self) {
        let path = ["http", "listen"];
        let Some(listen) = self.text(&path) else {
            return;
        };
        match listen.parse::<SocketAddr>() {
            Err(_) => self.fault(
                &path,
                format!("`{listen}` is not an address with a port"),
                "write ADDRESS:PORT such as \"127.0.0.1:8470\", port 0 to 65535",
            ),
            Ok(address) if !address.ip().is_loopback() => self.fault(
                &path,
                format!(
                    "{} can be reached from other machines, and this version has no authentication",
                    address.ip()
                ),
                "listen on 127.0.0.1 and put an authenticating proxy in front of it",
            ),
            Ok(_) => {}
        }
    }

    fn bootstrap_servers_are_host_and_port(&mut self) {
        let path = ["kafka", "bootstrap_servers"];
        let Some(servers) = self.text(&path).filter(|servers| !servers.is_empty()) else {
            return;
        };
        for (problem, remedy) in brokers::problems(&servers) {
            self.fault(&path, problem, remedy);
        }
    }

    fn client_options_are_allowed(&mut self) {
        let Some(given) = self.root.at(&["kafka", "options"]).and_then(Entry::table) else {
            return;
        };
        let given: Vec<(String, Option<Value>)> = given
            .iter()
            .map(|(name, entry)| (name.clone(), entry.leaf().cloned()))
            .collect();
        for (name, value) in given {
            let path = ["kafka", "options", name.as_str()];
            if !options::is_allowed(&name) {
                let remedy = suggest(&name, &options::allowed());
                self.fault(&path, "is not an option that may be set".to_owned(), remedy);
            } else if !matches!(
                value,
                Some(Value::String(_) | Value::Integer(_) | Value::Boolean(_))
            ) {
                self.fault(
                    &path,
                    "is not a single value".to_owned(),
                    "write text, a whole number, true or false",
                );
            }
        }
    }

    fn security_of_kafka_goes_together(&mut self) {
        let Some(kafka) = self.root.at(&["kafka"]) else {
            return;
        };
        for clash in Security::read(kafka).clashes() {
            let below = clash.path.iter().map(String::as_str);
            let path: Vec<_> = std::iter::once("kafka").chain(below).collect();
            self.fault(&path, clash.problem, clash.remedy);
        }
    }

    fn log_level_is_a_filter(&mut self) {
        let path = ["log_output", "level"];
        let Some(level) = self.text(&path) else {
            return;
        };
        // A bare word is a target to the filter, so that a mistyped level would silence everything.
        let words = ["error", "warn", "info", "debug", "trace", "off"];
        for directive in level.split(',').map(str::trim) {
            let known =
                directive.contains('=') || words.contains(&directive.to_lowercase().as_str());
            if !known || tracing_subscriber::EnvFilter::try_new(directive).is_err() {
                let remedy = suggest(directive, &words);
                self.fault(&path, format!("`{directive}` is not a level"), remedy);
            }
        }
    }

    fn rules_answer_every_severity(&mut self) {
        let Some(rules) = self.root.at(&["rules"]).and_then(Entry::table) else {
            return;
        };
        let missing: Vec<(String, &str)> = rules
            .iter()
            .flat_map(|(name, rule)| {
                Severity::ALL
                    .map(Severity::name)
                    .into_iter()
                    .filter(|severity| {
                        rule.at(&[severity])
                            .or_else(|| rule.at(&["default"]))
                            .is_none()
                    })
                    .map(|severity| (name.clone(), severity))
            })
            .collect();
        for (name, severity) in missing {
            self.fault(
                &["rules", &name, severity],
                "is missing".to_owned(),
                format!("write one of {}", Action::ALL.map(Action::name).join(", ")),
            );
        }
    }

    /// The default drain suits every session timeout in range, so it is always the drain that was written too long.
    fn drain_ends_before_the_session(&mut self) {
        let path = ["consumer", "drain_ms"];
        let (Some(drain), Some(session)) = (
            self.whole(&path),
            self.whole(&["kafka", "session_timeout_ms"]),
        ) else {
            return;
        };
        if drain * 2 >= session {
            self.fault(
                &path,
                format!("{drain} ms is at least half of kafka.session_timeout_ms ({session} ms)"),
                format!(
                    "write at most {}, or a longer session timeout",
                    (session - 1) / 2
                ),
            );
        }
    }

    /// Else the ledger would be created as the start then refuses it.
    fn production_has_copies(&mut self) {
        let path = ["kafka", "replication_factor"];
        let is = |found: Option<String>, wanted: &str| found.is_some_and(|found| found == wanted);
        let production = is(self.text(&["ledger", "durability"]), "production");
        let embedded = is(self.text(&["kafka", "bootstrap_servers"]), "");
        let copies = self.whole(&path).filter(|copies| *copies < COPIES_MIN);
        if let Some(copies) = copies.filter(|_| production && !embedded) {
            self.fault(
                &path,
                format!("{copies} is below {COPIES_MIN}, and ledger.durability is \"production\""),
                format!("write {COPIES_MIN}, or ledger.durability = \"development\" where records may be lost with a broker"),
            );
        }
    }

    /// What `check --effective` hid, written back as it was printed, would be sent.
    fn hidden_values_are_filled_in(&mut self) {
        let mut hidden = Vec::new();
        self.root.leaves("", &mut |key, value, origin| {
            if effective::is_address(key)
                && let Some((_, query)) = value.as_str().and_then(|url| url.split_once('?'))
                && query.contains(HIDDEN)
            {
                hidden.push((key.to_owned(), origin.clone()));
            }
        });
        self.faults
            .extend(hidden.into_iter().map(|(key, origin)| Fault {
                origin,
                key,
                problem: format!(
                    "has `{HIDDEN}` in its query, where `check --effective` hid a value"
                ),
                remedy:
                    "write the value, or the whole URL as a reference (env: or file:)".to_owned(),
            }));
    }

    /// `[targets.churn]` is the model and the service of that name, `[targets."model/churn"]` the model alone.
    fn targets_are_written_once(&mut self) {
        let targets = self.root.at(&["targets"]).and_then(Entry::table);
        let names: Vec<String> = targets
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect();
        for name in &names {
            let Some((kind, bare)) = TargetKind::split(name) else {
                continue;
            };
            if bare.is_empty() {
                let problem = format!("names no {}", kind.name());
                self.fault(&["targets", name], problem, format!("write \"{name}NAME\""));
            } else if names.iter().any(|other| other == bare) {
                self.fault(
                    &["targets", name],
                    format!(
                        "is written twice: [targets.{bare}] is about the same {}",
                        kind.name()
                    ),
                    "move the keys of one table into the other",
                );
            }
        }
    }

    fn attempts_end_within_a_quarter_of_the_horizon(&mut self) {
        for action in executed_actions() {
            let backoff = ["actions", action, "backoff", "max_ms"];
            self.not_above(&["actions", action, "backoff", "first_ms"], &backoff);
            let (Some(attempts), Some(pause)) = (
                self.whole(&["actions", action, "max_attempts"]),
                self.whole(&backoff),
            ) else {
                continue;
            };
            let total = attempts * (LEASE_MS + pause) + PROBE_MS;
            if total > HORIZON_MS / 4 {
                let most = ((HORIZON_MS / 4 - PROBE_MS) / attempts.max(1) - LEASE_MS).max(0);
                self.fault(
                    &backoff,
                    format!("{attempts} attempts with pauses of up to {pause} ms take longer than two days"),
                    format!("write at most {most}, or fewer max_attempts"),
                );
            }
        }
    }

    /// Reported at the key that the operator wrote, if that is only one of them.
    fn not_above(&mut self, low: &[&str], high: &[&str]) {
        let (Some(first), Some(second)) = (self.whole(low), self.whole(high)) else {
            return;
        };
        if first <= second {
            return;
        }
        let (low_name, high_name) = (low.join("."), high.join("."));
        if self.is_default(low) && !self.is_default(high) {
            self.fault(
                high,
                format!("{second} is below {low_name} ({first})"),
                format!("write at least {first}, or lower {low_name}"),
            );
        } else {
            self.fault(
                low,
                format!("{first} is above {high_name} ({second})"),
                format!("write at most {second}, or raise {high_name}"),
            );
        }
    }

    fn is_default(&self, path: &[&str]) -> bool {
        self.root
            .at(path)
            .is_some_and(|entry| matches!(entry.origin, Origin::Default { .. }))
    }
}
