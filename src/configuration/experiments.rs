//! `[recommendations.experiments.NAME]`: each is checked on its own, so that every fault is found.

use std::collections::BTreeMap;

use homeostat_logic::experiments::arms::is_name;
use homeostat_logic::experiments::{BUILTIN, Experiment, ExperimentError, ExperimentSettings};
use homeostat_logic::recommend::RecommendSettings;

use super::build::Build;
use super::faults::{Fault, Origin, join, suggest};
use super::layers::Entry;
use super::shape::Shape;

const SECTION: [&str; 2] = ["recommendations", "experiments"];

impl Build<'_> {
    /// The experiments that are without fault.
    pub(super) fn experiments(&mut self) -> Vec<Experiment> {
        let Some(section) = self.root.at(&SECTION) else {
            return Vec::new();
        };
        let mut declared = BTreeMap::new();
        for (name, entry) in section.table().into_iter().flatten() {
            let before = self.faults.len();
            self.arms(name, entry);
            if self.faults.len() > before {
                continue;
            }
            let settings: Result<ExperimentSettings, _> = entry.to_value().try_into();
            let checked = settings.map_err(|error| error.message().to_owned());
            let checked = checked.and_then(|settings| {
                Experiment::new(name, &settings).map_err(|error| error.to_string())?;
                Ok(settings)
            });
            match checked {
                Ok(settings) => {
                    declared.insert(name.clone(), settings);
                }
                Err(problem) => {
                    let key = if is_name(name) { name.as_str() } else { "NAME" };
                    self.fault(entry.origin.clone(), key, problem);
                }
            }
        }
        let count = declared.len();
        Experiment::all(&declared).unwrap_or_else(|(name, _)| {
            let problem = ExperimentError::TooMany(count).to_string();
            self.fault(section.origin.clone(), &name, problem);
            Vec::new()
        })
    }

    /// What makes the lists of its arms: each fault at its own line.
    fn arms(&mut self, name: &str, entry: &Entry) {
        let key = join(&SECTION.join("."), name);
        let schema = RecommendSettings::scoring_schema(&mut schemars::SchemaGenerator::default());
        let shape = Shape::of_schema(schema.as_value());
        for (arm, constants) in entry
            .at(&["settings"])
            .and_then(Entry::table)
            .into_iter()
            .flatten()
        {
            let key = join(&join(&key, "settings"), arm);
            shape.check(constants.clone(), &key, self.faults);
        }
        let external = self.root.at(&["recommendations", "external"]);
        let external = external.and_then(Entry::table).into_iter().flatten();
        let mut known: Vec<&str> = external.map(|(name, _)| name.as_str()).collect();
        known.push(BUILTIN);
        for (arm, model) in entry
            .at(&["models"])
            .and_then(Entry::table)
            .into_iter()
            .flatten()
        {
            let named = model.leaf().and_then(toml::Value::as_str);
            if let Some(named) = named.filter(|named| !known.contains(named)) {
                self.faults.push(Fault {
                    origin: model.origin.clone(),
                    key: join(&join(&key, "models"), arm),
                    problem: format!("`{named}` is no external model"),
                    remedy: format!(
                        "write [recommendations.external.{named}], or {}",
                        suggest(named, &known)
                    ),
                });
            }
        }
    }

    fn fault(&mut self, origin: Origin, name: &str, problem: String) {
        let section = SECTION.join(".");
        self.faults.push(Fault {
            origin,
            key: if name.is_empty() {
                section
            } else {
                join(&section, name)
            },
            problem,
            remedy: "docs/experiments.md has what an experiment is".to_owned(),
        });
    }
}
