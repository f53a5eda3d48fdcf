//! `[ingest.NAME]` and its registry: what a table must name, and what it must not.

use std::collections::BTreeMap;

use homeostat_logic::model_reference;
use homeostat_logic::topic::{self, INTERNAL_PREFIX};

use super::Relations;
use crate::configuration::layers::Entry;
use crate::forms_of_topics::{EVENT, REGISTRY};

/// Tables at most: each is a topic that is read, and a label of metrics.
const TABLES_MAX: usize = 32;
/// Longest name of a topic in Kafka.
const TOPIC_CHARS_MAX: usize = 249;

impl Relations<'_> {
    /// Each table names a topic of its own, a form, and what that form needs.
    pub(super) fn ingest_is_complete(&mut self) {
        let tables = self.root.at(&["ingest"]).and_then(Entry::table);
        let names: Vec<String> = tables
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect();
        if let Some(name) = names.get(TABLES_MAX) {
            let problem = format!("exceeds the limit of {TABLES_MAX} tables");
            self.fault(
                &["ingest", name],
                problem,
                "remove tables that are not needed",
            );
        }
        let mut topics: BTreeMap<String, String> = BTreeMap::new();
        for name in names {
            if let Some(topic) = self.ingest_table(&name)
                && let Some(first) = topics.insert(topic.clone(), name.clone())
            {
                let problem = format!("`{topic}` is the topic of [ingest.{first}], too");
                self.fault(
                    &["ingest", &name, "topic"],
                    problem,
                    "keep one of both tables",
                );
            }
        }
    }

    /// Its topic, if that is usable.
    fn ingest_table(&mut self, name: &str) -> Option<String> {
        let text = |relations: &Self, key: &str| relations.text(&["ingest", name, key]);
        for key in ["topic", "form"] {
            if text(self, key).is_none() {
                let problem = "is missing".to_owned();
                self.fault(
                    &["ingest", name, key],
                    problem,
                    format!("add {key} = \"…\""),
                );
            }
        }
        let (topic, form) = (text(self, "topic")?, text(self, "form")?);
        let usable = topic
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || "._-".contains(one));
        if !usable || topic.is_empty() || topic.len() > TOPIC_CHARS_MAX {
            let problem = format!("`{topic}` is no name of a topic");
            let remedy = "use letters, digits, `.`, `_` and `-`";
            self.fault(&["ingest", name, "topic"], problem, remedy);
            return None;
        }
        let own = topic::find(&topic);
        if topic.starts_with(INTERNAL_PREFIX) || (own.is_some() && form != REGISTRY) {
            let problem = format!("`{topic}` is read by the service itself");
            let remedy = "name a topic that your tools write; of the platform's topics only form = \"registry\" is read";
            self.fault(&["ingest", name, "topic"], problem, remedy);
            return None;
        }
        self.target_of_ingest(name, &form, own.is_some());
        self.registry_of_ingest(name, &form);
        if let Some(model) = text(self, "model")
            && model_reference::parse(&model).is_none()
        {
            let problem = format!("`{model}` is no reference to a model");
            self.fault(
                &["ingest", name, "model"],
                problem,
                "write NAME or NAME@VERSION",
            );
        }
        Some(topic)
    }

    /// `to` says which events the records are, where neither form nor topic does.
    fn target_of_ingest(&mut self, name: &str, form: &str, is_own: bool) {
        let to = self.text(&["ingest", name, "to"]);
        let path = ["ingest", name, "to"];
        let needed = [EVENT, REGISTRY].contains(&form) && !is_own;
        match to {
            None if needed => {
                let problem = format!(
                    "is missing: a record of the form {form} does not say which event it is"
                );
                self.fault(
                    &path,
                    problem,
                    "add to = \"data.drift.detected\", or another topic of the platform",
                );
            }
            Some(to) if topic::find(&to).is_none() => {
                let problem = format!("`{to}` is no topic of the platform");
                self.fault(&path, problem, "use one that `homeostat topics list` names");
            }
            Some(_) if !needed => {
                let problem = "has no effect: form and topic say which events these are".to_owned();
                self.fault(&path, problem, "remove it");
            }
            _ => {}
        }
    }

    /// The form `registry` needs one, and no other form asks it.
    fn registry_of_ingest(&mut self, name: &str, form: &str) {
        let own = ["ingest", name, "registry"];
        let has_own = self.root.at(&own).is_some();
        if form == REGISTRY {
            if !has_own && self.root.at(&["registry"]).is_none() {
                let problem = "needs a schema registry".to_owned();
                let remedy = "write [registry] with its url";
                self.fault(&["ingest", name, "form"], problem, remedy);
            }
        } else if has_own {
            let problem = format!("has no effect: records of the form {form} have no schema");
            self.fault(&own, problem, "remove it, or write form = \"registry\"");
        }
    }

    /// A topic of another tool is read from Kafka only.
    pub(super) fn ingest_has_kafka(&mut self) {
        let servers = self
            .text(&["kafka", "bootstrap_servers"])
            .unwrap_or_default();
        let tables = self.root.at(&["ingest"]).and_then(Entry::table);
        let names: Vec<String> = tables
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect();
        if !servers.is_empty() {
            return;
        }
        for name in names {
            let problem =
                "has no effect on the embedded log, which other tools cannot write".to_owned();
            let remedy = "set kafka.bootstrap_servers, or send the payloads over HTTP";
            self.fault(&["ingest", &name], problem, remedy);
        }
    }
}
