//! The built binary: help, usage, completions, and publishing against a server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the verdict; clippy's own exemption does not reach helper functions"
)]

mod outside;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use homeostat::log::embedded::{EmbeddedLog, EmbeddedSettings};
use homeostat_actors::ports::log::{EventLog, LogError, NewRecord, TopicPartition, TopicSettings};
use homeostat_logic::ledger::codec::{decode, encode};
use homeostat_logic::ledger::record::{Genesis, Id, Record};
use homeostat_logic::topic::LEDGER;
use outside::{Order, Outside, TOKEN, letter};

fn homeostat(arguments: &[&str], input: &str) -> Output {
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

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

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
        (&["publish", "data.nonsense"], "topic is not known"),
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
fn a_file_of_addressed_lines_is_published_in_order() {
    let outside = Outside::start();
    let (_folder, path) = file(concat!(
        "{\"topic\": \"data.ingested\", \"key\": \"k 1&\", \"value\": {\"n\": 1.0}}\n",
        "\n",
        "{\"topic\": \"data.ingested\", \"key\": \"k 1&\", \"value\": {\"n\": 2}}\r\n",
        "{\"topic\": \"system.alerts\", \"key\": null, \"value\": {\"n\": 3, \"event_id\": \"own\"}}\n",
        "{\"topic\": \"data.ingested\", \"value\": {\"n\": 4}}",
    ));
    let output = homeostat(
        &[
            "publish",
            "--file",
            path.to_str().unwrap(),
            "--url",
            &outside.url("/"),
        ],
        "",
    );
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output), "4 events published to 2 topics\n");
    assert_eq!(err(&output), "", "no progress bar without a terminal");
    let values = outside.log.values("data.ingested");
    assert!(
        values[0].starts_with("{\"n\": 1.0, \"event_id\""),
        "{values:?}"
    );
    assert!(
        values[1].starts_with("{\"n\": 2,") && values[2].starts_with("{\"n\": 4,"),
        "{values:?}"
    );
    assert!(
        outside.log.values("system.alerts")[0]
            .starts_with("{\"n\": 3, \"event_id\": \"own\", \"timestamp\"")
    );
    let records = outside.log.records.lock().unwrap();
    assert_eq!(
        records["data.ingested"][0].key.as_deref(),
        Some(b"k 1&".as_slice())
    );
    assert_eq!(records["data.ingested"][2].key, None);
}

#[test]
fn bare_events_come_from_standard_input_and_from_files() {
    let outside = Outside::start();
    let url = outside.url("");
    let publish = |arguments: &[&str], input: &str| {
        let all = [&["publish", "--url", &url], arguments].concat();
        let output = homeostat(&all, input);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        out(&output)
    };
    assert_eq!(
        publish(&["data.ingested", "--key", "k"], "{\"n\":1}\n{\"n\":2}\n"),
        "2 events published to 1 topic\n"
    );
    let (_folder, path) = file("{\"n\":3}\n");
    assert_eq!(
        publish(&["data.ingested", path.to_str().unwrap(), "-"], "{\"n\":4}"),
        "2 events published to 1 topic\n"
    );
    assert_eq!(
        publish(&["-"], "{\"topic\":\"data.ingested\",\"value\":{\"n\":5}}"),
        "1 event published to 1 topic\n"
    );
    assert_eq!(
        publish(&["data.ingested"], ""),
        "0 events published to 0 topics\n"
    );
    let values = outside.log.values("data.ingested");
    let numbers: Vec<&str> = values.iter().map(|value| &value[..6]).collect();
    assert_eq!(
        numbers,
        ["{\"n\":1", "{\"n\":2", "{\"n\":3", "{\"n\":4", "{\"n\":5"]
    );
}

#[test]
fn a_bad_line_in_a_file_is_told_before_anything_is_sent() {
    let outside = Outside::start();
    let (_folder, path) = file("{\"n\":1}\nnot json\n{\"n\":3}\n[4]\n");
    let output = homeostat(
        &[
            "publish",
            "data.ingested",
            path.to_str().unwrap(),
            "--url",
            &outside.url(""),
        ],
        "",
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("events.jsonl:2: byte 0: an event is a JSON object"),
        "{}",
        err(&output)
    );
    assert!(
        err(&output).contains("events.jsonl:4: "),
        "{}",
        err(&output)
    );
    assert!(err(&output).contains("2 bad lines, nothing was published"));
    assert_eq!(outside.log.total(), 0);
}

#[test]
fn a_bad_line_in_a_stream_loses_nothing_after_it() {
    let outside = Outside::start();
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(3 << 20));
    let lines = [
        r#"{"topic":"data.ingested","value":{"n":1}}"#,
        r#"{"topic":"data.nonsense","value":{}}"#,
        r#"{"topic":"data.ingested","kye":"k","value":{}}"#,
        &long,
        r#"{"topic":"data.ingested","value":{"n":2}}"#,
    ];
    let output = homeostat(&["publish", "--url", &outside.url("")], &lines.join("\n"));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out(&output), "2 events published to 1 topic\n");
    for fault in [
        "input:2: data.nonsense: the topic is not known",
        "input:3: not {topic, key, value}: unknown field `kye`",
        "input:4: longer than",
        "3 bad lines left out",
    ] {
        assert!(err(&output).contains(fault), "{fault}: {}", err(&output));
    }
    assert_eq!(outside.log.values("data.ingested").len(), 2);
}

#[test]
fn what_was_not_acknowledged_is_tried_again_with_the_same_id() {
    let outside = Outside::start();
    outside.log.order(Order::Fail(
        1,
        LogError::Unavailable("no leader".to_owned()),
    ));
    outside.log.order(Order::Fail(
        0,
        LogError::Unavailable("no leader".to_owned()),
    ));
    let output = homeostat(
        &["publish", "data.ingested", "--url", &outside.url("")],
        "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n",
    );
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output), "3 events published to 1 topic\n");
    let numbers: Vec<String> = outside
        .log
        .values("data.ingested")
        .iter()
        .map(|value| value[..6].to_owned())
        .collect();
    assert_eq!(numbers, ["{\"n\":1", "{\"n\":2", "{\"n\":3"]);
    let offered = outside.log.offered.lock().unwrap();
    let second: Vec<&String> = offered
        .iter()
        .filter(|value| value.starts_with("{\"n\":2"))
        .collect();
    assert_eq!(second.len(), 3);
    assert!(second.iter().all(|value| *value == second[0]), "{second:?}");
}

#[test]
fn what_the_log_refuses_is_told_and_the_rest_goes_on() {
    let outside = Outside::start();
    outside
        .log
        .order(Order::Fail(1, LogError::Refused("too large".to_owned())));
    let (_folder, path) = file(concat!(
        "{\"topic\": \"data.ingested\", \"value\": {}}\n",
        "{\"topic\": \"system.alerts\", \"value\": {}}\n",
    ));
    let output = homeostat(
        &[
            "publish",
            "--file",
            path.to_str().unwrap(),
            "--url",
            &outside.url(""),
        ],
        "",
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out(&output), "1 event published to 1 topic\n");
    assert!(
        err(&output).contains("events.jsonl:2: system.alerts: 422:"),
        "{}",
        err(&output)
    );
    assert!(
        err(&output).ends_with("1 event refused, also when sent again\n"),
        "{}",
        err(&output)
    );
}

#[test]
fn a_service_that_is_not_there_ends_the_publication_with_the_place_to_go_on() {
    // Bound and never accepting would hang; bound and closed again refuses.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{free}");
    let output = homeostat(
        &["publish", "data.ingested", "--url", &url],
        "{\"n\":1}\n{\"n\":2}\n",
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("is the service running there?"),
        "{}",
        err(&output)
    );
    assert!(
        err(&output).contains("2 events not acknowledged")
            && err(&output).contains(&format!(
                "publish data.ingested --url {url} --from-line 1 --file -"
            )),
        "{}",
        err(&output)
    );
}

/// A publication under way.
struct Publication {
    child: std::process::Child,
    input: Option<std::process::ChildStdin>,
}

impl Publication {
    fn start(arguments: &[&str], url: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_homeostat"))
            .arg("publish")
            .args(arguments)
            .args(["--url", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        Self { child, input }
    }

    fn interrupted(self) -> Output {
        let mut kill = Command::new("kill");
        let killed = kill.args(["-INT", &self.child.id().to_string()]).status();
        assert!(killed.unwrap().success());
        // Its input stays open: it must not wait for that.
        let output = self.child.wait_with_output().unwrap();
        drop(self.input);
        output
    }
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs the last line of what was printed, as a person would paste it.
fn pasted(output: &Output) -> Output {
    let printed = err(output);
    let command = printed.trim_end().lines().last().unwrap().trim().to_owned();
    let mut shell = Command::new("sh");
    shell.args(["-c", &command]).output().unwrap()
}

fn numbers(outside: &Outside, topic: &str) -> Vec<u64> {
    let number = |value: &String| {
        let event: serde_json::Value = serde_json::from_str(value).unwrap();
        event["n"].as_u64().unwrap()
    };
    outside.log.values(topic).iter().map(number).collect()
}

#[test]
fn ctrl_c_tells_what_was_published_and_how_to_go_on() {
    let outside = Outside::start();
    let mut live = Publication::start(&["data.ingested"], &outside.url(""));
    let input = live.input.as_mut().unwrap();
    input.write_all(b"{\"n\":1}\n\n{\"n\":2}\n").unwrap();
    wait_until("both lines are published", || outside.log.total() == 2);
    let output = live.interrupted();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out(&output), "2 events published to 1 topic\n");
    let told = err(&output);
    assert!(
        told.starts_with("interrupted\nto go on, pipe the same input into:\n"),
        "{told}"
    );
    assert!(told.ends_with("--from-line 4 --file -\n"), "{told}");
    let output = homeostat(
        &[
            "publish",
            "data.ingested",
            "--url",
            &outside.url(""),
            "--from-line",
            "4",
        ],
        "not json\n\n{\"n\":2}\n{\"n\":3}\n",
    );
    assert_eq!(out(&output), "1 event published to 1 topic\n");
    assert_eq!(numbers(&outside, "data.ingested"), [1, 2, 3]);
}

#[test]
fn the_command_that_goes_on_after_a_part_of_a_batch_works_as_printed() {
    let outside = Outside::start();
    let (folder, _) = file("");
    let path = folder.path().join("my $events.jsonl");
    let line =
        |n: u64| format!("{{\"topic\":\"data.ingested\",\"key\":\"k\",\"value\":{{\"n\":{n}}}}}\n");
    std::fs::write(&path, (1..=5).map(line).collect::<String>()).unwrap();
    let second = folder.path().join("second.jsonl");
    std::fs::write(&second, line(6)).unwrap();
    let unavailable = || LogError::Unavailable("no leader".to_owned());
    outside.log.order(Order::Fail(2, unavailable()));
    for _ in 0..10 {
        outside.log.order(Order::Fail(0, unavailable()));
    }
    let (path, second) = (path.to_str().unwrap(), second.to_str().unwrap());
    let arguments = ["--file", path, "--file", second];
    let publication = Publication::start(&arguments, &outside.url(""));
    wait_until("two of five are taken", || {
        outside.log.offered.lock().unwrap().len() >= 5
    });
    let output = publication.interrupted();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out(&output), "2 events published to 1 topic\n");
    let told = err(&output);
    for part in [
        "no leader",
        "3 events not acknowledged",
        "--from-line 3 --file '",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    outside.log.orders.lock().unwrap().clear();
    let output = pasted(&output);
    assert_eq!(
        out(&output),
        "4 events published to 1 topic\n",
        "{}",
        err(&output)
    );
    assert_eq!(numbers(&outside, "data.ingested"), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn interleaved_keys_cost_no_request_each_and_keep_their_order() {
    let outside = Outside::start();
    let topics = ["data.ingested", "system.alerts"];
    let line = |n: usize| {
        let (topic, key) = (topics[n % 2], n % 200);
        format!("{{\"topic\":\"{topic}\",\"key\":\"{key}\",\"value\":{{\"n\":{n}}}}}\n")
    };
    let (_folder, path) = file(&(0..10_000).map(line).collect::<String>());
    let arguments = [
        "publish",
        "--file",
        path.to_str().unwrap(),
        "--url",
        &outside.url(""),
    ];
    let output = homeostat(&arguments, "");
    assert_eq!(
        out(&output),
        "10000 events published to 2 topics\n",
        "{}",
        err(&output)
    );
    let metrics = outside.metrics.render().unwrap();
    let requests = r#"homeostat_publish_requests_total{outcome="accepted"} 5"#;
    assert!(metrics.contains(requests), "{metrics}");
    for (remainder, topic) in (0..).zip(topics) {
        let expected: Vec<u64> = (0..5_000).map(|n| 2 * n + remainder).collect();
        assert_eq!(numbers(&outside, topic), expected);
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
fn lines_before_the_first_are_neither_checked_nor_sent() {
    let outside = Outside::start();
    let (_folder, path) = file("not json\n{\"n\":2}\n[3]\n{\"n\":4}\n");
    let publish = |line: &str| {
        let path = path.to_str().unwrap();
        let url = outside.url("");
        let arguments = [
            "publish",
            "data.ingested",
            path,
            "--url",
            &url,
            "--from-line",
            line,
        ];
        homeostat(&arguments, "")
    };
    let output = publish("2");
    assert!(
        err(&output).contains("events.jsonl:3: "),
        "{}",
        err(&output)
    );
    assert!(
        err(&output).contains("1 bad line, nothing was published"),
        "{}",
        err(&output)
    );
    assert_eq!(out(&publish("4")), "1 event published to 1 topic\n");
    assert_eq!(numbers(&outside, "data.ingested"), [4]);
    assert_eq!(publish("0").status.code(), Some(2));
}

#[test]
fn dead_letters_are_listed_shown_and_replayed_once() {
    let outside = Outside::start();
    let url = outside.url("");
    let run = |arguments: &[&str]| {
        let mut all = vec!["dead-letters"];
        all.extend(arguments);
        all.extend(["--url", &url]);
        homeostat(&all, "")
    };
    assert_eq!(out(&run(&["list"])), "no dead letters\n");
    outside
        .log
        .store(letter("data.ingested", "handler", b"{\"x\": 1}", &[]));
    outside
        .log
        .store(letter("system.health", "not_json", b"?", &[]));
    let listed = out(&run(&["list"]));
    let lines: Vec<&str> = listed.lines().collect();
    assert!(
        lines[0].starts_with("ID") && lines[1].starts_with("0-1") && lines[2].starts_with("0-0"),
        "{listed}"
    );
    let json = out(&run(&["list", "--reason", "handler", "--json"]));
    let document: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
    assert_eq!(document["topic"], "data.ingested");
    let shown = out(&run(&["show", "0-0"]));
    assert!(shown.contains("value        {\"x\": 1}"), "{shown}");
    let dry = run(&["replay", "--topic", "data.ingested", "--dry-run"]);
    assert!(out(&dry).contains("would_replay"));
    for outcome in ["replayed ", "already_replayed "] {
        let replayed = run(&["replay", "0-0"]);
        assert_eq!(replayed.status.code(), Some(0));
        assert!(out(&replayed).contains(outcome), "{}", out(&replayed));
    }
    assert_eq!(outside.log.values("data.ingested"), ["{\"x\": 1}"]);
    // Behind the first replay's marker; the newer one is replayed already and does not count.
    for _ in 0..2 {
        let more = letter("data.ingested", "handler", b"{}", &[]);
        outside.log.store(more);
    }
    out(&run(&["replay", "0-4"]));
    let rest = out(&run(&[
        "replay",
        "--topic",
        "data.ingested",
        "--limit",
        "1",
    ]));
    assert!(rest.contains("0-4        already_replayed"), "{rest}");
    assert!(rest.contains("0-3        replayed"), "{rest}");
    assert!(rest.contains("--limit"), "{rest}");
    let none = out(&run(&["replay", "--topic", "model.deployed"]));
    assert_eq!(none, "no dead letters\n");
    assert_eq!(
        out(&run(&["resume", "--topic", "system.health"])),
        "going on: system.health/1\n"
    );
}

#[test]
fn dead_letters_that_cannot_be_had_end_with_a_message_and_a_code() {
    let outside = Outside::start();
    let url = outside.url("");
    for (arguments, code, word) in [
        (
            &["list", "--url", "http://127.0.0.1:1"][..],
            1,
            "is the service running there?",
        ),
        (
            &["show", "0-5", "--url", &url],
            1,
            "404: there is no dead letter",
        ),
        (
            &["list", "--since", "yesterday", "--url", &url],
            1,
            "RFC 3339",
        ),
        (&["replay", "0-5", "--url", &url], 1, "1 not replayed"),
        (&["replay", "--url", &url], 2, "name the letters"),
        (&["list", "--limit", "0", "--url", &url], 2, "--limit"),
        (&["list", "--url", "nonsense"], 2, "--url nonsense"),
    ] {
        let mut all = vec!["dead-letters"];
        all.extend(arguments);
        let output = homeostat(&all, "");
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            err(&output)
        );
        assert!(
            err(&output).contains(word),
            "{arguments:?}: {}",
            err(&output)
        );
    }
}

/// What an order prints, with its code.
fn order(outside: &Outside, arguments: &[&str]) -> (Option<i32>, String, String) {
    let url = outside.url("");
    let mut all = arguments.to_vec();
    all.extend(["--url", &url]);
    let output = homeostat(&all, "");
    (output.status.code(), out(&output), err(&output))
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn orders_are_applied_or_refused_with_the_present_state_and_name_their_key() {
    let outside = Outside::with_operator(Duration::from_secs(10));
    let (code, told, key) = order(&outside, &["pause", "--reason", "release", "--who", "ada"]);
    assert_eq!(code, Some(0), "{key}");
    assert!(
        told.starts_with("applied: pause, 2026-01-01T") && told.ends_with("paused\n"),
        "{told}"
    );
    let key = key.trim().strip_prefix("Idempotency-Key: ").unwrap();
    // The same key: the first result, and nothing more is written.
    let before = outside.log.total();
    let (code, again, _) = order(&outside, &["pause", "--reason", "release", "--key", key]);
    assert_eq!((code, again), (Some(0), told));
    assert_eq!(outside.log.total(), before);
    let (code, _, told) = order(&outside, &["resume", "--reason", "x", "--key", key]);
    assert_eq!(code, Some(1));
    assert!(
        told.contains("422: this Idempotency-Key belongs to another order (pause)"),
        "{told}"
    );
    let (code, told, _) = order(&outside, &["resume", "--reason", "x"]);
    assert_eq!(
        (code, told.ends_with("nothing is held back\n")),
        (Some(0), true),
        "{told}"
    );
    let (code, told, said) = order(
        &outside,
        &[
            "silence",
            "--minutes",
            "30",
            "--target",
            "model/m",
            "--reason",
            "x",
        ],
    );
    assert_eq!(code, Some(0));
    // Before, and with the answer.
    for text in [&said, &told] {
        let whole = "a silence holds every target of its partition";
        assert!(text.contains(whole), "{text}");
    }
    assert!(
        told.contains("silenced until 2026-01-01T00:30:00.000Z"),
        "{told}"
    );

    let force = [
        "override",
        "force",
        "--action",
        "retrain",
        "--target",
        "model/m",
        "--severity",
        "low",
        "--params",
        "{\"n\": 1}",
        "--reason",
        "x",
        "--json",
    ];
    let (code, told, problem) = order(&outside, &force);
    assert_eq!(code, Some(0), "{problem}");
    let answer: serde_json::Value = serde_json::from_str(&told).unwrap();
    let id = answer["action"]["id"].as_str().unwrap();
    for name in ["cancel", "refire", "clear-cooldown", "acknowledge"] {
        let (code, _, told) = order(
            &outside,
            &["override", name, id, "--expect", "99", "--reason", "x"],
        );
        assert_eq!(code, Some(1));
        assert!(
            told.contains(&format!(
                "409: retrain of model/m ({id}): the action has changed since"
            )) && told.contains(&format!("{id} --expect"))
                && told.contains("is ready, changed"),
            "{told}"
        );
    }
    let (code, _, told) = order(
        &outside,
        &[
            "override",
            "resolve",
            id,
            "--outcome",
            "done",
            "--expect",
            &answer["action"]["changed"].to_string(),
            "--reason",
            "x",
        ],
    );
    assert_eq!((code, told.contains("409")), (Some(1), true), "{told}");
    // What the service does not know, it cannot show.
    let (code, _, told) = order(&outside, &["approve", id, "--reason", "x"]);
    assert_eq!((code, told.contains("404")), (Some(1), true), "{told}");
    // What is shown before the order: the story that this server tells of any.
    let story = outside::STORY.to_string();
    let (code, _, told) = order(&outside, &["approve", &story, "--reason", "x"]);
    assert_eq!(code, Some(1));
    assert!(
        told.starts_with("retrain of model/m is done, changed 9\n"),
        "{told}"
    );
}

#[test]
fn orders_that_cannot_be_given_end_with_a_message_and_a_code() {
    let outside = Outside::start();
    for (arguments, code, word) in [
        (&["pause"][..], 2, "--reason"),
        (&["silence", "--reason", "x"], 2, "--minutes"),
        (
            &["override", "force", "--reason", "x", "--action", "retrain"],
            2,
            "--target",
        ),
        (
            &[
                "override",
                "resolve",
                "1",
                "--outcome",
                "maybe",
                "--reason",
                "x",
            ],
            2,
            "maybe",
        ),
        (
            &[
                "override", "force", "--action", "a", "--target", "t", "--params", "[]",
                "--reason", "x",
            ],
            2,
            "--params: not a JSON object",
        ),
        (
            &["pause", "--reason", "x"],
            1,
            "403: no operator token is configured",
        ),
    ] {
        let (got, _, told) = order(&outside, arguments);
        assert_eq!(
            (got, told.contains(word)),
            (Some(code), true),
            "{arguments:?}: {told}"
        );
    }
    let gone = homeostat(
        &["pause", "--reason", "x", "--url", "http://127.0.0.1:1"],
        "",
    );
    assert_eq!(gone.status.code(), Some(1));
    assert!(
        err(&gone).contains("Idempotency-Key: ")
            && err(&gone).contains("is the service running there?")
    );
}

#[test]
fn a_wrong_token_is_told_from_a_missing_one() {
    let outside = Outside::with_operator(Duration::from_secs(10));
    let with = |token: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_homeostat"));
        command.args(["pause", "--reason", "x", "--url", &outside.url("")]);
        match token {
            Some(token) => command.env("HOMEOSTAT_OPERATOR_TOKEN", token),
            None => command.env_remove("HOMEOSTAT_OPERATOR_TOKEN"),
        };
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        err(&output)
    };
    let (missing, wrong) = (with(None), with(Some("another")));
    assert!(
        missing.contains("401") && missing.contains("has none"),
        "{missing}"
    );
    assert!(
        missing.contains("put it into HOMEOSTAT_OPERATOR_TOKEN"),
        "{missing}"
    );
    assert!(
        wrong.contains("401") && wrong.contains("is wrong"),
        "{wrong}"
    );
}

#[test]
fn the_ledger_is_shown_as_a_running_service_folds_it() {
    let outside = Outside::with_operator(Duration::from_secs(10));
    let silence = ["silence", "--minutes", "30", "--reason", "known drift"];
    order(&outside, &silence);
    order(&outside, &["pause", "--reason", "release", "--who", "ada"]);
    let (code, told, _) = order(&outside, &["ledger", "status"]);
    let lines: Vec<Vec<&str>> = told
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!((code, lines.len()), (Some(0), 1 + 2 * 3 + 1), "{told}");
    assert_eq!(lines[4][..6], ["1", "no", "live", "1", "1", "0"], "{told}");
    let until = "2026-01-01T00:30:00.000Z";
    assert_eq!(lines[4][7..], ["paused,", "silenced", "until", until]);
    for line in [
        format!("until {until}: known drift\n"),
        "pause by ada at ".to_owned(),
        " until resume: release\n".to_owned(),
        "warning: look at it\n".to_owned(),
    ] {
        assert!(told.contains(&line), "{line}: {told}");
    }
}

/// Does something with the embedded log of a folder.
fn with_log<T>(folder: &Path, work: impl AsyncFnOnce(&EmbeddedLog) -> T) -> T {
    let settings = EmbeddedSettings {
        retention_check: Duration::from_millis(50),
        ..EmbeddedSettings::new(folder.join("data/log"))
    };
    let log = EmbeddedLog::open(settings).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = runtime.unwrap().block_on(work(&log));
    log.close();
    done
}

/// A ledger of two partitions, the second of which has lost its first records.
fn cut_ledger(folder: &Path, kept: Duration) {
    with_log(folder, async |log| {
        let settings = TopicSettings {
            name: LEDGER.to_owned(),
            partitions: 2,
            replication_factor: 1,
            retention: Some(kept),
            append_time: true,
        };
        log.ensure_topics(vec![settings]).await.unwrap();
        let tick = NewRecord {
            topic: LEDGER.to_owned(),
            partition: Some(1),
            value: Some(encode(&Record::Tick).unwrap()),
            ..NewRecord::default()
        };
        log.append(vec![tick.clone(), tick]).await;
        let until = Instant::now() + Duration::from_mins(1);
        loop {
            let ledger = log.describe_topics(vec![LEDGER.to_owned()]).await.unwrap();
            if ledger[0].partitions[1].low == 2 {
                break;
            }
            assert!(Instant::now() < until, "the records never go");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn an_empty_start_is_ordered_only_where_no_other_is_possible() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("overlay.toml");
    let data = folder.path().join("data");
    std::fs::write(&config, format!("data_dir = {data:?}\n")).unwrap();
    // Long enough for what is written below to stay while it is looked at.
    cut_ledger(folder.path(), Duration::from_secs(5));
    let run = |arguments: &[&str]| {
        let mut all = vec!["ledger", "--config", config.to_str().unwrap()];
        all.extend(arguments);
        let output = homeostat(&all, "");
        (output.status.code(), out(&output), err(&output))
    };
    let (code, _, told) = run(&["start-empty"]);
    assert_eq!((code, told.contains("--yes")), (Some(2), true), "{told}");
    let (code, _, told) = run(&["upgrade", "--to", "99"]);
    assert_eq!(
        (code, told.contains("knows the versions")),
        (Some(2), true),
        "{told}"
    );

    let (code, told, problem) = run(&["start-empty", "--yes", "--who", "ada"]);
    assert_eq!(code, Some(0), "{problem}");
    assert!(
        told.contains("partition 0: left alone, its first record is there"),
        "{told}"
    );
    assert!(told.contains("partition 1: written at offset 2"), "{told}");
    let told_first = told;
    let (code, told, problem) = run(&["start-empty", "--yes"]);
    assert_eq!(
        (code, problem.contains("refused")),
        (Some(1), true),
        "{told}"
    );
    assert!(
        told.contains("partition 1: left alone, it has a checkpoint to start from"),
        "{told}"
    );
    let (code, told, _) = run(&["upgrade", "--to", "1"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        told,
        "partition 0: written at offset 0\npartition 1: written at offset 3\n"
    );

    let records = with_log(folder.path(), async |log| {
        let partition = |partition| TopicPartition {
            topic: LEDGER.to_owned(),
            partition,
        };
        let mut records = log.read(partition(1), 2, 10).await.unwrap();
        records.extend(log.read(partition(0), 0, 10).await.unwrap());
        records
    });
    let records: Vec<Record> = records
        .iter()
        .map(|record| decode(record.value.as_deref().unwrap()).unwrap())
        .collect();
    let [
        Record::Checkpoint(empty),
        Record::Upgrade(first),
        Record::Upgrade(second),
    ] = records.as_slice()
    else {
        panic!("{records:?}");
    };
    let start = empty.empty_start.as_ref().unwrap();
    assert_eq!(
        (start.ordered_by.as_str(), empty.state.as_str()),
        ("ada", "")
    );
    assert!(told_first.contains(&format!(
        "partition 1: NEW installation {}",
        start.installation
    )));
    assert_eq!((first.fold_version, second.fold_version), (1, 1));
}

#[test]
fn an_empty_start_keeps_the_installation_that_another_partition_tells() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("overlay.toml");
    let data = folder.path().join("data");
    std::fs::write(&config, format!("data_dir = {data:?}\n")).unwrap();
    cut_ledger(folder.path(), Duration::from_secs(10));
    let installation = Id([7; 16]);
    with_log(folder.path(), async |log| {
        let genesis = NewRecord {
            topic: LEDGER.to_owned(),
            partition: Some(0),
            value: Some(encode(&Record::Genesis(Genesis::new(installation))).unwrap()),
            ..NewRecord::default()
        };
        log.append(vec![genesis]).await.pop().unwrap().unwrap();
    });
    let arguments = [
        "ledger",
        "--config",
        config.to_str().unwrap(),
        "start-empty",
        "--yes",
    ];
    let output = homeostat(&arguments, "");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let told = out(&output);
    let kept = format!("partition 1: installation {installation}, as before");
    assert!(told.contains(&kept), "{told}");
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
