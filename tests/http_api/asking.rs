//! Requests over a real socket, and what must be true of each answer.

use serde_json::Value;

use crate::outside::Outside;

pub(crate) const DRIFT: &str = "/api/v1/events/data.drift.detected";

pub(crate) async fn get(outside: &Outside, path: &str) -> (u16, Value) {
    answer(outside.client.get(outside.url(path))).await
}

pub(crate) async fn post(
    outside: &Outside,
    path: &str,
    body: impl Into<reqwest::Body>,
) -> (u16, Value) {
    answer(outside.client.post(outside.url(path)).body(body)).await
}

/// Status and document; every error must be a complete problem document.
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
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

pub(crate) const LETTERS: &str = "/api/v1/dead-letters";

pub(crate) fn ids(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect()
}
