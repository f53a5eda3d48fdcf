//! Users who are kept elsewhere, and come back.

use proptest::prelude::*;

use super::super::{Model, RecommendSettings, Taste, TasteError};
use super::{learn, model, of, recommend, steps};

/// The model without its users, and these kept as JSON.
fn apart(model: &Model) -> (Model, Vec<(String, String)>) {
    let users = model.user_names.all().map(|(_, user)| {
        let taste = model.export_user(user).unwrap();
        (user.to_owned(), serde_json::to_string(&taste).unwrap())
    });
    let users = users.collect();
    let bytes = model.snapshot();
    (
        Model::restore(&bytes, model.settings().clone(), 99).unwrap(),
        users,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_model_whose_users_come_back_goes_on_as_the_one_before(steps in steps(6, 25, 200), cut: prop::sample::Index) {
        let settings = RecommendSettings { seen_max: 12, ..RecommendSettings::default() };
        let (before, after) = steps.split_at(cut.index(steps.len()));
        let mut original = of(before, &settings);
        original.boost("u1", ["i1", "i2"], 1.5, super::NOW_S * 1_000);
        let (mut restored, users) = apart(&original);
        for (user, taste) in &users {
            let taste: Taste = serde_json::from_str(taste).unwrap();
            restored.import_user(user, &taste).unwrap();
            prop_assert_eq!(restored.export_user(user), original.export_user(user));
        }
        prop_assert_eq!(&restored.snapshot(), &original.snapshot());
        for step in after {
            learn(&mut original, step);
            learn(&mut restored, step);
        }
        let now = steps[steps.len() - 1].second;
        prop_assert_eq!(restored.size(), original.size());
        for user in ["u0", "u1", "u5", "stranger"] {
            prop_assert_eq!(recommend(&restored, user, 50, now), recommend(&original, user, 50, now));
            prop_assert_eq!(restored.similar_users(user, 0.0, 9), original.similar_users(user, 0.0, 9));
        }
        prop_assert_eq!(restored.similar_items("i1", 0.0, 9), original.similar_items("i1", 0.0, 9));
        super::bounds::check(&restored)?;
    }

    #[test]
    fn an_import_keeps_to_bounds_that_are_smaller_now(steps in steps(3, 60, 300)) {
        let original = of(&steps, &RecommendSettings::default());
        let small = RecommendSettings { seen_max: 9, history_max: 4, holders_max: 8, boosts_max: 1, ..RecommendSettings::default() };
        let mut narrow = model(&small);
        for user in ["u0", "u1", "u2"] {
            let Some(taste) = original.export_user(user) else { continue; };
            for _ in 0..2 {
                narrow.import_user(user, &taste).unwrap();
            }
            let kept = narrow.export_user(user).unwrap();
            prop_assert!(kept.recent.len() <= 4 && kept.seen <= 9);
            prop_assert_eq!(kept.newest, taste.newest);
        }
        super::bounds::check(&narrow)?;
    }
}

#[test]
fn a_taste_is_compact_json() {
    let mut model = model(&RecommendSettings::default());
    for (kind, item, second) in [("view", "a", 10), ("dislike", "b", 12), ("like", "c", 15)] {
        let step = super::Step {
            user: "u".to_owned(),
            item: item.to_owned(),
            kind,
            second,
        };
        learn(&mut model, &step);
    }
    model.boost("u", ["c"], 1.5, 20_000);
    let json = serde_json::to_string(&model.export_user("u").unwrap()).unwrap();
    assert_eq!(
        json,
        r#"{"items":["a","b","c"],"seen":3,"unwanted":[1],"newest":15,"recent":[[0,5,0.1],[2,0,0.7]],"boosts":[[2,20,0.5]]}"#
    );
    assert_eq!(model.export_user("stranger"), None);
}

#[test]
fn a_damaged_taste_is_refused_and_changes_nothing() {
    let mut model = model(&RecommendSettings::default());
    let good = r#"{"items":["a","b"],"seen":2,"newest":9,"recent":[[0,3,1.0],[1,0,1.0]]}"#;
    let good: Taste = serde_json::from_str(good).unwrap();
    model.import_user("u", &good).unwrap();
    for bad in [
        r#"{"items":["a","a"],"seen":1}"#,
        r#"{"items":["",""],"seen":1}"#,
        r#"{"items":["a"],"seen":2}"#,
        r#"{"items":["a"],"seen":4000000000}"#,
        r#"{"items":["a"],"seen":1,"unwanted":[1]}"#,
        r#"{"items":["a","b"],"seen":2,"unwanted":[1,0]}"#,
        r#"{"items":["a"],"seen":1,"recent":[[1,0,1.0]]}"#,
        r#"{"items":["a"],"seen":1,"newest":5,"recent":[[0,6,1.0]]}"#,
        r#"{"items":["a","b"],"seen":1,"newest":5,"recent":[[0,1,1.0],[1,2,1.0]]}"#,
        r#"{"items":["a"],"seen":1,"newest":5,"recent":[[0,0,-1.0]]}"#,
        r#"{"items":["a"],"seen":1,"boosts":[[0,0,1e30]]}"#,
    ] {
        let taste: Taste = serde_json::from_str(bad).unwrap();
        let problem = model.import_user("u", &taste).unwrap_err();
        assert!(problem.to_string().contains("user u is damaged"), "{bad}");
        assert_eq!(model.export_user("u").as_ref(), Some(&good), "{bad}");
    }
    assert_eq!(model.import_user("", &good), Err(TasteError::User));
}

/// A user who came back is compared with others again, and not counted twice.
#[test]
fn users_who_come_back_are_compared_again() {
    let mut original = model(&RecommendSettings::default());
    for user in ["a", "b", "c"] {
        for item in ["x", "y", "z"] {
            let step = super::Step {
                user: user.to_owned(),
                item: item.to_owned(),
                kind: "like",
                second: 1_000,
            };
            learn(&mut original, &step);
        }
    }
    let (mut restored, users) = apart(&original);
    assert_eq!(restored.similar_items("x", 0.0, 9), []);
    for _ in 0..2 {
        for (user, taste) in &users {
            let taste: Taste = serde_json::from_str(taste).unwrap();
            restored.import_user(user, &taste).unwrap();
        }
        assert_eq!(
            restored.similar_items("x", 0.0, 9),
            original.similar_items("x", 0.0, 9)
        );
        assert_eq!(
            restored.similar_users("a", 0.0, 9),
            original.similar_users("a", 0.0, 9)
        );
    }
    assert_eq!(restored.retain_users(|user| user != "b"), 1);
    assert!(!restored.has_user("b") && restored.has_user("a"));
    assert_eq!(restored.similar_users("a", 0.0, 9).len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// What is looked at counts as the newest choice of a user, and a user who is kept elsewhere is as similar as one here.
    #[test]
    fn what_is_looked_at_is_the_newest_choice_of_one_answer(steps in steps(4, 12, 60), looked in prop::collection::vec(0_u32..20, 0..4)) {
        let model = of(&steps, &RecommendSettings::default());
        let before = model.export_user("u1").unwrap_or_default();
        let looked: Vec<String> = looked.iter().map(|item| format!("i{item}")).collect();
        let taste = before.clone().looking_at(&looked, super::NOW_S * 1_000);
        prop_assert_eq!(taste.check("u1"), Ok(()));
        prop_assert_eq!(taste.seen, before.seen);
        let mut newest = taste.newest_items(looked.len());
        let mut expected: Vec<String> = looked.clone();
        expected.sort();
        expected.dedup();
        newest.truncate(expected.len());
        newest.sort();
        prop_assert_eq!(newest, expected);
        if looked.is_empty() {
            prop_assert_eq!(&taste, &before);
        }
        let here = model.similar_users("u1", 0.0, 9);
        let elsewhere = model.similar_users_of("u1", &before, 0.0, 9).unwrap();
        prop_assert_eq!(here, elsewhere);
    }
}
