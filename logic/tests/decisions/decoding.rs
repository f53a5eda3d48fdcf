//! Decoding takes any bytes: what is an event is read leniently, what is not is rejected with a reason, nothing panics.

use homeostat_logic::event::{
    DEPTH_MAX, Declared, EVENT_BYTES_MAX, Names, Reject, decode, role_of,
};
use homeostat_logic::topic::{self, Role, TOPICS};
use proptest::prelude::*;

fn decoded(topic_name: &str, bytes: &[u8]) -> Result<homeostat_logic::event::Event, Reject> {
    decode(
        Some(bytes),
        topic::find(topic_name).unwrap(),
        &mut Names::default(),
    )
}

#[test]
fn what_is_not_an_event_is_rejected_with_its_reason() {
    let deep = format!(
        "{{\"a\":{}{}}}",
        "[".repeat(DEPTH_MAX),
        "]".repeat(DEPTH_MAX)
    );
    let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(EVENT_BYTES_MAX));
    let long_type = format!("{{\"event_type\":\"{}\"}}", "x".repeat(129));
    let long_model = format!("{{\"model_version\":\"{}@1\"}}", "m".repeat(257));
    let cases: [(&[u8], &str); 12] = [
        (b"", "not_an_object"),
        (b"not json", "not_an_object"),
        (b"[]", "not_an_object"),
        (b"7", "not_an_object"),
        (b"null", "not_an_object"),
        (b"{\"a\":1", "not_an_object"),
        (b"{} trailing", "not_an_object"),
        (b"{\"a\":\"\xff\"}", "not_utf8"),
        (deep.as_bytes(), "too_deep"),
        (huge.as_bytes(), "too_large"),
        (long_type.as_bytes(), "name_too_long"),
        (long_model.as_bytes(), "name_too_long"),
    ];
    for (bytes, label) in cases {
        let reject = decoded("system.alerts", bytes).unwrap_err();
        assert_eq!(reject.label(), label, "{reject}");
    }
    let tombstone = decode(
        None,
        topic::find("system.alerts").unwrap(),
        &mut Names::default(),
    );
    assert_eq!(tombstone.unwrap_err(), Reject::NoValue);
}

#[test]
fn nesting_up_to_the_limit_and_brackets_in_strings_pass() {
    let inner = DEPTH_MAX - 1;
    let nested = format!("{{\"a\":{}{}}}", "[".repeat(inner), "]".repeat(inner));
    assert!(decoded("system.alerts", nested.as_bytes()).is_ok());
    let quoted = format!("{{\"a\":\"\\\"{}\"}}", "[".repeat(1_000));
    assert!(decoded("system.alerts", quoted.as_bytes()).is_ok());
}

#[test]
fn the_topic_fixes_the_type_except_on_system_topics() {
    let of = |topic, raw: &str| {
        decoded(topic, raw.as_bytes())
            .unwrap()
            .event_type
            .to_string()
    };
    assert_eq!(
        of("data.drift.detected", r#"{"event_type":"something_else"}"#),
        "data_drift_detected"
    );
    assert_eq!(
        of("system.alerts", r#"{"event_type":"data_drift_detected"}"#),
        "data_drift_detected"
    );
    assert_eq!(of("system.metrics", r#"{"event_type":" odd "}"#), "odd");
    assert_eq!(
        of("system.metrics", r#"{"event_type":7}"#),
        "system_metrics"
    );
    assert_eq!(of("system.alerts", "{}"), "system_alert");
}

#[test]
fn each_type_has_one_role_wherever_it_arrives() {
    for topic in &TOPICS {
        let expected = match topic.usage {
            homeostat_logic::topic::Use::Decide(role) => role,
            _ => Role::Scaling,
        };
        assert_eq!(role_of(topic.event_type), expected, "{}", topic.name);
    }
    assert_eq!(role_of("nobody_named_it"), Role::Scaling);
}

#[test]
fn escaped_strings_are_read() {
    let event = decoded(
        "data.drift.detected",
        br#"{"model_version":"fra\u0075d@1","severity":"\u0048IGH"}"#,
    )
    .unwrap();
    assert_eq!(event.model.name().map(|name| &**name), Some("fraud"));
    assert_eq!(
        event.declared,
        Declared::Known(homeostat_logic::severity::Severity::High)
    );
}

#[test]
fn a_value_nobody_can_hold_spoils_its_field_only() {
    let raw = br#"{"drift_score":1e999,"severity":"\ud800","model_version":"m@1","affected_features":["a"]}"#;
    let event = decoded("data.drift.detected", raw).unwrap();
    assert_eq!(
        event.declared,
        Declared::Unreadable("out of range or not readable")
    );
    assert_eq!(event.model.name().map(|name| &**name), Some("m"));
}

#[test]
fn of_a_repeated_field_the_last_counts() {
    let event = decoded(
        "data.drift.detected",
        br#"{"severity":"LOW","x":1,"severity":"HIGH","x":2}"#,
    )
    .unwrap();
    assert_eq!(
        event.declared,
        Declared::Known(homeostat_logic::severity::Severity::High)
    );
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for topic in &TOPICS {
            let _either = decode(Some(&bytes), topic, &mut Names::default());
        }
    }

    #[test]
    fn no_json_like_text_makes_decoding_panic(
        text in r#"\{("(severity|drift_score|affected_features|event_type|x)":("[a-z@\\"]{0,4}"|-?[0-9]{1,3}(e[0-9]{1,3})?|\[1?\]|\{\}|null|tru),?){0,4}\}?"#
    ) {
        let _either = decoded("system.alerts", text.as_bytes());
    }
}
