//! `homeostat templates list`: each text of an alert and each template of a request, where it comes from, what it may name.

use std::collections::BTreeSet;

use homeostat_logic::events::KINDS;
use homeostat_logic::target::TargetKind;
use homeostat_logic::texts::{DEFAULT, Part, Texts, names};
use homeostat_logic::topic::{TOPICS, Use};

use super::super::text::{line, printable};
use super::super::{Decides, Failure, print};
use crate::connectors::request_variables;

/// Width of the first column.
const WIDTH: usize = 52;

pub(super) fn list(decides: &Decides) -> Result<(), Failure> {
    let mut text = String::new();
    let types = types(decides);
    row(&mut text, "TEXT OF ALERTS", "SOURCE");
    // A name that no table has: the texts of every other target.
    let general = decides.rules.texts(TargetKind::Model, "");
    for event_type in &types {
        for part in Part::ALL {
            let name = format!("{event_type}.{}", part.name());
            row(
                &mut text,
                &name,
                &source(decides, general, event_type, part),
            );
        }
    }
    for target in targets(decides) {
        own(&mut text, decides, general, &target, &types);
    }
    let requests: Vec<_> = decides
        .origins
        .iter()
        .filter(|(key, _)| is_of_a_request(key))
        .collect();
    if !requests.is_empty() {
        text.push('\n');
        row(&mut text, "REQUESTS", "SOURCE");
        for (key, origin) in requests {
            row(&mut text, key, origin);
        }
    }
    variables(&mut text);
    print(&printable(&text))
}

fn row(text: &mut String, name: &str, source: &str) {
    line(text, format_args!("{name:WIDTH$} {source}"));
}

fn source(decides: &Decides, texts: &Texts, event_type: &str, part: Part) -> String {
    match texts.source(event_type, part) {
        None => format!("built-in, {}", texts.language),
        Some(key) => {
            // A place in the configuration quotes what TOML quotes.
            let mut origins = decides.origins.iter();
            let origin = origins.find(|(place, _)| place.replace('"', "") == key);
            origin
                .map(|(_, origin)| origin)
                .map_or_else(|| key.to_owned(), |origin| format!("{origin} ({key})"))
        }
    }
}

/// The texts of a target that are not the general ones.
fn own(
    text: &mut String,
    decides: &Decides,
    general: &Texts,
    target: &str,
    types: &BTreeSet<String>,
) {
    let split = TargetKind::split(target);
    let (kind, name) = split.unwrap_or((TargetKind::Model, target));
    let texts = decides.rules.texts(kind, name);
    for event_type in types {
        for part in Part::ALL {
            let same = texts.language == general.language
                && texts.source(event_type, part) == general.source(event_type, part);
            if !same {
                let name = format!("{target}: {event_type}.{}", part.name());
                row(text, &name, &source(decides, texts, event_type, part));
            }
        }
    }
}

/// Types that events are known to have: of topics about which decisions are made, of rules and of tables of texts.
fn types(decides: &Decides) -> BTreeSet<String> {
    let topics = TOPICS
        .iter()
        .filter(|topic| matches!(topic.usage, Use::Decide(_)));
    let topics = topics.map(|topic| topic.event_type);
    let kinds = KINDS.iter().map(|kind| kind.name());
    let rules = decides.rules.event_types().filter(|name| *name != "other");
    let known = topics.chain(kinds).chain(rules).map(str::to_owned);
    let tables = decides.settings.texts.keys().cloned();
    let own = decides.settings.targets.values();
    let own = own.flat_map(|target| target.texts.keys().cloned());
    known
        .chain(tables)
        .chain(own)
        .chain([DEFAULT.to_owned()])
        .collect()
}

fn targets(decides: &Decides) -> Vec<String> {
    let targets = decides.settings.targets.iter();
    targets
        .filter(|(_, target)| target.language.is_some() || !target.texts.is_empty())
        .map(|(name, _)| name.clone())
        .collect()
}

/// What an action does with its connection.
fn is_of_a_request(key: &str) -> bool {
    (key.starts_with("actions.") || key.starts_with("targets.")) && key.contains(".with.")
}

fn variables(text: &mut String) {
    let common = names("");
    line(
        text,
        format_args!("\nVariables of texts: {}", common.join(", ")),
    );
    for kind in KINDS {
        let facts: Vec<&str> = kind.facts().iter().map(|fact| fact.name).collect();
        if !facts.is_empty() {
            line(
                text,
                format_args!("  of {} also: {}", kind.name(), facts.join(", ")),
            );
        }
    }
    line(
        text,
        "Filters of texts: decimals (three), percent, and those of minijinja; a missing value is written as a word",
    );
    line(
        text,
        format_args!("Variables of requests: {}", request_variables().join(", ")),
    );
}
