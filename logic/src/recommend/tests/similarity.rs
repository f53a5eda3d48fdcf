//! Overlap with shrinkage.

use super::super::{Model, RecommendSettings, Similar};
use super::{NOW_S, Step, learn, model};

/// Ten users have `x` and `y`, five of them `z`; `w` is with one.
fn shop() -> Model {
    let mut model = model(&RecommendSettings::default());
    for user in 0..10 {
        let items = ["x", "y", "z", "w"];
        let many = match user {
            0 => 4,
            1..5 => 3,
            _ => 2,
        };
        for item in &items[..many] {
            let step = Step {
                user: format!("u{user}"),
                item: (*item).to_owned(),
                kind: "like",
                second: NOW_S,
            };
            learn(&mut model, &step);
        }
    }
    model
}

fn shown(similar: &[Similar<'_>]) -> Vec<(String, f64)> {
    let round = |number: f64| (number * 1e3).round() / 1e3;
    similar
        .iter()
        .map(|one| (one.id.to_owned(), round(one.similarity)))
        .collect()
}

#[test]
fn similar_items_share_users() {
    let shop = shop();
    let expected = [("y", 0.5), ("z", 0.333), ("w", 0.091)];
    let expected = expected.map(|(id, similarity)| (id.to_owned(), similarity));
    assert_eq!(shown(&shop.similar_items("x", 0.0, 10)), expected);
    assert_eq!(shown(&shop.similar_items("x", 0.3, 10)), expected[..2]);
    assert_eq!(shown(&shop.similar_items("x", 0.0, 1)), expected[..1]);
    assert_eq!(shop.similar_items("unknown", 0.0, 10), []);
}

#[test]
fn similar_users_share_items_and_equals_are_ordered_by_id() {
    let shop = shop();
    let found = shown(&shop.similar_users("u9", 0.28, 3));
    // Two items in common, of two: 2 / 7.
    let expected = ["u0", "u1", "u2"].map(|id| (id.to_owned(), 0.286));
    assert_eq!(found, expected);
    assert_eq!(shop.similar_users("u9", 0.29, 3), []);
    assert_eq!(shop.similar_users("stranger", 0.0, 3), []);
}

#[test]
fn an_unwanted_item_makes_nobody_similar() {
    let mut shop = shop();
    for (user, kind) in [("n", "dislike"), ("p", "like")] {
        for item in ["x", "y"] {
            let step = Step {
                user: user.to_owned(),
                item: item.to_owned(),
                kind,
                second: NOW_S,
            };
            learn(&mut shop, &step);
        }
    }
    let similar = shop.similar_users("p", 0.0, 50);
    let of = |id: &str| {
        similar
            .iter()
            .find(|one| one.id == id)
            .map(|one| one.similarity)
    };
    assert_eq!(of("n"), Some(0.0));
    assert!(of("u9") > Some(0.2));
}
