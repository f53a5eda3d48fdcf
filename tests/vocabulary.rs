//! The vocabularies are data: an action and an event type of its own are one file each, and two lines beside it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, too, end at the first surprise"
)]

mod support {
    #[allow(dead_code, reason = "each test file uses its own part")]
    pub(crate) mod sources;
}

use std::collections::BTreeSet;

use homeostat_logic::actions::Action;
use homeostat_logic::events::{KINDS, kind_of};

use support::sources::{Source, sources};

/// Names of the files of a folder of `logic/src`, without those that hold no member of the list.
fn files(folder: &str, others: &[&str]) -> BTreeSet<String> {
    let prefix = format!("logic/src/{folder}/");
    let sources = sources();
    let names = sources.iter().filter_map(|source| {
        let name = source.path.strip_prefix(&prefix)?;
        name.strip_suffix(".rs")
    });
    let names = names.filter(|name| !others.contains(name));
    names.map(str::to_owned).collect()
}

/// Lines of code outside the file of a name that have the name in either spelling. Tests and comments do not count.
fn lines_beside(file: &str, spellings: [&str; 2]) -> Vec<String> {
    let mut lines = Vec::new();
    for Source {
        path,
        text,
        is_test,
    } in sources()
    {
        // A kind of connection says which actions it carries out; examples of payloads name alerts.
        let names_by_right = ["benches/", "src/connectors/", "logic/src/forms/"];
        if is_test || path == file || names_by_right.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let named = code.lines().filter(|line| {
            let line = line.trim_start();
            !line.starts_with("//") && spellings.iter().any(|word| line.contains(word))
        });
        lines.extend(named.map(|line| format!("{path}: {}", line.trim())));
    }
    lines
}

#[test]
fn every_action_is_one_file() {
    let names = Action::ALL.map(|action| action.name().to_owned());
    assert_eq!(files("actions", &["mod", "kind"]), names.into());
    for action in Action::ALL {
        let written = serde_json::to_value(action).unwrap();
        assert_eq!(written, action.name(), "its name in records is its file's");
        assert_eq!(Action::find(action.name()), Some(action));
    }
}

#[test]
fn every_event_type_with_something_of_its_own_is_one_file() {
    let names = KINDS.map(|kind| kind.name().to_owned());
    assert_eq!(files("events", &["mod", "other"]), names.into());
    for kind in KINDS {
        assert_eq!(kind_of(kind.name()).name(), kind.name());
    }
    assert_eq!(kind_of("a_type_without_a_file").name(), "other");
}

#[test]
fn an_action_is_its_file_and_two_lines() {
    let lines = lines_beside(
        "logic/src/actions/scale_down.rs",
        ["scale_down", "ScaleDown"],
    );
    assert_eq!(lines.len(), 2, "{lines:#?}");
}

#[test]
fn an_event_type_of_its_own_is_its_file_and_two_lines() {
    let name = ["prediction_latency_high", "PredictionLatencyHigh"];
    let lines = lines_beside("logic/src/events/prediction_latency_high.rs", name);
    assert_eq!(lines.len(), 2, "{lines:#?}");
}
