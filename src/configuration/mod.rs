//! Configuration: embedded defaults, then files, then environment variables, checked as a whole before anything uses it.
//!
//! ```text
//! default.toml ─┐
//! FILE …       ─┼─► layers (values with origin) ─► schema ─► merge ─► relations ─► build ─► Configuration
//! HOMEOSTAT__… ─┘                                   └──── every fault and warning, with place and remedy ───────┘
//! ```

pub mod brokers;
mod build;
mod connections;
mod effective;
mod environment;
mod experiments;
mod faults;
mod files;
mod intervals;
mod kind;
mod layers;
mod recommendations;
mod relations;
mod schema;
mod security;
mod settings;
mod shape;
mod texts;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use homeostat_logic::rules::RuleSettings;

pub use effective::effective;
pub use environment::{PREFIX, of_process};
pub(crate) use faults::nearest;
pub use faults::{Fault, Origin};
pub use recommendations::{Push, Recommendations};
pub use schema::published as json_schema;
pub use settings::{
    Consumer, Durability, Http, Ingest, Kafka, Ledger, Log, LogFormat, LogOutput, Settings,
    Supervision,
};

use layers::{Entry, Text};

/// The defaults, with a comment on every key.
pub const DEFAULT: &str = include_str!("../../config/default.toml");

/// A configuration without fault.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// How the service runs.
    pub settings: Settings,
    /// How it decides.
    pub rules: RuleSettings,
    /// Where each value was written, by dotted key.
    pub provenance: BTreeMap<String, Origin>,
    /// What is allowed and probably not meant, sorted by place; it keeps nothing from running.
    pub warnings: Vec<Fault>,
    values: Entry,
}

/// Reads, merges and checks all layers: the embedded defaults, `files` in order, `environment` (of which only names with
/// [`PREFIX`] and names referred to by `env:` are read). Either everything is right, or every fault is reported, sorted by place.
pub fn load(
    files: &[PathBuf],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Configuration, Vec<Fault>> {
    examine(files, environment).configuration
}

/// As [`load`], without the trials of templates on samples: for a command that renders them for an event and shows what comes of
/// it. Templates that do not compile are faults all the same.
pub fn load_untried(
    files: &[PathBuf],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Configuration, Vec<Fault>> {
    examine_all(files, environment, Trials::Left).configuration
}

/// Whether templates are tried on samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trials {
    Made,
    Left,
}

/// What was found in all layers.
#[derive(Debug)]
pub struct Examined {
    /// The configuration, or every fault.
    pub configuration: Result<Configuration, Vec<Fault>>,
    /// What is allowed and probably not meant, sorted by place, also beside faults; nothing where a layer cannot be read,
    /// because it may hold what is missing.
    pub warnings: Vec<Fault>,
}

/// Reads, merges and checks all layers as [`load`] does, and keeps the warnings beside faults.
pub fn examine(
    files: &[PathBuf],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Examined {
    examine_all(files, environment, Trials::Made)
}

fn examine_all(
    files: &[PathBuf],
    environment: impl IntoIterator<Item = (String, String)>,
    trials: Trials,
) -> Examined {
    let environment: BTreeMap<String, String> = environment.into_iter().collect();
    let mut faults = Vec::new();
    let shape = shape::Shape::of_schema(&schema::layer());

    let mut layers = vec![layers::parse(&Text::Default, DEFAULT, &mut faults)];
    for path in files {
        match files::read(&Arc::from(path.as_path())) {
            Ok((source, text)) => layers.push(layers::parse(&source, &text, &mut faults)),
            Err(fault) => faults.push(fault),
        }
    }
    // What could not be read may be what a key elsewhere needs.
    let is_complete = faults.is_empty();
    layers.extend(environment::layers(&environment, &shape, &mut faults));

    let mut checked = layers
        .into_iter()
        .filter_map(|layer| shape.check(layer, "", &mut faults));
    let Some(mut merged) = checked.next() else {
        return Examined {
            configuration: Err(faults),
            warnings: Vec::new(),
        };
    };
    for layer in checked {
        merged.overlay(layer);
    }
    connections::expand(&mut merged);
    connections::suit(&mut merged);
    let mut warnings = Vec::new();
    if trials == Trials::Made {
        texts::check(&merged, &mut faults);
    }
    if is_complete {
        relations::check(&merged, &mut faults);
        relations::warn(&merged, &mut warnings);
    }
    let build = build::Build {
        root: &merged,
        environment: &environment,
        faults: &mut faults,
        warnings: &mut warnings,
        is_complete,
        trials,
    };
    let parts = build.all();
    let configuration = finish(parts, merged, faults);
    warnings.sort();
    Examined {
        configuration: configuration.map(|configuration| Configuration {
            warnings: warnings.clone(),
            ..configuration
        }),
        warnings,
    }
}

fn finish(
    parts: (Option<Settings>, Option<RuleSettings>),
    values: Entry,
    mut faults: Vec<Fault>,
) -> Result<Configuration, Vec<Fault>> {
    match parts {
        (Some(settings), Some(rules)) if faults.is_empty() => {
            let mut provenance = BTreeMap::new();
            values.leaves("", &mut |key, _, origin| {
                provenance.insert(key.to_owned(), origin.clone());
            });
            Ok(Configuration {
                settings,
                rules,
                provenance,
                warnings: Vec::new(),
                values,
            })
        }
        _ => {
            faults.sort();
            faults.dedup();
            Err(faults)
        }
    }
}
