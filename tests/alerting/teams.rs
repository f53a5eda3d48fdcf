//! Teams: the card against the published schema of Adaptive Cards, and what a workflow answers.

use homeostat_actors::ports::connector::Order;
use homeostat_logic::ledger::record::FinishOutcome;
use homeostat_logic::severity::Severity;
use serde_json::json;

use crate::bench::{Said, Stub, connector, faults, json_of, korean, order, said};
use crate::python::{client, python};

/// Teams takes no larger message.
const BYTES_MAX: usize = 28 * 1024;

fn keys() -> &'static str {
    "kind = \"teams\"\nurl = \"env:WORKFLOW\"\nlink = \"https://h.example.com/{{ action_id }}\""
}

fn workflow(stub: &Stub) -> String {
    format!(
        "{}/workflows/abc/triggers/manual/paths/invoke?api-version=1&sig=secret",
        stub.url()
    )
}

async fn teams() -> Stub {
    Stub::start(|_| said(202, "")).await
}

#[tokio::test]
async fn every_card_is_valid_and_fits() {
    let python = python("Adaptive Cards against their schema");
    let stub = teams().await;
    let address = workflow(&stub);
    let alerts = connector(keys(), "", &[("WORKFLOW", &address)]);
    let long = "가 <at>*_[x](https://e.org)\n".repeat(5_000);
    let hostile = Order {
        params: json!({"title": long, "message": long}).into(),
        reasons: vec![long.clone(); 3],
        event_id: long.clone(),
        ..order()
    };
    let bare = Order {
        params: json!({}).into(),
        reasons: Vec::new(),
        ..order()
    };
    let all = Severity::ALL.map(|severity| Order {
        severity,
        ..order()
    });
    for order in all.into_iter().chain([korean(), hostile, bare]) {
        let answer = alerts.send(order).await;
        assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
        let sent = stub.taken().pop().unwrap();
        assert!(sent.body.len() <= BYTES_MAX, "{}", sent.body.len());
        let message = json_of(&sent);
        assert_eq!(message["type"], "message");
        let [card] = &message["attachments"].as_array().unwrap()[..] else {
            panic!()
        };
        assert_eq!(
            card["contentType"],
            "application/vnd.microsoft.card.adaptive"
        );
        assert_eq!(card["content"]["version"], "1.5");
        assert!(
            !sent.body.contains("\"TextBlock\""),
            "a text block reads Markdown"
        );
        if let Some(python) = &python {
            client(python, &["card"], &card["content"]).await;
        }
    }
}

#[tokio::test]
async fn each_answer_of_a_workflow_has_its_meaning_and_its_address_is_never_shown() {
    use FinishOutcome::{Done, Failed, Unknown};
    let table = [
        (202, (Done, false)),
        (200, (Done, false)),
        (400, (Failed, true)),
        (401, (Failed, true)),
        (404, (Failed, true)),
        (429, (Failed, false)),
        (502, (Unknown, false)),
    ];
    for (status, expected) in table {
        let stub = Stub::start(move |_| Said {
            headers: "retry-after: 5\r\n".to_owned(),
            ..said(status, "sig=secret")
        })
        .await;
        let address = workflow(&stub);
        let alerts = connector(keys(), "", &[("WORKFLOW", &address)]);
        for dry_run in [false, true] {
            let answer = alerts.send(Order { dry_run, ..order() }).await;
            if !dry_run {
                assert_eq!((answer.outcome, answer.permanent), expected, "{status}");
                assert_eq!(
                    answer.retry_after_ms.is_some(),
                    status == 429 || status == 502
                );
            }
            assert!(!answer.detail.contains("workflows"), "{}", answer.detail);
        }
        assert_eq!(
            stub.taken()[0].line,
            "POST /workflows/abc/triggers/manual/paths/invoke?api-version=1&sig=secret HTTP/1.1"
        );
    }
    let found = faults("kind = \"teams\"\nurl = \"https://e.org/x?sig=1\"", "", &[]);
    assert!(
        found.contains("people.url: holds a secret in the clear"),
        "{found}"
    );
}
