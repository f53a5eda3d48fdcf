//! What pairs and the trend are believed, by what came true.

use proptest::prelude::*;

use super::super::evidence::{Evidence, PRIORS};
use super::super::{Model, RecommendSettings};
use super::dense::Dense;
use super::{NOW_S, Step, learn, learn_apart, model, recommend, steps};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn evidence_is_that_of_the_direct_formula(steps in steps(4, 12, 150), history_max in 3_usize..40) {
        let settings = RecommendSettings { history_max, ..RecommendSettings::default() };
        let mut sparse = model(&settings);
        let mut dense = Dense::new(&settings);
        for step in &steps {
            learn(&mut sparse, step);
            dense.learn(step);
            let (found, expected) = (sparse.items.evidence, dense.evidence);
            prop_assert_eq!(found.tests, expected.tests);
            for (found, expected) in found.sums().zip(expected.sums()) {
                prop_assert!((found - expected).abs() < 1e-3, "{found}, not {expected}");
            }
        }
    }
}

/// From 0 to 99, in no order.
fn drawn(one: u32, other: u32) -> u32 {
    let mixed = u64::from(one * 1_000 + other).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 33) as u32 % 100
}

/// Users go through lists that many share, or choose at random.
fn sessions(is_random: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    for user in 0..200_u32 {
        for place in 0..8_u32 {
            let own = if is_random {
                drawn(user, place)
            } else {
                user % 12 * 8 + (user / 12 + place) % 8
            };
            steps.push(Step {
                user: format!("u{user}"),
                item: format!("i{own}"),
                kind: "purchase",
                second: NOW_S - 1_000_000 + i64::from(user * 1_000 + place * 20),
            });
        }
    }
    steps
}

fn apart(steps: &[Step], every: usize) -> Model {
    let mut model = model(&RecommendSettings::default());
    for batch in steps.chunks(every) {
        for step in batch {
            learn_apart(&mut model, step);
        }
        let delta = model.take_delta().unwrap();
        model.merge(&delta);
    }
    model
}

#[test]
fn pairs_are_believed_where_they_say_what_comes_and_not_elsewhere() {
    let lists = apart(&sessions(false), 20).items.evidence;
    assert!(lists.pairs_prior(false) <= 30.0, "{lists:?}");
    let random = apart(&sessions(true), 20).items.evidence;
    assert!(random.pairs_prior(false) >= 1_000.0, "{random:?}");
}

#[test]
fn learned_apart_or_at_once_the_evidence_says_the_same() {
    let mut at_once = model(&RecommendSettings::default());
    let steps = sessions(false);
    for step in &steps {
        learn(&mut at_once, step);
    }
    let one = at_once.items.evidence;
    for every in [1, 10, 100] {
        let apart = apart(&steps, every).items.evidence;
        assert_eq!(apart.pairs_prior(false), one.pairs_prior(false), "{every}");
    }
    let each = apart(&steps, 1).items.evidence;
    for (found, expected) in each.sums().zip(one.sums()) {
        assert!((found - expected).abs() < 1e-3, "{found}, not {expected}");
    }
}

#[test]
fn evidence_survives_a_snapshot_and_old_evidence_fades() {
    let original = apart(&sessions(false), 10);
    let settings = RecommendSettings::default();
    let restored = Model::restore(&original.snapshot(), settings, 3).unwrap();
    assert_eq!(restored.items.evidence, original.items.evidence);

    let against = Evidence {
        tests: 1_000.0,
        pairs: [-500.0; PRIORS.len()],
        ..Evidence::default()
    };
    let mut evidence = Evidence {
        tests: 190_000.0,
        pairs: [50_000.0; PRIORS.len()],
        ..Evidence::default()
    };
    for _ in 0..100 {
        evidence.add(&against);
    }
    assert!(evidence.tests < 200_000.0);
    assert!(evidence.pairs_prior(false) > 1e6, "{evidence:?}");
}

#[test]
fn what_is_chosen_again_comes_first_unless_users_choose_by_frequency() {
    let settings = RecommendSettings {
        recommend_seen: true,
        ..RecommendSettings::default()
    };
    let act = |model: &mut Model, user: u32, item: u32, second: i64| {
        learn(
            model,
            &Step {
                user: format!("u{user}"),
                item: format!("i{item}"),
                kind: "purchase",
                second: NOW_S - 1_000_000 + second,
            },
        );
    };
    for is_habit in [true, false] {
        let mut model = model(&settings);
        for turn in 0..20_u32 {
            for user in 0..40_u32 {
                let drawn = drawn(turn, user);
                // Of the user's own four items, or half of all choices of item 0 and the rest of anything.
                let item = match drawn % 2 {
                    _ if is_habit => 1 + user % 20 * 4 + drawn % 4,
                    0 => 0,
                    _ => 1 + drawn,
                };
                act(&mut model, user, item, i64::from(turn * 4_000 + user * 30));
            }
        }
        act(&mut model, 7, 98, 90_000);
        act(&mut model, 8, 98, 90_000);
        let found = recommend(&model, "u7", 5, NOW_S - 1_000_000 + 90_010);
        let is_there = found.iter().any(|one| one.item == "i98");
        assert_eq!(is_there, is_habit, "{:?}", model.items.evidence);
    }
}
