//! Methods against slow, direct ones, and what the protocols show and hide.

#![allow(
    clippy::float_cmp,
    clippy::cast_possible_wrap,
    clippy::redundant_closure_for_method_calls,
    reason = "exact figures of small examples"
)]

use proptest::prelude::*;

use super::super::RecommendSettings;
use super::{Builder, Dataset, Method, Protocol, Row, RowError, evaluate};

fn data(rows: &[(u32, u32, i64)]) -> Dataset {
    let mut builder = Builder::default();
    for (user, item, second) in rows {
        let row = Row {
            user: &user.to_string(),
            item: &item.to_string(),
            time_ms: second * 1_000,
            kind: "",
            weight: None,
        };
        builder.add(&row).unwrap();
    }
    builder.build()
}

fn hit_rate(data: &Dataset, method: Method, protocol: Protocol) -> (usize, f64) {
    let settings = RecommendSettings::default();
    let measures = evaluate(data, method, protocol, &settings, 1, &mut |_| {}).unwrap();
    (measures.scored, measures.hit_rate.mean)
}

proptest! {
    /// Popularity, by counting and sorting all items again for each event.
    #[test]
    fn popularity_is_that_of_the_direct_count(rows in prop::collection::vec((0_u32..5, 0_u32..40), 1..150)) {
        let rows: Vec<_> = (0..).zip(&rows).map(|(second, (user, item))| (*user, *item, second)).collect();
        let (mut scored, mut hits) = (0, 0);
        for (place, (user, item, _)) in rows.iter().enumerate() {
            let past = &rows[..place];
            let has = |item: u32| past.iter().any(|(owner, other, _)| owner == user && *other == item);
            let count = |item: u32| past.iter().filter(|(_, other, _)| *other == item).count();
            if !past.iter().any(|(owner, ..)| owner == user) || has(*item) {
                continue;
            }
            scored += 1;
            let rank = (0..40).filter(|other| !has(*other) && count(*other) >= count(*item)).count();
            hits += usize::from(count(*item) > 0 && rank <= 10);
        }
        let found = hit_rate(&data(&rows), Method::Popularity, Protocol::Prequential);
        prop_assert_eq!(found.0, scored);
        prop_assert!((found.1 * scored as f64 - f64::from(hits as u32)).abs() < 1e-6);
    }
}

/// Every user goes through one of ten lists of ten items in order, from another place of it.
fn lists() -> Dataset {
    let mut rows = Vec::new();
    for user in 0..200_u32 {
        for step in 0..10_u32 {
            let second = i64::from(user) * 10_000 + i64::from(step) * 20;
            rows.push((user, user % 10 * 10 + (user / 10 + step) % 10, second));
        }
    }
    data(&rows)
}

#[test]
fn lists_that_users_share_are_learned_and_popularity_does_not_know_them() {
    let data = lists();
    for protocol in [
        Protocol::Prequential,
        Protocol::LeaveLastOut,
        Protocol::Strict,
    ] {
        let popular = hit_rate(&data, Method::Popularity, protocol).1;
        for method in [Method::ItemKnn, Method::Homeostat] {
            let found = hit_rate(&data, method, protocol).1;
            assert!(
                found > 0.8 && found > popular + 0.3,
                "{protocol:?} {method:?} {found} {popular}"
            );
        }
    }
}

#[test]
fn each_protocol_scores_what_it_says() {
    let data = lists();
    let scored = Protocol::ALL.map(|protocol| hit_rate(&data, Method::Popularity, protocol).0);
    assert_eq!(scored, [1_800, 200, 1_800, 1_800]);
    // A single event of a user has no past, and what a user has already is not scored.
    let small = super::tests::data(&[(1, 1, 0), (2, 1, 1), (2, 1, 2)]);
    assert_eq!(
        hit_rate(&small, Method::Homeostat, Protocol::Prequential).0,
        0
    );
}

#[test]
fn shuffling_keeps_times_and_what_each_session_holds() {
    let data = data(&[
        (1, 1, 0),
        (1, 2, 10),
        (1, 3, 20),
        (1, 4, 9_000),
        (1, 5, 9_010),
        (2, 6, 15),
    ]);
    let mut orders = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let events = data.shuffled(3_600_000, seed);
        let times = |events: &[super::dataset::Event]| -> Vec<i64> {
            events.iter().map(|event| event.time_ms).collect()
        };
        assert_eq!(times(&events), times(&data.events));
        let items: Vec<&str> = events
            .iter()
            .map(|event| data.items.name(event.item))
            .collect();
        assert_eq!(items[2], "6");
        let mut first = [items[0], items[1], items[3]];
        first.sort_unstable();
        assert_eq!(first, ["1", "2", "3"]);
        orders.insert(items.join(" "));
        assert_eq!(times(&data.shuffled(3_600_000, seed)), times(&events));
    }
    assert!(orders.len() > 5);
}

#[test]
fn what_a_user_does_not_want_is_no_target() {
    let mut builder = Builder::default();
    for (user, kind, item) in [
        ("a", "like", "x"),
        ("a", "like", "y"),
        ("b", "like", "x"),
        ("b", "dislike", "y"),
    ] {
        let row = Row {
            user,
            item,
            time_ms: 0,
            kind,
            weight: None,
        };
        builder.add(&row).unwrap();
    }
    let odd = Row {
        user: "",
        item: "x",
        time_ms: 0,
        kind: "",
        weight: None,
    };
    assert_eq!(builder.add(&odd), Err(RowError::Id { what: "user" }));
    let data = builder.build();
    assert_eq!(data.kinds(), [("like", 3), ("dislike", 1)]);
    assert_eq!(
        hit_rate(&data, Method::Homeostat, Protocol::Prequential).0,
        1
    );
}
