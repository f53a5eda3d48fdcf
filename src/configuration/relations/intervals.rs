//! Relations of time intervals: the names that other keys use exist, and what is written has an effect.

use homeostat_actors::ports::clock::Clock as _;
use homeostat_logic::rules::intervals::{AHEAD_DAYS_MAX, Intervals, TimeInterval};
use toml::Value;

use super::Relations;
use crate::clock::SystemClock;
use crate::configuration::faults::{Origin, join, suggest};
use crate::configuration::layers::Entry;

/// Keys that hold names of intervals; the others of their section that lose their effect then.
const USES: [(&str, &str, &[&str]); 4] = [
    (
        "maintenance",
        "windows",
        &["days", "start", "end", "timezone"],
    ),
    ("working_hours", "during", &["start", "end", "timezone"]),
    ("alerts", "mute", &[]),
    ("alerts", "active", &[]),
];

impl Relations<'_> {
    /// Where the sections may be: at the top, and in rules and targets.
    fn sections(&self) -> Vec<Vec<String>> {
        let names = |path: &[&str]| -> Vec<String> {
            let table = self.root.at(path).and_then(Entry::table);
            table
                .into_iter()
                .flatten()
                .map(|(name, _)| name.clone())
                .collect()
        };
        let owned = |path: &[&str]| path.iter().map(|name| (*name).to_owned()).collect();
        let mut places = vec![Vec::new()];
        places.extend(names(&["rules"]).iter().map(|rule| owned(&["rules", rule])));
        for target in &names(&["targets"]) {
            places.push(owned(&["targets", target]));
            let rules = names(&["targets", target, "rules"]);
            let rules = rules.iter();
            places.extend(rules.map(|rule| owned(&["targets", target, "rules", rule])));
        }
        places
    }

    /// The names in a list at a path.
    fn names_in(&self, path: &[&str]) -> Vec<String> {
        let list = self
            .root
            .at(path)
            .and_then(Entry::leaf)
            .and_then(Value::as_array);
        let names = list.into_iter().flatten().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    }

    fn interval_names(&self) -> Vec<String> {
        let lists = self.root.at(&["time_intervals"]).and_then(Entry::table);
        lists
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    }

    pub(super) fn intervals_are_known(&mut self) {
        let known = self.interval_names();
        let mut known: Vec<&str> = known.iter().map(String::as_str).collect();
        // One that was refused is there all the same.
        let refused: Vec<String> = self.faults.iter().map(|fault| fault.key.clone()).collect();
        let refused = refused
            .iter()
            .filter_map(|key| key.strip_prefix("time_intervals."));
        known.extend(refused);
        for place in self.sections() {
            for (section, key, _) in USES {
                let mut path: Vec<&str> = place.iter().map(String::as_str).collect();
                path.extend([section, key]);
                for name in self.names_in(&path) {
                    let quoted = join("", &name);
                    if known.contains(&name.as_str()) || known.contains(&quoted.as_str()) {
                        continue;
                    }
                    let remedy = if known.is_empty() {
                        format!("write one with [[time_intervals.{quoted}]]")
                    } else {
                        suggest(&name, &known)
                    };
                    let problem = format!("there is no interval `{name}`");
                    self.fault(&path, problem, remedy);
                }
            }
        }
    }

    /// Days that are written count, unless windows are named in their place.
    pub(super) fn maintenance_has_days(&mut self) {
        for place in self.sections() {
            let below = |key: &'static str| {
                let place = place.iter().map(String::as_str);
                place.chain(["maintenance", key]).collect::<Vec<_>>()
            };
            let days = self.root.at(&below("days")).and_then(Entry::leaf);
            let no_days = days.and_then(Value::as_array).is_some_and(Vec::is_empty);
            if no_days && self.names_in(&below("windows")).is_empty() {
                self.fault(
                    &below("days"),
                    "names no day, so that scheduled actions would never start".to_owned(),
                    "name at least one day, or empty `scheduled` of the rules",
                );
            }
        }
    }

    /// What is never used, and what is written beside names that take its place.
    pub(super) fn intervals_have_an_effect(&mut self) {
        let mut used = Vec::new();
        for place in self.sections() {
            for (section, key, beside) in USES {
                let mut path: Vec<&str> = place.iter().map(String::as_str).collect();
                path.extend([section, key]);
                let names = self.names_in(&path);
                let without_effect = beside.iter().filter(|_| !names.is_empty());
                for other in without_effect {
                    path.pop();
                    path.push(other);
                    let written = self.root.at(&path).map(|entry| &entry.origin);
                    if written.is_some_and(|origin| !matches!(origin, Origin::Default { .. })) {
                        let problem =
                            format!("has no effect, because {section}.{key} names intervals");
                        self.fault(&path, problem, format!("remove it, or {section}.{key}"));
                    }
                }
                used.extend(names);
            }
        }
        for name in self.interval_names() {
            let path = ["time_intervals", &name];
            if !used.contains(&name) {
                self.fault(
                    &path,
                    "is used by no key".to_owned(),
                    "name it in maintenance.windows, working_hours.during, alerts.mute or alerts.active, or remove it",
                );
            }
            let list = self.root.at(&path).and_then(Entry::leaf).cloned();
            let list = list.and_then(|list| list.try_into::<Vec<TimeInterval>>().ok());
            let intervals = list.and_then(|list| Intervals::new(&list).ok());
            if intervals.is_some_and(|one| one.next(SystemClock.now()).is_none()) {
                let problem = format!("holds no time in the next {AHEAD_DAYS_MAX} days");
                self.fault(
                    &path,
                    problem,
                    "correct its days, months or years, or remove it",
                );
            }
        }
    }
}
