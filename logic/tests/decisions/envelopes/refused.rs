//! What is recognised as an envelope and cannot be read is refused by its name.

use homeostat_logic::enrich::{EventError, Stamp, enrich_for};
use homeostat_logic::envelope::{HeaderView, decode_record};
use homeostat_logic::event::{Names, Reject};
use homeostat_logic::topic;
use serde_json::{Value, json};

use super::{DRIFT, STRUCTURED, change, cloud_event, confluent, connect, decoded, event};
use crate::support::noon;

/// A value, its headers, and a part of the reason.
type NotDecoded = (
    Vec<u8>,
    &'static [(&'static str, &'static str)],
    &'static str,
);

fn without_headers(values: Vec<(Value, &'static str)>) -> Vec<NotDecoded> {
    values
        .into_iter()
        .map(|(value, reason)| (value.to_string().into_bytes(), &[][..], reason))
        .collect()
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn an_envelope_that_cannot_be_read_is_refused_by_its_name() {
    let text = |text: &str| text.as_bytes().to_vec();
    let with = |name: &str, value: Value| {
        let mut event = cloud_event(&event());
        event[name] = value;
        event
    };
    let mut deep = event();
    for _ in 0..5 {
        deep = connect(&deep);
    }
    let mut refused = without_headers(vec![
        (
            with("specversion", json!("0.3")),
            "CloudEvents version 0.3 is not known",
        ),
        (
            with("specversion", json!(1.0)),
            "attribute specversion is missing or is not text",
        ),
        (
            with("id", json!("")),
            "attribute id is missing or is not text",
        ),
        (
            json!({"specversion": "1.0", "id": "1", "source": "s", "data": {}}),
            "attribute type is missing",
        ),
        (with("data", Value::Null), "CloudEvent has no data"),
        (
            with("data", json!([1])),
            "data of the CloudEvent is an array",
        ),
        (
            with("data", json!("text")),
            "data of the CloudEvent is a string",
        ),
        (
            with("data_base64", json!("e30=")),
            "data_base64 is beside data",
        ),
        (
            json!({"cloudEventsVersion": "0.1", "eventType": "t", "eventID": "1", "source": "s"}),
            "CloudEvents version 0.1",
        ),
        (
            connect(&Value::Null),
            "payload of the Kafka Connect envelope {schema, payload} is null",
        ),
        (
            connect(&json!(7)),
            "payload of the Kafka Connect envelope {schema, payload} is a number",
        ),
        (
            connect(&json!("text")),
            "payload of the Kafka Connect envelope {schema, payload} is a string",
        ),
        (connect(&change("d", &Value::Null)), "a row was deleted"),
        (change("c", &Value::Null), "has no row in `after`"),
        (change("c", &json!(7)), "has no object in `after`"),
        (change("t", &Value::Null), "a table was emptied"),
        (
            json!({"op": "m", "source": {}, "message": {}}),
            "a message of the database's log",
        ),
        (
            json!({"model_version": "churn@7", "__deleted": "true"}),
            "a row was deleted",
        ),
        (deep, "more than 4 envelopes"),
    ]);
    let data = event().to_string();
    let with_headers: Vec<NotDecoded> = vec![
        (
            confluent(7, b"\x02\x10churn\x00"),
            &[],
            "schema id 7) there is no JSON object but Avro, Protobuf or other data (first bytes 02 10 63",
        ),
        (confluent(300, b"\x00\x0a\x05churn"), &[], "schema id 300)"),
        (confluent(7, b""), &[], "there is nothing"),
        (confluent(7, b"Obj\x01"), &[], "an Avro object container"),
        (confluent(7, b"{\xff\xff"), &[], "no JSON object but Avro"),
        (vec![0, 0, 0], &[], "binary data"),
        (vec![0], &[], "binary data"),
        (
            b"Obj\x01\x04\x14avro".to_vec(),
            &[],
            "Avro object container",
        ),
        (b"\xC3\x01\x00\x01\x02".to_vec(), &[], "single-object"),
        (b"\x1f\x8b\x08\x00".to_vec(), &[], "gzip"),
        (b"\x28\xb5\x2f\xfd\x04".to_vec(), &[], "zstd"),
        (b"\xff\xfe{\0}\0".to_vec(), &[], "UTF-16"),
        (b"\xfe\xff\0{\0}".to_vec(), &[], "UTF-16"),
        (b"\0{\0\"\0a".to_vec(), &[], "UTF-16"),
        (
            b"\x82\xa8severity\xa4HIGH\xa5score\xcb".to_vec(),
            &[],
            "MessagePack or CBOR (first bytes 82 a8 73",
        ),
        (b"\xd9\xd9\xf7\xa1".to_vec(), &[], "CBOR"),
        (
            text(&data),
            &[("content-type", "application/cloudevents-batch+json")],
            "cloudevents-batch+json is not read here",
        ),
        (
            text("x"),
            &[("CONTENT-TYPE", "application/cloudevents+avro")],
            "cloudevents+avro is not read here",
        ),
        (
            text(&data),
            &[("Content-Type", "application/cloudevents+json")],
            "attribute specversion is missing",
        ),
        (
            text(&data),
            &[("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_type", "t")],
            "attribute source is missing",
        ),
        (
            text(""),
            &[
                ("ce_specversion", "1.0"),
                ("ce_id", "1"),
                ("ce_type", "t"),
                ("ce_source", "s"),
            ],
            "has no data",
        ),
    ];
    refused.extend(with_headers);
    for (value, headers, reason) in refused {
        let shown = String::from_utf8_lossy(&value).into_owned();
        let headers: Vec<HeaderView<'_>> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()))
            .collect();
        let reject = decoded(DRIFT, &value, &headers).unwrap_err();
        assert_eq!(reject.label(), "unreadable_form", "{shown}: {reject}");
        assert!(reject.to_string().contains(reason), "{shown}: {reject}");
        if headers.is_empty() {
            let topic = topic::find(DRIFT).unwrap();
            let over_http = enrich_for(
                topic,
                &value,
                Stamp {
                    event_id: "e",
                    time: noon(),
                },
            );
            assert!(
                matches!(over_http, Err(EventError::Form(_))),
                "{shown}: {over_http:?}"
            );
        }
    }
    let topic = topic::find(DRIFT).unwrap();
    let tombstone = |headers: &[HeaderView<'_>]| {
        decode_record(None, headers, topic, &mut Names::default()).unwrap_err()
    };
    assert_eq!(tombstone(&[]), Reject::NoValue);
    assert!(tombstone(&[STRUCTURED]).to_string().contains("has no data"));
    let no_text: [HeaderView<'_>; 3] = [
        ("ce_specversion", b"\xff"),
        ("ce_id", b"1"),
        ("ce_type", b"t"),
    ];
    let reject = decoded(DRIFT, b"{}", &no_text).unwrap_err();
    assert!(
        reject.to_string().contains("attribute specversion is no"),
        "{reject}"
    );
}

#[test]
fn what_is_not_json_is_told_by_what_it_is() {
    for (value, reason) in [
        ("", "byte 0: empty"),
        ("  ", "empty"),
        (
            r#"{"drift_score": NaN}"#,
            "byte 16: NaN is not a JSON number",
        ),
        (r#"{"drift_score": nan}"#, "nan is not a JSON number"),
        (
            r#"{"drift_score": -Infinity, "a": 1}"#,
            "-Infinity is not a JSON number",
        ),
        (r#"{"a": [1, Infinity]}"#, "Infinity is not a JSON number"),
        ("NaN", "NaN is not a JSON number"),
        (r#"{"a": True}"#, "True is not JSON"),
        (r#"{"a": None}"#, "None is not JSON"),
        (r#"{"a": undefined}"#, "undefined is not JSON"),
        ("{'severity': 'HIGH'}", "double quotes"),
        ("{\"a\": 1} // x", "no comments"),
        ("{ /* x */ \"a\": 1}", "no comments"),
        ("\"{\\\"severity\\\": \\\"HIGH\\\"}\"", "encoded twice"),
        ("<event/>", "XML"),
        ("{\0\"\0a\0\"\0:\0", "UTF-16"),
        ("\n\u{5}churn\u{12}", "binary data, such as Protobuf"),
        ("[{}]", "this is an array"),
        ("{\"a\": 1,}", "trailing comma"),
    ] {
        let reject = decoded(DRIFT, value.as_bytes(), &[]).unwrap_err();
        assert_eq!(reject.label(), "not_an_object", "{value}: {reject}");
        assert!(reject.to_string().contains(reason), "{value}: {reject}");
    }
}

#[test]
fn a_name_or_a_value_that_no_text_can_hold_spoils_nothing_else() {
    let raw = r#"{"severity":"CRITICAL","model_version":"churn@7","\ud800":1,"x":"\udfff","big":1e999,"a\"":{"\ud83d":[]}}"#;
    let cloud = format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"t","data":{raw}}}"#);
    for value in [raw.to_owned(), connect_text(raw), cloud] {
        let decoded = decoded(DRIFT, value.as_bytes(), &[]).unwrap();
        assert_eq!(
            decoded.event.model.name().map(|name| &**name),
            Some("churn"),
            "{value}"
        );
        let text = decoded.text.as_deref().unwrap_or(&value);
        for part in [
            r#""\ud800""#,
            r#""x""#,
            r#""\udfff""#,
            "1e999",
            r#""a\"""#,
            r#"{"\ud83d":[]}"#,
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        let topic = topic::find(DRIFT).unwrap();
        enrich_for(
            topic,
            value.as_bytes(),
            Stamp {
                event_id: "e",
                time: noon(),
            },
        )
        .unwrap();
    }
}

fn connect_text(payload: &str) -> String {
    format!(r#"{{"schema":{{"type":"struct"}},"payload":{payload}}}"#)
}
