//! Every command that a message, a help text or a document suggests is one that this program takes (issue 13, row 24).

use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser as _};

use super::Arguments;

/// A command as it is written in a file.
#[derive(Debug)]
struct Suggested {
    file: PathBuf,
    text: String,
}

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    files_of(folder, "rs", found);
}

fn files_of(folder: &Path, kind: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_of(&path, kind, found);
        } else if path.extension().is_some_and(|found| found == kind) {
            found.push(path);
        }
    }
}

/// The text without what is compiled for tests alone, and without comments.
fn shipped(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//!"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What a message says between backticks, and the lines of examples, from `homeostat` on.
fn in_source(file: &Path) -> Vec<Suggested> {
    let text = shipped(&std::fs::read_to_string(file).unwrap()).replace("\\\"", "\"");
    let quoted = text.split('`').skip(1).step_by(2);
    let quoted = quoted
        .filter(|part| part.starts_with("homeostat "))
        .map(str::to_owned);
    let examples = text
        .lines()
        .filter(|line| line.starts_with("  "))
        .filter_map(|line| {
            let line = line.trim();
            let piped = line.rsplit_once("| ").map_or(line, |(_, command)| command);
            let command = piped.strip_prefix("homeostat ")?;
            // After two spaces comes what it does.
            let command = command.trim_start().split("  ").next()?;
            let described = line.starts_with("homeostat  ");
            (!described).then(|| format!("homeostat {command}"))
        });
    let texts = quoted.chain(examples);
    let suggested = texts.map(|text| Suggested {
        file: file.to_owned(),
        text,
    });
    suggested.collect()
}

/// The prompts of a document, and the commands that its sentences name.
fn in_document(file: &Path) -> Vec<Suggested> {
    let text = std::fs::read_to_string(file).unwrap();
    let prompts = text.lines().filter_map(|line| line.strip_prefix("$ "));
    let prompts = prompts.filter_map(|line| {
        let piped = line.rsplit_once("| ").map_or(line, |(_, command)| command);
        let command = if piped.starts_with("homeostat") {
            piped
        } else {
            line
        };
        // Behind the variables that are set for it, and in the folder in which it was built.
        let words = command.split(' ').skip_while(|word| word.contains('='));
        let command = words.collect::<Vec<_>>().join(" ");
        let command = command.strip_prefix("target/release/").unwrap_or(&command);
        let command = command.split(" #").next().unwrap_or(command);
        let ours = command == "homeostat" || command.starts_with("homeostat ");
        ours.then(|| command.to_owned())
    });
    let quoted = text
        .split("```")
        .step_by(2)
        .flat_map(|prose| prose.split('`').skip(1).step_by(2))
        .filter(|part| part.starts_with("homeostat "))
        .map(str::to_owned);
    let suggested = prompts.chain(quoted).map(|text| Suggested {
        file: file.to_owned(),
        text,
    });
    suggested.collect()
}

/// The command with something in each place that is filled in.
fn filled(text: &str) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        let Some((place, after)) = behind.split_once('}') else {
            break;
        };
        let value = match place {
            "changed" => "12",
            "outcome" => "done",
            // What this program never takes as an identity, an option or a subcommand would hide a mistake.
            "name" => "cancel",
            "action" if before.ends_with("--action ") => "retrain",
            "target" => "model/churn",
            "" | "topic" => "data.ingested",
            _ => "4bf92f3577b34da6a3ce929d0e0e4736",
        };
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled + rest
}

fn suggested() -> Vec<Suggested> {
    let mut files = Vec::new();
    for folder in ["src", "actors/src", "logic/src"] {
        sources(&root().join(folder), &mut files);
    }
    files.retain(|file| !file.ends_with("command/suggested.rs"));
    let mut all: Vec<Suggested> = files.iter().flat_map(|file| in_source(file)).collect();
    let mut documents = vec![
        root().join("README.md"),
        root().join("ARCHITECTURE.md"),
        root().join("CONTRIBUTING.md"),
    ];
    files_of(&root().join("docs"), "md", &mut documents);
    let before = all.len();
    all.extend(documents.iter().flat_map(|file| in_document(file)));
    assert!(all.len() > before + 40, "too few were found in documents");
    all
}

#[test]
fn every_command_that_is_suggested_is_one_that_is_taken() {
    let all = suggested();
    assert!(all.len() > 40, "too few were found: {}", all.len());
    for Suggested { file, text } in &all {
        let command = filled(text);
        let command = command.split(" > ").next().unwrap_or_default();
        let words = shlex::split(command).unwrap_or_else(|| panic!("{file:?}: {text}"));
        if let Err(error) = Arguments::try_parse_from(&words) {
            let shown = matches!(
                error.kind(),
                clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion
            );
            assert!(shown, "{}: `{text}`: {error}", file.display());
        }
    }
}

#[test]
fn what_looks_like_a_command_in_a_message_is_marked_as_one() {
    let mut files = Vec::new();
    for folder in ["src", "actors/src", "logic/src"] {
        sources(&root().join(folder), &mut files);
    }
    files.retain(|file| !file.ends_with("command/suggested.rs"));
    let names: Vec<String> = Arguments::command()
        .get_subcommands()
        .map(|command| format!("homeostat {} ", command.get_name()))
        .collect();
    for file in files {
        let text = shipped(&std::fs::read_to_string(&file).unwrap());
        for line in text
            .lines()
            .filter(|line| line.trim_start().starts_with('"'))
        {
            for name in &names {
                for (place, _) in line.match_indices(name.as_str()) {
                    let marked = line[..place].ends_with('`');
                    assert!(marked, "{}: {line}", file.display());
                }
            }
        }
    }
}
