//! From the checked tree to types: references are resolved and templates compiled here, so that what is wrong with them is
//! found at load, not at the first action.

use std::collections::BTreeMap;
use std::sync::Arc;

use homeostat_actors::ports::connector::Connections;
use homeostat_logic::rules::{RuleSettings, Rules};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::connections::placed;
use super::faults::{Fault, join, suggest};
use super::layers::Entry;
use super::security::Security;
use super::settings::Settings;
use super::{Trials, connections, layers, schema};
use crate::connectors::kit::Compile;
use crate::connectors::kit::samples::Samples;
use crate::forms_of_topics::REGISTRY;
use crate::log::kafka::options;
use crate::recommendations::external::External;
use crate::schema_registry::{Registry, RegistrySettings};
use crate::secrets::{
    InboundSecrets, Secret, SecretError, is_quoted, is_reference, resolve, resolve_word,
};
use crate::store::{self, Store, StoreSettings};
use crate::user_secret::UserSecret;

/// What building needs, and the faults it finds.
pub(super) struct Build<'a> {
    pub(super) root: &'a Entry,
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) faults: &'a mut Vec<Fault>,
    pub(super) warnings: &'a mut Vec<Fault>,
    /// Whether every layer could be read.
    pub(super) is_complete: bool,
    /// Whether templates are tried on samples.
    pub(super) trials: Trials,
}

impl Build<'_> {
    /// Everything that is without fault.
    pub(super) fn all(mut self) -> (Option<Settings>, Option<RuleSettings>) {
        let rules = self.rules();
        let tried = self.trials == Trials::Made;
        let samples = tried.then(|| samples(rules.as_ref())).flatten();
        (self.settings(samples.as_ref()), rules)
    }

    /// The rules.
    fn rules(&mut self) -> Option<RuleSettings> {
        let mut table = self.sections(&schema::keys_of::<RuleSettings>());
        without_use(table.get_mut("actions"));
        let targets = table.get_mut("targets").and_then(Value::as_table_mut);
        for (_, target) in targets.into_iter().flatten() {
            without_use(target.get_mut("actions"));
        }
        self.typed(table)
    }

    /// Everything else. Each part is built even when another fails, so that all faults are found.
    fn settings(&mut self, samples: Option<&Samples>) -> Option<Settings> {
        let operator_token = self.word("http", "operator_token");
        let inbound_secrets = self.inbound();
        let user_secret = self.user_secret();
        let experiments = self.experiments();
        let kafka_options = self.client_options();
        let connections = self.connections(samples);
        let user_store = self.user_store()?;
        let table = self.sections(&schema::keys_of::<Settings>());
        let settings: Settings = self.typed(table)?;
        Some(Settings {
            operator_token,
            inbound_secrets,
            user_secret,
            experiments,
            kafka_options,
            connections,
            user_store,
            registries: self.registries(&settings),
            external_models: self.external_models(&settings),
            ..settings
        })
    }

    fn sections(&self, names: &[String]) -> Table {
        let names = names.iter();
        let sections =
            names.filter_map(|name| Some((name.clone(), self.root.at(&[name])?.to_value())));
        sections.collect()
    }

    fn connections(&mut self, samples: Option<&Samples>) -> Connections {
        let mut build = connections::Build {
            root: self.root,
            environment: self.environment,
            faults: self.faults,
            warnings: self.warnings,
            is_complete: self.is_complete,
            samples,
        };
        build.connections()
    }

    /// The checks before this one leave nothing to refuse here; should they disagree with a type, that is a fault, too.
    /// Where a fault was already reported, this one would only repeat it.
    fn typed<T: DeserializeOwned>(&mut self, table: Table) -> Option<T> {
        match table.try_into() {
            Ok(typed) => Some(typed),
            Err(error) => {
                if self.faults.is_empty() {
                    self.faults.push(Fault {
                        origin: self.root.origin.clone(),
                        key: String::new(),
                        problem: error.message().to_owned(),
                        remedy: "correct the value".to_owned(),
                    });
                }
                None
            }
        }
    }

    /// Empty = none. Anything but a reference is a fault, as with every secret.
    fn word(&mut self, section: &str, key: &str) -> Option<Secret> {
        let entry = self.root.at(&[section, key])?;
        let reference = entry.leaf().and_then(Value::as_str)?;
        if reference.is_empty() {
            return None;
        }
        let resolved = resolve_word(reference, self.environment);
        resolved
            .map_err(|error| self.secret_fault(entry, join(section, key), &error))
            .ok()
    }

    /// A rotation ends with the previous secret left out, so one alone is most likely a mistake, but works.
    fn inbound(&mut self) -> InboundSecrets {
        let mlflow = ["mlflow_secret", "mlflow_previous_secret"];
        InboundSecrets {
            token: self.word("inbound", "token"),
            mlflow: mlflow
                .into_iter()
                .filter_map(|key| self.word("inbound", key))
                .collect(),
        }
    }

    fn user_store(&mut self) -> Option<StoreSettings> {
        let entry = self.root.at(&["store"])?;
        let section: Store = self.typed(entry.to_value().try_into().ok()?)?;
        let mut compile = Compile::new(self.environment);
        let compiled = store::settings::compile(&section, &mut compile);
        let placed = |problem| connections::placed(problem, entry, "store");
        self.faults.extend(compile.problems.into_iter().map(placed));
        self.warnings.extend(compile.doubts.into_iter().map(placed));
        compiled
    }

    /// Empty = users need no token.
    fn user_secret(&mut self) -> UserSecret {
        let path = ["recommendations", "push_secret"];
        let Some(entry) = self.root.at(&path) else {
            return UserSecret::default();
        };
        let reference = entry.leaf().and_then(Value::as_str).unwrap_or_default();
        UserSecret::resolve(reference, self.environment).unwrap_or_else(|error| {
            self.faults.push(Fault {
                origin: entry.origin.clone(),
                key: path.join("."),
                problem: error.to_string(),
                remedy: error.remedy().to_owned(),
            });
            UserSecret::default()
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

    /// The registry of each table of the form `registry`: its own, else the common one.
    fn registries(&mut self, settings: &Settings) -> BTreeMap<String, Arc<Registry>> {
        let mut common = None;
        if let Some(registry) = &settings.registry {
            common = self.registry(registry, &["registry"]);
        }
        let tables = settings.ingest.iter();
        let described = tables.filter(|(_, table)| table.form == REGISTRY);
        let registries = described.filter_map(|(name, table)| {
            let registry = match &table.registry {
                Some(own) => self.registry(own, &["ingest", name, "registry"]),
                None => common.clone(),
            };
            Some((name.clone(), registry?))
        });
        registries.collect()
    }

    fn registry(&mut self, settings: &RegistrySettings, path: &[&str]) -> Option<Arc<Registry>> {
        let entry = self.root.at(path)?;
        let mut compile = Compile::new(self.environment);
        let registry = Registry::new(settings, &mut compile);
        let key = path.join(".");
        let is_usable = compile.problems.is_empty();
        let found = compile.problems.into_iter();
        self.faults
            .extend(found.map(|problem| placed(problem, entry, &key)));
        registry.filter(|_| is_usable).map(Arc::new)
    }

    fn external_models(&mut self, settings: &Settings) -> Vec<Arc<External>> {
        let wanted = &settings.recommendations;
        let models = wanted.external.iter().filter_map(|(name, external)| {
            let path = ["recommendations", "external", name];
            let entry = self.root.at(&path)?;
            let mut compile = Compile::new(self.environment);
            let model = external.clone().compile(name, &mut compile);
            let is_usable = compile.problems.is_empty();
            let key = path.join(".");
            let found = compile.problems.into_iter();
            self.faults
                .extend(found.map(|problem| placed(problem, entry, &key)));
            model.filter(|_| is_usable).map(Arc::new)
        });
        let models: Vec<_> = models.collect();
        let names: Vec<&str> = wanted.external.keys().map(String::as_str).collect();
        let served_by = wanted.served_by.as_str();
        if !served_by.is_empty() && !names.contains(&served_by) {
            let path = ["recommendations", "served_by"];
            let origin = self.root.at(&path).unwrap_or(self.root).origin.clone();
            self.faults.push(Fault {
                origin,
                key: path.join("."),
                problem: format!("`{served_by}` is no external model"),
                remedy: if names.is_empty() {
                    "write [recommendations.external.NAME]".to_owned()
                } else {
                    suggest(served_by, &names)
                },
            });
        }
        models
    }

    /// A password may hold anything, so quotes around one are only a warning.
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
}

/// Orders to try templates on: by these rules, or where they have faults by the default ones.
fn samples(rules: Option<&RuleSettings>) -> Option<Samples> {
    let own = rules.and_then(|rules| Rules::new(rules).ok());
    let rules = own.or_else(|| {
        let mut root = layers::parse_default();
        connections::expand(&mut root);
        let mut defaults = Build {
            root: &root,
            environment: &BTreeMap::new(),
            faults: &mut Vec::new(),
            warnings: &mut Vec::new(),
            is_complete: true,
            trials: Trials::Left,
        };
        Rules::new(&defaults.rules()?).ok()
    });
    rules.map(Samples::by)
}

/// How actions use their connections is no part of the rules.
fn without_use(actions: Option<&mut Value>) {
    for (_, action) in actions.and_then(Value::as_table_mut).into_iter().flatten() {
        if let Some(keys) = action.as_table_mut() {
            keys.remove("with");
        }
    }
}
