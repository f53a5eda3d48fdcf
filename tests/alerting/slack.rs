//! Slack: a stub with its rules, which its own client accepts; the same requests by that client and by us.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use homeostat_actors::ports::connector::{Finding, Order, Tended, Tending};
use homeostat_logic::ledger::record::{FinishOutcome, Id};
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;
use serde_json::{Value, json};

use crate::bench::{NOW, Said, Stub, connector, faults, json_of, korean, order, said, tend};
use crate::python::{client, python};
use crate::server::Received;

const TOKEN: &str = "xoxb-1-secret";
const ENVIRONMENT: [(&str, &str); 1] = [("TOKEN", TOKEN)];
const WITH: &str = "channel = \"C1\"";

/// What Slack refuses in a message.
fn problem(message: &Value) -> Option<&'static str> {
    let text = message["text"].as_str().unwrap_or_default();
    let long = |value: &Value, most| value["text"].as_str().unwrap().chars().count() > most;
    for attachment in message["attachments"].as_array()? {
        let blocks = attachment["blocks"].as_array()?;
        for block in blocks {
            let fields = block["fields"].as_array().cloned().unwrap_or_default();
            let elements = block["elements"].as_array().cloned().unwrap_or_default();
            let is_known = match block["type"].as_str()? {
                "section" => {
                    (block["text"].is_object() || !fields.is_empty()) && fields.len() <= 10
                }
                "context" => !elements.is_empty() && elements.len() <= 10,
                _ => false,
            };
            let long = (block["text"].is_object() && long(&block["text"], 3_000))
                || fields.iter().any(|field| long(field, 2_000))
                || elements.iter().any(|element| long(element, 3_000));
            if !is_known || long {
                return Some("invalid_blocks");
            }
        }
        if blocks.len() > 50 {
            return Some("invalid_blocks");
        }
    }
    (text.is_empty() || text.chars().count() > 40_000).then_some("no_text")
}

/// The Web API and an incoming webhook.
async fn slack() -> Stub {
    let posted = AtomicUsize::new(0);
    Stub::start(move |request| answer(request, &posted)).await
}

fn answer(request: &Received, posted: &AtomicUsize) -> Said {
    let path = request.line.split(' ').nth(1).unwrap();
    if !request.headers["content-type"].starts_with("application/json") {
        return said(400, "invalid_payload");
    }
    let message = json_of(request);
    if path == "/services/T1/B1/secret" {
        return match problem(&message) {
            Some(_) => said(400, "invalid_payload"),
            None => said(200, "ok"),
        };
    }
    let error = |word: &str| said(200, json!({"ok": false, "error": word}).to_string());
    let token = request.headers.get("authorization");
    if token.map(String::as_str) != Some("Bearer xoxb-1-secret") {
        return error("invalid_auth");
    }
    match path {
        "/api/auth.test" => said(200, r#"{"ok":true,"team":"T","user":"homeostat"}"#),
        _ if message["channel"] == "C9" => error("channel_not_found"),
        "/api/chat.postMessage" | "/api/chat.update" => {
            if let Some(word) = problem(&message) {
                return error(word);
            }
            let ts = match message["ts"].as_str() {
                Some(ts) => ts.to_owned(),
                None => format!("17.{:03}", posted.fetch_add(1, Ordering::SeqCst)),
            };
            said(
                200,
                json!({"ok": true, "channel": "C1", "ts": ts, "message": {}}).to_string(),
            )
        }
        _ => error("unknown_method"),
    }
}

fn api(stub: &Stub) -> String {
    format!(
        "kind = \"slack\"\ntoken = \"env:TOKEN\"\nurl = \"{}/api\"",
        stub.url()
    )
}

fn hook() -> &'static str {
    "kind = \"slack\"\nurl = \"env:HOOK\""
}

#[tokio::test]
async fn the_vendors_client_and_we_send_the_same_message_and_both_are_accepted() {
    let Some(python) = python("Slack's own client") else {
        return;
    };
    let stub = slack().await;
    let address = format!("{}/services/T1/B1/secret", stub.url());
    let by_hook = connector(hook(), "", &[("HOOK", &address)]);
    let by_bot = connector(&api(&stub), WITH, &ENVIRONMENT);
    for order in [order(), korean()] {
        for (ours, what) in [(&by_hook, "hook"), (&by_bot, "slack")] {
            let answer = ours.send(order.clone()).await;
            assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
            let sent = stub.taken().pop().unwrap();
            let mut given = json_of(&sent);
            let url = if what == "hook" {
                &address
            } else {
                &stub.url()
            };
            if what == "slack" {
                given["token"] = TOKEN.into();
            }
            client(&python, &[what, url], &given).await;
            let theirs = stub.taken().pop().unwrap();
            assert_eq!(theirs.line, sent.line);
            assert_eq!(json_of(&theirs), json_of(&sent));
            assert_eq!(
                theirs.headers.get("authorization"),
                sent.headers.get("authorization")
            );
        }
    }
    let ended = Tending {
        done_at: NOW,
        acknowledged: true,
    };
    assert_eq!(tend(&*by_bot, order(), ended).await, Tended::Over);
    let sent = stub.taken().pop().unwrap();
    let mut given = json_of(&sent);
    given["token"] = TOKEN.into();
    client(&python, &["update", &stub.url()], &given).await;
    let theirs = stub.taken().pop().unwrap();
    assert_eq!(
        (theirs.line.as_str(), json_of(&theirs)),
        (sent.line.as_str(), json_of(&sent))
    );
}

#[tokio::test]
async fn text_of_an_event_mentions_and_links_nothing_and_fits() {
    let stub = slack().await;
    let address = format!("{}/services/T1/B1/secret", stub.url());
    let alerts = connector(hook(), "", &[("HOOK", &address)]);
    for text in [
        "<!channel> & <https://evil.example|here>".to_owned(),
        "<".repeat(50_000),
        "가".repeat(50_000),
    ] {
        let order = Order {
            params: json!({"title": text, "message": text}).into(),
            reasons: vec![text.clone(); 20],
            event_id: text.clone(),
            target: Target::model(text.chars().take(60).collect::<String>()),
            ..order()
        };
        let answer = alerts.send(order).await;
        assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
        let body = stub.taken().pop().unwrap().body;
        assert!(!body.contains("<!") && !body.contains("<http"), "{body}");
    }
}

#[tokio::test]
async fn later_alerts_of_a_target_are_replies_and_graver_ones_are_shown_in_the_channel_too() {
    let stub = slack().await;
    let alerts = connector(&api(&stub), WITH, &ENVIRONMENT);
    let at = |id, minutes: i64, severity| Order {
        action_id: Id([id; 16]),
        now: NOW + minutes * 60_000,
        severity,
        ..order()
    };
    let other = Order {
        target: Target::service("api"),
        ..at(9, 1, Severity::High)
    };
    let orders = [
        at(1, 0, Severity::High),
        at(2, 10, Severity::Medium),
        at(3, 20, Severity::Critical),
        at(4, 30, Severity::Critical),
        other,
        at(5, 30 + 24 * 60, Severity::High),
    ];
    for order in orders {
        alerts.send(order).await;
    }
    let places: Vec<_> = stub
        .taken()
        .iter()
        .map(json_of)
        .map(|sent| (sent["thread_ts"].clone(), sent["reply_broadcast"].clone()))
        .collect();
    let root = json!("17.000");
    let expected = [
        (Value::Null, Value::Null),
        (root.clone(), json!(false)),
        (root.clone(), json!(true)),
        (root, json!(false)),
        (Value::Null, Value::Null),
        (Value::Null, Value::Null),
    ];
    assert_eq!(places, expected);
}

#[tokio::test]
async fn an_acknowledgement_changes_the_message_once_and_only_one_that_is_known() {
    let stub = slack().await;
    let alerts = connector(&api(&stub), WITH, &ENVIRONMENT);
    assert!(
        alerts.is_tended() && !connector(hook(), "", &[("HOOK", "https://e.org/x")]).is_tended()
    );
    let state = |acknowledged| Tending {
        done_at: NOW,
        acknowledged,
    };
    assert_eq!(
        tend(&*alerts, order(), state(false)).await,
        Tended::Over,
        "of another process"
    );
    alerts.send(order()).await;
    stub.taken();
    assert_eq!(
        tend(&*alerts, order(), state(false)).await,
        Tended::Again(Duration::from_hours(1))
    );
    assert_eq!(tend(&*alerts, order(), state(true)).await, Tended::Over);
    let [change] = &stub.taken()[..] else {
        panic!()
    };
    assert_eq!(change.line, "POST /api/chat.update HTTP/1.1");
    let change = json_of(change);
    assert_eq!(
        (&change["ts"], &change["channel"]),
        (&json!("17.000"), &json!("C1"))
    );
    assert!(change["text"].as_str().unwrap().contains("(acknowledged)"));
}

#[tokio::test]
async fn each_word_of_slack_has_its_meaning() {
    use FinishOutcome::{Done, Failed, Unknown};
    let table = [
        (200, "ok", "", (Done, false)),
        (200, "<html>sign in</html>", "", (Failed, false)),
        (400, "invalid_payload", "", (Failed, true)),
        (403, "action_prohibited", "", (Failed, true)),
        (404, "no_service", "", (Failed, true)),
        (410, "channel_is_archived", "", (Failed, true)),
        (429, "", "retry-after: 30\r\n", (Failed, false)),
        (500, "rollup_error", "", (Unknown, false)),
    ];
    for (status, body, headers, expected) in table {
        let stub = Stub::start(move |_| Said {
            headers: headers.to_owned(),
            ..said(status, body)
        })
        .await;
        let address = format!("{}/services/T1/B1/secret", stub.url());
        let answer = connector(hook(), "", &[("HOOK", &address)])
            .send(order())
            .await;
        assert_eq!(
            (answer.outcome, answer.permanent),
            expected,
            "{status} {body}"
        );
        assert_eq!(answer.retry_after_ms.is_some(), status == 429);
        assert!(
            !answer.detail.contains("services"),
            "the address is shown: {}",
            answer.detail
        );
    }
    let table = [
        (r#"{"ok":true,"ts":"1.2","channel":"C1"}"#, (Done, false)),
        (r#"{"ok":false,"error":"ratelimited"}"#, (Failed, false)),
        (r#"{"ok":false,"error":"internal_error"}"#, (Unknown, false)),
        (
            r#"{"ok":false,"error":"channel_not_found"}"#,
            (Failed, true),
        ),
        (r#"{"ok":false,"error":"is_archived"}"#, (Failed, true)),
        (
            r#"{"ok":false,"error":"missing_scope","needed":"chat:write"}"#,
            (Failed, true),
        ),
        ("<html>", (Failed, false)),
        (r#"{"ok": tr"#, (Unknown, false)),
    ];
    for (body, expected) in table {
        let stub = Stub::start(move |_| said(200, body)).await;
        let answer = connector(&api(&stub), WITH, &ENVIRONMENT)
            .send(order())
            .await;
        assert_eq!((answer.outcome, answer.permanent), expected, "{body}");
        assert_eq!(
            answer.retry_after_ms.is_some(),
            body.contains("ratelimited")
        );
        assert!(!answer.detail.contains(TOKEN), "{}", answer.detail);
        let found = &connector(&api(&stub), WITH, &ENVIRONMENT)
            .examine(order())
            .await[0];
        let is_slack = body == r#"{"ok":true,"ts":"1.2","channel":"C1"}"#;
        assert_eq!(
            matches!(found, Finding::Fine(_)),
            is_slack,
            "{body}: {found:?}"
        );
    }
}

#[tokio::test]
async fn an_address_of_a_webhook_is_tried_without_a_message() {
    let table = [
        (400, "no_text", "fine"),
        (400, "invalid_payload", "fine"),
        (404, "no_service", "wrong"),
        (403, "invalid_token", "wrong"),
        (200, "<html>sign in</html>", "wrong"),
        (503, "", "unsure"),
    ];
    for (status, body, expected) in table {
        let stub = Stub::start(move |_| said(status, body)).await;
        let address = format!("{}/services/T1/B1/secret", stub.url());
        let hook = connector(hook(), "", &[("HOOK", &address)]);
        let found = match &hook.examine(order()).await[..] {
            [Finding::Fine(_)] => "fine",
            [Finding::Wrong { .. }] => "wrong",
            _ => "unsure",
        };
        assert_eq!(found, expected, "{status} {body}");
        assert_eq!(stub.taken()[0].body, "{}", "a message without text");
    }
}

#[tokio::test]
async fn a_rotated_token_is_used_from_the_next_message_on() {
    let stub = slack().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "xoxb-0-old").unwrap();
    let keys = api(&stub).replace("env:TOKEN", &format!("file:{}", path.display()));
    let alerts = connector(&keys, WITH, &[]);
    let answer = alerts.send(order()).await;
    assert!(
        answer.permanent && answer.detail.contains("invalid_auth"),
        "{}",
        answer.detail
    );
    let found = alerts.examine(order()).await;
    assert!(matches!(&found[..], [Finding::Wrong { .. }]), "{found:?}");
    std::fs::write(&path, TOKEN).unwrap();
    assert_eq!(alerts.send(order()).await.outcome, FinishOutcome::Done);
    let found = alerts.examine(order()).await;
    assert_eq!(
        found,
        [Finding::Fine(
            "posts as homeostat in the workspace T".to_owned()
        )]
    );
}

#[tokio::test]
async fn a_dry_run_shows_the_message_without_the_address() {
    let stub = slack().await;
    let address = format!("{}/services/T1/B1/secret", stub.url());
    let dry = Order {
        dry_run: true,
        ..order()
    };
    let answer = connector(hook(), "", &[("HOOK", &address)]).send(dry).await;
    assert!(
        answer.detail.contains("would send POST") && answer.detail.contains("data drift"),
        "{}",
        answer.detail
    );
    assert!(!answer.detail.contains("services"), "{}", answer.detail);
    assert!(stub.taken().is_empty());
}

#[test]
fn a_connection_that_cannot_work_is_refused_with_what_to_write() {
    let table = [
        (
            "kind = \"slack\"",
            "",
            "people.url: is not a URL, or is missing",
        ),
        (
            "kind = \"slack\"\nurl = \"https://hooks.slack.com/services/x\"",
            "",
            "people.url: holds a secret in the clear",
        ),
        (
            "kind = \"slack\"\ntoken = \"xoxb-1\"",
            WITH,
            "people.token: holds a secret in the clear",
        ),
        (
            "kind = \"slack\"\ntoken = \"env:TOKEN\"",
            "",
            "with.channel: is missing",
        ),
        (hook(), WITH, "with.channel: has no effect"),
    ];
    for (keys, with, expected) in table {
        let environment = [
            ("TOKEN", TOKEN),
            ("HOOK", "https://hooks.slack.com/services/x"),
        ];
        let found = faults(keys, with, &environment);
        assert!(found.contains(expected), "{keys} {with}: {found}");
    }
}
