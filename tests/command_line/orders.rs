//! Operators' orders, and what is printed of them.

use std::process::Command;
use std::time::Duration;

use crate::outside::Outside;
use crate::running::{err, homeostat, order};

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
    let story = crate::outside::STORY.to_string();
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
