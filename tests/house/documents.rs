//! The documents: short where they promise to be, in the field's terms, and true about the files, links and tests that they name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::support::sources::{Source, between, read, root, sources};

/// Words of a dialect that the documents had, and what the field says instead.
const DIALECT: [(&str, &str); 6] = [
    ("is told", "is reported, gets, learns"),
    ("are told", "are alerted, get"),
    ("nobody", "no one is meant: name the part"),
    ("whoever", "name who it is"),
    ("anew", "again"),
    (" stands ", "is"),
];

/// Every document that people read, with its path from the root.
fn documents() -> Vec<(String, String)> {
    let mut paths = vec![
        PathBuf::from("README.md"),
        PathBuf::from("ARCHITECTURE.md"),
        PathBuf::from("CONTRIBUTING.md"),
    ];
    collect(Path::new("docs"), &mut paths);
    assert!(paths.len() > 15, "all documents were found: {paths:?}");
    let named = |path: PathBuf| {
        (
            path.display().to_string(),
            read(&path.display().to_string()),
        )
    };
    paths.into_iter().map(named).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    for entry in entries {
        let path = folder.join(entry.unwrap().file_name());
        if root().join(&path).is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "md") {
            found.push(path);
        }
    }
}

/// The lines of a document outside of code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// What stands between backticks in a line.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// A heading as GitHub names it in a link.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .replace(' ', "-")
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_'))
        .collect()
}

#[test]
fn the_documents_speak_the_fields_language() {
    let mut all = documents();
    let defaults = "config/default.toml";
    all.push((defaults.to_owned(), read(defaults)));
    for (path, text) in &all {
        for (number, line) in (1..).zip(text.lines()) {
            // Names of tests and keys are between backticks.
            let words: String = line.split('`').step_by(2).collect();
            for (word, instead) in DIALECT {
                let words = words.to_lowercase().replace(" stands for ", " ");
                assert!(
                    !words.contains(word),
                    "{path}:{number} says `{word}`; write: {instead}"
                );
            }
        }
    }
}

#[test]
fn the_readme_and_the_architecture_stay_short() {
    for (path, lines_max) in [("README.md", 180), ("ARCHITECTURE.md", 200)] {
        let lines = read(path).lines().count();
        assert!(lines < lines_max, "{path} has {lines} lines of {lines_max}");
    }
}

#[test]
fn every_file_that_the_documents_name_exists() {
    let folders = [
        "src/",
        "actors/",
        "logic/",
        "tests/",
        "config/",
        "docs/",
        "scripts/",
        "client-patch/",
        "benches/",
    ];
    let (mut named, mut missing) = (0, Vec::new());
    for (path, text) in documents() {
        for (number, line) in prose(&text) {
            for span in spans(line) {
                // Neither several files at once nor one that the reader is to write.
                let plain = !span.contains([' ', '*', '{', '<']) && !span.contains("my_");
                if plain && folders.iter().any(|folder| span.starts_with(folder)) {
                    named += 1;
                    if !root().join(span).exists() {
                        missing.push(format!("{path}:{number} {span}"));
                    }
                }
            }
        }
    }
    assert!(named > 50, "{named} names were found");
    assert!(missing.is_empty(), "no such files: {missing:#?}");
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let mut followed = 0;
    for (path, text) in documents() {
        for (number, line) in prose(&text) {
            for link in line.split("](").skip(1) {
                let link = link.split(')').next().unwrap_or_default();
                if link.contains("://") {
                    continue;
                }
                followed += 1;
                let (file, place) = link.split_once('#').unwrap_or((link, ""));
                let here = Path::new(&path);
                let target = if file.is_empty() {
                    here.to_owned()
                } else {
                    here.parent().unwrap().join(file)
                };
                let place_of = format!("{path}:{number} links to {link}");
                assert!(root().join(&target).exists(), "{place_of}: no such file");
                if !place.is_empty() {
                    let headings = read(&target.display().to_string());
                    let mut headings = prose(&headings)
                        .filter_map(|(_, line)| line.strip_prefix('#'))
                        .map(|line| anchor(line.trim_start_matches('#').trim()));
                    assert!(
                        headings.any(|one| one == place),
                        "{place_of}: no such heading"
                    );
                }
            }
        }
    }
    assert!(followed > 50, "{followed} links were followed");
}

#[test]
fn every_page_of_the_documentation_is_listed() {
    for index in ["docs/README.md", "docs/decisions/README.md"] {
        let listed = read(index);
        let folder = Path::new(index).parent().unwrap();
        for (path, _) in documents() {
            let path = Path::new(&path);
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.parent() == Some(folder) && name != "README.md" {
                assert!(
                    listed.contains(&format!("]({name})")),
                    "{index} does not list {name}"
                );
            }
        }
    }
}

#[test]
fn every_decision_says_its_context_and_its_consequences() {
    for (path, text) in documents() {
        let Some(name) = path.strip_prefix("docs/decisions/") else {
            continue;
        };
        if name == "README.md" {
            continue;
        }
        let number = name.split('-').next().unwrap();
        assert!(text.starts_with(&format!("# {number} ")), "{path}: title");
        for part in ["## Context", "## Decision", "## Consequences"] {
            assert!(text.contains(part), "{path} has no {part}");
        }
        let lines = text.lines().count();
        assert!((10..=40).contains(&lines), "{path} has {lines} lines");
    }
}

#[test]
fn every_test_that_the_documents_name_exists() {
    let guarantees = read("docs/guarantees.md");
    let table = between(&guarantees, "guarantees").expect("docs/guarantees.md has its table");
    let functions: BTreeSet<String> = sources().iter().flat_map(Source::functions).collect();
    // Behind the header and the line under it; the tests are in the last column.
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells = rows.filter_map(|row| row.trim_end_matches('|').rsplit('|').next());
    let mut names: Vec<&str> = cells.flat_map(spans).collect();
    assert!(names.len() > 10, "the table names {names:?} only");
    // Elsewhere a sentence in snake case of five words or more can only be a test.
    let all = documents();
    let sentence = |span: &&str| {
        span.split('_').count() >= 5
            && span.chars().all(|letter| {
                letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_'
            })
            && !span.starts_with("homeostat_")
    };
    for (_, text) in &all {
        names.extend(prose(text).flat_map(|(_, line)| spans(line).filter(sentence)));
    }
    for name in names {
        assert!(
            functions.contains(name),
            "the documents name the test {name}, which does not exist"
        );
    }
}
