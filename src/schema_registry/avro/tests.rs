//! Records against `apache-avro`'s own writer, and records that are made to be expensive.

use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

fn avro(schema: &str) -> Avro {
    Avro::new(schema, &BTreeMap::new()).unwrap()
}

/// A value, and the same as JSON.
fn values() -> impl Strategy<Value = (Vec<(String, Value)>, Json)> {
    let items = prop::collection::vec((any::<i64>(), ".*", any::<bool>()), 0..20);
    (items, any::<f64>(), any::<i32>(), prop::option::of(".*")).prop_map(
        |(items, double, int, text)| {
            let part = |(long, text, flag): &(i64, String, bool)| {
                Value::Record(vec![
                    ("long".to_owned(), Value::Long(*long)),
                    ("text".to_owned(), Value::String(text.clone())),
                    ("flag".to_owned(), Value::Boolean(*flag)),
                ])
            };
            let union = text.clone().map_or_else(
                || Value::Union(0, Box::new(Value::Null)),
                |text| Value::Union(1, Box::new(Value::String(text))),
            );
            let record = vec![
                (
                    "items".to_owned(),
                    Value::Array(items.iter().map(part).collect()),
                ),
                ("double".to_owned(), Value::Double(double)),
                ("int".to_owned(), Value::Int(int)),
                ("text".to_owned(), union),
            ];
            let parts: Vec<Json> = items
                .iter()
                .map(|(long, text, flag)| json!({"long": long, "text": text, "flag": flag}))
                .collect();
            (
                record,
                json!({"items": parts, "double": double, "int": int, "text": text}),
            )
        },
    )
}

const SCHEMA: &str = r#"{"type": "record", "name": "R", "fields": [
    {"name": "items", "type": {"type": "array", "items": {"type": "record", "name": "P", "fields": [
        {"name": "long", "type": "long"}, {"name": "text", "type": "string"}, {"name": "flag", "type": "boolean"}]}}},
    {"name": "double", "type": "double"}, {"name": "int", "type": "int"}, {"name": "text", "type": ["null", "string"]}]}"#;

proptest! {
    #[test]
    fn what_the_crate_writes_is_read((record, expected) in values()) {
        let schema = apache_avro::Schema::parse_str(SCHEMA).unwrap();
        let written = GenericDatumWriter::builder(&schema).build().unwrap();
        let written = written.write_value_to_vec(Value::Record(record)).unwrap();
        let read: Json = serde_json::from_str(&avro(SCHEMA).json(&written).unwrap()).unwrap();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(text) = avro(SCHEMA).json(&bytes) {
            prop_assert!(serde_json::from_str::<Json>(&text).is_ok());
        }
    }
}

#[test]
fn records_that_claim_more_than_they_hold_are_refused() {
    // 2^40 values without a byte each, in one block or another in each.
    let many = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01];
    let nulls = r#"{"type": "array", "items": "null"}"#;
    let empty = r#"{"type": "array", "items": {"type": "record", "name": "E", "fields": []}}"#;
    let nested = r#"{"type": "array", "items": {"type": "array", "items": "null"}}"#;
    for (schema, data) in [
        (nulls, many.to_vec()),
        (empty, many.to_vec()),
        (nested, many.repeat(100)),
    ] {
        let problem = avro(schema).json(&data).unwrap_err();
        assert!(
            problem.contains("more than 1048576 bytes of JSON"),
            "{problem}"
        );
    }
    // A record of itself, which ends by its union only.
    let itself =
        r#"{"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]}"#;
    let deep = avro(itself).json(&[2; 1_000]).unwrap_err();
    assert!(deep.contains("nested deeper than 64 levels"), "{deep}");
    let fits = avro(itself).json(&[&[2; 60][..], &[0]].concat());
    assert!(fits.is_ok(), "{fits:?}");
    let endless = r#"{"type": "record", "name": "N", "fields": [{"name": "n", "type": "N"}]}"#;
    let problem = avro(endless).json(&[]).unwrap_err();
    assert!(problem.contains("nested deeper"), "{problem}");
    let long = avro("\"bytes\"").json(&many).unwrap_err();
    assert!(long.contains("bytes too early"), "{long}");
    let negative = avro(nulls).json(&[1, 0, 0]).unwrap();
    assert_eq!(negative, "[null]");
}

#[test]
fn names_are_found_across_namespaces_and_schemas() {
    let referred = r#"{"type": "record", "name": "Box", "namespace": "a", "fields": [{"name": "kind", "type":
        {"type": "enum", "name": "Kind", "symbols": ["X", "Y"]}}, {"name": "other", "type": ["null", "Kind"]}]}"#;
    let references = BTreeMap::from([("a.Box".to_owned(), referred.to_owned())]);
    let schema = r#"{"type": "record", "name": "R", "namespace": "b", "fields": [
        {"name": "box", "type": "a.Box"}, {"name": "kind", "type": "a.Kind"}, {"name": "boxes", "type": {"type": "map", "values": "a.Box"}}]}"#;
    let read = Avro::new(schema, &references).unwrap();
    let text = read.json(&[2, 2, 0, 0, 2, 2, b'k', 0, 0, 0]).unwrap();
    assert_eq!(
        text,
        r#"{"box":{"kind":"Y","other":"X"},"kind":"X","boxes":{"k":{"kind":"X","other":null}}}"#
    );
    assert!(Avro::new(schema, &BTreeMap::new()).is_err());
    let problem = read.json(&[4]).unwrap_err();
    assert!(problem.contains("2 is none of its 2 symbols"), "{problem}");
}
