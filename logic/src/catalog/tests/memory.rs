//! What the catalog holds, and what happens at its bounds.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::*;

fn item(genres: &[&str], available: bool, fields: &str) -> Item {
    Item {
        genres: genres.iter().map(|genre| (*genre).to_owned()).collect(),
        available,
        fields: fields.to_owned(),
        ..Item::default()
    }
}

fn bounded(items_max: usize, fields_bytes_max: usize) -> Catalog {
    let settings = CatalogSettings {
        items_max,
        fields_bytes_max,
        ..CatalogSettings::default()
    };
    Catalog::new(settings, 1)
}

#[test]
fn an_item_that_is_not_known_is_harmless() {
    let mut catalog = bounded(10, 100);
    assert!(catalog.is_available("7") && catalog.get("7").is_none() && catalog.is_empty());
    assert_eq!(catalog.genres("7").count(), 0);
    catalog.put("7", &item(&["Drama", "War"], false, ""));
    assert!(!catalog.is_available("7"));
    assert_eq!(catalog.genres("7").collect::<Vec<_>>(), ["Drama", "War"]);
    let strict = CatalogSettings {
        recommend_unknown: false,
        ..CatalogSettings::default()
    };
    let mut strict = Catalog::new(strict, 1);
    strict.put("7", &Item::default());
    assert!(strict.is_available("7") && !strict.is_available("8"));
}

#[test]
fn an_item_that_was_removed_is_not_shown_and_not_recommended_until_it_comes_back() {
    let mut catalog = bounded(10, 100);
    catalog.put("7", &item(&["Drama"], true, "\"a\":1"));
    assert_eq!(catalog.remove("7"), Outcome::Replaced);
    assert!(catalog.get("7").is_none() && !catalog.is_available("7"));
    assert_eq!(catalog.genres("7").count(), 0);
    assert_eq!((catalog.len(), catalog.counts().removed), (0, 1));
    assert_eq!(catalog.remove("8"), Outcome::New);
    assert!(!catalog.is_available("8"));
    assert_eq!(catalog.put("7", &item(&[], true, "")), Outcome::Replaced);
    assert!(catalog.is_available("7"));
    assert_eq!((catalog.len(), catalog.counts().removed), (1, 1));
}

#[test]
fn a_full_catalog_refuses_new_items_and_takes_those_it_knows() {
    let mut catalog = bounded(2, 100);
    let plain = Item::default();
    assert_eq!(
        ["1", "2", "3"].map(|id| catalog.put(id, &plain)),
        [Outcome::New, Outcome::New, Outcome::Refused]
    );
    assert_eq!(catalog.put("2", &item(&[], false, "")), Outcome::Replaced);
    assert_eq!(catalog.remove("4"), Outcome::Refused);
    assert_eq!(catalog.remove("1"), Outcome::Replaced);
    assert_eq!(catalog.put("3", &plain), Outcome::Refused);
    assert_eq!(catalog.put("1", &plain), Outcome::Replaced);
    assert!(!catalog.is_available("2"));
    assert_eq!((catalog.len(), catalog.counts().refused), (2, 3));
    assert_eq!(catalog.put("", &plain), Outcome::Refused);
    assert_eq!(
        bounded(9, 9).put(&"x".repeat(257), &plain),
        Outcome::Refused
    );
}

#[test]
fn further_fields_beyond_the_bound_of_all_are_left_out_and_the_item_is_kept() {
    let mut catalog = bounded(10, 10);
    catalog.put("1", &item(&[], true, "\"a\":1"));
    catalog.put("2", &item(&[], true, "\"b\":22"));
    assert!(catalog.get("1").unwrap().fields.is_some());
    assert!(catalog.get("2").is_some_and(|item| item.fields.is_none()));
    assert_eq!(catalog.counts().without_fields, 1);
    // What an item had makes room for what it has now.
    catalog.put("1", &item(&[], true, "\"a\":12345"));
    assert!(catalog.get("1").unwrap().fields.is_some());
    catalog.remove("1");
    catalog.put("2", &item(&[], true, "\"b\":22"));
    assert!(catalog.get("2").unwrap().fields.is_some());
}

#[test]
fn genres_beyond_their_bound_are_left_out() {
    let mut catalog = bounded(100_000, 10);
    for number in 0..65_535 {
        catalog.put("1", &item(&[&number.to_string()], true, ""));
    }
    catalog.put("1", &item(&["one more", "7"], true, ""));
    assert_eq!(catalog.genres("1").collect::<Vec<_>>(), ["7"]);
    assert_eq!(
        (catalog.counts().genres, catalog.counts().genres_left_out),
        (65_535, 1)
    );
}

#[test]
fn an_item_takes_some_sixty_bytes_beside_its_own() {
    let mut catalog = bounded(1_000_000, 0);
    let genres = item(&["Drama", "War"], true, "");
    for number in 0..200_000 {
        catalog.put(&number.to_string(), &genres);
    }
    let for_each = catalog.bytes() / 200_000;
    assert!((60..160).contains(&for_each), "{for_each}");
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, Vec<u8>, bool, usize),
    Remove(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let put = (
        0..12_u8,
        proptest::collection::vec(0..5_u8, 0..3),
        any::<bool>(),
        0..30_usize,
    );
    prop_oneof![
        3 => put.prop_map(|(id, genres, available, fields)| Step::Put(id, genres, available, fields)),
        1 => (0..12_u8).prop_map(Step::Remove),
    ]
}

proptest! {
    /// Against a plain map: what is in it, what is refused, and that bytes return to what they were.
    #[test]
    fn it_holds_what_a_map_would_hold(steps in proptest::collection::vec(step(), 0..80)) {
        let mut catalog = bounded(8, 60);
        let mut plain: BTreeMap<String, Option<(Vec<String>, bool)>> = BTreeMap::new();
        for step in steps {
            let (Step::Put(id, ..) | Step::Remove(id)) = &step;
            let id = id.to_string();
            let expected = match (plain.contains_key(&id), plain.len() < 8) {
                (true, _) => Outcome::Replaced,
                (false, true) => Outcome::New,
                (false, false) => Outcome::Refused,
            };
            let (outcome, now) = match step {
                Step::Put(_, genres, available, fields) => {
                    let genres: Vec<String> = genres.iter().map(u8::to_string).collect();
                    let item = Item { genres: genres.clone(), available, fields: "x".repeat(fields), ..Item::default() };
                    (catalog.put(&id, &item), Some((genres, available)))
                }
                Step::Remove(_) => (catalog.remove(&id), None),
            };
            prop_assert_eq!(outcome, expected);
            if outcome != Outcome::Refused {
                plain.insert(id, now);
            }
        }
        prop_assert_eq!(catalog.len(), plain.values().flatten().count());
        for id in 0..12_u8 {
            let id = id.to_string();
            let expected = plain.get(&id).cloned().flatten();
            let found = catalog.get(&id).map(|item| (item.genres, item.available));
            prop_assert_eq!(&found, &expected);
            let available = plain.get(&id).is_none_or(|row| row.as_ref().is_some_and(|(_, available)| *available));
            prop_assert_eq!(catalog.is_available(&id), available);
        }
    }
}
