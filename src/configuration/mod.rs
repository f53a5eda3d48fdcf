//! Configuration: embedded defaults, then files, then environment variables, checked as a whole before anything uses it.
//!
//! ```text
//! default.toml ─┐
//! FILE …       ─┼─► layers (values with origin) ─► keys × shape ─► merge ─► relations ─► build ─► Configuration
//! HOMEOSTAT__… ─┘                                   └──────────── every fault, with place and remedy ───────────┘
//! ```

mod build;
mod effective;
mod environment;
mod faults;
mod keys;
mod layers;
mod relations;
mod secrets;
mod security;
mod settings;
mod shape;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use homeostat_logic::rules::RuleSettings;

pub use effective::effective;
pub use environment::{PREFIX, of_process};
pub use faults::{Fault, Origin};
pub use secrets::{Secret, SecretError, is_reference, resolve};
pub use settings::{
    Consumer, Durability, Http, Kafka, Ledger, Log, LogFormat, LogOutput, Settings, Supervision,
};

use layers::{Entry, Text};

/// The defaults, with a comment on every key.
pub const DEFAULT: &str = include_str!("../../config/default.toml");

/// Largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A configuration without fault.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// How the service runs.
    pub settings: Settings,
    /// How it decides.
    pub rules: RuleSettings,
    /// Where each value was written, by dotted key.
    pub provenance: BTreeMap<String, Origin>,
    values: Entry,
}

/// Reads, merges and checks all layers: the embedded defaults, `files` in order, `environment` (of which only names with
/// [`PREFIX`] and names referred to by `env:` are read). Either everything is right, or every fault is told, sorted by place.
pub fn load(
    files: &[PathBuf],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Configuration, Vec<Fault>> {
    let environment: BTreeMap<String, String> = environment.into_iter().collect();
    let mut faults = Vec::new();
    let shape = keys::configuration();

    let mut layers = vec![layers::parse(&Text::Default, DEFAULT, &mut faults)];
    for path in files {
        let path: Arc<Path> = Arc::from(path.as_path());
        match read(&path) {
            Ok(text) => layers.push(layers::parse(&Text::File(path), &text, &mut faults)),
            Err(problem) => faults.push(Fault {
                origin: Origin::File { path, line: 1 },
                key: String::new(),
                problem,
                remedy: "correct the path given with --config, or the file".to_owned(),
            }),
        }
    }
    layers.extend(environment::layers(&environment, &shape, &mut faults));

    let mut checked = layers
        .into_iter()
        .filter_map(|layer| shape.check(layer, "", &mut faults));
    let Some(mut merged) = checked.next() else {
        return Err(faults);
    };
    for layer in checked {
        merged.overlay(layer);
    }
    finish(merged, &environment, faults)
}

fn finish(
    values: Entry,
    environment: &BTreeMap<String, String>,
    mut faults: Vec<Fault>,
) -> Result<Configuration, Vec<Fault>> {
    relations::check(&values, &mut faults);
    let mut build = build::Build {
        root: &values,
        environment,
        faults: &mut faults,
    };
    let (settings, rules) = (build.settings(), build.rules());
    match (settings, rules) {
        (Some(settings), Some(rules)) if faults.is_empty() => {
            let mut provenance = BTreeMap::new();
            values.leaves("", &mut |key, _, origin| {
                provenance.insert(key.to_owned(), origin.clone());
            });
            Ok(Configuration {
                settings,
                rules,
                provenance,
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

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err("is larger than 1 MiB".to_owned());
    }
    Ok(text)
}
