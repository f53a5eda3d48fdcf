//! Python with the vendors' clients, as `scripts/test` installs it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

/// `None`, said in one line, where it is not installed; an error where `CI` is set.
pub(crate) fn python(what: &str) -> Option<String> {
    let found = std::env::var("ALERTING_PYTHON").ok();
    let found = found.filter(|path| !path.is_empty());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "ALERTING_PYTHON is not set; use scripts/test"
        );
        eprintln!("not run: {what} (set ALERTING_PYTHON or use scripts/test)");
    }
    found
}

pub(crate) fn script(name: &str) -> String {
    format!("{}/tests/alerting/{name}.py", env!("CARGO_MANIFEST_DIR"))
}

/// Runs a part of `clients.py`; answers what it printed.
pub(crate) async fn client(python: &str, arguments: &[&str], given: &Value) -> String {
    let mut command = Command::new(python);
    command
        .arg(script("clients"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let given = given.to_string();
    let run = move || {
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(given.as_bytes()).unwrap();
        drop(input);
        child.wait_with_output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
