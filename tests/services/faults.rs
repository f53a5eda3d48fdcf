//! Each kind over HTTP against a service with each fault: a fault is never taken for done, never for a refusal by the service itself,
//! and costs no more than the connection's time limit.

use std::sync::{Arc, Mutex};

use homeostat_actors::ports::connector::{Answer, Connector, Order};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::FinishOutcome;
use homeostat_logic::target::Target;
use serde_json::json;

use crate::bench::{connector, order};
use crate::kinds::{KINDS, secret_keys, well};
use crate::server::Received;
use crate::stub::{Fate, Stub};

const PAGE: &str = "<!doctype html><html><title>Sign in</title></html>";

/// The connector of a kind, and an order for it.
fn made(
    kind: &str,
    url: &str,
    reference: &str,
    environment: &[(&str, &str)],
) -> (Arc<dyn Connector>, Order) {
    let keys = secret_keys(kind, url, reference);
    let action = keys.action;
    let text = format!(
        "[connections.platform]\nkind = \"{}\"\n{}\ntimeout_ms = 500\nconnect_timeout_ms = 500\n\
         [actions.{action}]\nconnection = \"platform\"\n{}\n",
        keys.kind, keys.connection, keys.with
    );
    let action = Action::ALL
        .into_iter()
        .find(|one| one.name() == action)
        .unwrap();
    let params = match action {
        Action::Rollback => json!({"model": "fraud", "alias": "champion", "from": "3", "to": "2"}),
        _ => json!({"title": "drift", "message": "drift of fraud"}),
    };
    let order = order(action, Target::model("fraud"), 7, params);
    (connector(action, &text, environment), order)
}

/// What a kind answers when its service does this with every request.
async fn answered(
    kind: &'static str,
    fate: impl Fn(&Received) -> Fate + Send + Sync + 'static,
) -> Answer {
    let stub = Stub::start(fate).await;
    let keys = secret_keys(kind, &stub.url(), "env:SECRET");
    let secret = (keys.secret)("one");
    let (connector, order) = made(kind, &stub.url(), "env:SECRET", &[("SECRET", &secret)]);
    let answer = connector.send(order).await;
    assert!(!answer.detail.contains("secret-one"), "{}", answer.detail);
    answer
}

#[tokio::test]
async fn a_service_that_works_is_done() {
    for kind in KINDS {
        let answer = answered(kind, move |request| {
            let (status, body) = well(kind, request);
            Fate::Answer(status, body)
        })
        .await;
        assert_eq!(
            answer.outcome,
            FinishOutcome::Done,
            "{kind}: {}",
            answer.detail
        );
    }
}

#[tokio::test]
async fn a_storm_of_429_is_a_pause_and_no_failure_of_the_service() {
    for kind in KINDS {
        for (head, pause) in [("retry-after: 9\r\n", 9_000), ("", 1_000)] {
            let answer = answered(kind, move |_| {
                Fate::Headed(429, head.to_owned(), "slow down".to_owned())
            })
            .await;
            assert!(
                matches!(
                    answer.outcome,
                    FinishOutcome::Failed | FinishOutcome::NotSent
                ),
                "{kind}: {answer:?}"
            );
            assert_eq!(
                (answer.retry_after_ms, answer.permanent, answer.trouble),
                (Some(pause), false, false),
                "{kind}: {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn one_that_is_slow_silent_or_broken_is_in_doubt_or_was_not_asked_and_counts_against_the_connection()
 {
    let faults: [(&str, fn() -> Fate); 5] = [
        ("never", || Fate::Hang),
        ("closed", || Fate::Close),
        ("no http", || Fate::Raw(b"no http at all\r\n\r\n".to_vec())),
        ("500", || Fate::Answer(500, PAGE.to_owned())),
        ("503", || Fate::Answer(503, String::new())),
    ];
    for kind in KINDS {
        for (fault, fate) in faults {
            let answer = answered(kind, move |_| fate()).await;
            assert!(
                matches!(
                    answer.outcome,
                    FinishOutcome::Unknown | FinishOutcome::NotSent
                ),
                "{kind}, {fault}: {answer:?}"
            );
            assert_eq!(
                (answer.permanent, answer.trouble),
                (false, true),
                "{kind}, {fault}: {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_page_of_something_before_the_service_is_never_done() {
    for kind in KINDS {
        // Any answer of a webhook's service is its own.
        if kind == "webhook" {
            continue;
        }
        for status in [200, 202] {
            let answer = answered(kind, move |_| Fate::Answer(status, PAGE.to_owned())).await;
            assert_ne!(answer.outcome, FinishOutcome::Done, "{kind}: {answer:?}");
            assert!(!answer.permanent, "{kind}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn one_that_answers_twice_is_heard_once() {
    for kind in KINDS {
        let answer = answered(kind, move |request| {
            let (status, body) = well(kind, request);
            let length = body.len();
            let first = format!("HTTP/1.1 {status} -\r\ncontent-length: {length}\r\n\r\n{body}");
            let second = "HTTP/1.1 500 -\r\ncontent-length: 0\r\n\r\n";
            Fate::Raw(format!("{first}{second}").into_bytes())
        })
        .await;
        assert_eq!(
            answer.outcome,
            FinishOutcome::Done,
            "{kind}: {}",
            answer.detail
        );
    }
}

#[tokio::test]
async fn a_secret_that_is_replaced_while_the_service_runs_is_used_from_the_next_request_on() {
    for kind in KINDS {
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&seen);
        let stub = Stub::start(move |request| {
            let words = format!("{} {:?} {}", request.line, request.headers, request.body);
            kept.lock().unwrap().push(words);
            let (status, body) = well(kind, request);
            Fate::Answer(status, body)
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let secret = secret_keys(kind, &stub.url(), "").secret;
        std::fs::write(&file, secret("one")).unwrap();
        let reference = format!("file:{}", file.display());
        let (connector, order) = made(kind, &stub.url(), &reference, &[]);
        for name in ["one", "replaced"] {
            std::fs::write(&file, secret(name)).unwrap();
            seen.lock().unwrap().clear();
            let answer = connector.send(order.clone()).await;
            assert_eq!(
                answer.outcome,
                FinishOutcome::Done,
                "{kind}: {}",
                answer.detail
            );
            let wanted = format!("secret-{name}");
            let seen = seen.lock().unwrap();
            assert!(
                !seen.is_empty() && seen.iter().all(|request| request.contains(&wanted)),
                "{kind}, {name}: {seen:?}"
            );
            assert!(
                !answer.detail.contains(&wanted),
                "{kind}: {}",
                answer.detail
            );
        }
    }
}
