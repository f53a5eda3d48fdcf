//! What a record of the topic says.

use proptest::prelude::*;

use super::super::*;

fn read(key: Option<&str>, value: Option<&str>) -> Result<Change, String> {
    let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
    read_record(key, value, &[], &Columns::default()).map_err(|fault| fault.to_string())
}

#[test]
fn a_record_is_an_item_or_says_that_one_was_removed() {
    for (key, value, id, removed) in [
        (None, Some(r#"{"item_id":7}"#), "7", false),
        (Some("other"), Some(r#"{"item_id":7.0}"#), "7", false),
        (Some("7"), Some("{}"), "7", false),
        (Some("7.0"), Some("{}"), "7", false),
        (Some("\"7\""), None, "7", true),
        (Some("tt1"), Some(""), "tt1", true),
        (Some("tt1"), None, "tt1", true),
        (Some(r#"{"id":7}"#), None, "7", true),
        (Some(r#"{"schema":{},"payload":{"id":7}}"#), None, "7", true),
        (None, Some(r#"{"item_id":"7","deleted":true}"#), "7", true),
        (
            None,
            Some(r#"{"item_id":"7","deleted":"false"}"#),
            "7",
            false,
        ),
        (Some("7"), Some(r#"{"deleted":1}"#), "7", true),
    ] {
        let change = read(key, value).unwrap();
        let found = match &change {
            Change::Put(id, _) => (id.as_str(), false),
            Change::Remove(id) => (id.as_str(), true),
        };
        assert_eq!(found, (id, removed), "{key:?} {value:?}");
    }
}

#[test]
fn what_an_event_brings_with_it_is_not_part_of_the_item() {
    let bare = r#"{"item_id":1,"price":2,"event_id":"e","timestamp":"t","source":"mlops_system","event_type":"x"}"#;
    let cloud = r#"{"specversion":"1.0","id":"1","source":"/shop","type":"item","data":{"item_id":1,"price":2}}"#;
    let connect = r#"{"schema":{"type":"struct"},"payload":{"item_id":1,"price":2}}"#;
    let debezium =
        r#"{"before":null,"after":{"item_id":1,"price":2},"source":{"db":"shop"},"op":"c"}"#;
    for value in [bare, cloud, connect, debezium] {
        let Change::Put(id, item) = read(None, Some(value)).unwrap() else {
            panic!("{value}");
        };
        assert_eq!(
            (id.as_str(), item.fields.replace(' ', "").as_str()),
            ("1", "\"price\":2"),
            "{value}"
        );
    }
}

#[test]
fn what_is_no_item_is_refused_with_the_reason() {
    for (key, value, reason) in [
        (None, None, "it has no value and its key is none"),
        (Some(""), None, "it has no value and its key is ,"),
        (
            Some("[1]x"),
            Some("7"),
            "an event is a JSON object, this is a number",
        ),
        (None, Some("{}"), "it has no item_id"),
        (Some("7"), Some(r#"{"item_id":null}"#), "it has no item_id"),
        (
            Some("7"),
            Some(r#"{"item_id":[]}"#),
            "the id of the item is []",
        ),
        (
            Some("7"),
            Some(r#"{"deleted":"perhaps"}"#),
            "deleted is \"perhaps\"; use true or false",
        ),
        (
            Some("7"),
            Some(r#"{"available":"perhaps"}"#),
            "available is \"perhaps\"",
        ),
    ] {
        let fault = read(key, value).unwrap_err();
        assert!(fault.contains(reason), "{key:?} {value:?}: {fault}");
    }
}

#[test]
fn an_event_that_is_published_has_its_item_as_key() {
    assert_eq!(
        key_of(r#"{"item_id":7.0,"deleted":true}"#),
        Ok("7".to_owned())
    );
    assert!(key_of("{}").is_err());
}

proptest! {
    #[test]
    fn no_record_makes_it_panic(key in proptest::option::of(any::<Vec<u8>>()), value in proptest::option::of(any::<Vec<u8>>())) {
        drop(read_record(key.as_deref(), value.as_deref(), &[], &Columns::default()));
    }

    #[test]
    fn what_was_kept_of_an_item_reads_as_the_same_item(
        id in "[a-z0-9]{1,8}",
        title in proptest::option::of("[a-z]{1,9}"),
        genres in proptest::collection::btree_set("[a-z]{1,5}", 0..5),
        available in any::<bool>(),
        price in any::<i64>(),
    ) {
        let genres: Vec<String> = genres.into_iter().collect();
        let value = serde_json::json!({"item_id": id, "title": title, "genres": genres, "available": available, "price": price});
        let Ok(Change::Put(read, item)) = read_record(None, Some(value.to_string().as_bytes()), &[], &Columns::default()) else {
            panic!("{value}");
        };
        prop_assert_eq!(&read, &id);
        let mut catalog = Catalog::new(CatalogSettings::default(), 1);
        catalog.put(&read, &item);
        let shown = serde_json::to_value(catalog.get(&id)).unwrap();
        prop_assert_eq!(&shown["fields"]["price"], &value["price"]);
        prop_assert_eq!(&shown["genres"], &value["genres"]);
        prop_assert_eq!(shown.get("title"), value.get("title").filter(|title| !title.is_null()));
        prop_assert_eq!(&shown["available"], &value["available"]);
    }
}
