//! Who may give orders, and what is refused before anything is written.

use homeostat_actors::ledger_view::FoldProgress;
use homeostat_actors::ports::log::LogError;
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::*;
use serde_json::{Value, json};

use super::{LIMIT, SHORT, answer, order, slug, written};
use crate::outside::{NextAppend, Outside, TOKEN, letter};

#[tokio::test]
async fn without_the_operator_token_nothing_is_ordered() {
    let outside = Outside::start();
    let (status, problem) = order(&outside, "pause", "k", json!({"reason": "x"})).await;
    assert_eq!((status, slug(&problem)), (403, "no-operator-token"));

    let outside = Outside::with_operator(LIMIT);
    outside
        .log
        .store(letter("data.ingested", "handler", b"{}", &[]));
    for path in [
        "control/pause",
        "control/nonsense",
        "dead-letters/replay",
        "dead-letters/resume",
    ] {
        let request = || {
            let url = outside.url(&format!("/api/v1/{path}"));
            outside
                .client
                .post(url)
                .header("idempotency-key", "k")
                .body("{}")
        };
        let header = |value: String| request().header("authorization", value);
        let invalid = r#"Bearer error="invalid_token""#;
        for (request, kind, challenge, word) in [
            (request(), "unauthorized", "Bearer", "has none"),
            (
                header(format!("Basic {TOKEN}")),
                "unauthorized",
                "Bearer",
                "in another way",
            ),
            (
                request().bearer_auth("open sesam"),
                "wrong-token",
                invalid,
                "is wrong",
            ),
            (
                header(format!("Bearer {TOKEN}x")),
                "wrong-token",
                invalid,
                "is wrong",
            ),
            (header("bearer ".to_owned()), "unauthorized", "Bearer", ""),
        ] {
            let response = request.send().await.unwrap();
            assert_eq!(response.headers()["www-authenticate"], challenge, "{path}");
            let status = response.status().as_u16();
            let problem: Value = response.json().await.unwrap();
            assert_eq!((status, slug(&problem)), (401, kind), "{path}");
            assert!(problem["detail"].as_str().unwrap().contains(word));
            assert!(!problem.to_string().contains(TOKEN));
        }
    }
    assert_eq!(outside.log.total(), 1);
}

#[tokio::test]
async fn what_is_no_order_is_refused_before_anything_is_written() {
    let outside = Outside::with_operator(LIMIT);
    let id = Id([3; 16]).to_string();
    let bad = [
        ("pause", json!({})),
        ("pause", json!({"reason": " "})),
        ("pause", json!({"reason": "x", "who": 3})),
        ("pause", json!({"reason": "x", "minutes": 3})),
        ("pause", json!(["reason"])),
        ("cancel", json!({"reason": "x", "action_id": id})),
        (
            "cancel",
            json!({"reason": "x", "action_id": "no", "expect": 1}),
        ),
        (
            "resolve",
            json!({"reason": "x", "action_id": id, "expect": 1, "outcome": "maybe"}),
        ),
        ("silence", json!({"reason": "x"})),
        ("silence", json!({"reason": "x", "minutes": 0})),
        ("silence", json!({"reason": "x", "minutes": 11_521})),
        ("silence", json!({"reason": "x", "minutes": 1e-7})),
        (
            "silence",
            json!({"reason": "x", "minutes": 1, "until": "2026-01-01T01:00:00Z"}),
        ),
        ("silence", json!({"reason": "x", "until": "tomorrow"})),
        (
            "silence",
            json!({"reason": "x", "minutes": 1, "partition": 2}),
        ),
        (
            "silence",
            json!({"reason": "x", "minutes": 1, "partition": 0, "target": "model/m"}),
        ),
        ("force", json!({"reason": "x", "action": "retrain"})),
        // These would be carried out on the default model or service.
        (
            "force",
            json!({"reason": "x", "action": "retrain", "target": "service/s"}),
        ),
        (
            "force",
            json!({"reason": "x", "action": "scale_up", "target": "model/m"}),
        ),
        (
            "force",
            json!({"reason": "x", "action": "ignore", "target": "model/m"}),
        ),
        (
            "force",
            json!({"reason": "x", "action": "dance", "target": "model/m"}),
        ),
        (
            "force",
            json!({"reason": "x", "action": "retrain", "target": "m"}),
        ),
        (
            "force",
            json!({"reason": "x", "action": "retrain", "target": "model/m", "severity": "odd"}),
        ),
        (
            "force",
            json!({"reason": "x", "action": "retrain", "target": "model/m", "event": 1}),
        ),
    ];
    for (name, body) in bad {
        let told = body.to_string();
        let (status, problem) = order(&outside, name, "k", body).await;
        assert_eq!(
            (status, slug(&problem)),
            (400, "malformed-order"),
            "{name} {told}"
        );
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.ends_with("; nothing was ordered"), "{name} {detail}");
    }
    let (status, problem) = order(&outside, "dance", "k", json!({"reason": "x"})).await;
    assert_eq!((status, slug(&problem)), (404, "not-found"));
    let body = json!({"reason": "x", "action_id": id, "expect": 1});
    let (status, problem) = order(&outside, "cancel", "k", body).await;
    assert_eq!((status, slug(&problem)), (404, "unknown-action"));
    for key in ["", " ", "two words", &"k".repeat(129)] {
        let (status, problem) = order(&outside, "pause", key, json!({"reason": "x"})).await;
        assert_eq!(
            (status, slug(&problem)),
            (400, "bad-idempotency-key"),
            "{key}"
        );
    }
    assert_eq!(outside.log.total(), 0);
}

#[tokio::test]
async fn a_log_that_does_not_take_the_order_and_a_ledger_that_is_not_folded_are_told() {
    let outside = Outside::with_operator(SHORT);
    for (fault, expected) in [
        (NextAppend::Hang, (504, "log-timeout")),
        (
            NextAppend::Fail(0, LogError::Unavailable("away".to_owned())),
            (503, "log-unavailable"),
        ),
        (
            NextAppend::Fail(0, LogError::Refused("no".to_owned())),
            (422, "refused-by-log"),
        ),
    ] {
        outside.log.order(fault);
        let (status, problem) = order(&outside, "pause", "k", json!({"reason": "x"})).await;
        assert_eq!((status, slug(&problem)), expected, "{problem}");
    }
    for progress in [
        FoldProgress::Restoring,
        FoldProgress::Refused("it is truncated".to_owned()),
    ] {
        outside.log.ledger.lock().unwrap()[1].write().progress = progress;
        let (status, problem) = order(&outside, "pause", "k2", json!({"reason": "x"})).await;
        assert_eq!(
            (status, slug(&problem)),
            (503, "not-read-back"),
            "{problem}"
        );
        let body = json!({"reason": "x", "action_id": Id([3; 16]), "expect": 1});
        let (status, problem) = order(&outside, "cancel", "k3", body).await;
        assert_eq!(
            (status, slug(&problem)),
            (503, "not-read-back"),
            "it may be there: {problem}"
        );
    }
    assert_eq!(outside.log.total(), 0);
}

#[tokio::test]
async fn an_order_that_the_ledger_could_not_read_back_is_refused_before_it_is_written() {
    let outside = Outside::with_operator(LIMIT);
    for (depth, expected) in [(60, 200), (70, 400), (119, 400), (100_000, 400)] {
        let (open, close) = ("{\"a\":".repeat(depth), "}".repeat(depth));
        let body = format!(
            r#"{{"reason":"x","action":"retrain","target":"model/m{depth}","event":{open}1{close}}}"#
        );
        let url = outside.url("/api/v1/control/force");
        let asked = outside.client.post(url).bearer_auth(TOKEN);
        let key = format!("deep-{depth}");
        let (status, told) = answer(asked.header("idempotency-key", key).body(body)).await;
        assert_eq!(status, expected, "{depth}: {told}");
    }
    assert_eq!(written(&outside).len(), 1);
}

#[tokio::test]
async fn an_order_waits_for_the_partition_to_have_its_installation() {
    let outside = Outside::with_operator(SHORT);
    let views = outside.log.ledger.lock().unwrap().clone();
    for view in &views {
        view.write().fold = Fold::new();
    }
    let (status, problem) = order(&outside, "pause", "k", json!({"reason": "x"})).await;
    assert_eq!(
        (status, slug(&problem)),
        (503, "not-read-back"),
        "{problem}"
    );
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("no Genesis record yet"),
        "{problem}"
    );
    assert_eq!(written(&outside).len(), 0);
}
