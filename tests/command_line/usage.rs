//! Help, usage and completions.

use std::process::Command;

use crate::running::{err, file, homeostat, out};

#[test]
fn help_shows_every_command_with_examples() {
    let help = homeostat(&["--help"], "");
    assert_eq!(help.status.code(), Some(0));
    for word in [
        "run",
        "check",
        "publish",
        "topics",
        "completions",
        "Examples:",
        "--config",
        "Exit codes",
    ] {
        assert!(out(&help).contains(word), "{word}");
    }
    let publish = out(&homeostat(&["publish", "--help"], ""));
    for word in [
        "--bootstrap-servers",
        "--url",
        "--key",
        "Examples:",
        "http://127.0.0.1:8470",
    ] {
        assert!(publish.contains(word), "{word}");
    }
    assert!(out(&homeostat(&["--version"], "")).starts_with("homeostat "));
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_wrong() {
    let table: [(&[&str], &str); 6] = [
        (&["--nonsense"], "--nonsense"),
        (&["nonsense"], "nonsense"),
        (&["publish", "--key", "k"], "TOPIC"),
        (&["publish", "data.nonsense"], "unknown topic"),
        (
            &["publish", "homeostat.ledger"],
            "written by the service alone",
        ),
        (
            &["publish", "data.ingested", "--url", "ftp://x"],
            "neither http nor https",
        ),
    ];
    for (arguments, problem) in table {
        let output = homeostat(arguments, "");
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            err(&output)
        );
        assert!(
            err(&output).contains(problem),
            "{arguments:?}: {}",
            err(&output)
        );
        assert_eq!(out(&output), "", "{arguments:?}");
    }
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = homeostat(&["completions", shell], "");
        assert_eq!(output.status.code(), Some(0));
        assert!(out(&output).contains("bootstrap-servers"), "{shell}");
    }
}

#[test]
fn a_file_in_the_place_of_the_topic_leads_to_the_option() {
    let (_folder, path) = file("{\"topic\":\"data.ingested\",\"value\":{}}\n");
    let path = path.to_str().unwrap();
    let output = homeostat(&["publish", path], "");
    assert_eq!(output.status.code(), Some(2));
    let hint = format!("`homeostat publish --file {path}`");
    assert!(err(&output).contains(&hint), "{}", err(&output));
    let output = homeostat(&["publish", "no.such.thing"], "");
    assert!(!err(&output).contains("--file"), "{}", err(&output));
}

#[test]
fn an_address_without_its_scheme_and_a_token_with_odd_characters_are_told_as_what_they_are() {
    let output = homeostat(&["decisions", "list", "--url", "127.0.0.1:8470"], "");
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(
        err(&output).contains("has no http:// in front"),
        "{}",
        err(&output)
    );
    for (token, code, words) in [
        // Only nothing listens there.
        ("secret\r\n", 1, "is the service running there?"),
        ("sec\nret", 2, "HOMEOSTAT_OPERATOR_TOKEN holds characters"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_homeostat"))
            .args(["decisions", "list", "--url", "http://127.0.0.1:1"])
            .env("HOMEOSTAT_OPERATOR_TOKEN", token)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", err(&output));
        assert!(err(&output).contains(words), "{}", err(&output));
        assert!(!err(&output).contains("header value"), "{}", err(&output));
    }
}
