//! Tests of enrichment: what is added, what is kept byte for byte, what is refused and where.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const STAMP: Stamp<'static> = Stamp {
    event_id: "7f2c1f5e-0000-4000-8000-000000000001",
    time: 1_767_225_600_123,
};

fn enriched(text: &str) -> Enriched {
    enrich(text.as_bytes(), STAMP).unwrap()
}

#[test]
fn an_event_gets_what_it_does_not_have() {
    let table = [
        (
            "{}",
            r#"{"event_id": "7f2c1f5e-0000-4000-8000-000000000001", "timestamp": "2026-01-01T00:00:00.123+00:00", "source": "mlops_system"}"#,
        ),
        (
            r#"{"a":1.50, "event_id":"mine"}"#,
            r#"{"a":1.50, "event_id":"mine", "timestamp": "2026-01-01T00:00:00.123+00:00", "source": "mlops_system"}"#,
        ),
        (
            r#"{"timestamp": null , "event_id":"x","source":"s"}"#,
            r#"{"timestamp": "2026-01-01T00:00:00.123+00:00" , "event_id":"x","source":"s"}"#,
        ),
        (
            "{\n  \"source\": 7,\n  \"timestamp\": 5,\n  \"b\": 1e999\n}\n",
            "{\n  \"source\": 7,\n  \"timestamp\": 5,\n  \"b\": 1e999, \"event_id\": \"7f2c1f5e-0000-4000-8000-000000000001\"\n}\n",
        ),
        (
            r#"{"source":null,"event_id":null,"timestamp":null}"#,
            r#"{"source":"mlops_system","event_id":"7f2c1f5e-0000-4000-8000-000000000001","timestamp":"2026-01-01T00:00:00.123+00:00"}"#,
        ),
    ];
    for (event, expected) in table {
        assert_eq!(enriched(event).text, expected, "of {event}");
    }
}

#[test]
fn the_id_told_is_the_id_in_the_event() {
    for (event, id) in [
        ("{}", STAMP.event_id),
        (r#"{"event_id":"mine \u00e9"}"#, "mine é"),
        (r#"{"event_id": 42}"#, "42"),
        (r#"{"event_id": {"a": 1}}"#, r#"{"a": 1}"#),
        (r#"{"event_id": null}"#, STAMP.event_id),
        (r#"{"event_id":"first","event_id":"last"}"#, "last"),
        (r#"{"event_id":"first","event_id":null}"#, STAMP.event_id),
        (r#"{"event\u005fid":"escaped name"}"#, "escaped name"),
    ] {
        let enriched = enriched(event);
        assert_eq!(enriched.event_id, id, "of {event}");
        let value: Value = serde_json::from_str(&enriched.text).unwrap();
        let in_event = value["event_id"].as_str().map(str::to_owned);
        if let Some(in_event) = in_event {
            assert_eq!(in_event, id, "of {event}");
        }
    }
}

#[test]
fn what_is_no_event_is_refused_with_its_place() {
    let deep = format!("{{\"a\":{}", "[".repeat(64));
    let table: [(&[u8], &str); 11] = [
        (b"", "byte 0: empty; an event is a JSON object"),
        (
            b"  [1]",
            "byte 2: an event is a JSON object, this is an array",
        ),
        (b"7", "byte 0: an event is a JSON object, this is a number"),
        (b"null", "byte 0: an event is a JSON object, this is null"),
        (
            b"hello",
            "byte 0: an event is a JSON object, this is no JSON at all",
        ),
        (b"{\"a\": \xff}", "byte 6 is not UTF-8"),
        (b"{\"a\": 1,}", "byte 8: trailing comma"),
        (b"{\n\"a\": tru}", "byte 10: expected ident"),
        (b"{\"a\": 1} {}", "byte 9: trailing characters"),
        (
            b"{\"a\": \"\x01\"}",
            "byte 6: control character (\\u0000-\\u001F) found while parsing a string",
        ),
        (deep.as_bytes(), "byte 68: nested deeper than 64"),
    ];
    for (event, message) in table {
        let error = enrich(event, STAMP).unwrap_err();
        assert_eq!(
            error.to_string(),
            message,
            "of {:?}",
            String::from_utf8_lossy(event)
        );
    }
}

#[test]
fn the_deepest_and_the_largest_event_are_taken_and_one_more_is_refused() {
    let deep = |depth: usize| {
        format!(
            "{{\"a\":{}{}}}",
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        )
    };
    assert!(enrich(deep(DEPTH_MAX).as_bytes(), STAMP).is_ok());
    assert!(matches!(
        enrich(deep(DEPTH_MAX + 1).as_bytes(), STAMP),
        Err(EventError::TooDeep { .. })
    ));
    let added = enriched(r#"{"a":""}"#).text.len();
    let large = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - added));
    assert_eq!(
        enriched(&large(EVENT_BYTES_MAX)).text.len(),
        EVENT_BYTES_MAX
    );
    assert_eq!(
        enrich(large(EVENT_BYTES_MAX + 1).as_bytes(), STAMP),
        Err(EventError::TooLarge {
            bytes: EVENT_BYTES_MAX + 1
        })
    );
    assert!(enrich(r#"{"a":"[[[[\"[["}"#.as_bytes(), STAMP).is_ok());
}

/// JSON objects as people write them: any names, any values, any blanks, numbers in any spelling.
fn object_text() -> impl Strategy<Value = String> {
    let blank = prop_oneof![Just(""), Just(" "), Just("\n  "), Just("\t")];
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?",
        any::<String>().prop_map(|text| quote(&text)),
        Just("\"\\u00e9\\ud83d\\ude00\"".to_owned()),
    ];
    let value = scalar.prop_recursive(3, 12, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(" , ")))
    });
    let name = prop_oneof![
        Just("event_id".to_owned()),
        Just("timestamp".to_owned()),
        Just("source".to_owned()),
        any::<String>(),
    ];
    let field =
        (name, blank.clone(), value, blank.clone()).prop_map(|(name, before, value, after)| {
            format!("{before}{}{after}:{before}{value}{after}", quote(&name))
        });
    (prop::collection::vec(field, 0..8), blank)
        .prop_map(|(fields, blank)| format!("{blank}{{{blank}{}{blank}}}{blank}", fields.join(",")))
}

fn raw_fields(text: &str) -> Vec<(String, String)> {
    object_fields(text)
        .unwrap()
        .into_iter()
        .map(|field| (field.name.into_owned(), field.value.get().to_owned()))
        .collect()
}

proptest! {
    #[test]
    fn every_original_field_is_kept_byte_for_byte_and_in_order(text in object_text()) {
        let before = raw_fields(&text);
        let after = raw_fields(&enriched(&text).text);
        for (index, (name, value)) in before.iter().enumerate() {
            prop_assert_eq!(&after[index].0, name);
            let stamped = ["event_id", "timestamp", "source"].contains(&name.as_str()) && value == "null";
            if !stamped {
                prop_assert_eq!(&after[index].1, value);
            }
        }
        for name in ["event_id", "timestamp", "source"] {
            let last = after.iter().rev().find(|field| field.0 == name).unwrap();
            prop_assert_ne!(&last.1, "null");
        }
    }

    #[test]
    fn enriching_twice_changes_nothing_more(text in object_text()) {
        let once = enriched(&text);
        let again = enrich(once.text.as_bytes(), Stamp { event_id: "other", time: 0 }).unwrap();
        prop_assert_eq!(once, again);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = enrich(&bytes, STAMP) {
            prop_assert!(error.offset() <= bytes.len());
        }
    }

    #[test]
    fn a_cut_event_is_refused_within_its_bytes(text in object_text(), cut in any::<prop::sample::Index>()) {
        let end = cut.index(text.trim_end().len());
        let error = enrich(&text.as_bytes()[..end], STAMP).unwrap_err();
        prop_assert!(error.offset() <= end);
    }
}
