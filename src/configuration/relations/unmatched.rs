//! Warnings: what is allowed and has no effect, most often because a name is mistyped.

use homeostat_logic::events::{KINDS, kind_of};
use homeostat_logic::model_reference;
use homeostat_logic::severity::Severity;
use homeostat_logic::target::TargetKind;
use homeostat_logic::texts::DEFAULT;
use homeostat_logic::topic::TOPICS;

use super::Relations;
use crate::configuration::faults::{join, near};
use crate::configuration::layers::{Entry, parse_default};

/// Letters that may be wrong in a name that is taken for a mistyped one, where other names are allowed too.
const REACH: usize = 2;

impl Relations<'_> {
    fn names_below(&self, path: &[&str]) -> Vec<String> {
        let table = self.root.at(path).and_then(Entry::table);
        table
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// `[rules.TYPE]` may name a type that the operator adds, so only one close to a known type is reported.
    /// `[targets.NAME.rules.TYPE]` changes a type, so that it has to be known.
    pub(super) fn rules_have_events(&mut self) {
        let shipped = shipped_types();
        let shipped: Vec<&str> = shipped.iter().map(String::as_str).collect();
        let configured = self.names_below(&["rules"]);
        for name in &configured {
            let meant = near(name, &shipped, REACH);
            if let Some(meant) = meant.filter(|_| !shipped.contains(&name.as_str())) {
                let problem = format!("no topic has the event type `{name}`");
                self.fault(
                    &["rules", name],
                    problem,
                    format!("did you mean `{meant}`?"),
                );
            }
        }
        let known = configured.iter().map(String::as_str).chain(shipped);
        let known: Vec<&str> = known.collect();
        for target in self.names_below(&["targets"]) {
            for name in self.names_below(&["targets", &target, "rules"]) {
                if known.contains(&name.as_str()) {
                    continue;
                }
                let problem = format!("no topic and no table [rules] has the event type `{name}`");
                let remedy = match near(&name, &known, usize::MAX) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "correct the name, or add a rule of that name".to_owned(),
                };
                self.fault(&["targets", &target, "rules", &name], problem, remedy);
            }
        }
    }

    /// A table of texts may name any type that events have; one close to a known type is taken for mistyped.
    pub(super) fn texts_have_events(&mut self) {
        let shipped = shipped_types();
        let configured = self.names_below(&["rules"]);
        let known = shipped.iter().chain(&configured).map(String::as_str);
        let known: Vec<&str> = known.chain([DEFAULT]).collect();
        let general = vec!["texts".to_owned()];
        let targets = self.names_below(&["targets"]).into_iter();
        let own = targets.map(|target| vec!["targets".to_owned(), target, "texts".to_owned()]);
        let tables: Vec<Vec<String>> = std::iter::once(general).chain(own).collect();
        for path in tables {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            for name in self.names_below(&path) {
                let meant = near(&name, &known, REACH);
                if let Some(meant) = meant.filter(|_| !known.contains(&name.as_str())) {
                    let problem = format!("no topic and no rule has the event type `{name}`");
                    let remedy = format!("did you mean `{meant}`?");
                    self.fault(
                        &[path.as_slice(), &[name.as_str()]].concat(),
                        problem,
                        remedy,
                    );
                }
            }
        }
    }

    /// A model's target is its name without the version. A service's name is taken as it is, so of a table for both only
    /// what cannot be a service's name is reported.
    pub(super) fn targets_are_names(&mut self) {
        for written in self.names_below(&["targets"]) {
            let (of_model, name) = match TargetKind::split(&written) {
                Some((TargetKind::Model, name)) => (true, name),
                Some((TargetKind::Service, _)) => continue,
                None => (false, written.as_str()),
            };
            if !of_model && !name.contains('@') && !name.starts_with("models:") {
                continue;
            }
            let prefix = if of_model { "model/" } else { "" };
            let (problem, remedy) = match model_reference::parse(name) {
                Some(read) if read.name == name => continue,
                Some(read) => (
                    format!(
                        "no event has the target `{name}`: the version of a model is not part of its target"
                    ),
                    format!(
                        "write [{}]",
                        join("targets", &format!("{prefix}{}", read.name))
                    ),
                ),
                None => (
                    format!("no event has the target `{name}`: it is not a valid model name"),
                    "write the name of a model or a service".to_owned(),
                ),
            };
            self.fault(&["targets", &written], problem, remedy);
        }
    }

    pub(super) fn thresholds_have_fields(&mut self) {
        let general = self.names_below(&["rules"]).into_iter();
        let mut rules: Vec<Vec<String>> =
            general.map(|name| vec!["rules".to_owned(), name]).collect();
        for target in self.names_below(&["targets"]) {
            for name in self.names_below(&["targets", &target, "rules"]) {
                rules.push(
                    ["targets", &target, "rules", &name]
                        .map(str::to_owned)
                        .to_vec(),
                );
            }
        }
        for rule in &rules {
            let rule: Vec<&str> = rule.iter().map(String::as_str).collect();
            for severity in Severity::ALL.map(Severity::name) {
                let raise = [rule.as_slice(), &["raise", severity]].concat();
                for field in self.names_below(&raise) {
                    self.field_is_known(&rule, &raise, &field);
                }
            }
        }
    }

    /// An event may carry any field. One close to a known field is taken for mistyped; and where the fields of a type are
    /// known, so is any other.
    fn field_is_known(&mut self, rule: &[&str], raise: &[&str], field: &str) {
        let event_type = rule.last().copied().unwrap_or_default();
        let facts = KINDS.iter().flat_map(|kind| kind.facts());
        let known: Vec<&str> = facts.map(|fact| fact.name).collect();
        if raise.last() == Some(&Severity::Low.name()) {
            let problem = "raises to low, and no severity is below that".to_owned();
            self.fault(
                &[raise, &[field]].concat(),
                problem,
                "name a higher severity",
            );
        }
        if known.contains(&field) {
            return;
        }
        let closed = !kind_of(event_type).facts().is_empty();
        let reach = if closed { usize::MAX } else { REACH };
        let remedy = match near(field, &known, reach) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if closed => "keep it only if your events carry it".to_owned(),
            None => return,
        };
        let problem = format!("no known event has a field `{field}`");
        self.fault(&[raise, &[field]].concat(), problem, remedy);
    }
}

/// Event types of the topics and of the shipped rules.
fn shipped_types() -> Vec<String> {
    let defaults = parse_default();
    let rules = defaults.at(&["rules"]).and_then(Entry::table);
    let rules = rules.into_iter().flatten().map(|(name, _)| name.clone());
    let topics = TOPICS.iter().map(|topic| topic.event_type.to_owned());
    let kinds = KINDS.iter().map(|kind| kind.name().to_owned());
    rules.chain(topics).chain(kinds).collect()
}
