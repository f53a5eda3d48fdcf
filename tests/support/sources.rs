//! The project's own files, as text.

use std::path::{Path, PathBuf};

/// Folders with source files.
const FOLDERS: [&str; 8] = [
    "logic/src",
    "logic/tests",
    "actors/src",
    "actors/tests",
    "client-patch",
    "src",
    "tests",
    "benches",
];

/// A Rust file.
pub(crate) struct Source {
    /// Its path, from the root of the repository.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
    /// Whether it holds tests only.
    pub(crate) is_test: bool,
}

impl Source {
    /// Names of the functions defined in it, those made by macros too.
    pub(crate) fn functions(&self) -> Vec<String> {
        let name = |rest: &str| {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            rest[..end].to_owned()
        };
        let lines = self
            .text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        lines
            .flat_map(|line| line.split("fn ").skip(1).map(name).collect::<Vec<_>>())
            .collect()
    }
}

/// A file of the repository; empty when there is none of that name.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// What stands between `<!-- name -->` and `<!-- /name -->`.
pub(crate) fn between<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<!-- {name} -->"))?;
    Some(rest.split_once(&format!("<!-- /{name} -->"))?.0)
}

/// Every Rust file of the project.
pub(crate) fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        collect(&root().join(folder), &mut found);
    }
    assert!(found.len() > 100, "all files were found");
    found
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let shown = path.strip_prefix(root()).unwrap().display().to_string();
            let is_test = shown.contains("tests/") || shown.ends_with("tests.rs");
            found.push(Source {
                path: shown,
                text: std::fs::read_to_string(&path).unwrap(),
                is_test,
            });
        }
    }
}
