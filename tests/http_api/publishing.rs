//! Events of one topic: in order, within bounds, and what the log did not take.

use std::time::Duration;

use homeostat::http::EVENTS_MAX;
use homeostat_actors::ports::log::LogError;
use serde_json::{Value, json};

use crate::asking::{DRIFT, answer, post};
use crate::outside::{NextAppend, Outside};

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
async fn what_the_log_did_not_acknowledge_is_named() {
    let outside = Outside::start();
    let body = r#"[{"event_id":"a"},{"event_id":"b"},{"event_id":"c"}]"#;
    for (error, status) in [
        (LogError::Unavailable("no leader".to_owned()), 503),
        (LogError::Refused("too large".to_owned()), 422),
        (LogError::Denied("no permission".to_owned()), 503),
        (LogError::Fatal("fenced".to_owned()), 503),
    ] {
        outside.log.order(NextAppend::Fail(1, error));
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
    outside.log.order(NextAppend::Fail(
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
    outside.log.order(NextAppend::Fail(
        usize::MAX,
        LogError::Refused(String::new()),
    ));
    outside.log.order(NextAppend::Hang);
    let body = vec!["{}"; 1_500].join("\n");
    let (status, document) = post(&outside, DRIFT, body).await;
    assert_eq!(status, 504);
    assert_eq!(document["event_ids"].as_array().unwrap().len(), 1_000);
    assert_eq!(document["unacknowledged"].as_array().unwrap().len(), 500);
}
