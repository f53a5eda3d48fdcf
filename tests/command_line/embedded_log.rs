//! Commands that open the embedded log: they create nothing that was not ordered, and exit code 3 says that a person has to
//! mend the log.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::outside::{Outside, letter};
use homeostat::log::embedded::{EmbeddedLog, EmbeddedSettings};
use homeostat_actors::ports::log::EventLog as _;

/// In a folder of its own, with the log in `data/log`.
fn homeostat(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_homeostat"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HOMEOSTAT_") {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .current_dir(folder)
        .env("HOMEOSTAT__HTTP__LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Every command that opens the log.
const OPENING: [&[&str]; 6] = [
    &["run"],
    &["topics", "list"],
    &["topics", "describe"],
    &["topics", "create"],
    &["ledger", "start-empty", "--yes"],
    &["ledger", "upgrade", "--to", "1"],
];

#[test]
fn what_only_looks_creates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = told(&homeostat(folder.path(), &["topics", "list"]));
    assert_eq!(code, Some(0), "{err}");
    assert!(
        out.contains("data.drift.detected") && out.contains("missing"),
        "{out}"
    );
    assert!(
        err.contains("there is no event log in data/log yet: `homeostat` creates it"),
        "{err}"
    );
    let (code, out, err) = told(&homeostat(
        folder.path(),
        &["topics", "describe", "data.ingested"],
    ));
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("not in the event log: data.ingested"), "{err}");
    for arguments in [
        &["ledger", "start-empty", "--yes"][..],
        &["ledger", "upgrade", "--to", "1"],
    ] {
        let (code, _, err) = told(&homeostat(folder.path(), arguments));
        assert_eq!(code, Some(1), "{err}");
        assert!(
            err.contains("there is no event log in data/log yet"),
            "{err}"
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    // A folder that was made for it and is still empty stays empty.
    let log = folder.path().join("data/log");
    std::fs::create_dir_all(&log).unwrap();
    assert_eq!(
        told(&homeostat(folder.path(), &["topics", "list"])).0,
        Some(0)
    );
    assert_eq!(std::fs::read_dir(&log).unwrap().count(), 0);
}

#[test]
fn topics_that_were_created_are_listed_and_described() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = told(&homeostat(folder.path(), &["topics", "create"]));
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "25 topics created, 0 were there\n"),
        "{err}"
    );
    let (code, out, _) = told(&homeostat(folder.path(), &["topics", "list"]));
    assert_eq!(code, Some(0));
    assert!(
        !out.contains("missing") && out.contains("decided by drift"),
        "{out}"
    );
    let (code, out, _) = told(&homeostat(
        folder.path(),
        &["topics", "describe", "data.ingested"],
    ));
    assert_eq!((code, out.lines().count()), (Some(0), 4), "{out}");
}

#[test]
fn a_log_that_another_process_has_open_is_exit_code_3_and_the_way_to_ask_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(EmbeddedSettings::new(folder.path().join("data/log"))).unwrap();
    for arguments in OPENING {
        let (code, _, err) = told(&homeostat(folder.path(), arguments));
        assert_eq!(code, Some(3), "{arguments:?}: {err}");
        assert!(
            err.contains("is in use by another process"),
            "{arguments:?}: {err}"
        );
    }
    let (_, _, err) = told(&homeostat(folder.path(), &["topics", "list"]));
    assert!(
        err.contains("homeostat topics list --url http://127.0.0.1:0"),
        "{err}"
    );
    log.close();
}

/// What is done to the folder of a log.
type Damage = fn(&Path);

#[test]
fn a_log_that_is_damaged_or_cannot_be_opened_is_exit_code_3() {
    let damage: [(&str, Damage); 4] = [
        ("a file instead of the folder", |log| {
            std::fs::create_dir_all(log.parent().unwrap()).unwrap();
            std::fs::write(log, "not a folder").unwrap();
        }),
        ("a file instead of the data folder", |log| {
            std::fs::write(log.parent().unwrap(), "not a folder").unwrap();
        }),
        ("rubbish in every file", |log| {
            create(log);
            for path in files(log) {
                let length = std::fs::metadata(&path).unwrap().len();
                let length = usize::try_from(length.clamp(64, 1 << 20)).unwrap();
                std::fs::write(path, vec![0xA5; length]).unwrap();
            }
        }),
        ("empty files", |log| {
            create(log);
            for path in files(log) {
                std::fs::write(path, "").unwrap();
            }
        }),
    ];
    for (what, damage) in damage {
        for arguments in OPENING {
            let folder = tempfile::tempdir().unwrap();
            damage(&folder.path().join("data/log"));
            let (code, _, err) = told(&homeostat(folder.path(), arguments));
            assert_eq!(code, Some(3), "{what}, {arguments:?}: {err}");
            assert!(!err.contains("panicked"), "{what}, {arguments:?}: {err}");
            assert!(err.contains("data"), "{what}, {arguments:?}: {err}");
        }
    }
}

fn create(log: &Path) {
    let folder = log.parent().unwrap().parent().unwrap();
    assert_eq!(told(&homeostat(folder, &["topics", "create"])).0, Some(0));
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_folder_where_nothing_can_be_written_is_exit_code_3() {
    // Nobody can make a folder there, root included.
    for arguments in [&["run"][..], &["topics", "create"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_homeostat"))
            .args(arguments)
            .env("HOMEOSTAT__DATA_DIR", "/proc/homeostat")
            .env("HOMEOSTAT__HTTP__LISTEN", "127.0.0.1:0")
            .output()
            .unwrap();
        let (code, _, err) = told(&output);
        assert_eq!(code, Some(3), "{err}");
        assert!(
            err.contains("/proc/homeostat/log cannot be opened"),
            "{err}"
        );
    }
}

#[test]
fn a_running_service_is_asked_with_url_and_nothing_is_opened() {
    let outside = Outside::start();
    for _ in 0..3 {
        outside
            .log
            .store(letter("data.ingested", "handler", b"{}", &[]));
    }
    let folder = tempfile::tempdir().unwrap();
    let url = outside.url("");
    let ask = |arguments: &[&str]| {
        let arguments = [&["topics", "--url", &url], arguments].concat();
        told(&homeostat(folder.path(), &arguments))
    };
    let (code, out, err) = ask(&["describe", "homeostat.dead-letters"]);
    assert_eq!(code, Some(0), "{err}");
    let line: Vec<&str> = out.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(line, ["homeostat.dead-letters", "0", "0", "3"], "{out}");
    let (code, out, _) = ask(&["list"]);
    assert!(
        code == Some(0) && out.contains("data.drift.detected"),
        "{out}"
    );
    assert_eq!(ask(&[]).1, out, "list, unless told otherwise");
    let (code, _, err) = ask(&["describe", "no.such.topic"]);
    assert!(
        code == Some(1) && err.contains("not in the event log: no.such.topic"),
        "{err}"
    );
    let (code, _, err) = ask(&["create"]);
    assert!(code == Some(2) && err.contains("--url"), "{err}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
