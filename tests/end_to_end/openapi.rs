//! The API tried against its own document by schemathesis: what the document allows is taken, what it refuses is refused.

use std::path::Path;
use std::process::Command;

use crate::support::service::Launch;

/// Cases made up for each operation beside those that its limits suggest; with them a run takes some 15 s.
const CASES: &str = "10";

#[test]
fn schemathesis_finds_no_difference_between_the_api_and_its_document() {
    let Some(schemathesis) = std::env::var_os("SCHEMATHESIS") else {
        assert!(
            std::env::var_os("CI").is_none(),
            "schemathesis is not installed; use scripts/test"
        );
        eprintln!("not run: schemathesis (PyPI), which scripts/test installs");
        return;
    };
    let launch = Launch::new()
        .with("HTTP__OPERATOR_TOKEN", "env:OPERATOR_TOKEN")
        .environment("OPERATOR_TOKEN", "open sesame");
    let service = launch.start();
    service.ready();
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis");
    let output = Command::new(schemathesis)
        .arg("--config-file")
        .arg(settings.join("schemathesis.toml"))
        .arg("run")
        .arg(service.url("/api/v1/openapi.json"))
        .args(["--phases", "examples,coverage,fuzzing", "--checks", "all"])
        .args(["--max-examples", CASES, "--continue-on-failure"])
        .args(["--header", "Authorization: Bearer open sesame"])
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", &settings)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_COLOR", "1")
        // What it keeps between runs goes with the service's folder.
        .current_dir(launch.folder())
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    // A failure repeats the request, which may be a megabyte.
    let lines = report.lines().map(|line| line.chars().take(500));
    let report: Vec<String> = lines.map(String::from_iter).collect();
    assert!(output.status.success(), "{}", report.join("\n"));
    service.stop();
}
