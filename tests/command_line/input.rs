//! The built binary with what a new user may get wrong: each message says what happened, where, and what to do next.

use std::path::Path;
use std::process::{Command, Stdio};

/// Nothing listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

/// Exit code, and what is printed on both outputs, of a command in a folder.
fn run(folder: &Path, line: &str) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_homeostat"))
        .args(shlex::split(line).unwrap())
        .current_dir(folder)
        .env("HOMEOSTAT_URL", NOWHERE)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn utf16(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    [0xff, 0xfe].into_iter().chain(units).collect()
}

/// Files as people have them.
fn files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let addressed = r#"{"topic":"data.ingested","value":{"n":1}}"#;
    let contents: [(&str, Vec<u8>); 8] = [
        ("utf16.jsonl", utf16(addressed)),
        ("packed.jsonl.gz", b"\x1f\x8b\x08\0\0\0\0\0".to_vec()),
        ("bytes.dat", b"\xc3\x2c\x49\x81\x39".to_vec()),
        ("bare.jsonl", b"{\"n\":1}\r\n".to_vec()),
        ("list.json", format!("[{addressed}]\n").into_bytes()),
        ("pretty.json", b"{\n  \"n\": 1\n}\n".to_vec()),
        (
            "faulty.toml",
            b"[targets.\"churn@7\"]\nresponses_per_hour = 2\n[http]\nlisten = 7\n".to_vec(),
        ),
        ("closed.toml", b"[http]\nlisten = \"x\"\n".to_vec()),
    ];
    for (name, content) in contents {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    folder
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn what_is_given_wrongly_is_named_with_what_to_do() {
    let folder = files();
    for (line, code, told) in [
        (
            "publish --file utf16.jsonl",
            1,
            "utf16.jsonl:1: not {topic, key, value}: this is text in UTF-16",
        ),
        (
            "publish --file packed.jsonl.gz",
            1,
            "this is data compressed with gzip",
        ),
        ("publish --file bytes.dat", 1, "this is binary data"),
        (
            "publish --file list.json",
            1,
            "list.json:1: not {topic, key, value}: expected a JSON object on each line; `jq -c '.[]'`",
        ),
        (
            "publish --file pretty.json",
            1,
            "pretty.json:1: not {topic, key, value}: the line ends within the object; `jq -c .`",
        ),
        (
            "publish --file bare.jsonl",
            1,
            "1 bad line, nothing was published; lines that are events alone need their topic: `homeostat publish TOPIC --file bare.jsonl`",
        ),
        (
            "publish data.ingested --file packed.jsonl.gz",
            1,
            "packed.jsonl.gz:1: this is data compressed with gzip",
        ),
        (
            "publish --file folder",
            1,
            "folder: is a folder; name the files in it",
        ),
        (
            "publish --file missing.jsonl",
            1,
            "missing.jsonl: cannot be opened: No such file",
        ),
        ("publish --file ''", 2, "a value is required"),
        ("publish ''", 2, "'': unknown topic"),
        ("publish DATA.INGESTED", 2, "did you mean `data.ingested`?"),
        (
            "publish data.drift.detcted",
            2,
            "did you mean `data.drift.detected`?",
        ),
        (
            "publish bare.jsonl",
            2,
            "bare.jsonl is a file: `homeostat publish --file bare.jsonl`",
        ),
        (
            "publish data.ingested --file bare.jsonl --from-line 0",
            2,
            "must be a whole number, at least 1",
        ),
        (
            "publish data.ingested --file bare.jsonl --from-line -1",
            2,
            "must be a whole number, at least 1",
        ),
        (
            "publish data.ingested --file bare.jsonl --from-line 3",
            1,
            "bare.jsonl: ends at line 1, before the line 3 that --from-line names",
        ),
        (
            "publish data.ingested --file bare.jsonl --bootstrap-servers ''",
            2,
            "--bootstrap-servers: is empty; give HOST:PORT",
        ),
        (
            "publish data.ingested --file bare.jsonl --bootstrap-servers nonsense",
            2,
            "add the port: `nonsense:9092`",
        ),
        (
            "decisions list --url ''",
            2,
            "--url '': has no http:// in front",
        ),
        (
            "decisions list --url http://h:99999",
            2,
            "invalid port number; give it as http://127.0.0.1:8470",
        ),
        (
            "decisions list --url http://h:1?x=1",
            2,
            "--url 'http://h:1?x=1': has a ? or # in it",
        ),
        (
            "decisions list --url http://me:hunter2@h:1",
            2,
            "--url: has a user or a password",
        ),
        (
            "decisions list",
            1,
            "http://127.0.0.1:1/: Connection refused (os error 111); is the service running there?",
        ),
        (
            "decisions list --limit 0",
            2,
            "must be a whole number, at least 1",
        ),
        (
            "decisions list --limit -1",
            2,
            "must be a whole number, at least 1",
        ),
        (
            "decisions list --action dance",
            2,
            "[possible values: retrain, rollback",
        ),
        ("decisions tail", 1, "is the service running there?"),
        ("decisions show ''", 2, "a value is required for '<ID>'"),
        ("dead-letters show ''", 2, "a value is required for '<ID>'"),
        (
            "dead-letters list --limit -1",
            2,
            "must be a whole number, at least 1",
        ),
        ("dead-letters replay", 2, "name the letters by their ids"),
        (
            "topics describe ''",
            2,
            "a value is required for '[NAMES]...'",
        ),
        ("topics list --url nonsense", 2, "has no http:// in front"),
        (
            "silence --minutes x --reason y",
            2,
            "expected a number such as 30 or 0.5",
        ),
        (
            "silence --minutes NaN --reason y",
            2,
            "expected a number such as 30 or 0.5",
        ),
        (
            "silence --minutes 1e400 --reason y",
            2,
            "expected a number such as 30 or 0.5",
        ),
        (
            "silence --minutes -5 --reason y",
            1,
            "is the service running there?",
        ),
        (
            "approve '' --reason y",
            2,
            "a value is required for '<ACTION>'",
        ),
        (
            "override force --action retrain --target model/m --reason y --params {",
            2,
            "--params: not a JSON object",
        ),
        (
            "ledger upgrade --to -1",
            2,
            "--to -1: this program knows the versions 1 to",
        ),
        (
            "ledger upgrade --to 99999999999",
            2,
            "--to 99999999999: this program knows the versions 1 to",
        ),
        (
            "ledger start-empty --yes",
            1,
            "there is no event log in data/log yet",
        ),
        ("completions tcsh", 2, "[possible values: bash"),
        (
            "check --config missing.toml",
            2,
            "missing.toml: cannot be read: No such file",
        ),
        (
            "check --config folder",
            2,
            "folder: is a folder; name the files in it",
        ),
        (
            "check --config utf16.jsonl",
            2,
            "utf16.jsonl: is UTF-16; save it as UTF-8",
        ),
        (
            "check --config bytes.dat",
            2,
            "bytes.dat:1: the file is not UTF-8 from this line on",
        ),
        (
            "--config closed.toml",
            2,
            "closed.toml:2: http.listen: `x` is not an address with a port",
        ),
    ] {
        let (status, out, err) = run(folder.path(), line);
        assert_eq!(status, Some(code), "{line}: {err}");
        assert!(err.contains(told), "{line}: {err}");
        assert!(
            !err.contains("panicked") && !err.contains("hunter2"),
            "{line}: {err}"
        );
        assert_eq!(out, "", "{line}: nothing half done is printed");
    }
    assert!(!folder.path().join("data").exists(), "nothing was created");
}

#[test]
fn warnings_stand_beside_faults() {
    let folder = files();
    let (status, out, err) = run(folder.path(), "check --config faulty.toml");
    assert_eq!((status, out.as_str()), (Some(2), ""), "{err}");
    for told in [
        "warning: faulty.toml:1: targets.\"churn@7\": no event has the target `churn@7`",
        "faulty.toml:4: http.listen: ",
    ] {
        assert!(err.contains(told), "{err}");
    }
}

#[test]
fn a_reader_that_went_away_ends_no_command_with_a_panic() {
    let folder = files();
    for line in [
        "--help",
        "publish --help",
        "completions bash",
        "check --effective",
        "topics list",
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_homeostat"))
            .args(shlex::split(line).unwrap())
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {err}");
        assert!(
            !err.contains("panicked") && !err.contains("Broken pipe"),
            "{line}: {err}"
        );
    }
}
