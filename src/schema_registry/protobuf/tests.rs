//! Records that are made to be expensive, and schemas that cannot be read.

use super::*;

fn protobuf(text: &str) -> Result<Protobuf, String> {
    Protobuf::new(&format!("syntax = \"proto3\";\n{text}"), &BTreeMap::new())
}

#[test]
fn a_schema_that_cannot_be_read_says_why() {
    let deep = format!("{}{}", "message A { ".repeat(65), "}".repeat(65));
    for (schema, expected) in [
        ("message {", "cannot be read"),
        ("import \"x.proto\";", "x.proto"),
        (deep.as_str(), "nested deeper than 64 levels"),
        ("message A { B b = 1; }", "B"),
    ] {
        let problem = protobuf(schema).unwrap_err();
        assert!(problem.contains(expected), "{schema}: {problem}");
    }
}

#[test]
fn a_record_names_its_message_by_indexes() {
    let schema = protobuf("message A { int32 a = 1; } message B { message C { int32 c = 1; } }");
    let schema = schema.unwrap();
    for (data, expected) in [
        (&[0, 8, 1][..], r#"{"a":1}"#),
        (&[2, 0, 8, 1], r#"{"a":1}"#),
        (&[4, 2, 0, 8, 1], r#"{"c":1}"#),
        (&[2, 2], "{}"),
    ] {
        assert_eq!(schema.json(None, data).as_deref(), Ok(expected));
    }
    assert_eq!(
        schema.json(Some(&[4, 2, 0]), &[8, 1]).as_deref(),
        Ok(r#"{"c":1}"#)
    );
    for data in [&b""[..], &[1], &[2, 8], &[0, 0xFF], &[0x80; 20], &[0, 8]] {
        let problem = schema.json(None, data).unwrap_err();
        assert!(
            problem.starts_with("the record does not fit it: "),
            "{problem}"
        );
    }
}

#[test]
fn records_that_would_grow_without_end_are_refused() {
    // A field with a long name, named again and again by two bytes each.
    let name = "n".repeat(10_000);
    let schema = format!(
        "message A {{ repeated B b = 1; }} message B {{ repeated C {name} = 1; }} message C {{}}"
    );
    let data: Vec<u8> = [&[0][..], &[10, 2, 10, 0].repeat(1_000)].concat();
    let problem = protobuf(&schema).unwrap().json(None, &data).unwrap_err();
    assert!(
        problem.contains("more than 1048576 bytes of JSON"),
        "{problem}"
    );
    // An Any in an Any, each of which is decoded by itself.
    let schema = "import \"google/protobuf/any.proto\"; message A { google.protobuf.Any any = 1; }";
    let url = b"type.googleapis.com/google.protobuf.Any";
    let mut any = Vec::new();
    for _ in 0..2_000 {
        let mut outer = vec![10, u8::try_from(url.len()).unwrap()];
        outer.extend_from_slice(url);
        if !any.is_empty() {
            outer.push(18);
            length(&mut outer, any.len());
            outer.append(&mut any);
        }
        any = outer;
    }
    let mut data = vec![0, 10];
    length(&mut data, any.len());
    data.append(&mut any);
    let problem = protobuf(schema).unwrap().json(None, &data).unwrap_err();
    assert!(
        problem.contains("nested deeper than 64 levels"),
        "{problem}"
    );
    // Messages in messages.
    let schema = protobuf("message A { A a = 1; }").unwrap();
    let mut inner = Vec::new();
    for _ in 0..1_000 {
        let mut outer = vec![10];
        length(&mut outer, inner.len());
        outer.append(&mut inner);
        inner = outer;
    }
    let data = [&[0][..], &inner].concat();
    assert!(schema.json(None, &data).is_err());
}

fn length(bytes: &mut Vec<u8>, mut length: usize) {
    while length > 0x7F {
        bytes.push(u8::try_from(length & 0x7F).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let schema = protobuf("message A { int32 a = 1; A b = 2; map<string, A> c = 3; repeated double d = 4; }");
        drop(schema.unwrap().json(None, &bytes));
    }
}
