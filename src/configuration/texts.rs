//! The templates of `[texts]` and `[targets.NAME.texts]`: each is compiled and rendered for sample events, so that what is wrong
//! with one is found here and not with the first alert.

use homeostat_logic::language::Language;
use homeostat_logic::texts::{Part, examine};
use toml::Value;

use super::faults::{Fault, join};
use super::layers::Entry;

/// Finds every template that does not compile, or fails for one of the sample events.
pub(super) fn check(root: &Entry, faults: &mut Vec<Fault>) {
    let general = language(root).unwrap_or_default();
    tables(root, "texts", general, faults);
    let targets = root.at(&["targets"]).and_then(Entry::table);
    for (name, target) in targets.into_iter().flatten() {
        let path = join(&join("targets", name), "texts");
        tables(target, &path, language(target).unwrap_or(general), faults);
    }
}

fn language(table: &Entry) -> Option<Language> {
    let name = table.at(&["language"])?.leaf()?.as_str()?;
    let mut languages = Language::ALL.into_iter();
    languages.find(|language| language.name() == name)
}

fn tables(of: &Entry, path: &str, language: Language, faults: &mut Vec<Fault>) {
    let tables = of.at(&["texts"]).and_then(Entry::table);
    for (event_type, table) in tables.into_iter().flatten() {
        for part in Part::ALL {
            let Some(entry) = table.at(&[part.name()]) else {
                continue;
            };
            let source = entry.leaf().and_then(Value::as_str).unwrap_or_default();
            if let Some(fault) = examine(event_type, part, source, language) {
                faults.push(Fault {
                    origin: entry.origin.clone(),
                    key: join(&join(path, event_type), part.name()),
                    problem: fault.problem,
                    remedy: fault.remedy,
                });
            }
        }
    }
}
