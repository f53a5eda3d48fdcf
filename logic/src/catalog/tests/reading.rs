//! From fields and cells to an item.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::super::*;

fn of_table(cells: &[(&str, &str)]) -> Result<(String, Item), String> {
    let fields: Vec<(Cow<'_, str>, Given<'_>)> = cells
        .iter()
        .map(|(name, text)| (Cow::Borrowed(*name), Given::Text(text)))
        .collect();
    read_item(&fields, &Columns::default()).map_err(|fault| fault.to_string())
}

fn of_json(fields: &[(&str, &str)]) -> Result<(String, Item), String> {
    let values: Vec<Box<RawValue>> = fields
        .iter()
        .map(|(_, json)| RawValue::from_string((*json).to_owned()).unwrap())
        .collect();
    let names = fields.iter().map(|(name, _)| Cow::Borrowed(*name));
    let fields: Vec<_> = names
        .zip(values.iter().map(|raw| Given::Json(raw)))
        .collect();
    read_item(&fields, &Columns::default()).map_err(|fault| fault.to_string())
}

#[test]
fn an_id_is_one_as_number_and_as_text() {
    for (json, id) in [
        ("7", Ok("7")),
        ("7.0", Ok("7")),
        ("\" 7 \"", Ok("7")),
        ("null", Err("it has no item_id")),
        (
            "\"\"",
            Err("the id of the item is \"\", which is not text or a number"),
        ),
        ("[7]", Err("the id of the item is [7]")),
        ("1e999", Err("the id of the item is 1e999")),
    ] {
        let read = of_json(&[("item_id", json)]).map(|(id, _)| id);
        match id {
            Ok(id) => assert_eq!(read.as_deref(), Ok(id), "{json}"),
            Err(fault) => assert!(read.unwrap_err().starts_with(fault), "{json}"),
        }
    }
    assert!(
        of_table(&[("item_id", " ")])
            .unwrap_err()
            .starts_with("it has no item_id")
    );
    assert!(of_table(&[("item_id", &"x".repeat(257))]).is_err());
    assert!(of_table(&[("item_id", &"x".repeat(256))]).is_ok());
}

#[test]
fn genres_are_a_list_or_one_text_that_is_split() {
    let long = format!("[\"{}\",\"{}\"]", "g".repeat(128), "g".repeat(129));
    let many = format!("{:?}", (0..65).map(|n| n.to_string()).collect::<Vec<_>>());
    for (json, genres, left_out) in [
        ("null", 0, 0),
        ("[]", 0, 0),
        (r#"["Drama","War","Drama",null," "]"#, 2, 0),
        (r#""Drama|War""#, 2, 0),
        (r#""Sex, Lies and Videotape""#, 1, 0),
        (r#"[{"id":28,"name":"Action"}]"#, 1, 0),
        ("[28, 12.5]", 2, 0),
        (&long, 1, 1),
        (&many, 64, 1),
    ] {
        let (_, item) = of_json(&[("item_id", "1"), ("genres", json)]).unwrap();
        assert_eq!(
            (item.genres.len(), item.genres_left_out),
            (genres, left_out),
            "{json}"
        );
    }
    for json in ["true", "{}", "[[1]]", "[true]", "[{}]", "1e999"] {
        let fault = of_json(&[("item_id", "1"), ("genres", json)]).unwrap_err();
        assert!(fault.starts_with("the genres are "), "{json}: {fault}");
    }
    for (cell, genres) in [
        ("Drama|War", &["Drama", "War"][..]),
        ("Drama, War", &["Drama", "War"]),
        ("Food, Wine|War", &["Food, Wine", "War"]),
        ("['Drama', 'War']", &["Drama", "War"]),
        (r#"["Drama","War"]"#, &["Drama", "War"]),
        ("[]", &[]),
        ("(no genres listed)", &[]),
        ("\\N", &[]),
        ("", &[]),
    ] {
        let (_, item) = of_table(&[("movieId", "1"), ("genres", cell)]).unwrap();
        assert_eq!(item.genres, genres, "{cell}");
    }
}

#[test]
fn an_item_is_available_unless_it_says_that_it_is_not() {
    for (json, available) in [
        ("null", true),
        ("\"\"", true),
        ("true", true),
        ("1", true),
        ("1.0", true),
        ("\"Yes\"", true),
        ("\"TRUE\"", true),
        ("false", false),
        ("0", false),
        ("\"no\"", false),
        ("\" False \"", false),
        ("\"0\"", false),
    ] {
        let (_, item) = of_json(&[("item_id", "1"), ("available", json)]).unwrap();
        assert_eq!(item.available, available, "{json}");
    }
    assert!(of_json(&[("item_id", "1")]).unwrap().1.available);
    for json in ["2", "\"maybe\"", "[true]", "{}", "-0.5", "1e999"] {
        let fault = of_json(&[("item_id", "1"), ("available", json)]).unwrap_err();
        assert!(fault.contains("use true or false"), "{json}: {fault}");
    }
}

#[test]
fn further_fields_are_kept_as_they_were_written() {
    let (_, item) = of_json(&[
        ("price", "1.50"),
        ("item_id", "1"),
        ("big", "18446744073709551616"),
        ("deep", r#"{"a": [1e999]}"#),
    ])
    .unwrap();
    let fields = r#""price":1.50,"big":18446744073709551616,"deep":{"a": [1e999]}"#;
    assert_eq!(item.fields, fields);
    let (_, item) = of_table(&[
        ("item_id", "1"),
        ("year", "1995"),
        ("note", ""),
        ("a\"b", "c\"d"),
    ])
    .unwrap();
    assert_eq!(item.fields, r#""year":"1995","a\"b":"c\"d""#);
    // With its braces 4,096 bytes at most.
    for (length, kept) in [(4_096 - 2 - 6, true), (4_096 - 2 - 5, false)] {
        let (_, item) = of_table(&[("item_id", "1"), ("t", &"x".repeat(length))]).unwrap();
        assert_eq!(
            (item.fields.len() + 2 == 4_096, item.without_fields),
            (kept, !kept),
            "{length}"
        );
    }
}

#[test]
fn a_title_is_text_and_cut_to_its_bound() {
    for (json, title) in [
        ("null", None),
        ("\" \"", None),
        ("1984", Some("1984")),
        ("\" Heat \"", Some("Heat")),
    ] {
        let (_, item) = of_json(&[("item_id", "1"), ("title", json)]).unwrap();
        assert_eq!(item.title.as_deref(), title, "{json}");
    }
    let (_, item) = of_table(&[("item_id", "1"), ("title", &"é".repeat(600))]).unwrap();
    let title = item.title.unwrap();
    assert!(
        title.ends_with("é…") && title.len() <= TITLE_BYTES_MAX,
        "{}",
        title.len()
    );
    let fault = of_json(&[("item_id", "1"), ("title", "[\"a\"]")]).unwrap_err();
    assert!(fault.contains("the title is [\"a\"]"), "{fault}");
}

#[test]
fn columns_are_found_by_their_names_or_by_the_usual_ones() {
    let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let usual = Columns::default();
    for (present, found) in [
        (
            "id Title GENRES available",
            [Some(0), Some(1), Some(2), Some(3)],
        ),
        ("id item_id name", [Some(1), Some(2), None, None]),
        ("title", [None, Some(0), None, None]),
    ] {
        let present = names(present);
        assert_eq!(
            usual.choose(present.iter().map(String::as_str)),
            found,
            "{present:?}"
        );
    }
    let fault = usual.check(&names("film title")).unwrap_err();
    assert!(
        fault.contains("the columns are: film, title") && fault.contains("catalog.columns.item"),
        "{fault}"
    );
    let named = Columns::named([Some("film".to_owned()), None, Some("kind".to_owned()), None]);
    assert!(named.check(&names("film title kind")).is_ok());
    let fault = named.check(&names("film genres")).unwrap_err();
    assert!(
        fault.contains("no column \"kind\", which catalog.columns.genres names"),
        "{fault}"
    );
    assert_eq!(
        named.choose(["id", "film"].into_iter()),
        [Some(1), None, None, None]
    );
}
