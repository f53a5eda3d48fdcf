//! The built binary, run with a token and an input.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::outside::{Outside, TOKEN};

pub(crate) fn homeostat(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_homeostat"))
        .args(arguments)
        .env_remove("HOMEOSTAT_URL")
        .env("HOMEOSTAT_OPERATOR_TOKEN", TOKEN)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that ends without reading its input closes the pipe, which is no fault of the test.
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap_or_default();
    child.wait_with_output().unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

pub(crate) fn numbers(outside: &Outside, topic: &str) -> Vec<u64> {
    let number = |value: &String| {
        let event: serde_json::Value = serde_json::from_str(value).unwrap();
        event["n"].as_u64().unwrap()
    };
    outside.log.values(topic).iter().map(number).collect()
}

/// What an order prints, with its code.
pub(crate) fn order(outside: &Outside, arguments: &[&str]) -> (Option<i32>, String, String) {
    let url = outside.url("");
    let mut all = arguments.to_vec();
    all.extend(["--url", &url]);
    let output = homeostat(&all, "");
    (output.status.code(), out(&output), err(&output))
}
