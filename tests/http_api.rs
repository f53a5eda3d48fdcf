//! The HTTP API over a real socket: every route, and what becomes of bad requests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the verdict; clippy's own exemption does not reach helper functions"
)]

mod outside;

use std::io::{Read as _, Write as _};
use std::sync::atomic::Ordering;
use std::time::Duration;

use homeostat::http::{EVENTS_MAX, ServeError, Server, routes};
use homeostat_actors::ports::log::{Header, LogError};
use homeostat_logic::topic;
use outside::{NEXT, NOW, Order, Outside, STORY, TOKEN, letter};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const DRIFT: &str = "/api/v1/events/data.drift.detected";

async fn get(outside: &Outside, path: &str) -> (u16, Value) {
    answer(outside.client.get(outside.url(path))).await
}

async fn post(outside: &Outside, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    answer(outside.client.post(outside.url(path)).body(body)).await
}

/// Status and document; every error must be a complete problem document.
async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let (status, path) = (response.status(), response.url().path().to_owned());
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let media = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let document: Value = response.json().await.unwrap();
    if status.as_u16() >= 400 {
        assert_eq!(media, "application/problem+json");
        assert_eq!(document["status"], status.as_u16());
        assert_eq!(document["instance"], path, "{document}");
        assert!(
            document["type"]
                .as_str()
                .unwrap()
                .starts_with("urn:homeostat:problem:")
        );
        assert!(document["title"].is_string() && document["detail"].is_string());
    }
    (status.as_u16(), document)
}

#[tokio::test]
async fn every_route_is_documented_and_every_documented_route_is_served() {
    let outside = Outside::with_operator(Duration::from_secs(10));
    let (_, document) = get(&outside, "/api/v1/openapi.json").await;
    let mut documented = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            documented.push((method.to_uppercase(), path.clone()));
        }
    }
    let mut served: Vec<(String, String)> = routes::table()
        .iter()
        .map(|route| (route.method().to_owned(), route.path().to_owned()))
        .collect();
    documented.sort();
    served.sort();
    assert_eq!(documented, served);
    outside
        .log
        .store(letter("data.ingested", "handler", b"{}", &[]));
    for (method, path) in documented {
        let body = if path.ends_with("/replay") {
            r#"{"ids": ["0-0"]}"#
        } else if path.contains("/control/") {
            r#"{"reason": "a test"}"#
        } else if path.ends_with("/events") {
            r#"{"topic": "data.ingested", "value": {}}"#
        } else {
            "{}"
        };
        let path = path
            .replace("dead-letters/{id}", "dead-letters/0-0")
            .replace("{id}", &STORY.to_string())
            .replace("{order}", "pause")
            .replace("{topic}", "data.ingested")
            .replace("{name}", "homeostat.dead-letters");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = outside
            .client
            .request(method, outside.url(&path))
            .bearer_auth(TOKEN)
            .header("idempotency-key", "k")
            .body(body);
        assert!(
            request.send().await.unwrap().status().is_success(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn references_of_the_openapi_document_lead_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(
                    fields
                        .get("$ref")
                        .and_then(Value::as_str)
                        .map(str::to_owned),
                );
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = routes::document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        assert!(
            document
                .pointer(reference.trim_start_matches('#'))
                .is_some(),
            "{reference}"
        );
    }
}

/// Of two members of one name a reader silently takes one.
#[test]
fn the_openapi_document_names_nothing_twice() {
    let table = routes::table();
    let mut places: Vec<_> = table.iter().map(|one| (one.path(), one.method())).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), table.len());
    let document = routes::document();
    let operations = document["paths"].as_object().unwrap().values();
    let operations = operations.flat_map(|methods| methods.as_object().unwrap().values());
    let mut names: Vec<_> = operations
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), table.len());
}

#[test]
fn the_openapi_document_names_the_topics_that_may_be_published_to() {
    let document = routes::document();
    let publishable = topic::TOPICS.iter().map(|topic| topic.name);
    let publishable: Vec<&str> = publishable
        .filter(|name| topic::publishable(name).is_ok())
        .collect();
    let documented = &document["components"]["schemas"]["Topic"]["enum"];
    assert_eq!(documented, &json!(publishable));
}

#[test]
fn every_operation_of_the_openapi_document_lists_what_each_request_may_be_answered() {
    let document = routes::document();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            let common = if method == "post" {
                ["400", "403", "408", "413", "421", "500", "503"].as_slice()
            } else {
                &["400", "421", "500"]
            };
            for status in common {
                assert!(responses.contains_key(*status), "{method} {path}: {status}");
            }
            let needs_token = path.contains("/control/") || responses.contains_key("401");
            assert_eq!(operation.get("security").is_some(), needs_token, "{path}");
        }
    }
}

#[tokio::test]
async fn wrong_methods_and_paths_are_told_what_is_right() {
    let outside = Outside::start();
    for (method, path, status, allow) in [
        (Method::POST, "/livez", 405, Some("GET, HEAD")),
        (Method::DELETE, "/api/v1/decisions", 405, Some("GET, HEAD")),
        (Method::GET, DRIFT, 405, Some("POST")),
        (Method::GET, "/nowhere", 404, None),
        (Method::POST, "/api/v1/decisions/", 405, Some("GET, HEAD")),
        (Method::GET, "/../etc/passwd%00", 404, None),
    ] {
        let url = outside.url(path);
        let response = outside
            .client
            .request(method.clone(), url.clone())
            .send()
            .await
            .unwrap();
        let told = response
            .headers()
            .get("allow")
            .map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(told.as_deref(), allow, "{path}");
        assert_eq!(
            answer(outside.client.request(method, url)).await.0,
            status,
            "{path}"
        );
    }
    let head = outside
        .client
        .head(outside.url("/metrics"))
        .send()
        .await
        .unwrap();
    assert_eq!(head.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_trailing_slash_is_answered_like_none() {
    let outside = Outside::start();
    for path in [
        "/livez",
        "/metrics",
        "/api/v1/decisions",
        "/api/v1/openapi.json",
        LETTERS,
    ] {
        let status = async |path: &str| {
            let answer = outside.client.get(outside.url(path)).send().await.unwrap();
            answer.status().as_u16()
        };
        assert_eq!(status(path).await, 200, "{path}");
        assert_eq!(status(&format!("{path}/")).await, 200, "{path}/");
        assert_eq!(
            status(&format!("{path}/?x=1")).await,
            status(&format!("{path}?x=1")).await
        );
    }
    assert_eq!(
        post(&outside, &format!("{DRIFT}/?key=k"), "{}").await.0,
        202
    );
}

#[tokio::test]
async fn probes_tell_life_and_readiness_apart() {
    let outside = Outside::start();
    assert_eq!(
        get(&outside, "/readyz").await,
        (
            200,
            json!({"ready": true, "reasons": [], "warnings": ["look at it"]})
        )
    );
    *outside.answers.not_ready.lock().unwrap() = vec!["the ledger is not folded yet".to_owned()];
    let (status, document) = get(&outside, "/readyz").await;
    assert_eq!(status, 503);
    assert_eq!(document["ready"], false);
    assert_eq!(document["reasons"], json!(["the ledger is not folded yet"]));
    assert_eq!(document["warnings"], json!(["look at it"]));
    assert_eq!(get(&outside, "/livez").await.0, 200);
}

#[tokio::test]
async fn a_panic_in_a_handler_is_a_500_and_the_server_goes_on() {
    let outside = Outside::start();
    *outside.answers.not_ready.lock().unwrap() = vec!["bug".to_owned()];
    for _ in 0..3 {
        let response = outside
            .client
            .get(outside.url("/api/v1/actors"))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 500);
        let document: Value = response.json().await.unwrap();
        assert_eq!(document["type"], "urn:homeostat:problem:internal");
        assert_eq!(document["instance"], "/api/v1/actors");
    }
    outside.answers.not_ready.lock().unwrap().clear();
    assert_eq!(
        get(&outside, "/api/v1/actors").await,
        (200, json!({"path": "root"}))
    );
}

#[tokio::test]
async fn one_event_an_array_and_lines_are_published_in_order_with_their_key() {
    let outside = Outside::start();
    let (status, one) = post(
        &outside,
        &format!("{DRIFT}?key=m%2F1"),
        "{\n \"n\": 1.0\n}\n",
    )
    .await;
    assert_eq!(status, 202, "{one}");
    let id = one["event_ids"][0].as_str().unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!(
        one["events"],
        json!([{"event_id": id, "partition": 0, "offset": 0}])
    );
    let (_, array) = post(&outside, DRIFT, r#"[{"event_id":"a"}, {"event_id":"b"}]"#).await;
    assert_eq!(array["event_ids"], json!(["a", "b"]));
    let (_, lines) = post(
        &outside,
        DRIFT,
        "{\"event_id\":\"c\"}\r\n\n{\"event_id\":\"d\"}\n",
    )
    .await;
    assert_eq!(lines["event_ids"], json!(["c", "d"]));
    let request = outside
        .client
        .post(outside.url(DRIFT))
        .header("content-type", "application/x-ndjson");
    assert_eq!(
        answer(request.body("{\"event_id\":\"e\"}")).await.1["event_ids"],
        json!(["e"])
    );

    let values = outside.log.values("data.drift.detected");
    assert_eq!(values.len(), 6);
    assert_eq!(
        values[0],
        format!(
            "{{\n \"n\": 1.0, \"event_id\": \"{id}\", \"timestamp\": \"2026-01-01T00:00:00.000+00:00\", \"source\": \"mlops_system\"\n}}\n"
        )
    );
    let records = outside.log.records.lock().unwrap();
    let keys: Vec<Option<&[u8]>> = records["data.drift.detected"]
        .iter()
        .map(|record| record.key.as_deref())
        .collect();
    assert_eq!(keys[..2], [Some(b"m/1".as_slice()), None]);
    assert!(
        records["data.drift.detected"]
            .iter()
            .all(|record| record.headers.is_empty())
    );
}

#[tokio::test]
async fn a_malformed_request_is_refused_with_its_place_and_publishes_nothing() {
    let outside = Outside::start();
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(70), "]".repeat(70));
    let bottomless = "[".repeat(1 << 20);
    let table: [(&[u8], u16, Value); 13] = [
        (b"", 400, json!({"offset": 0})),
        (b"[]", 400, json!({})),
        (b"7", 400, json!({"offset": 0})),
        (b"{\"a\": 1,}", 400, json!({"offset": 8})),
        (b"{\"a\": 1} trailing", 400, json!({"offset": 9})),
        (b"{\"a\": 1}{\"b\": 2}", 400, json!({"offset": 8})),
        (b"[{\"a\": 1}, 7]", 400, json!({"index": 1, "offset": 11})),
        (b"[{\"a\": 1}, {]", 400, json!({"index": 0, "offset": 12})),
        (b"[{\"a\": 1}", 400, json!({"index": 0})),
        (
            b"{\"a\": 1}\n\n{\"b\": tru}\n",
            400,
            json!({"index": 1, "line": 3, "offset": 19}),
        ),
        (b"{\"a\": 1}\n[2]\n", 400, json!({"index": 1, "line": 2})),
        (deep.as_bytes(), 400, json!({"offset": 68})),
        (bottomless.as_bytes(), 400, json!({})),
    ];
    for (body, status, members) in table {
        let (got, document) = post(&outside, DRIFT, body.to_vec()).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
        assert_eq!(got, status, "{shown}: {document}");
        assert_eq!(
            document["type"], "urn:homeostat:problem:malformed-event",
            "{shown}"
        );
        for (name, value) in members.as_object().unwrap() {
            assert_eq!(&document[name], value, "{shown}: {document}");
        }
    }
    assert_eq!(outside.log.total(), 0);
}

#[tokio::test]
async fn sizes_up_to_the_limits_are_taken_and_beyond_them_refused() {
    let outside = Outside::start();
    let event = |bytes: usize| {
        let start = r#"{"event_id":"i","timestamp":1,"source":"s","a":""#;
        format!("{start}{}\"}}", "x".repeat(bytes - start.len() - 2))
    };
    let exact = event(1 << 20);
    assert_eq!(exact.len(), 1 << 20);
    assert_eq!(post(&outside, DRIFT, exact).await.0, 202);
    assert_eq!(post(&outside, DRIFT, event((1 << 20) + 1)).await.0, 413);
    assert_eq!(
        post(&outside, DRIFT, vec![b' '; (8 << 20) + 1]).await.0,
        413
    );
    let many = |count: usize| vec!["{}"; count];
    assert_eq!(
        post(&outside, DRIFT, many(EVENTS_MAX).join("\n")).await.0,
        202
    );
    let before = outside.log.total();
    assert_eq!(
        post(&outside, DRIFT, many(EVENTS_MAX + 1).join("\n"))
            .await
            .0,
        413
    );
    assert_eq!(
        post(
            &outside,
            DRIFT,
            format!("[{}]", many(EVENTS_MAX + 1).join(","))
        )
        .await
        .0,
        413
    );
    assert_eq!(outside.log.total(), before);
}

#[tokio::test]
async fn topics_keys_and_parameters_are_checked() {
    let outside = Outside::start();
    let (status, unknown) = post(&outside, "/api/v1/events/data.nonsense", "{}").await;
    assert_eq!(status, 404);
    assert!(
        unknown["topics"]
            .as_array()
            .unwrap()
            .contains(&json!("data.drift.detected"))
    );
    for topic in [
        "homeostat.ledger",
        "homeostat.dead-letters",
        "homeostat.anything",
        "homeostat%2eledger",
    ] {
        assert_eq!(
            post(&outside, &format!("/api/v1/events/{topic}"), "{}")
                .await
                .0,
            403,
            "{topic}"
        );
    }
    let long = "k".repeat(1_025);
    for query in ["key=a&key=b", "kye=a", &format!("key={long}")] {
        assert_eq!(
            post(&outside, &format!("{DRIFT}?{query}"), "{}").await.0,
            400,
            "{query}"
        );
    }
    let request = outside
        .client
        .post(outside.url(DRIFT))
        .header("content-encoding", "gzip");
    assert_eq!(answer(request.body("{}")).await.0, 415);
    let request = outside
        .client
        .post(outside.url(DRIFT))
        .header("origin", "http://elsewhere.example");
    assert_eq!(answer(request.body("{}")).await.0, 403);
    assert_eq!(outside.log.total(), 0);
}

#[tokio::test]
async fn repeated_keys_of_an_event_are_kept_as_they_are() {
    let outside = Outside::start();
    let event = r#"{"event_id":"x","event_id":"y","timestamp":1,"source":"s","a":1,"a":2}"#;
    let (status, document) = post(&outside, DRIFT, event).await;
    assert_eq!((status, &document["event_ids"]), (202, &json!(["y"])));
    assert_eq!(outside.log.values("data.drift.detected"), [event]);
}

#[tokio::test]
async fn cloud_events_are_taken_in_each_mode() {
    let outside = Outside::start();
    let event = |id: &str| {
        json!({"specversion": "1.0", "id": id, "source": "/etl", "type": "data.drift.detected",
               "partitionkey": "m", "data": {"severity": "high"}})
    };
    let send = |media: &str, body: String| {
        let request = outside
            .client
            .post(outside.url(DRIFT))
            .header("content-type", media);
        answer(request.body(body))
    };
    let (_, one) = send(
        "application/cloudevents+json; charset=utf-8",
        event("1").to_string(),
    )
    .await;
    assert_eq!(one["event_ids"], json!(["1"]));
    let batch = json!([event("2"), event("3")]).to_string();
    let (_, two) = send("application/cloudevents-batch+json", batch).await;
    assert_eq!(two["event_ids"], json!(["2", "3"]));
    let binary = outside
        .client
        .post(outside.url(DRIFT))
        .header("content-type", "application/json");
    let binary = binary
        .header("ce-specversion", "1.0")
        .header("ce-id", "Caf%C3%A9");
    let binary = binary
        .header("ce-source", "/etl")
        .header("ce-type", "data.drift.detected");
    let (_, four) = answer(binary.body(r#"{"severity": "low"}"#)).await;
    assert_eq!(four["event_ids"], json!(["Café"]));

    let values = outside.log.values("data.drift.detected");
    let value: Value = serde_json::from_str(&values[0]).unwrap();
    assert_eq!(value["severity"], "high");
    assert_eq!(
        (&value["event_id"], &value["source"]),
        (&json!("1"), &json!("/etl"))
    );
    assert_eq!(value["event_type"], "data_drift_detected");
    let key = outside.log.records.lock().unwrap()["data.drift.detected"][0]
        .key
        .clone();
    assert_eq!(key.as_deref(), Some(b"m".as_slice()));

    let broken = json!([event("5"), {"specversion": "1.0"}]).to_string();
    let (status, problem) = send("application/cloudevents-batch+json", broken).await;
    assert_eq!((status, &problem["index"]), (422, &json!(1)));
    assert_eq!(
        send("application/cloudevents+avro", "x".to_owned()).await.0,
        415
    );
    assert_eq!(outside.log.total(), 4);
}

#[tokio::test]
async fn events_in_envelopes_are_published_bare() {
    let outside = Outside::start();
    let drift = json!({"severity": "high", "model_version": "churn@7"});
    let cloud_event = json!({"specversion": "1.0", "id": "c", "source": "/etl", "type": "t",
        "partitionkey": "m", "data": drift});
    let change = json!({"op": "u", "source": {"table": "drift"}, "before": null, "after": drift});
    let connect = |payload: &Value| json!({"schema": {"type": "struct"}, "payload": payload});
    let mut prefixed = vec![0, 0, 0, 0, 200];
    prefixed.extend(connect(&drift).to_string().into_bytes());
    let mut marked = "\u{feff}".as_bytes().to_vec();
    marked.extend(format!("{drift}\n{}\n", connect(&drift)).into_bytes());
    for (body, events) in [
        (cloud_event.to_string().into_bytes(), 1),
        (
            json!([connect(&change), cloud_event])
                .to_string()
                .into_bytes(),
            2,
        ),
        (prefixed, 1),
        (marked, 2),
    ] {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let (status, document) = post(&outside, DRIFT, body).await;
        assert_eq!(status, 202, "{shown}: {document}");
        assert_eq!(document["event_ids"].as_array().unwrap().len(), events);
    }
    for value in outside.log.values("data.drift.detected") {
        let value: Value = serde_json::from_str(&value).unwrap();
        assert_eq!(
            (&value["severity"], &value["model_version"]),
            (&json!("high"), &json!("churn@7"))
        );
        assert!(value["payload"].is_null() && value["data"].is_null() && value["after"].is_null());
    }
    let records = outside.log.records.lock().unwrap();
    assert_eq!(
        records["data.drift.detected"][0].key.as_deref(),
        Some(b"m".as_slice())
    );
}

#[tokio::test]
async fn a_form_that_cannot_be_read_is_a_422_that_names_it() {
    let outside = Outside::start();
    let table: [(&[u8], &str); 10] = [
        (
            br#"{"specversion":"0.3","id":"1","source":"s","type":"t","data":{}}"#,
            "CloudEvents version 0.3",
        ),
        (
            br#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#,
            "has no data",
        ),
        (
            br#"{"schema":{"type":"string"},"payload":"x"}"#,
            "Kafka Connect",
        ),
        (
            br#"{"op":"d","source":{},"before":{},"after":null}"#,
            "a row was deleted",
        ),
        (
            b"\0\0\0\0\x07\x02\x10churn",
            "Confluent's five-byte prefix (schema id 7)",
        ),
        (b"Obj\x01avro", "Avro object container"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\xff\xfe{\0}\0", "UTF-16"),
        (b"\x82\xa8severity\xc0", "MessagePack"),
        (
            br#"[{"severity":"low"}, {"schema":null,"payload":null}]"#,
            "event 1 (from byte 21)",
        ),
    ];
    for (body, reason) in table {
        let (status, document) = post(&outside, DRIFT, body).await;
        let shown = String::from_utf8_lossy(body);
        assert_eq!(status, 422, "{shown}: {document}");
        assert_eq!(document["type"], "urn:homeostat:problem:unreadable-form");
        let detail = document["detail"].as_str().unwrap();
        assert!(
            detail.contains(reason) && detail.contains("nothing was published"),
            "{detail}"
        );
    }
    let (status, document) = post(&outside, DRIFT, r#"{"drift_score": NaN}"#).await;
    assert_eq!((status, &document["offset"]), (400, &json!(16)));
    assert!(
        document["detail"]
            .as_str()
            .unwrap()
            .contains("NaN is not a JSON number")
    );
    // One required header is missing: told, and not taken for a bare event.
    let broken = outside
        .client
        .post(outside.url(DRIFT))
        .header("ce-specversion", "1.0");
    let broken = broken.header("ce-id", "1").header("ce-type", "t");
    assert_eq!(answer(broken.body("{}")).await.0, 422);
    assert_eq!(outside.log.total(), 0);
}

#[tokio::test]
async fn what_the_log_did_not_acknowledge_is_named() {
    let outside = Outside::start();
    let body = r#"[{"event_id":"a"},{"event_id":"b"},{"event_id":"c"}]"#;
    for (error, status) in [
        (LogError::Unavailable("no leader".to_owned()), 503),
        (LogError::Refused("too large".to_owned()), 422),
        (LogError::Denied("no permission".to_owned()), 503),
        (LogError::Fatal("fenced".to_owned()), 503),
    ] {
        outside.log.order(Order::Fail(1, error));
        let (got, document) = post(&outside, DRIFT, body).await;
        assert_eq!(got, status);
        assert_eq!(document["event_ids"], json!(["a"]));
        assert_eq!(document["unacknowledged"], json!(["b", "c"]));
    }
    assert_eq!(post(&outside, DRIFT, body).await.0, 202);
}

#[tokio::test]
async fn after_a_fault_no_later_event_overtakes() {
    let outside = Outside::start();
    outside.log.order(Order::Fail(
        2,
        LogError::Unavailable("no leader".to_owned()),
    ));
    let (status, document) = post(&outside, DRIFT, vec!["{}"; 2_500].join("\n")).await;
    assert_eq!(status, 503);
    assert_eq!(document["event_ids"].as_array().unwrap().len(), 2);
    assert_eq!(document["unacknowledged"].as_array().unwrap().len(), 2_498);
    assert_eq!(outside.log.total(), 2);
}

#[tokio::test]
async fn a_silent_log_is_a_504_that_names_what_was_durable_before() {
    let outside = Outside::start_with(Duration::from_millis(300));
    outside
        .log
        .order(Order::Fail(usize::MAX, LogError::Refused(String::new())));
    outside.log.order(Order::Hang);
    let body = vec!["{}"; 1_500].join("\n");
    let (status, document) = post(&outside, DRIFT, body).await;
    assert_eq!(status, 504);
    assert_eq!(document["event_ids"].as_array().unwrap().len(), 1_000);
    assert_eq!(document["unacknowledged"].as_array().unwrap().len(), 500);
}

#[tokio::test]
async fn decisions_are_filtered_paged_and_told_whole() {
    let outside = Outside::start();
    let (status, page) = get(&outside, "/api/v1/decisions").await;
    assert_eq!(status, 200);
    assert_eq!(page["next"], Value::Null);
    assert_eq!(page["items"][0]["id"], STORY.to_string());
    assert_eq!(page["items"][0]["time"], "2026-01-01T00:00:00.000Z");
    let (_, page) = get(&outside, "/api/v1/decisions?limit=1").await;
    assert_eq!(page["next"], NEXT.to_string());
    let path = format!(
        "/api/v1/decisions?target=m&action=retrain&hours=2&cursor={}",
        page["next"].as_str().unwrap()
    );
    assert_eq!(get(&outside, &path).await.0, 200);
    let asked = outside.answers.asked.lock().unwrap().pop().unwrap();
    assert_eq!((asked.before, asked.since), (Some(NEXT), NOW - 7_200_000));
    let (status, problem) = get(&outside, "/api/v1/decisions?outcome=maybe").await;
    assert_eq!(status, 400);
    assert_eq!(problem["parameter"], "outcome");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("pending, executed, failed")
    );

    let (status, story) = get(&outside, &format!("/api/v1/decisions/{STORY}")).await;
    assert_eq!((status, &story["outcome"]), (200, &json!("executed")));
    for id in ["0".repeat(32), "nonsense".to_owned(), "%ff".to_owned()] {
        assert_eq!(
            get(&outside, &format!("/api/v1/decisions/{id}")).await.0,
            404,
            "{id}"
        );
    }
    let (_, cooldowns) = get(&outside, "/api/v1/cooldowns").await;
    assert_eq!(cooldowns["cooldowns"][0]["key"], "k");
    assert_eq!(cooldowns["budgets"], json!([]));
}

#[tokio::test]
async fn metrics_count_what_was_published_and_asked() {
    let outside = Outside::start();
    post(&outside, DRIFT, "{}").await;
    post(&outside, DRIFT, "{").await;
    get(&outside, "/nowhere").await;
    let text = outside
        .client
        .get(outside.url("/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for line in [
        r#"homeostat_publish_requests_total{outcome="accepted"} 1"#,
        r#"homeostat_publish_requests_total{outcome="refused"} 1"#,
        r#"homeostat_published_events_total{topic="data.drift.detected"} 1"#,
        r#"homeostat_http_requests_total{route="/api/v1/events/{topic}",status="2xx"} 1"#,
        r#"homeostat_http_requests_total{route="other",status="4xx"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn bytes_that_are_no_http_get_an_answer_or_an_end() {
    let outside = Outside::start();
    for bytes in [
        b"\x16\x03\x01\x02\x00".as_slice(),
        b"GET\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
    ] {
        let mut stream = std::net::TcpStream::connect(outside.server.address()).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn the_server_stops_in_time_and_frees_its_address() {
    let outside = Outside::start();
    let address = outside.server.address();
    assert_eq!(get(&outside, "/livez").await.0, 200);
    assert!(outside.server.stop(Duration::from_secs(10)));
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn an_address_that_cannot_be_served_is_refused_with_the_remedy() {
    let outside = Outside::start();
    let taken = outside.server.address().to_string();
    let state = || outside::parts(&outside.log, &outside.answers, &outside.metrics);
    for (listen, expected) in [
        (taken.as_str(), "set http.listen"),
        ("nonsense", "set http.listen"),
    ] {
        let error = Server::start(listen, state()).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let exposed = Server::start("0.0.0.0:0", state()).map(|_| ());
    assert!(matches!(exposed, Err(ServeError::Exposed { .. })));
}

const LINES: &str = "/api/v1/events";

#[tokio::test]
async fn lines_of_many_topics_and_keys_are_published_in_order_by_one_append() {
    let outside = Outside::start();
    let body = concat!(
        "{\"topic\": \"data.ingested\", \"key\": \"a\", \"value\": {\"event_id\": \"1\", \"n\": 1.0}}\n",
        "\r\n",
        "{\"topic\": \"system.alerts\", \"key\": null, \"value\": {\"n\": 2}}\r\n",
        "{\"value\": {\"n\": 3}, \"key\": \"\", \"topic\": \"data.ingested\"}",
    );
    let (status, answer) = post(&outside, LINES, body).await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!(answer["errors"], false);
    let results = answer["results"].as_array().unwrap();
    assert_eq!(
        results[0],
        json!({"line": 1, "status": 202, "event_id": "1", "topic": "data.ingested", "partition": 0, "offset": 0})
    );
    let places: Vec<_> = results
        .iter()
        .map(|result| (result["line"].as_u64(), result["offset"].as_u64()))
        .collect();
    assert_eq!(
        places,
        [(Some(1), Some(0)), (Some(3), Some(0)), (Some(4), Some(1))]
    );
    let values = outside.log.values("data.ingested");
    assert!(
        values[0].starts_with("{\"event_id\": \"1\", \"n\": 1.0, \"timestamp\""),
        "{values:?}"
    );
    assert!(
        values[1].starts_with("{\"n\": 3, \"event_id\""),
        "{values:?}"
    );
    let records = outside.log.records.lock().unwrap().clone();
    let keys: Vec<_> = records["data.ingested"]
        .iter()
        .map(|record| record.key.clone())
        .collect();
    assert_eq!(keys, [Some(b"a".to_vec()), None]);
    assert_eq!(post(&outside, &format!("{LINES}/"), body).await.0, 202);
    let metrics = outside
        .client
        .get(outside.url("/metrics"))
        .send()
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    for line in [
        r#"homeostat_publish_requests_total{outcome="accepted"} 2"#,
        r#"homeostat_published_events_total{topic="data.ingested"} 4"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn a_bad_line_fails_no_other_and_each_says_what_is_wrong() {
    let outside = Outside::start();
    let long = format!(
        r#"{{"topic":"data.ingested","value":{{"a":"{}"}}}}"#,
        "x".repeat(1 << 20)
    );
    let deep = format!(
        r#"{{"topic":"data.ingested","value":{{"a":{}{}}}}}"#,
        "[".repeat(70),
        "]".repeat(70)
    );
    let lines: [(&[u8], u16, &str); 9] = [
        (br#"{"topic":"data.ingested","value":{"n":1}}"#, 202, ""),
        (b"not json", 400, "not {topic, key, value}"),
        (
            br#"{"topic":"data.nonsense","value":{}}"#,
            404,
            "data.nonsense: the topic is not known",
        ),
        (
            br#"{"topic":"homeostat.ledger","value":{}}"#,
            403,
            "homeostat.ledger",
        ),
        (
            br#"{"topic":"data.ingested","value":[]}"#,
            400,
            "value: byte 0",
        ),
        (
            b"{\"topic\":\"data.ingested\",\"value\":{\"a\":\"\xff\"}}",
            400,
            "unicode",
        ),
        (long.as_bytes(), 413, "value: "),
        (deep.as_bytes(), 400, "value: "),
        (br#"{"topic":"data.ingested","value":{"n":2}}"#, 202, ""),
    ];
    let body: Vec<&[u8]> = lines.iter().map(|(line, ..)| *line).collect();
    let (status, answer) = post(&outside, LINES, body.join(&b'\n')).await;
    assert_eq!((status, &answer["errors"]), (207, &json!(true)));
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), lines.len());
    for ((number, result), (_, status, detail)) in (1..).zip(results).zip(lines) {
        assert_eq!(result["line"], number);
        assert_eq!(result["status"], status, "{result}");
        if status != 202 {
            assert_eq!(result["error"]["status"], status, "{result}");
            let told = result["error"]["detail"].as_str().unwrap();
            assert!(told.contains(detail), "{told}");
        }
    }
    let values = outside.log.values("data.ingested");
    assert!(
        values.len() == 2 && values[0].starts_with("{\"n\":1") && values[1].starts_with("{\"n\":2")
    );
}

#[tokio::test]
async fn envelopes_in_a_line_are_opened_as_those_of_one_topic_are() {
    let outside = Outside::start();
    let event = |version: &str| {
        json!({"specversion": version, "id": "1", "source": "/etl", "type": "data.ingested",
               "partitionkey": "m", "data": {"rows": 7}})
    };
    let line = |key: Value, value: Value| {
        json!({"topic": "data.ingested", "key": key, "value": value}).to_string()
    };
    let body = [
        line(Value::Null, event("1.0")),
        line(json!("own"), event("1.0")),
        line(Value::Null, event("9.9")),
    ];
    let (_, answer) = post(&outside, LINES, body.join("\n")).await;
    let statuses: Vec<_> = (0..3)
        .map(|index| answer["results"][index]["status"].as_u64())
        .collect();
    assert_eq!(statuses, [Some(202), Some(202), Some(422)], "{answer}");
    let one_topic = post(
        &outside,
        "/api/v1/events/data.ingested",
        event("1.0").to_string(),
    );
    assert_eq!(one_topic.await.0, 202);
    let values = outside.log.values("data.ingested");
    let opened: Value = serde_json::from_str(&values[0]).unwrap();
    assert_eq!(opened["rows"], 7, "{values:?}");
    assert_eq!(opened.get("specversion"), None, "{values:?}");
    assert_eq!(opened["cloudevents"]["specversion"], "1.0", "{values:?}");
    assert_eq!(values[0], values[2]);
    let records = outside.log.records.lock().unwrap();
    let keys = records["data.ingested"]
        .iter()
        .map(|record| record.key.clone().unwrap());
    assert_eq!(
        keys.collect::<Vec<_>>(),
        [b"m".to_vec(), b"own".to_vec(), b"m".to_vec()]
    );
}

#[tokio::test]
async fn of_lines_those_that_the_log_did_not_take_are_told_apart() {
    let outside = Outside::start();
    let line = r#"{"topic":"data.ingested","value":{}}"#;
    let statuses = async |count: usize| {
        let (status, answer) = post(&outside, LINES, vec![line; count].join("\n")).await;
        assert_eq!(status, 207);
        let results = answer["results"].as_array().unwrap().clone();
        let statuses = results
            .iter()
            .map(|result| result["status"].as_u64().unwrap());
        statuses.collect::<Vec<_>>()
    };
    outside
        .log
        .order(Order::Fail(1, LogError::Refused("too large".to_owned())));
    assert_eq!(statuses(2).await, [202, 422]);
    // What is refused for good lets the next ones go on; what may pass does not, so nothing overtakes it.
    outside
        .log
        .order(Order::Fail(0, LogError::Refused("too large".to_owned())));
    let many = statuses(1_001).await;
    assert_eq!((many[0], many[999], many[1_000]), (422, 422, 202));
    outside.log.order(Order::Fail(
        1,
        LogError::Unavailable("no leader".to_owned()),
    ));
    let many = statuses(1_001).await;
    assert_eq!((many[0], many[1], many[1_000]), (202, 503, 503));
    assert_eq!(outside.log.total(), 3);
}

#[tokio::test]
async fn lines_are_bounded_like_the_events_of_one_topic() {
    let outside = Outside::start();
    let line = r#"{"topic":"data.ingested","value":{}}"#;
    for (body, status) in [
        (String::new(), 400),
        ("\n \r\n".to_owned(), 400),
        (vec![line; EVENTS_MAX + 1].join("\n"), 413),
        (" ".repeat((8 << 20) + 1), 413),
    ] {
        assert_eq!(post(&outside, LINES, body).await.0, status);
    }
    assert_eq!(post(&outside, &format!("{LINES}?key=k"), line).await.0, 400);
    for (name, value) in [
        ("content-encoding", "gzip"),
        ("content-type", "application/cloudevents+json"),
    ] {
        let request = outside.client.post(outside.url(LINES)).header(name, value);
        assert_eq!(answer(request.body(line)).await.0, 415, "{name}");
    }
    assert_eq!(outside.log.total(), 0);
    assert_eq!(
        post(&outside, LINES, vec![line; EVENTS_MAX].join("\n"))
            .await
            .0,
        202
    );
}

#[tokio::test]
async fn only_what_may_pass_is_to_be_sent_again() {
    let outside = Outside::start();
    for (error, again) in [
        (LogError::Refused("too large".to_owned()), false),
        (LogError::Unavailable("no leader".to_owned()), true),
    ] {
        outside.log.order(Order::Fail(0, error));
        let (_, problem) = post(&outside, DRIFT, "{}").await;
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(detail.contains("to be sent again"), again, "{detail}");
        assert_eq!(
            detail.contains("refused, also when sent again: 1"),
            !again,
            "{detail}"
        );
    }
}

const LETTERS: &str = "/api/v1/dead-letters";

fn ids(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn dead_letters_are_listed_newest_first_in_pages_and_by_filter() {
    let outside = Outside::start();
    let empty = get(&outside, LETTERS).await;
    assert_eq!(empty, (200, json!({"items": [], "next": null})));
    for number in 0..200 {
        let (topic, reason) = match number % 4 {
            0 => ("data.ingested", "handler"),
            _ => ("system.health", "not_json"),
        };
        outside.log.store(letter(topic, reason, b"{}", &[]));
    }
    let (_, all) = get(&outside, &format!("{LETTERS}?limit=1000")).await;
    let newest: Vec<String> = (0..200).rev().map(|offset| format!("0-{offset}")).collect();
    assert_eq!(ids(&all), newest);
    // Page by page it is the same.
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = get(&outside, &format!("{LETTERS}?limit=7{cursor}")).await;
        paged.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, newest);
    let (_, some) = get(
        &outside,
        &format!("{LETTERS}?topic=data.ingested&reason=handler&limit=2"),
    )
    .await;
    assert_eq!(ids(&some), ["0-196", "0-192"]);
    let times = "since=2026-01-01T00:00:10Z&until=2026-01-01T00:00:12Z";
    let (_, some) = get(&outside, &format!("{LETTERS}?{times}")).await;
    assert_eq!(ids(&some), ["0-11", "0-10"]);
    for query in [
        "limit=0",
        "limit=1001",
        "since=yesterday",
        "cursor=x",
        "colour=red",
    ] {
        let (status, problem) = get(&outside, &format!("{LETTERS}?{query}")).await;
        assert_eq!(status, 400, "{problem}");
    }
}

#[tokio::test]
async fn a_time_finds_letters_also_behind_those_of_a_slow_clock() {
    let outside = Outside::start();
    for _ in 0..3 {
        let ours = letter("data.ingested", "handler", b"{}", &[]);
        outside.log.store(ours);
    }
    let hour_ago = (NOW - 3_600_000).to_string();
    for _ in 0..130 {
        let slow = letter("data.ingested", "handler", b"{}", &[("stamped", &hour_ago)]);
        outside.log.store(slow);
    }
    let since = format!("{LETTERS}?since=2026-01-01T00:00:00Z");
    let (_, some) = get(&outside, &since).await;
    assert_eq!(ids(&some), ["0-2", "0-1", "0-0"]);
}

#[tokio::test]
async fn a_missing_dead_letter_topic_is_told_and_not_taken_for_no_letters() {
    let outside = Outside::start();
    outside.log.no_dead_letters.store(true, Ordering::SeqCst);
    for path in [LETTERS.to_owned(), format!("{LETTERS}/0-0")] {
        let (status, problem) = get(&outside, &path).await;
        assert_eq!(status, 503, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains("no topic homeostat.dead-letters"),
            "{detail}"
        );
    }
    let replay = json!({"ids": ["0-0"]}).to_string();
    let (_, answer) = post(&outside, &format!("{LETTERS}/replay"), replay).await;
    let result = &answer["results"][0];
    assert_eq!(result["outcome"], "refused");
    let detail = result["detail"].as_str().unwrap();
    assert!(
        detail.contains("no topic homeostat.dead-letters"),
        "{detail}"
    );
}

#[tokio::test]
async fn a_dead_letter_is_shown_whole_as_text_or_base64() {
    let outside = Outside::start();
    let own = [("trace", "t-1"), ("homeostat-replay-of", "0-9")];
    outside
        .log
        .store(letter("data.ingested", "not_utf8", b"\xff\x00", &own));
    let (status, whole) = get(&outside, &format!("{LETTERS}/0-0")).await;
    assert_eq!(status, 200);
    assert_eq!(whole["value"], json!({"base64": "/wA="}));
    assert_eq!(whole["key"], json!({"text": "key"}));
    assert_eq!(
        whole["headers"][0],
        json!({"name": "trace", "value": {"text": "t-1"}})
    );
    let position = (&whole["topic"], &whole["partition"], &whole["offset"]);
    assert_eq!(position, (&json!("data.ingested"), &json!(1), &json!(7)));
    assert_eq!(whole["reason"], "not_utf8");
    assert_eq!(whole["replay_of"], "0-9");
    assert_eq!(whole["replayed"], false);
    for id in ["0-1", "1-0", "x", "0-00"] {
        let (status, _) = get(&outside, &format!("{LETTERS}/{id}")).await;
        assert_eq!(status, 404, "{id}");
    }
}

#[tokio::test]
async fn a_dead_letter_is_replayed_once_with_its_bytes_and_says_so_from_then_on() {
    let outside = Outside::start();
    outside.log.store(letter(
        "data.ingested",
        "handler",
        b"{ \"x\":1 }",
        &[("trace", "t")],
    ));
    let path = format!("{LETTERS}/replay");
    let once = json!({"ids": ["0-0"]}).to_string();
    let dry = json!({"ids": ["0-0"], "dry_run": true}).to_string();
    let (_, answer) = post(&outside, &path, dry).await;
    assert_eq!(answer["results"][0]["outcome"], "would_replay");
    assert_eq!(outside.log.total(), 1);
    let (status, answer) = post(&outside, &path, once.clone()).await;
    assert_eq!(
        (status, &answer["results"][0]["outcome"]),
        (200, &json!("replayed"))
    );
    assert_eq!(answer["results"][0]["replayed_to"], "data.ingested/0/0");
    let records = outside.log.records.lock().unwrap().clone();
    let replayed = &records["data.ingested"][0];
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(replayed.value.as_deref(), Some(&b"{ \"x\":1 }"[..]));
    assert_eq!(replayed.key.as_deref(), Some(&b"key"[..]));
    let headers: Vec<_> = replayed
        .headers
        .iter()
        .map(|header| (header.name_text().unwrap(), text(header.bytes())))
        .collect();
    let expected = [
        ("trace", "t".to_owned()),
        ("homeostat-replay-of", "0-0".to_owned()),
        ("homeostat-replay-position", "data.ingested/1/7".to_owned()),
    ];
    assert_eq!(headers, expected);
    let (_, answer) = post(&outside, &path, once).await;
    assert_eq!(answer["results"][0]["outcome"], "already_replayed");
    assert_eq!(outside.log.total(), 3);
    let (_, page) = get(&outside, LETTERS).await;
    assert_eq!(
        (ids(&page), &page["items"][0]["replayed"]),
        (vec!["0-0"], &json!(true))
    );
    // Another process learns it from the marker alone.
    let other = Outside::start();
    *other.log.records.lock().unwrap() = records;
    let (_, page) = get(&other, LETTERS).await;
    assert_eq!(page["items"][0]["replayed_to"], "data.ingested/0/0");
}

#[tokio::test]
async fn a_replay_of_a_replay_keeps_the_position_where_the_event_stood_first() {
    let outside = Outside::start();
    let own = [
        ("homeostat-replay-of", "0-9"),
        ("homeostat-replay-position", "data.drift.detected/0/3"),
    ];
    outside
        .log
        .store(letter("data.ingested", "handler", b"{}", &own));
    post(
        &outside,
        &format!("{LETTERS}/replay"),
        r#"{"filter": {"reason": "handler"}}"#,
    )
    .await;
    let records = outside.log.records.lock().unwrap();
    let headers = &records["data.ingested"][0].headers;
    let expected = [
        Header::new("homeostat-replay-of", "0-0"),
        Header::new("homeostat-replay-position", "data.drift.detected/0/3"),
    ];
    assert_eq!(headers[..], expected);
}

#[tokio::test]
async fn what_cannot_be_replayed_is_refused_with_the_reason() {
    let outside = Outside::start();
    outside
        .log
        .store(letter("homeostat.ledger", "handler", b"{}", &[]));
    let mut cut = letter("data.ingested", "too_large", b"{}", &[]);
    cut.headers.push(Header::new("value-omitted", "900"));
    outside.log.store(cut);
    let path = format!("{LETTERS}/replay");
    let asked = json!({"ids": ["0-0", "0-1", "0-2", "nonsense"]}).to_string();
    let (_, answer) = post(&outside, &path, asked).await;
    let results = answer["results"].as_array().unwrap();
    for (result, word) in results
        .iter()
        .zip(["homeostat.", "too large", "no dead letter", "form"])
    {
        assert_eq!(result["outcome"], "refused");
        assert!(
            result["detail"].as_str().unwrap().contains(word),
            "{result}"
        );
    }
    assert_eq!((results.len(), outside.log.total()), (4, 2));
    // The log does not take it: refused, unmarked, and taken the next time.
    outside
        .log
        .store(letter("data.ingested", "handler", b"{}", &[]));
    outside
        .log
        .order(Order::Fail(0, LogError::Unavailable("away".to_owned())));
    for expected in ["refused", "replayed"] {
        let (_, answer) = post(&outside, &path, r#"{"ids": ["0-2"]}"#).await;
        assert_eq!(answer["results"][0]["outcome"], expected, "{answer}");
    }
    for body in [
        "",
        "{}",
        r#"{"ids": []}"#,
        r#"{"ids": ["0-0"], "filter": {}}"#,
        r#"{"filter": {"since": "x"}}"#,
    ] {
        let (status, problem) = post(&outside, &path, body).await;
        assert_eq!(status, 400, "{body}: {problem}");
    }
}

#[tokio::test]
async fn stopped_partitions_are_resumed_all_or_by_topic() {
    let outside = Outside::start();
    let path = format!("{LETTERS}/resume");
    let (_, all) = post(&outside, &path, "").await;
    assert_eq!(
        all["resumed"],
        json!(["data.ingested/0", "system.health/1"])
    );
    let (_, some) = post(&outside, &path, r#"{"topic": "system.health"}"#).await;
    assert_eq!(some["resumed"], json!(["system.health/1"]));
    assert_eq!(post(&outside, &path, "[1]").await.0, 400);
}

#[tokio::test]
async fn a_request_reads_so_many_records_and_the_next_one_reads_on() {
    let outside = Outside::start();
    outside
        .log
        .store(letter("data.ingested", "handler", b"{}", &[]));
    for _ in 0..24_000 {
        outside
            .log
            .store(letter("system.health", "not_utf8", b"", &[]));
    }
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{LETTERS}?topic=data.ingested{cursor}");
        let (_, page) = get(&outside, &path).await;
        pages.push(ids(&page).len());
        let Some(next) = page["next"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    // A page reads 10,000 records, or what its time allows: a slow machine needs more of them, never fewer.
    let (last, before) = pages.split_last().unwrap();
    assert_eq!(*last, 1, "{pages:?}");
    assert!(
        before.len() >= 2 && before.iter().all(|&letters| letters == 0),
        "{pages:?}"
    );
    // Whether it was replayed stands in the 24,000 records behind it; it is not replayed before that is known.
    let path = format!("{LETTERS}/replay");
    let replay = async || {
        let (_, answer) = post(&outside, &path, r#"{"ids": ["0-0"]}"#).await;
        answer["results"][0]["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        replay().await,
        "refused",
        "10,000 of them were seen at most"
    );
    let outcome = loop {
        match replay().await.as_str() {
            "refused" => {}
            other => break other.to_owned(),
        }
    };
    assert_eq!(outcome, "replayed");
    assert_eq!(replay().await, "already_replayed");
}
