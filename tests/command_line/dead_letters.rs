//! Dead letters: listed, shown, replayed.

use crate::outside::{Outside, letter};
use crate::running::{err, homeostat, out};

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
            "404: unknown dead letter",
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
