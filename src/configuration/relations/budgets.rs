//! Relations of further budgets and of approvals.

use homeostat_logic::rules::FURTHER_BUDGETS_MAX;
use toml::Value;

use super::Relations;
use crate::configuration::faults::suggest;
use crate::configuration::layers::Entry;

/// What a table `[budget.<name>]` has to say, and what would be right.
const KEYS: [(&str, &str); 3] = [
    ("actions", "name the actions that it counts"),
    ("window_minutes", "write a number from 0.1 to 11520"),
    ("cap", "write a whole number from 1 to 1000000"),
];

impl Relations<'_> {
    /// The names of the tables beside the keys of `[budget]`.
    fn further_budgets(&self) -> Vec<String> {
        let budget = self.root.at(&["budget"]).and_then(Entry::table);
        let tables = budget.into_iter().flatten();
        tables
            .filter(|(_, entry)| entry.table().is_some())
            .map(|(name, _)| name.clone())
            .collect()
    }

    pub(super) fn budgets_are_complete_and_few(&mut self) {
        let names = self.further_budgets();
        for name in &names {
            for (key, remedy) in KEYS {
                let path = ["budget", name, key];
                let refused = format!("budget.{name}.{key}");
                let reported = self.faults.iter().any(|fault| fault.key == refused);
                if !reported && self.root.at(&path).is_none() {
                    self.fault(&path, "is missing".to_owned(), remedy);
                }
            }
            self.counts_something(&["budget", name, "actions"]);
        }
        if let Some(first_too_many) = names.get(FURTHER_BUDGETS_MAX) {
            self.fault(
                &["budget", first_too_many],
                format!("is one of {} further budgets", names.len()),
                format!("keep at most {FURTHER_BUDGETS_MAX}"),
            );
        }
    }

    fn counts_something(&mut self, path: &[&str]) {
        let actions = self.root.at(path).and_then(Entry::leaf);
        if actions.and_then(Value::as_array).is_some_and(Vec::is_empty) {
            self.fault(
                path,
                "names no action, so that it would count nothing".to_owned(),
                "name at least one action, or leave the budget out",
            );
        }
    }

    pub(super) fn budgets_of_targets_exist(&mut self) {
        let names = self.further_budgets();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let targets = self.root.at(&["targets"]).and_then(Entry::table);
        let overlays: Vec<(String, String)> = targets
            .into_iter()
            .flatten()
            .filter_map(|(target, entry)| Some((target, entry.at(&["budget"])?.table()?)))
            .flat_map(|(target, budgets)| budgets.keys().map(|name| (target.clone(), name.clone())))
            .collect();
        for (target, name) in overlays {
            let path = ["targets", &target, "budget", &name];
            if names.contains(&name.as_str()) {
                continue;
            }
            let problem = format!("there is no table [budget.{name}]");
            self.fault(&path, problem, suggest(&name, &names));
        }
    }

    /// An alert is meant for the people who would have to approve it.
    pub(super) fn alerts_wait_for_nobody(&mut self) {
        let path = ["actions", "alert", "approval"];
        let approval = self.root.at(&path).and_then(Entry::leaf);
        if approval.and_then(Value::as_bool) == Some(true) {
            self.fault(
                &path,
                "is true, but an alert is what asks people".to_owned(),
                "write false",
            );
        }
    }
}
