//! Lines of many topics in one request.

use homeostat::http::EVENTS_MAX;
use homeostat_actors::ports::log::LogError;
use serde_json::{Value, json};

use crate::asking::{DRIFT, answer, post};
use crate::outside::{NextAppend, Outside};

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
            "data.nonsense: unknown topic",
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
    outside.log.order(NextAppend::Fail(
        1,
        LogError::Refused("too large".to_owned()),
    ));
    assert_eq!(statuses(2).await, [202, 422]);
    // What is refused for good lets the next ones go on; what may pass does not, so nothing overtakes it.
    outside.log.order(NextAppend::Fail(
        0,
        LogError::Refused("too large".to_owned()),
    ));
    let many = statuses(1_001).await;
    assert_eq!((many[0], many[999], many[1_000]), (422, 422, 202));
    outside.log.order(NextAppend::Fail(
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
        outside.log.order(NextAppend::Fail(0, error));
        let (_, problem) = post(&outside, DRIFT, "{}").await;
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(detail.contains("send them again"), again, "{detail}");
        assert_eq!(
            detail.contains("refused, also when sent again: 1"),
            !again,
            "{detail}"
        );
    }
}
