//! Events in envelopes (issue 13, row 5): each form, and forms within forms, is decided like the bare event in it; what is
//! recognised and cannot be read is refused by its name; what only looks like an envelope is bare.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where it fails; the configuration allows this only inside test functions"
)]

#[allow(dead_code, reason = "each test takes what it needs of it")]
mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use homeostat_logic::decide::judge::judge;
use homeostat_logic::decide::propose::{Context, Proposal, propose};
use homeostat_logic::enrich::{EventError, Stamp, enrich_for};
use homeostat_logic::envelope::{Decoded, HeaderView, decode_record, reads_header};
use homeostat_logic::event::{Names, Reject};
use homeostat_logic::topic;
use homeostat_logic::view::EventView;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{noon, rules};

const DRIFT: &str = "data.drift.detected";
const STRUCTURED: HeaderView<'static> = (
    "Content-Type",
    b"Application/CloudEvents+JSON; charset=UTF-8",
);

fn decoded(topic_name: &str, value: &[u8], headers: &[HeaderView<'_>]) -> Result<Decoded, Reject> {
    let topic = topic::find(topic_name).unwrap();
    decode_record(Some(value), headers, topic, &mut Names::default())
}

/// What the ledger gets for a record.
fn proposed(topic_name: &str, value: &[u8], headers: &[HeaderView<'_>]) -> Proposal {
    let decoded = decoded(topic_name, value, headers).unwrap();
    let raw = decoded.text.as_deref();
    let raw = raw.unwrap_or_else(|| std::str::from_utf8(value).unwrap());
    let rules = rules("");
    let view = EventView::new(raw);
    let verdict = judge(&decoded.event, &view, &rules, noon());
    let context = Context {
        replay: None,
        event: &decoded.event,
        view: &view,
        topic: topic_name,
        generation: 1,
        partition: 0,
        offset: 7,
        timestamp: noon(),
        now: noon(),
        rules: &rules,
    };
    propose(&context, &verdict)
}

fn confluent(schema_id: u32, data: &[u8]) -> Vec<u8> {
    [&[0][..], &schema_id.to_be_bytes(), data].concat()
}

fn cloud_event(data: &Value) -> Value {
    json!({"specversion": "1.0", "id": "A-1", "source": "/monitor", "type": "com.acme.drift",
           "time": "2026-03-02T11:59:00Z", "subject": "churn", "data": data})
}

fn connect(payload: &Value) -> Value {
    json!({"schema": {"type": "struct", "optional": false, "fields": []}, "payload": payload})
}

fn change(operation: &str, after: &Value) -> Value {
    json!({"before": null, "after": after, "op": operation, "ts_ms": 1_772_452_740_000_i64,
           "source": {"connector": "postgresql", "table": "drift"}, "transaction": null})
}

fn event() -> Value {
    json!({"model_version": "churn@7", "severity": "HIGH", "drift_score": 0.7, "window": {"from": 1}})
}

/// Each envelope around an event, by name.
fn wrapped(event: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let text = |value: Value| value.to_string().into_bytes();
    let encoded = STANDARD.encode(event.to_string());
    let base64 = json!({"specversion": "1.0", "id": "A-1", "source": "/monitor", "type": "t", "data_base64": encoded});
    let bytes = json!({"schema": {"type": "bytes", "optional": true}, "payload": encoded});
    let string = json!({"payload": event.to_string(), "schema": {"type": "string"}});
    let mongo = change("u", &json!(event.to_string()));
    vec![
        ("bare", text(event.clone())),
        (
            "byte order mark",
            [b"\xEF\xBB\xBF", event.to_string().as_bytes()].concat(),
        ),
        ("prefix", confluent(7, event.to_string().as_bytes())),
        (
            "prefix of a large id, blanks",
            confluent(u32::MAX, format!("\n {event}").as_bytes()),
        ),
        ("CloudEvent", text(cloud_event(event))),
        ("CloudEvent in base64", text(base64)),
        (
            "CloudEvent 1.0.2",
            text({
                let mut event = cloud_event(event);
                event["specversion"] = json!("1.0.2");
                event
            }),
        ),
        ("Connect", text(connect(event))),
        (
            "Connect without schema",
            text(json!({"payload": event, "schema": null})),
        ),
        ("Connect, string", text(string)),
        ("Connect, bytes", text(bytes)),
        ("Debezium", text(change("c", event))),
        ("Debezium, snapshot", text(change("r", event))),
        ("Debezium for MongoDB", text(mongo)),
        (
            "prefix, Connect",
            confluent(7, connect(event).to_string().as_bytes()),
        ),
        ("Connect, Debezium", text(connect(&change("u", event)))),
        (
            "CloudEvent, Connect, Debezium",
            text(cloud_event(&connect(&change("u", event)))),
        ),
        (
            "prefix, Connect, CloudEvent",
            confluent(1, connect(&cloud_event(event)).to_string().as_bytes()),
        ),
        (
            "CloudEvent in a CloudEvent",
            text(cloud_event(&cloud_event(event))),
        ),
    ]
}

/// The decisions, without the event that they quote and the texts that name its time.
fn decisions(proposal: &Proposal) -> Vec<Value> {
    let of = |decision| {
        let mut value = serde_json::to_value(decision).unwrap();
        for step in value["ladder"].as_array_mut().unwrap() {
            step["params"]
                .as_object_mut()
                .unwrap()
                .retain(|name, _| name != "metadata" && name != "source_event");
        }
        value["escalation"]["params"]
            .as_object_mut()
            .unwrap()
            .remove("source_event");
        // Enrichment and CloudEvents bring a type of their own.
        value["reasons"]
            .as_array_mut()
            .unwrap()
            .retain(|reason| !reason.as_str().unwrap().contains("event_type"));
        value
    };
    proposal.propose.decisions.iter().map(of).collect()
}

#[test]
fn an_event_in_any_envelope_is_decided_like_the_bare_one() {
    let events = [
        (DRIFT, event()),
        (
            DRIFT,
            json!({"model_version": "m@1", "severity": "low", "affected_features": ["a", "b", "c", "d"]}),
        ),
        (
            "model.performance.degraded",
            json!({"model_name": "m", "action_required": "ROLLBACK", "performance_drop": 0.2}),
        ),
        (
            "system.alerts",
            json!({"event_type": "system_overload", "service": "api", "severity": "critical"}),
        ),
    ];
    for (topic_name, event) in events {
        let bare = proposed(topic_name, event.to_string().as_bytes(), &[]);
        for (form, value) in wrapped(&event) {
            let proposal = proposed(topic_name, &value, &[]);
            assert_eq!(proposal.propose.target, bare.propose.target, "{form}");
            assert_eq!(
                proposal.propose.event_type, bare.propose.event_type,
                "{form}"
            );
            assert_eq!(decisions(&proposal), decisions(&bare), "{form}");
        }
    }
}

#[test]
fn http_and_the_command_line_publish_the_same_bare_event_as_kafka_reads() {
    let stamp = Stamp {
        event_id: "fresh",
        time: noon(),
    };
    for topic_name in [DRIFT, "system.alerts"] {
        let topic = topic::find(topic_name).unwrap();
        for (form, value) in wrapped(&event()) {
            let published = enrich_for(topic, &value, stamp).unwrap();
            let direct = proposed(topic_name, &value, &[]).propose;
            let over_http = proposed(topic_name, published.text.as_bytes(), &[]).propose;
            assert_eq!(direct.event_identity, over_http.event_identity, "{form}");
            assert_eq!(direct.event_type, over_http.event_type, "{form}");
            assert_eq!(direct.target, over_http.target, "{form}");
            // Opened already: a second opening finds nothing.
            assert_eq!(
                decoded(topic_name, published.text.as_bytes(), &[])
                    .unwrap()
                    .text,
                None,
                "{form}"
            );
        }
    }
}

#[test]
fn a_cloud_event_has_one_identity_in_each_mode() {
    let attributes: [HeaderView<'_>; 7] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"A-1"),
        ("ce_source", b"/monitor"),
        ("ce_type", b"com.acme.drift"),
        ("ce_time", b"2026-03-02T11:59:00Z"),
        ("ce_subject", b"churn"),
        ("content-type", b"application/json"),
    ];
    let data = event().to_string();
    let structured = cloud_event(&event()).to_string();
    let bridged = attributes.map(|(name, value)| (name.replace("ce_", "Ce-"), value));
    let bridged: Vec<HeaderView<'_>> = bridged
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    assert!(bridged.iter().all(|(name, _)| reads_header(name)));
    assert!(!reads_header("traceparent") && !reads_header("ce") && !reads_header("c\u{e9}_id"));
    let forms = [
        proposed(DRIFT, structured.as_bytes(), &[]),
        proposed(DRIFT, structured.as_bytes(), &[STRUCTURED]),
        // Both at once: the content type decides.
        proposed(
            DRIFT,
            structured.as_bytes(),
            &[STRUCTURED, ("ce_id", b"other")],
        ),
        proposed(DRIFT, data.as_bytes(), &attributes),
        proposed(DRIFT, data.as_bytes(), &attributes[..6]),
        proposed(DRIFT, data.as_bytes(), &bridged),
        proposed(DRIFT, &confluent(3, data.as_bytes()), &attributes),
        proposed(DRIFT, connect(&event()).to_string().as_bytes(), &attributes),
    ];
    for proposal in &forms {
        assert!(proposal.propose.event_identity.is_some());
        assert_eq!(
            proposal.propose.event_identity,
            forms[0].propose.event_identity
        );
        assert_eq!(proposal.propose.event_id, "A-1");
        let body = serde_json::to_value(&proposal.propose.event).unwrap();
        assert_eq!(body["inline"]["timestamp"], "2026-03-02T11:59:00Z");
        assert_eq!(body["inline"]["subject"], "churn");
        assert_eq!(body["inline"]["window"]["from"], 1);
        assert_eq!(body["inline"]["cloudevents"]["type"], "com.acme.drift");
    }
    // The same name on another topic, and another name, are other events.
    let other = proposed("data.quality.issues", structured.as_bytes(), &[]);
    assert_ne!(
        other.propose.event_identity,
        forms[0].propose.event_identity
    );
    let other = proposed(DRIFT, structured.replace("A-1", "A-2").as_bytes(), &[]);
    assert_ne!(
        other.propose.event_identity,
        forms[0].propose.event_identity
    );
}

#[test]
fn the_type_of_a_cloud_event_decides_where_the_topic_does_not() {
    let type_of = |topic_name: &str, data: Value| {
        let value = cloud_event(&data).to_string();
        decoded(topic_name, value.as_bytes(), &[])
            .unwrap()
            .event
            .event_type
            .to_string()
    };
    assert_eq!(type_of(DRIFT, json!({})), "data_drift_detected");
    assert_eq!(type_of("system.alerts", json!({})), "com_acme_drift");
    assert_eq!(
        type_of("system.alerts", json!({"event_type": "system_overload"})),
        "system_overload"
    );
}

#[test]
fn what_a_change_event_says_beside_its_row_is_kept() {
    let row = json!({"model_version": "churn@7", "debezium": "a column"});
    let decoded = decoded(DRIFT, change("u", &row).to_string().as_bytes(), &[]).unwrap();
    let text: Value = serde_json::from_str(decoded.text.as_deref().unwrap()).unwrap();
    assert_eq!(text["debezium"], "a column");
    assert_eq!(text["debezium_"]["op"], "u");
    assert_eq!(text["debezium_"]["source"]["table"], "drift");
}

#[test]
fn what_only_looks_like_an_envelope_is_bare() {
    for bare in [
        json!({"payload": {"severity": "low"}, "severity": "HIGH", "model_version": "churn@7"}),
        json!({"payload": {"severity": "low"}, "schema": {"type": "struct"}, "severity": "HIGH", "model_version": "churn@7"}),
        json!({"schema": "drift.v1", "payload": {"model_version": "other@1"}}),
        json!({"schema": {"name": "drift"}, "payload": {"model_version": "other@1"}}),
        json!({"source": {"name": "x"}, "after": {"model_version": "other@1"}, "severity": "HIGH"}),
        json!({"op": "c", "source": "etl", "after": {"model_version": "other@1"}}),
        json!({"op": "compare", "source": {}, "after": {"model_version": "other@1"}}),
        json!({"op": 7, "source": {}, "after": {}}),
        json!({"specversion": "1.0", "severity": "HIGH", "data": {"model_version": "other@1"}}),
        json!({"id": "1", "source": "s", "type": "t", "data": {"model_version": "other@1"}}),
        json!({"specversion": "1.0", "type": "t", "data": {"model_version": "other@1"}}),
        json!({"cloudEventsVersion": "0.1", "model_version": "churn@7"}),
        json!({"__deleted": "false", "__op": "u", "model_version": "churn@7"}),
    ] {
        let decoded = decoded(DRIFT, bare.to_string().as_bytes(), &[]).unwrap();
        assert_eq!(decoded.text, None, "{bare}");
        assert_ne!(
            decoded.event.model.name().map(|name| &**name),
            Some("other"),
            "{bare}"
        );
    }
    // Headers that only begin like attributes.
    let stray: [HeaderView<'_>; 2] = [("ce_id", b"1"), ("ce_traceparent", b"x")];
    let text = event().to_string();
    assert_eq!(decoded(DRIFT, text.as_bytes(), &stray).unwrap().text, None);
}

/// A value, its headers, and a part of the reason.
type Refusal = (
    Vec<u8>,
    &'static [(&'static str, &'static str)],
    &'static str,
);

fn without_headers(values: Vec<(Value, &'static str)>) -> Vec<Refusal> {
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
            "attribute specversion is missing or is no text",
        ),
        (
            with("id", json!("")),
            "attribute id is missing or is no text",
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
    let with_headers: Vec<Refusal> = vec![
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

/// Bytes with the beginnings of envelopes, and what may stand in them.
fn odd_bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        r#"{"schema":null,"payload":"#,
        r#"{"specversion":"1.0","id":"1","source":"s","type":"t","data":"#,
        r#"{"op":"c","source":{},"after":"#,
        r#"{"severity":"HIGH"}"#,
        "}",
        "null",
        "\"{}\"",
        "\0\0\0\0\x07",
        "\u{feff}",
        r#"{"op":"d","source":{},"before":{}}"#,
        r#""\ud800""#,
        "[",
        "1e999",
        ",",
    ]);
    prop_oneof![
        prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..60),
    ]
}

proptest! {
    #[test]
    fn no_bytes_and_no_headers_make_opening_panic(
        value in odd_bytes(),
        headers in prop::collection::vec(("(ce_)?(content-type|specversion|id|source|type|\\PC{0,4})", odd_bytes()), 0..6),
    ) {
        let headers: Vec<HeaderView<'_>> = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        for topic_name in [DRIFT, "system.alerts"] {
            if let Ok(Decoded { text: Some(text), .. }) = decoded(topic_name, &value, &headers) {
                // Opening ends: what was opened is bare.
                prop_assert_eq!(decoded(topic_name, text.as_bytes(), &[]).unwrap().text, None);
            }
        }
    }

    #[test]
    fn whatever_a_bare_event_holds_it_is_decided_the_same_in_each_envelope(
        severity in "(low|HIGH|Critical|odd|7)", model in "[a-z\"\\\\]{0,5}@?[0-9]?", score in -1.0..2.0_f64,
        extra in "[a-z_]{1,8}", text in any::<String>(),
    ) {
        let mut event = json!({"severity": severity, "model_version": model, "drift_score": score});
        event[extra] = json!(text);
        prop_assume!(decoded(DRIFT, event.to_string().as_bytes(), &[]).is_ok_and(|decoded| decoded.text.is_none()));
        let bare = decoded(DRIFT, event.to_string().as_bytes(), &[]).unwrap().event;
        for (form, value) in wrapped(&event) {
            let mut opened = decoded(DRIFT, &value, &[]).unwrap().event;
            // A CloudEvent has a type of its own, which is told beside the topic's.
            opened.own_type = bare.own_type;
            prop_assert_eq!(&opened, &bare, "{}", form);
        }
    }
}
