//! `[recommendations.experiments.NAME]`: each is checked on its own, so that every fault is found.

use std::collections::BTreeMap;

use homeostat_logic::experiments::arms::is_name;
use homeostat_logic::experiments::{Experiment, ExperimentError, ExperimentSettings};

use super::build::Build;
use super::faults::{Fault, Origin, join};

const SECTION: [&str; 2] = ["recommendations", "experiments"];

impl Build<'_> {
    /// The experiments that are without fault.
    pub(super) fn experiments(&mut self) -> Vec<Experiment> {
        let Some(section) = self.root.at(&SECTION) else {
            return Vec::new();
        };
        let mut declared = BTreeMap::new();
        for (name, entry) in section.table().into_iter().flatten() {
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
