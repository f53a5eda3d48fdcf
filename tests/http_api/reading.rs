//! What is read: decisions in pages, and metrics.

use serde_json::{Value, json};

use crate::asking::{DRIFT, get, post};
use crate::outside::{NEXT, NOW, Outside, STORY};

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
