//! An event in any envelope is decided like the bare event in it; what only looks like an envelope is bare.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use homeostat_logic::decide::judge::judge;
use homeostat_logic::decide::propose::{Context, Proposal, propose};
use homeostat_logic::enrich::{Stamp, enrich_for};
use homeostat_logic::envelope::{Decoded, HeaderView, reads_header};
use homeostat_logic::topic;
use homeostat_logic::view::EventView;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{DRIFT, STRUCTURED, change, cloud_event, confluent, connect, decoded, event};
use crate::support::{noon, rules};

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
