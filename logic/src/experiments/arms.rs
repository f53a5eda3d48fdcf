//! Which arm of an experiment a user is in: a pure function of the experiment's declaration and the user's id, so that any
//! backend can compute it too (docs/experiments.md has the steps and values to check them with).
//!
//! Weighted rendezvous hashing: every arm draws a number from the user's id, stretched by its weight, and the largest wins. A
//! new arm takes users from each of the others and moves none between them; so does a larger weight.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::metric::Metric;
use super::settings::{ARMS_MAX, EXPERIMENTS_MAX, ExperimentSettings, Guardrail};
use crate::event_time::EARLIEST_MS;
use crate::ledger::record::Millis;
use crate::recommend::{RecommendSettings, SettingsError};

/// Longest name of an experiment or arm, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Largest weight.
const WEIGHT_MAX: f64 = 1e6;
/// Users that can be excluded by id.
const EXCLUDED_MAX: usize = 1_000;

/// The name of our own model in a declaration.
pub const BUILTIN: &str = "builtin";

/// A declared experiment, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    name: String,
    settings: ExperimentSettings,
    salt: String,
    excluded: BTreeSet<String>,
    start: Option<Millis>,
    end: Option<Millis>,
    epoch: String,
}

/// The arm of a user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Assigned {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the arm.
    pub arm: String,
    /// Which division of users it was: it changes with arms, weights and salt.
    pub epoch: String,
}

impl Assigned {
    /// The experiment and the arm.
    pub fn names(&self) -> (&str, &str) {
        (&self.experiment, &self.arm)
    }
}

/// Whether an experiment assigns users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its start is to come.
    Waiting,
    /// It does.
    Running,
    /// Its end is over.
    Ended,
    /// It is counted, and declared no longer.
    Removed,
}

/// Why an experiment cannot be declared like this. The message begins with the key.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExperimentError {
    /// Its own name.
    #[error(
        "the name \"{0}\" of an experiment cannot be used; use 1 to {NAME_BYTES_MAX} letters, digits, _ or -"
    )]
    Name(String),
    /// The name of an arm.
    #[error(
        "arms: the name \"{0}\" cannot be used; use 1 to {NAME_BYTES_MAX} letters, digits, _ or -"
    )]
    Arm(String),
    /// How many arms.
    #[error(
        "arms: there are {0}; an experiment has 2 to {ARMS_MAX}, as in arms = {{ control = 1, candidate = 1 }}"
    )]
    Arms(usize),
    /// A weight.
    #[error("arms.{arm} is {weight}; a weight is a number from 0 to {WEIGHT_MAX}")]
    Weight {
        /// Whose.
        arm: String,
        /// Its value.
        weight: f64,
    },
    /// All weights are 0.
    #[error("arms: every weight is 0; give at least one arm a weight above 0")]
    NoWeight,
    /// The control is no arm.
    #[error("control is \"{control}\", which is none of its arms ({arms}); name one of them")]
    Control {
        /// As it is written.
        control: String,
        /// Those that there are.
        arms: String,
    },
    /// A model for an arm that does not exist.
    #[error("models.{arm}: there is no such arm; there are {arms}")]
    Model {
        /// As it is written.
        arm: String,
        /// Those that there are.
        arms: String,
    },
    /// Constants for an arm that does not exist.
    #[error("settings.{arm}: there is no such arm; there are {arms}")]
    Settings {
        /// As it is written.
        arm: String,
        /// Those that there are.
        arms: String,
    },
    /// A constant of an arm.
    #[error("settings.{arm}: {problem}")]
    Constant {
        /// Whose.
        arm: String,
        /// What is wrong with it.
        problem: SettingsError,
    },
    /// The salt.
    #[error(
        "salt cannot be used; write at most {NAME_BYTES_MAX} bytes without a colon or control characters"
    )]
    Salt,
    /// The share.
    #[error("share is {0}; it is a number from 0 to 1")]
    Share(f64),
    /// Too many excluded users.
    #[error("exclude names {0} users; the limit is {EXCLUDED_MAX}")]
    Excluded(usize),
    /// A time.
    #[error(
        "{key} is \"{text}\", which is no time with an offset after the year 2000; write it as 2026-03-02T00:00:00Z"
    )]
    Time {
        /// Which key.
        key: &'static str,
        /// As it is written.
        text: String,
    },
    /// The end is not after the start.
    #[error("end is not after start; the experiment would never run")]
    Order,
    /// A margin.
    #[error("guardrails.{metric}.margin is {margin}; it is a number from 0 to 10")]
    Margin {
        /// Of which metric.
        metric: &'static str,
        /// Its value.
        margin: f64,
    },
    /// Too many experiments.
    #[error(
        "there are {0} experiments; at most {EXPERIMENTS_MAX} can be declared at the same time"
    )]
    TooMany(usize),
}

/// Whether it can name an experiment or an arm.
pub fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain)
}

impl Experiment {
    /// Checks a declaration.
    ///
    /// # Errors
    /// The first thing in it that cannot be.
    pub fn new(name: &str, settings: &ExperimentSettings) -> Result<Self, ExperimentError> {
        check(name, settings)?;
        let start = time("start", settings.start.as_deref())?;
        let end = time("end", settings.end.as_deref())?;
        if let (Some(start), Some(end)) = (start, end)
            && end <= start
        {
            return Err(ExperimentError::Order);
        }
        let salt = if settings.salt.is_empty() {
            name.to_owned()
        } else {
            settings.salt.clone()
        };
        let epoch = epoch(&salt, settings);
        Ok(Self {
            name: name.to_owned(),
            excluded: settings.exclude.iter().cloned().collect(),
            settings: settings.clone(),
            salt,
            start,
            end,
            epoch,
        })
    }

    /// Checks all declarations of a configuration.
    ///
    /// # Errors
    /// The first that cannot be, with its name.
    pub fn all(
        declared: &BTreeMap<String, ExperimentSettings>,
    ) -> Result<Vec<Self>, (String, ExperimentError)> {
        if declared.len() > EXPERIMENTS_MAX {
            return Err((String::new(), ExperimentError::TooMany(declared.len())));
        }
        let checked = declared.iter().map(|(name, settings)| {
            Self::new(name, settings).map_err(|problem| (name.clone(), problem))
        });
        checked.collect()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The arm that the others are compared with.
    pub fn control(&self) -> &str {
        &self.settings.control
    }

    /// Its arms with their weights, by name.
    pub const fn arms(&self) -> &BTreeMap<String, f64> {
        &self.settings.arms
    }

    /// The model that serves an arm: [`BUILTIN`] or the name of an external one; `None`: as without the experiment.
    pub fn model(&self, arm: &str) -> Option<&str> {
        self.settings.models.get(arm).map(String::as_str)
    }

    /// The constants of our own scores in an arm; `None`: as without the experiment.
    pub fn constants(&self, arm: &str) -> Option<&BTreeMap<String, Value>> {
        self.settings.settings.get(arm)
    }

    /// Whether lists of its arms are made in different ways, and not only labelled.
    pub fn serves(&self) -> bool {
        !self.settings.models.is_empty() || !self.settings.settings.is_empty()
    }

    /// What must not become worse.
    pub const fn guardrails(&self) -> &BTreeMap<Metric, Guardrail> {
        &self.settings.guardrails
    }

    /// Which division of users this is: 8 hex digits of a hash of salt, arms and weights.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Whether it assigns users.
    pub fn state(&self, now: Millis) -> State {
        if self.start.is_some_and(|start| now < start) {
            State::Waiting
        } else if self.end.is_some_and(|end| now >= end) {
            State::Ended
        } else {
            State::Running
        }
    }

    /// The arm of a user, if the experiment runs and the user takes part. The user's id is the canonical one, in which 7 and
    /// "7" are the same text.
    pub fn assign(&self, user: &str, now: Millis) -> Option<Assigned> {
        let takes_part = self.state(now) == State::Running
            && !self.excluded.contains(user)
            && draw(&self.salt, "", user) < self.settings.share;
        let arm = takes_part.then(|| self.arm(user)).flatten()?;
        Some(Assigned {
            experiment: self.name.clone(),
            arm: arm.to_owned(),
            epoch: self.epoch.clone(),
        })
    }

    /// The arm with the largest draw; of equal ones, the first by name.
    fn arm(&self, user: &str) -> Option<&str> {
        let arms = self
            .settings
            .arms
            .iter()
            .filter(|(_, weight)| **weight > 0.0);
        let drawn = arms.map(|(arm, weight)| {
            let stretched = weight / -draw(&self.salt, arm, user).ln();
            (arm.as_str(), stretched)
        });
        let largest = drawn.reduce(|best, one| if one.1 > best.1 { one } else { best });
        largest.map(|(arm, _)| arm)
    }
}

/// A number above 0 and below 1: the first 53 bits of SHA-256 of `salt:arm:user`, plus one half, divided by 2^53.
fn draw(salt: &str, arm: &str, user: &str) -> f64 {
    let digest = Sha256::new()
        .chain_update(salt)
        .chain_update(":")
        .chain_update(arm)
        .chain_update(":")
        .chain_update(user)
        .finalize();
    let first = digest.iter().take(8);
    let bits = first.fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
    ((bits >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
}

fn epoch(salt: &str, settings: &ExperimentSettings) -> String {
    let arms = settings.arms.iter();
    let arms: Vec<String> = arms
        .map(|(arm, weight)| format!("{arm}={weight}"))
        .collect();
    let digest = Sha256::digest(format!("{salt}:{}", arms.join(",")));
    let first = digest.iter().take(4);
    let bits = first.fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
    format!("{bits:08x}")
}

fn check(name: &str, settings: &ExperimentSettings) -> Result<(), ExperimentError> {
    let ExperimentSettings {
        arms,
        control,
        models,
        settings: constants,
        salt,
        share,
        exclude,
        guardrails,
        ..
    } = settings;
    if !is_name(name) {
        return Err(ExperimentError::Name(name.to_owned()));
    }
    if !(2..=ARMS_MAX).contains(&arms.len()) {
        return Err(ExperimentError::Arms(arms.len()));
    }
    let known = || arms.keys().cloned().collect::<Vec<_>>().join(", ");
    for (arm, weight) in arms {
        if !is_name(arm) {
            return Err(ExperimentError::Arm(arm.clone()));
        }
        if !(0.0..=WEIGHT_MAX).contains(weight) {
            return Err(ExperimentError::Weight {
                arm: arm.clone(),
                weight: *weight,
            });
        }
    }
    if arms.values().all(|weight| *weight == 0.0) {
        return Err(ExperimentError::NoWeight);
    }
    if !arms.contains_key(control) {
        return Err(ExperimentError::Control {
            control: control.clone(),
            arms: known(),
        });
    }
    if let Some(arm) = models.keys().find(|arm| !arms.contains_key(*arm)) {
        return Err(ExperimentError::Model {
            arm: arm.clone(),
            arms: known(),
        });
    }
    for (arm, constants) in constants {
        if !arms.contains_key(arm) {
            return Err(ExperimentError::Settings {
                arm: arm.clone(),
                arms: known(),
            });
        }
        // Bounds are those of each constant alone, whatever the others are.
        let checked = RecommendSettings::default().with_scoring(constants);
        checked.map_err(|problem| ExperimentError::Constant {
            arm: arm.clone(),
            problem,
        })?;
    }
    if salt.len() > NAME_BYTES_MAX || salt.chars().any(|one| one == ':' || one.is_control()) {
        return Err(ExperimentError::Salt);
    }
    if !(0.0..=1.0).contains(share) {
        return Err(ExperimentError::Share(*share));
    }
    if exclude.len() > EXCLUDED_MAX {
        return Err(ExperimentError::Excluded(exclude.len()));
    }
    let margins = guardrails.iter().map(|(metric, one)| (metric, one.margin));
    let wrong = margins.filter(|(_, margin)| !(0.0..=10.0).contains(margin));
    wrong.take(1).try_for_each(|(metric, margin)| {
        Err(ExperimentError::Margin {
            metric: metric.name(),
            margin,
        })
    })
}

fn time(key: &'static str, text: Option<&str>) -> Result<Option<Millis>, ExperimentError> {
    let Some(text) = text else {
        return Ok(None);
    };
    let read = chrono::DateTime::parse_from_rfc3339(text.trim());
    let read = read.ok().map(|time| time.timestamp_millis());
    match read.filter(|time| *time >= EARLIEST_MS) {
        Some(time) => Ok(Some(time)),
        None => Err(ExperimentError::Time {
            key,
            text: crate::naming::shown(text),
        }),
    }
}
