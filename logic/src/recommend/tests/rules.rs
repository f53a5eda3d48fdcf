//! The rules beyond the recipe: weights, repeats, what is not wanted, odd times, odd ids, filters, boosts.

use super::super::{
    Interaction, Learned, Model, Reason, RecommendSettings, Request, Scoring, Scratch,
};
use super::{NOW_S, Step, learn, model, recommend};

fn act(model: &mut Model, user: &str, kind: &'static str, item: &str, second: i64) {
    let step = Step {
        user: user.to_owned(),
        item: item.to_owned(),
        kind,
        second,
    };
    learn(model, &step);
}

fn ids(model: &Model, user: &str) -> Vec<String> {
    let found = recommend(model, user, 100, NOW_S);
    found.iter().map(|one| one.item.to_owned()).collect()
}

fn count(model: &Model, item: &str) -> f64 {
    let slot = model.items.names.find(item).unwrap();
    (model.items.get(slot).count * 1e4).round() / 1e4
}

#[test]
fn the_weight_of_the_type_scales_what_is_learned() {
    for (kind, weight) in [
        ("view", 0.1),
        ("click", 0.3),
        ("like", 0.7),
        ("purchase", 1.0),
        ("high_rating", 1.2),
        ("add_to_cart", 0.1),
        ("unheard_of", 0.1),
        ("", 0.1),
        ("dislike", 0.0),
    ] {
        let mut model = model(&RecommendSettings::default());
        act(&mut model, "u", kind, "i", NOW_S);
        assert_eq!(count(&model, "i"), weight, "{kind}");
    }
}

#[test]
fn a_repeated_item_adds_only_what_it_rises_by() {
    let mut model = model(&RecommendSettings::default());
    for (kind, expected) in [
        ("view", 0.1),
        ("view", 0.1),
        ("purchase", 1.0),
        ("click", 1.0),
        ("purchase", 1.0),
    ] {
        act(&mut model, "u", kind, "i", NOW_S);
        assert_eq!(count(&model, "i"), expected, "{kind}");
    }
    assert_eq!(model.size().events, 1.0);
    // Once it is no longer among the newest, it counts again.
    for item in 0..30 {
        act(&mut model, "u", "purchase", &format!("x{item}"), NOW_S);
    }
    act(&mut model, "u", "purchase", "i", NOW_S);
    assert_eq!(count(&model, "i"), 2.0);
}

#[test]
fn what_a_user_does_not_want_is_not_recommended_and_recommends_nothing() {
    let settings = RecommendSettings {
        recommend_seen: true,
        ..RecommendSettings::default()
    };
    let mut model = model(&settings);
    for user in ["a", "b", "me"] {
        act(&mut model, user, "like", "x", NOW_S - 10);
        act(&mut model, user, "like", "y", NOW_S - 9);
    }
    act(&mut model, "me", "dislike", "x", NOW_S);
    assert_eq!(ids(&model, "me"), ["y"]);
    let found = recommend(&model, "me", 1, NOW_S);
    assert_ne!(found[0].reason, Reason::Chose("x"));
    assert_eq!(model.boost("me", ["x", "y"], 1.5, NOW_S * 1_000), 1);
    act(&mut model, "me", "like", "x", NOW_S);
    assert_eq!(ids(&model, "me").len(), 2);
}

#[test]
fn what_was_seen_is_recommended_only_if_configured() {
    for (recommend_seen, expected) in [(false, &["z"][..]), (true, &["x", "y", "z"])] {
        let settings = RecommendSettings {
            recommend_seen,
            ..RecommendSettings::default()
        };
        let mut model = model(&settings);
        for item in ["x", "y", "z"] {
            act(&mut model, "other", "like", item, NOW_S);
        }
        act(&mut model, "me", "view", "x", NOW_S);
        act(&mut model, "me", "view", "y", NOW_S);
        let mut found = ids(&model, "me");
        found.sort_unstable();
        assert_eq!(found, expected);
    }
}

#[test]
fn what_was_chosen_lately_comes_first_where_it_can_be_chosen_again() {
    let settings = RecommendSettings {
        recommend_seen: true,
        ..RecommendSettings::default()
    };
    let mut model = model(&settings);
    for user in ["a", "b", "c"] {
        act(&mut model, user, "purchase", "popular", NOW_S - 9);
    }
    for item in ["milk", "bread"] {
        act(&mut model, "me", "purchase", item, NOW_S - 9);
    }
    act(&mut model, "me", "purchase", "milk", NOW_S);
    assert_eq!(ids(&model, "me"), ["milk", "bread", "popular"]);
    let found = recommend(&model, "me", 1, NOW_S);
    assert_eq!(found[0].reason, Reason::Chose("milk"));
    assert_eq!(ids(&model, "stranger")[0], "popular");
}

#[test]
fn a_time_ahead_of_now_counts_as_now() {
    let mut model = model(&RecommendSettings::default());
    act(&mut model, "u", "like", "old", NOW_S - 90);
    let ahead = Interaction {
        user: "v",
        kind: "view",
        weight: None,
        items: &["ahead"],
        time_ms: i64::MAX,
    };
    model.learn(&ahead, NOW_S * 1_000);
    let trending = recommend(&model, "stranger", 2, NOW_S);
    assert_eq!(trending[0].item, "old");
}

#[test]
fn the_items_of_one_event_are_bounded_and_each_counts_once() {
    let mut model = model(&RecommendSettings::default());
    let ids: Vec<String> = (0..10_000).map(|item| format!("i{item}")).collect();
    let mut items: Vec<&str> = ids.iter().map(String::as_str).collect();
    let long = "x".repeat(257);
    items.splice(1..1, ["i0", "", &long]);
    let interaction = |items| Interaction {
        user: "u",
        kind: "view",
        weight: None,
        items,
        time_ms: NOW_S * 1_000,
    };
    let learned = model.learn(&interaction(&items), NOW_S * 1_000);
    assert_eq!((learned.items, learned.left_out), (100, 9_903));
    let odd = Interaction {
        user: "",
        ..interaction(&["a"])
    };
    let refused = Learned {
        items: 0,
        left_out: 1,
    };
    assert_eq!(model.learn(&odd, NOW_S * 1_000), refused);
    assert_eq!(model.size().users, 1);
}

#[test]
fn what_is_not_in_the_catalog_is_left_out() {
    let mut model = model(&RecommendSettings::default());
    for item in ["x", "y", "z"] {
        act(&mut model, "other", "like", item, NOW_S);
    }
    let request = Request {
        user: "me",
        count: 10,
        now_ms: NOW_S * 1_000,
        before_ms: None,
        scoring: None,
        allow: &|item| item != "y",
    };
    let found = model.recommend(&request, &mut Scratch::default());
    assert!(found.len() == 2 && found.iter().all(|one| one.item != "y"));
}

#[test]
fn boosts_raise_an_item_fade_and_stay_bounded() {
    let settings = RecommendSettings {
        boosts_max: 2,
        ..RecommendSettings::default()
    };
    let mut model = model(&settings);
    for item in ["a", "b", "c", "d"] {
        act(&mut model, "other", "like", item, NOW_S - 50);
    }
    act(&mut model, "me", "view", "a", NOW_S);
    let score = |model: &Model, item: &str, second: i64| {
        let found = recommend(model, "me", 10, second);
        found.iter().find(|one| one.item == item).unwrap().score
    };
    let plain = score(&model, "d", NOW_S);
    assert_eq!(model.boost("me", ["d", "unknown"], 1.5, NOW_S * 1_000), 1);
    let near = |one: f32, other: f32| (one / other - 1.0).abs() < 1e-3;
    assert!(near(score(&model, "d", NOW_S), plain * 1.5));
    model.boost("me", ["d"], 1.5, NOW_S * 1_000);
    model.boost("me", ["d"], 1.5, NOW_S * 1_000);
    assert!(near(score(&model, "d", NOW_S), plain * 2.0));
    let later = NOW_S + 24 * 3_600;
    assert!(near(
        score(&model, "d", later) / score(&model, "c", later),
        score(&model, "d", NOW_S) / score(&model, "c", NOW_S) * 0.75
    ));
    model.boost("me", ["b", "c"], 1.2, NOW_S * 1_000);
    let user = model.user("me").unwrap();
    assert_eq!(user.boosts.len(), 2);
    assert_eq!(model.boost("stranger", ["d"], 1.5, NOW_S * 1_000), 0);
    assert_eq!(model.boost("me", ["d"], f64::NAN, NOW_S * 1_000), 0);
}

#[test]
fn a_user_who_is_forgotten_is_a_stranger() {
    let mut model = model(&RecommendSettings::default());
    for user in ["a", "me"] {
        act(&mut model, user, "like", "x", NOW_S - 10);
        act(&mut model, user, "like", "y", NOW_S - 9);
    }
    assert!(model.knows("me", "x") && model.forget("me"));
    assert!(!model.knows("me", "x") && !model.forget("me"));
    assert_eq!(
        recommend(&model, "me", 9, NOW_S),
        recommend(&model, "new", 9, NOW_S)
    );
    assert_eq!(model.similar_users("a", 0.0, 9), []);
    assert_eq!((model.export_user("me"), model.size().users), (None, 1));
}

/// A request with constants of its own gets what a model of these constants would have answered.
#[test]
fn constants_of_a_request_count_instead_of_the_models() {
    let usual = RecommendSettings::default();
    let own = RecommendSettings {
        trend_weight: 5.0,
        score_decay: 50.0,
        scored_max: 2,
        recommend_seen: true,
        ..usual.clone()
    };
    let models = [&usual, &own].map(|settings| {
        let mut model = model(settings);
        for round in 0..40_i64 {
            let (user, item) = (round % 7, round * round % 11);
            let (user, item) = (format!("u{user}"), format!("i{item}"));
            act(&mut model, &user, "view", &item, NOW_S - 100 + round);
        }
        model
    });
    let answer = |model: &Model, scoring: Option<&Scoring>| {
        let request = Request {
            user: "u3",
            count: 8,
            now_ms: NOW_S * 1_000,
            before_ms: None,
            scoring,
            allow: &|_| true,
        };
        let best = model.recommend(&request, &mut Scratch::default());
        let best = best.into_iter().map(|one| (one.item.to_owned(), one.score));
        best.collect::<Vec<_>>()
    };
    let [usual, other] = &models;
    assert_eq!(answer(usual, Some(&Scoring::of(&own))), answer(other, None));
    assert_ne!(answer(usual, None), answer(other, None));
}
