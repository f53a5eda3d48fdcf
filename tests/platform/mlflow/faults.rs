//! Against servers that answer slowly, wrongly, too much or never. Bodies are those of MLflow 3.17.2.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use homeostat_actors::ports::connector::{Answer, Order};
use homeostat_logic::actions::Action;
use homeostat_logic::target::Target;
use serde_json::{Value, json};

use crate::bench::{
    DONE, FAILED, NOT_SENT, REFUSED, UNKNOWN, assert_answer, connector, order, said,
};
use crate::server::Received;
use crate::stub::{Fate, Stub};

const PAGE: &str = "<!doctype html><html><title>Sign in</title></html>";

fn version(number: &str, tags: &[(&str, &str)]) -> Value {
    let tags: Vec<_> = tags
        .iter()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    json!({
        "name": "fraud", "version": number, "creation_timestamp": 1_796_040_220_034_u64, "current_stage": "None", "description": "",
        "source": "s3://b/3", "run_id": "", "status": "READY", "run_link": "", "tags": tags, "aliases": ["champion"]
    })
}

/// Answers as a registry with the versions 1 to 3 does, whose alias leads to `champion`.
fn registry(request: &Received, champion: &str) -> Fate {
    let path = request.line.split(' ').nth(1).unwrap();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let path = path.trim_start_matches("/api/2.0/mlflow/");
    match (&request.line[..4], path) {
        ("GET ", "registered-models/alias") => {
            Fate::json(200, &json!({ "model_version": version(champion, &[]) }))
        }
        ("GET ", "model-versions/get") => {
            let number = query.rsplit('=').next().unwrap();
            Fate::json(200, &json!({ "model_version": version(number, &[]) }))
        }
        ("GET ", "model-versions/search") => Fate::json(
            200,
            &json!({ "model_versions": [version("2", &[("validation_status", "stable")])] }),
        ),
        ("GET ", "registered-models/get") => {
            Fate::json(200, &json!({ "registered_model": { "name": "fraud" } }))
        }
        ("POST", _) => Fate::json(200, &json!({})),
        _ => panic!("{}", request.line),
    }
}

fn rollback(stub: &Stub) -> Arc<dyn homeostat_actors::ports::connector::Connector> {
    let text = format!(
        "[connections.platform]\nkind = \"mlflow\"\nurl = \"{}\"\ntoken = \"env:TOKEN\"\ntimeout_ms = 600\nconnect_timeout_ms = 600\n\
         [actions.rollback]\nconnection = \"platform\"\n",
        stub.url()
    );
    connector(Action::Rollback, &text, &[("TOKEN", "t0ken-of-databricks")])
}

fn fixed() -> Order {
    let params = json!({ "model": "fraud", "alias": "champion", "from": "3", "to": "2", "chosen_by": "test" });
    order(Action::Rollback, Target::model("fraud"), 1, params)
}

/// What a rollback answers when every question gets this.
async fn questioned(fate: fn() -> Fate) -> Answer {
    let stub = Stub::start(move |_| fate()).await;
    let answer = rollback(&stub).send(fixed()).await;
    assert_eq!(stub.count("POST"), 0, "nothing was moved");
    let (probed, _) = said(rollback(&stub).probe(fixed()).await);
    assert_eq!(probed, "nothing");
    let relative = order(
        Action::Rollback,
        Target::model("fraud"),
        1,
        json!({ "to": "previous_stable" }),
    );
    let resolved = rollback(&stub).resolve(relative).await;
    assert_eq!(resolved.is_err(), !answer.permanent, "{resolved:?}");
    answer
}

#[tokio::test]
async fn a_question_that_gets_no_usable_answer_moves_nothing_and_is_asked_again() {
    for fate in [
        || Fate::Answer(200, PAGE.to_owned()),
        || Fate::Answer(200, String::new()),
        || Fate::Answer(200, "[]".to_owned()),
        || Fate::Answer(200, "{\"model_version\":{}}".to_owned()),
        || {
            Fate::Answer(
                200,
                format!("{{\"model_version\":\"{}\"}}", "x".repeat(5 * 1024 * 1024)),
            )
        },
        || {
            Fate::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"model_version\":{\"version\":\"3\"".to_vec())
        },
        || Fate::Raw(b"no http at all\r\n\r\n".to_vec()),
        || Fate::Answer(500, "{\"error_code\":\"INTERNAL_ERROR\"}".to_owned()),
        || Fate::Answer(503, PAGE.to_owned()),
        || Fate::Close,
        || Fate::Hang,
    ] {
        let answer = questioned(fate).await;
        assert_answer(&answer, NOT_SENT, &[]);
    }
}

#[tokio::test]
async fn a_refusal_is_explained_and_shows_no_secret() {
    let refused = [
        (302, PAGE, "does not redirect"),
        (
            403,
            "Invalid Host header - possible DNS rebinding attack detected",
            "--allowed-hosts",
        ),
        (403, "Permission denied", "permission EDIT"),
        (404, PAGE, "without /api"),
    ];
    for (status, body, word) in refused {
        let stub = Stub::start(move |_| Fate::Answer(status, body.to_owned())).await;
        assert_answer(&rollback(&stub).send(fixed()).await, REFUSED, &[word]);
    }
    let stub = Stub::start(|request| {
        Fate::Answer(401, format!("who is {}?", request.headers["authorization"]))
    })
    .await;
    let answer = rollback(&stub).send(fixed()).await;
    assert_answer(&answer, NOT_SENT, &["who is Bearer ***?"]);
    assert!(!answer.detail.contains("t0ken"), "{}", answer.detail);
}

#[tokio::test]
async fn a_storm_of_429_is_waited_out_as_long_as_it_asks() {
    let stub =
        Stub::start(|_| Fate::Headed(429, "retry-after: 7\r\n".to_owned(), String::new())).await;
    let answer = rollback(&stub).send(fixed()).await;
    assert_answer(&answer, NOT_SENT, &["429"]);
    assert_eq!(answer.retry_after_ms, Some(7_000));
    let stub = Stub::start(|request| match &request.line[..4] {
        "POST" => Fate::Headed(429, "retry-after: 7\r\n".to_owned(), String::new()),
        _ => registry(request, "3"),
    })
    .await;
    let answer = rollback(&stub).send(fixed()).await;
    assert_answer(&answer, FAILED, &["429"]);
    assert_eq!(
        (answer.retry_after_ms, stub.count("POST")),
        (Some(7_000), 1)
    );
}

#[tokio::test]
async fn a_move_without_a_clear_answer_is_done_only_if_the_alias_says_so() {
    let table: [(fn() -> Fate, _); 6] = [
        (|| Fate::Answer(200, PAGE.to_owned()), UNKNOWN),
        (|| Fate::Answer(200, String::new()), UNKNOWN),
        (|| Fate::Answer(502, PAGE.to_owned()), UNKNOWN),
        (|| Fate::Close, UNKNOWN),
        (
            || Fate::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec()),
            UNKNOWN,
        ),
        (
            || {
                Fate::Answer(
                    404,
                    "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\"}".to_owned(),
                )
            },
            REFUSED,
        ),
    ];
    for (fate, unmoved) in table {
        for moves in [false, true] {
            let moved = Arc::new(AtomicUsize::new(3));
            let champion = Arc::clone(&moved);
            let stub = Stub::start(move |request| {
                if request
                    .line
                    .starts_with("POST /api/2.0/mlflow/registered-models/alias")
                {
                    if moves {
                        champion.store(2, Ordering::SeqCst);
                    }
                    return fate();
                }
                registry(request, &champion.load(Ordering::SeqCst).to_string())
            })
            .await;
            let answer = rollback(&stub).send(fixed()).await;
            let expected = if moves && unmoved == UNKNOWN {
                DONE
            } else {
                unmoved
            };
            assert_answer(&answer, expected, &[]);
            assert_eq!(
                stub.count("POST /api/2.0/mlflow/registered-models/alias"),
                1,
                "sent once"
            );
        }
    }
}

#[tokio::test]
async fn a_large_registry_is_read_page_by_page_to_an_end() {
    let pages = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&pages);
    let last = Arc::new(AtomicUsize::new(4));
    let until = Arc::clone(&last);
    let stub = Stub::start(move |request| {
        if !request.line.contains("model-versions/search") {
            return registry(request, "900");
        }
        let page = count.fetch_add(1, Ordering::SeqCst);
        assert_eq!(
            request.line.contains(&format!("page_token=t{page}")),
            page > 0,
            "{}",
            request.line
        );
        let is_last = page == until.load(Ordering::SeqCst);
        // Of another registry's order and filter: newer ones, and some that are still being made.
        let mut pending = version(&(899 - page).to_string(), &[]);
        pending["status"] = "PENDING_REGISTRATION".into();
        let mut versions = vec![version("950", &[]), pending];
        if is_last {
            versions.extend([version("5", &[]), version("7", &[])]);
        }
        let next = if is_last {
            String::new()
        } else {
            format!("t{}", page + 1)
        };
        Fate::json(
            200,
            &json!({ "model_versions": versions, "next_page_token": next }),
        )
    })
    .await;
    let relative = order(
        Action::Rollback,
        Target::model("fraud"),
        1,
        json!({ "to": "previous_stable" }),
    );
    let params = rollback(&stub)
        .resolve(relative.clone())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (&params["from"], &params["to"]),
        (&json!("900"), &json!("7"))
    );
    assert_eq!(pages.load(Ordering::SeqCst), 5);
    // One that never ends is given up, with a word on what to do.
    pages.store(0, Ordering::SeqCst);
    last.store(usize::MAX, Ordering::SeqCst);
    assert_answer(
        &rollback(&stub).send(relative).await,
        REFUSED,
        &["no more are read", "to_version"],
    );
    assert_eq!(pages.load(Ordering::SeqCst), 20);
}

/// A registry whose alias leads to `champion`, that keeps what is written to it, and answers writes as the test prepared.
async fn keeping(
    champion: &'static str,
    tags: Value,
    write: fn(&str) -> Option<Fate>,
) -> (Stub, Arc<Mutex<Vec<Value>>>) {
    let written = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&written);
    let stub = Stub::start(move |request| {
        if request.line.starts_with("POST ") {
            if let Some(fate) = write(&request.line) {
                return fate;
            }
            let body = serde_json::from_str(&request.body).unwrap();
            kept.lock().unwrap().push(body);
        }
        if request.line.contains("registered-models/get") {
            let mut tags = tags.as_array().unwrap().clone();
            tags.extend(kept.lock().unwrap().iter().cloned());
            return Fate::json(
                200,
                &json!({ "registered_model": { "name": "fraud", "tags": tags } }),
            );
        }
        registry(request, champion)
    })
    .await;
    (stub, written)
}

#[tokio::test]
async fn a_move_that_is_found_made_gets_the_tags_that_were_never_written() {
    // The alias was moved, and the instance ended before it wrote a tag.
    let (stub, written) = keeping("2", json!([]), |_| None).await;
    let (said_first, _) = said(rollback(&stub).probe(fixed()).await);
    assert_eq!(said_first, "found");
    let tags = written.lock().unwrap().clone();
    let has = |key: &str, value: &str| {
        tags.iter()
            .any(|tag| tag["key"] == key && tag["value"] == value)
    };
    assert!(has("validation_status", "rolled_back"), "{tags:?}");
    assert!(has("homeostat.previous", "2"), "{tags:?}");
    assert!(has("last_rollback_action", &"01".repeat(16)), "{tags:?}");
    // Once they are there, nothing more is written: people may have changed them.
    assert_eq!(said(rollback(&stub).probe(fixed()).await).0, "found");
    assert_eq!(written.lock().unwrap().len(), tags.len());
    assert_eq!(
        stub.count("POST /api/2.0/mlflow/registered-models/alias"),
        0
    );
    // A registry that does not take them now is asked again; one that never will is not.
    let ill: fn(&str) -> Option<Fate> = |_| Some(Fate::Answer(503, String::new()));
    let (stub, _) = keeping("2", json!([]), ill).await;
    assert_eq!(said(rollback(&stub).probe(fixed()).await).0, "nothing");
    let refusing: fn(&str) -> Option<Fate> = |_| Some(Fate::Answer(403, String::new()));
    let (stub, _) = keeping("2", json!([]), refusing).await;
    let (said, evidence) = said(rollback(&stub).probe(fixed()).await);
    assert_eq!(said, "found");
    assert!(evidence.contains("tags were not written"), "{evidence}");
}

#[tokio::test]
async fn an_event_of_the_same_id_takes_what_it_rolled_back_no_further() {
    let tags = json!([
        { "key": "last_rollback", "value": "3 -> 2" },
        { "key": "last_rollback_event", "value": "event-9" },
        { "key": "last_rollback_action", "value": "ff" },
    ]);
    let relative = |params| order(Action::Rollback, Target::model("fraud"), 9, params);
    let (stub, _) = keeping("2", tags.clone(), |_| None).await;
    let again = relative(json!({ "to": "previous_stable" }));
    assert_eq!(rollback(&stub).resolve(again.clone()).await, Ok(None));
    assert_answer(
        &rollback(&stub).send(again.clone()).await,
        REFUSED,
        &["repeated", "to_version"],
    );
    // A version that is named, and a version that was put back, are another matter.
    let named = relative(json!({ "to": "1" }));
    let params = rollback(&stub).resolve(named).await.unwrap().unwrap();
    assert_eq!((&params["from"], &params["to"]), (&json!("2"), &json!("1")));
    let (stub, _) = keeping("3", tags, |_| None).await;
    let params = rollback(&stub).resolve(again).await.unwrap().unwrap();
    assert_eq!((&params["from"], &params["to"]), (&json!("3"), &json!("2")));
}

#[tokio::test]
async fn an_old_event_that_names_no_version_is_not_tied_to_what_is_found_now() {
    let (stub, _) = keeping("3", json!([]), |_| None).await;
    let of = |seconds: i64, params| {
        let order = order(Action::Rollback, Target::model("fraud"), 1, params);
        Order {
            as_of: order.now - seconds * 1_000,
            ..order
        }
    };
    let relative = json!({ "to": "previous_stable" });
    let fresh = of(60, relative.clone());
    assert!(rollback(&stub).resolve(fresh).await.unwrap().is_some());
    let old = of(61, relative);
    assert_eq!(rollback(&stub).resolve(old.clone()).await, Ok(None));
    assert_answer(
        &rollback(&stub).send(old).await,
        REFUSED,
        &[
            "names no version",
            "leads to version 3",
            "refire",
            "model_version",
        ],
    );
    let named = json!({ "to": "previous_stable", "current_version": "3" });
    let named = of(3_600, named);
    assert!(rollback(&stub).resolve(named).await.unwrap().is_some());
}
