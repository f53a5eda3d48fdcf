//! Every route is there and documented, and no other one.

use std::time::Duration;

use homeostat::http::routes;
use homeostat_logic::topic;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::asking::{DRIFT, LETTERS, answer, get, post};
use crate::outside::{Outside, STORY, TOKEN, letter};
use crate::pages;

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
    // Payloads of other tools are tried with what these send (inbound.rs).
    let asset = pages::asset(&outside, "user.js").await;
    let documented = documented
        .into_iter()
        .filter(|(_, path)| !path.starts_with("/api/v1/events/"))
        // A handshake is not a success (users/sockets.rs).
        .filter(|(_, path)| !path.ends_with("/ws"));
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
            .replace("{item}", "7")
            .replace("{version}/{file}", &asset)
            .replace("{topic}", "data.ingested")
            .replace("{name}", "homeostat.dead-letters");
        let path = if path == "/api/v1/catalog" {
            format!("{path}?item=7")
        } else {
            path
        };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = outside
            .client
            .request(method, outside.url(&path))
            .bearer_auth(TOKEN)
            .header("idempotency-key", "k")
            .body(body);
        let status = request.send().await.unwrap().status();
        // Recommendations are switched off here (end_to_end/users.rs has them).
        let of_users = path.starts_with("/api/v1/users/") && !path.ends_with("/stream");
        let recommends = ["/api/v1/recommendations", "/api/v1/items/"];
        if of_users || recommends.iter().any(|one| path.starts_with(one)) {
            assert_eq!(status, 409, "{path}");
        } else {
            assert!(status.is_success(), "{path}: {status}");
        }
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
            // MLflow signs what it sends instead.
            let signs = path.ends_with("/events/mlflow");
            let needs_token = path.contains("/control/") || responses.contains_key("401");
            let needs_token = needs_token && !signs;
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
