//! PagerDuty: a stub with the rules of Events API v2, which its own client accepts; the same requests by that client and by us.

use std::time::Duration;

use homeostat_actors::ports::connector::{Order, Tended, Tending};
use homeostat_logic::ledger::record::{FinishOutcome, Id};
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;
use serde_json::{Value, json};

use crate::bench::{NOW, Said, Stub, connector, faults, json_of, korean, order, said, tend};
use crate::python::{client, python};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const ENVIRONMENT: [(&str, &str); 1] = [("KEY", KEY)];

/// What Events API v2 refuses.
fn problem(event: &Value) -> Option<&'static str> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if event["routing_key"] != KEY {
        return Some("Invalid routing key");
    }
    let key = text(&event["dedup_key"]);
    if key.len() > 255 {
        return Some("'dedup_key' is too long");
    }
    match event["event_action"].as_str() {
        Some("acknowledge" | "resolve") if !key.is_empty() => return None,
        Some("trigger") => {}
        _ => return Some("'event_action' is missing or invalid"),
    }
    let payload = &event["payload"];
    let summary = text(&payload["summary"]);
    if summary.is_empty() || summary.chars().count() > 1_024 {
        return Some("'payload.summary' is missing, blank or too long");
    }
    if text(&payload["source"]).is_empty() {
        return Some("'payload.source' is missing or blank");
    }
    let severities = ["critical", "error", "warning", "info"];
    if !severities.contains(&&*text(&payload["severity"])) {
        return Some("'payload.severity' is invalid");
    }
    let known = [
        "summary",
        "source",
        "severity",
        "timestamp",
        "component",
        "group",
        "class",
        "custom_details",
    ];
    let unknown = payload
        .as_object()
        .unwrap()
        .keys()
        .any(|name| !known.contains(&&**name));
    unknown.then_some("'payload' has unknown fields")
}

async fn pagerduty() -> Stub {
    Stub::start(|request| {
        if request.line != "POST /v2/enqueue HTTP/1.1" || request.body.len() > 512 * 1024 {
            return said(404, "");
        }
        let event = json_of(request);
        match problem(&event) {
            None => said(202, json!({"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}).to_string()),
            Some(problem) => said(400, json!({"status": "invalid event", "message": "Event object is invalid", "errors": [problem]}).to_string()),
        }
    })
    .await
}

fn keys(stub: &Stub) -> String {
    format!(
        "kind = \"pagerduty\"\nurl = \"{}\"\nrouting_key = \"env:KEY\"\nlink = \"https://h.example.com/{{{{ action_id }}}}\"",
        stub.url()
    )
}

#[tokio::test]
async fn the_vendors_client_and_we_send_the_same_events_and_both_are_accepted() {
    let Some(python) = python("PagerDuty's own client") else {
        return;
    };
    let stub = pagerduty().await;
    let alerts = connector(&keys(&stub), "group = \"ml\"", &ENVIRONMENT);
    let ended = Tending {
        done_at: NOW,
        acknowledged: true,
    };
    for order in [order(), korean()] {
        let answer = alerts.send(order.clone()).await;
        assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
        assert_eq!(tend(&*alerts, order, ended).await, Tended::Over);
    }
    let ours = stub.taken();
    assert_eq!(ours.len(), 4);
    for sent in &ours {
        client(&python, &["pagerduty", &stub.url()], &json_of(sent)).await;
        let theirs = stub.taken().pop().unwrap();
        assert_eq!(
            (&theirs.line, json_of(&theirs)),
            (&sent.line, json_of(sent))
        );
    }
    let event = json_of(&ours[0]);
    assert_eq!(event["dedup_key"], "abababababababababababababababab");
    assert_eq!(event["payload"]["severity"], "error");
    assert_eq!(event["payload"]["component"], "fraud/eu");
    assert_eq!(
        event["payload"]["custom_details"]["event"]["drift_score"],
        0.712
    );
    assert_eq!(event["links"][0]["text"], "Details");
    assert_eq!(json_of(&ours[2])["links"][0]["text"], "자세히");
}

#[tokio::test]
async fn attempts_of_one_alert_are_one_incident_and_by_setting_all_alerts_of_a_target() {
    let stub = pagerduty().await;
    let next = Order {
        action_id: Id([2; 16]),
        ..order()
    };
    let again = Order {
        attempt: 2,
        ..order()
    };
    let long = Order {
        target: Target::model("m".repeat(256)),
        ..order()
    };
    let longer = Order {
        target: Target::model(format!("{}n", "m".repeat(255))),
        ..order()
    };
    for (with, same) in [("", false), ("dedup = \"target\"", true)] {
        let alerts = connector(&keys(&stub), with, &ENVIRONMENT);
        for order in [&order(), &again, &next, &long, &longer] {
            let answer = alerts.send(order.clone()).await;
            assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
        }
        let sent: Vec<String> = stub
            .taken()
            .iter()
            .map(|sent| json_of(sent)["dedup_key"].to_string())
            .collect();
        assert_eq!(sent[0], sent[1]);
        assert_eq!(sent[0] == sent[2], same);
        assert_eq!(sent[3] == sent[4], !same, "long names stay two");
        assert_eq!(alerts.is_tended(), !same);
    }
}

#[tokio::test]
async fn an_acknowledgement_resolves_the_incident_within_a_week() {
    let stub = pagerduty().await;
    let alerts = connector(&keys(&stub), "", &ENVIRONMENT);
    let state = |acknowledged| Tending {
        done_at: NOW,
        acknowledged,
    };
    assert_eq!(
        tend(&*alerts, order(), state(false)).await,
        Tended::Again(Duration::from_hours(1))
    );
    let late = Order {
        now: NOW + 7 * 24 * 3_600_000,
        ..order()
    };
    for acknowledged in [true, false] {
        assert_eq!(
            tend(&*alerts, late.clone(), state(acknowledged)).await,
            Tended::Over
        );
    }
    assert!(stub.taken().is_empty());
    assert_eq!(tend(&*alerts, order(), state(true)).await, Tended::Over);
    assert_eq!(json_of(&stub.taken()[0])["event_action"], "resolve");
    let down = Stub::start(|_| said(503, "")).await;
    let alerts = connector(&keys(&down), "", &ENVIRONMENT);
    assert_eq!(
        tend(&*alerts, order(), state(true)).await,
        Tended::Again(Duration::from_mins(1))
    );
}

#[tokio::test]
async fn each_answer_has_its_meaning_and_the_key_is_never_shown() {
    use FinishOutcome::{Done, Failed, Unknown};
    let table = [
        (
            202,
            r#"{"status":"success","message":"Event processed","dedup_key":"x"}"#,
            "",
            (Done, false),
        ),
        (200, "<html>sign in</html>", "", (Failed, false)),
        (202, r#"{"status":"queued"}"#, "", (Failed, false)),
        (
            400,
            r#"{"status":"invalid event","errors":["routing_key 0123456789abcdef0123456789abcdef"]}"#,
            "",
            (Failed, true),
        ),
        (429, "", "retry-after: 7\r\n", (Failed, false)),
        (500, "", "", (Unknown, false)),
    ];
    for (status, body, headers, expected) in table {
        let stub = Stub::start(move |_| Said {
            headers: headers.to_owned(),
            ..said(status, body)
        })
        .await;
        let answer = connector(&keys(&stub), "", &ENVIRONMENT)
            .send(order())
            .await;
        assert_eq!(
            (answer.outcome, answer.permanent),
            expected,
            "{status} {body}"
        );
        assert_eq!(answer.retry_after_ms, (status == 429).then_some(7_000));
        assert!(!answer.detail.contains(KEY), "{}", answer.detail);
    }
    let stub = pagerduty().await;
    let dry = Order {
        dry_run: true,
        ..order()
    };
    let answer = connector(&keys(&stub), "", &ENVIRONMENT).send(dry).await;
    assert!(
        answer.detail.contains("would send POST") && !answer.detail.contains(KEY),
        "{}",
        answer.detail
    );
}

#[tokio::test]
async fn texts_of_any_length_fit_and_each_severity_is_known() {
    let stub = pagerduty().await;
    let alerts = connector(&keys(&stub), "", &ENVIRONMENT);
    let text = "가".repeat(50_000);
    for severity in Severity::ALL {
        let params =
            json!({"title": text, "message": text, "source_event": {"text": text.repeat(10)}});
        let order = Order {
            severity,
            params: params.into(),
            ..order()
        };
        let answer = alerts.send(order).await;
        assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
    }
}

#[test]
fn the_routing_key_is_a_reference() {
    for (key, expected) in [
        ("", "people.routing_key: is missing"),
        ("routing_key = \"abc\"", "holds a secret in the clear"),
    ] {
        let found = faults(&format!("kind = \"pagerduty\"\n{key}"), "", &[]);
        assert!(found.contains(expected), "{found}");
    }
}
