//! From the checked tree to types: references are resolved and templates compiled here, so that what is wrong with them is
//! found at load, not at the first action.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use homeostat_logic::action::Action;
use homeostat_logic::rules::RuleSettings;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::faults::{Fault, join};
use super::keys::{RULE_SECTIONS, executed_actions};
use super::layers::Entry;
use super::secrets::{Secret, SecretError, is_quoted, is_reference, resolve, resolve_word};
use super::security::Security;
use super::settings::{Http, Kafka, Settings};
use crate::connectors::webhook::{Endpoint, Problem, WebhookSettings};
use crate::log::kafka::options;

/// What building needs, and the faults it finds.
pub(super) struct Build<'a> {
    pub(super) root: &'a Entry,
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) faults: &'a mut Vec<Fault>,
    pub(super) warnings: &'a mut Vec<Fault>,
}

impl Build<'_> {
    /// The rules.
    pub(super) fn rules(&mut self) -> Option<RuleSettings> {
        let table: Table = RULE_SECTIONS
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), self.root.at(&[name])?.to_value())))
            .collect();
        self.typed("", Value::Table(table))
    }

    /// Everything else. Each part is built even when another fails, so that all faults are found.
    pub(super) fn settings(&mut self) -> Option<Settings> {
        let data_dir = self.typed::<PathBuf>("data_dir", self.value("data_dir"));
        let http = self.http();
        let kafka = self.kafka();
        let log = self.section("log");
        let ledger = self.section("ledger");
        let consumer = self.section("consumer");
        let dead_letters = self.section("dead_letters");
        let supervision = self.section("supervision");
        let log_output = self.section("log_output");
        let webhook = self.webhooks();
        Some(Settings {
            data_dir: data_dir?,
            http: http?,
            kafka: kafka?,
            log: log?,
            ledger: ledger?,
            consumer: consumer?,
            dead_letters: dead_letters?,
            supervision: supervision?,
            log_output: log_output?,
            webhook,
        })
    }

    fn value(&self, name: &str) -> Value {
        self.root
            .at(&[name])
            .map_or(Value::Boolean(false), Entry::to_value)
    }

    fn section<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        self.typed(name, self.value(name))
    }

    /// The checks before this one leave nothing to refuse here; should they disagree with a type, it is told, not hidden.
    /// Where a fault was already reported, this one would only repeat it.
    fn typed<T: DeserializeOwned>(&mut self, key: &str, value: Value) -> Option<T> {
        match value.try_into() {
            Ok(typed) => Some(typed),
            Err(error) => {
                if self.faults.is_empty() {
                    self.faults.push(Fault {
                        origin: self.root.origin.clone(),
                        key: key.to_owned(),
                        problem: error.message().to_owned(),
                        remedy: "correct the value".to_owned(),
                    });
                }
                None
            }
        }
    }

    fn http(&mut self) -> Option<Http> {
        #[derive(serde::Deserialize)]
        struct Plain {
            listen: std::net::SocketAddr,
            allowed_hosts: Vec<crate::http::Authority>,
            body_bytes_max: usize,
            event_bytes_max: usize,
        }
        let operator_token = self.operator_token();
        let plain: Plain = self.section("http")?;
        Some(Http {
            listen: plain.listen,
            allowed_hosts: plain.allowed_hosts,
            body_bytes_max: plain.body_bytes_max,
            event_bytes_max: plain.event_bytes_max,
            operator_token,
        })
    }

    /// Empty = none. Anything but a reference is a fault, as with every secret.
    fn operator_token(&mut self) -> Option<Secret> {
        let entry = self.root.at(&["http", "operator_token"])?;
        let reference = entry.leaf().and_then(Value::as_str)?;
        if reference.is_empty() {
            return None;
        }
        let resolved = resolve_word(reference, self.environment);
        resolved
            .map_err(|error| self.secret_fault(entry, join("http", "operator_token"), &error))
            .ok()
    }

    fn kafka(&mut self) -> Option<Kafka> {
        #[derive(serde::Deserialize)]
        struct Plain {
            bootstrap_servers: String,
            group_id: String,
            session_timeout_ms: u32,
            replication_factor: i32,
            topic_generation: u32,
        }
        let options = self.client_options();
        let plain: Plain = self.section("kafka")?;
        Some(Kafka {
            bootstrap_servers: Some(plain.bootstrap_servers).filter(|list| !list.is_empty()),
            group_id: plain.group_id,
            session_timeout_ms: plain.session_timeout_ms,
            replication_factor: plain.replication_factor,
            topic_generation: plain.topic_generation,
            options,
        })
    }

    fn client_options(&mut self) -> BTreeMap<String, Secret> {
        let mut taken = self.short_form();
        let Some(table) = self.root.at(&["kafka", "options"]).and_then(Entry::table) else {
            return taken;
        };
        for (name, entry) in table {
            let text = match entry.leaf() {
                Some(Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
                None => continue,
            };
            let value = if is_reference(&text) || options::is_secret(name) {
                resolve(&text, self.environment)
            } else {
                Ok(Secret::new(text))
            };
            match value {
                Ok(value) => {
                    self.doubt_quotes(entry, join("kafka.options", name), &value);
                    taken.insert(name.clone(), value);
                }
                Err(error) => self.secret_fault(entry, join("kafka.options", name), &error),
            }
        }
        taken
    }

    /// `[kafka.tls]` and `[kafka.sasl]` in the client's names.
    fn short_form(&mut self) -> BTreeMap<String, Secret> {
        let mut taken = BTreeMap::new();
        let Some(kafka) = self.root.at(&["kafka"]) else {
            return taken;
        };
        for (name, written) in Security::read(kafka).added() {
            let value = if is_reference(&written.text) || options::is_secret(name) {
                resolve(&written.text, self.environment)
            } else {
                Ok(Secret::new(written.text))
            };
            let path: Vec<_> = written.path.iter().map(String::as_str).collect();
            let entry = kafka.at(&path).unwrap_or(kafka);
            let key = path
                .iter()
                .fold("kafka".to_owned(), |key, name| join(&key, name));
            match value {
                Ok(value) => {
                    self.doubt_quotes(entry, key, &value);
                    taken.insert(name.to_owned(), value);
                }
                Err(error) => self.secret_fault(entry, key, &error),
            }
        }
        taken
    }

    /// A password may hold anything, so that quotes around one are only told.
    fn doubt_quotes(&mut self, entry: &Entry, key: String, value: &Secret) {
        let value = value.expose();
        let is_padded = value.trim() != value && !value.contains("-----BEGIN");
        if is_quoted(value) || is_padded {
            self.warnings.push(Fault {
                origin: entry.origin.clone(),
                key,
                problem: "has quotes or spaces around its value, which count as a part of it"
                    .to_owned(),
                remedy: "remove them unless they are meant".to_owned(),
            });
        }
    }

    fn secret_fault(&mut self, entry: &Entry, key: String, error: &SecretError) {
        self.faults.push(Fault {
            origin: entry.origin.clone(),
            key,
            problem: error.to_string(),
            remedy: error.remedy().to_owned(),
        });
    }

    fn webhooks(&mut self) -> BTreeMap<Action, Arc<Endpoint>> {
        let mut endpoints = BTreeMap::new();
        for name in executed_actions() {
            let Some(entry) = self.root.at(&["webhook", name]) else {
                continue;
            };
            let action = Action::ALL.into_iter().find(|action| action.name() == name);
            let path = join("webhook", name);
            let Some(settings) = self.typed::<WebhookSettings>(&path, entry.to_value()) else {
                continue;
            };
            match Endpoint::compile(&settings, self.environment) {
                Ok(endpoint) => {
                    let doubts = endpoint.doubts.iter().cloned();
                    self.warnings
                        .extend(doubts.map(|doubt| placed(doubt, entry, &path)));
                    endpoints.extend(action.map(|action| (action, Arc::new(endpoint))));
                }
                Err(problems) => {
                    let problems = problems.into_iter();
                    self.faults
                        .extend(problems.map(|problem| placed(problem, entry, &path)));
                }
            }
        }
        endpoints
    }
}

/// A problem of a webhook's table `entry`, at the key that has it.
fn placed(problem: Problem, entry: &Entry, path: &str) -> Fault {
    let names: Vec<&str> = problem.key.iter().map(String::as_str).collect();
    let place = entry.at(&names).unwrap_or(entry);
    Fault {
        origin: place.origin.clone(),
        key: names
            .iter()
            .fold(path.to_owned(), |key, name| join(&key, name)),
        problem: problem.problem,
        remedy: problem.remedy,
    }
}
