//! The command that goes on where a publication stopped; it works as printed, in a POSIX shell.

use std::path::Path;

use super::super::text::quoted;
use super::{Arguments, URL};

/// Publishes `files` on, the first one from `line`.
pub(super) fn command(
    arguments: &Arguments,
    topic: Option<&str>,
    files: &[&Path],
    line: u64,
) -> String {
    let program = std::env::args().next();
    let mut words = vec![program.unwrap_or_else(|| "homeostat".to_owned())];
    words.push("publish".to_owned());
    words.extend(topic.map(str::to_owned));
    let mut option = |name: &str, value: &str| {
        // A value that looks like an option must not be taken for one; `-` alone is standard input.
        if value.len() > 1 && value.starts_with('-') {
            words.push(format!("{name}={value}"));
        } else {
            words.extend([name.to_owned(), value.to_owned()]);
        }
    };
    if let Some(key) = &arguments.key {
        option("--key", key);
    }
    match &arguments.bootstrap_servers {
        Some(servers) => option("--bootstrap-servers", servers),
        None if arguments.url != URL => option("--url", &arguments.url),
        None => {}
    }
    option("--from-line", &line.to_string());
    for file in files {
        option("--file", &file.display().to_string());
    }
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let command = words.join(" ");
    if files.first() == Some(&Path::new("-")) {
        format!("Resume by piping the same input into:\n  {command}")
    } else {
        format!("Resume with:\n  {command}")
    }
}
