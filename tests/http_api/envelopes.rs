//! CloudEvents and envelopes around events.

use serde_json::{Value, json};

use crate::asking::{DRIFT, answer, post};
use crate::outside::Outside;

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
