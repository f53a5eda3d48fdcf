//! The sparse model scores as the direct formula does.

use proptest::prelude::*;

use super::super::{Reason, RecommendSettings};
use super::dense::Dense;
use super::{NOW_S, learn, model, of, recommend, steps};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn scores_are_those_of_the_direct_formula(
        steps in steps(4, 20, 150),
        history_max in 3_usize..40,
        scored_max in 2_usize..25,
        prior in prop_oneof![Just(100.0), 1.0..1e5_f64],
        trend_prior in prop_oneof![Just(1e9), 0.1..1e3_f64],
        later in prop_oneof![Just(0_i64), Just(3_000), Just(200_000)],
    ) {
        let settings = RecommendSettings { history_max, scored_max, prior, trend_prior, ..RecommendSettings::default() };
        let mut sparse = model(&settings);
        let mut dense = Dense::new(&settings);
        for step in &steps {
            learn(&mut sparse, step);
            dense.learn(step);
        }
        let now = steps.iter().map(|step| step.second).max().unwrap_or(0) + later;
        for user in ["u0", "u1", "u2", "u3", "stranger"] {
            let expected = dense.scores(user, now);
            let found = recommend(&sparse, user, 1_000, now);
            prop_assert_eq!(found.len(), expected.len(), "{:?} {:?}", found, expected);
            for one in &found {
                let score = expected.get(one.item).copied().unwrap_or(f64::NAN);
                prop_assert!((score - f64::from(one.score)).abs() < 1e-4, "{user}: {one:?}, not {score}");
            }
            for pair in found.windows(2) {
                prop_assert!(pair[0].score > pair[1].score || (pair[0].score == pair[1].score && pair[0].item < pair[1].item));
            }
        }
    }

    /// A short list is the beginning of a long one.
    #[test]
    fn a_short_list_begins_the_long_one(steps in steps(4, 30, 150), count in 0_usize..12) {
        let model = of(&steps, &RecommendSettings::default());
        let long = recommend(&model, "u1", 1_000, NOW_S);
        let short = recommend(&model, "u1", count, NOW_S);
        prop_assert_eq!(&short[..], &long[..count.min(long.len())]);
    }
}

#[test]
fn each_item_says_why_it_is_recommended() {
    let settings = RecommendSettings::default();
    let mut model = model(&settings);
    let mut second = NOW_S - 1_000_000;
    let mut choose = |model: &mut super::Model, user: &str, items: &[&str]| {
        for item in items {
            second += 5;
            learn(
                model,
                &super::Step {
                    user: user.to_owned(),
                    item: (*item).to_owned(),
                    kind: "purchase",
                    second,
                },
            );
        }
        second
    };
    for user in ["a", "b", "c"] {
        choose(&mut model, user, &["bread", "butter"]);
    }
    for user in ["d", "e", "f"] {
        choose(&mut model, user, &["tent", "stove"]);
    }
    let now = choose(&mut model, "me", &["tent", "bread"]);
    let found = recommend(&model, "me", 10, now);
    let reasons: Vec<_> = found.iter().map(|one| (one.item, one.reason)).collect();
    assert_eq!(
        reasons,
        [
            ("butter", Reason::Chose("bread")),
            ("stove", Reason::Chose("tent"))
        ]
    );
    let first = recommend(&model, "stranger", 1, now);
    assert_eq!(first[0].reason, Reason::Trending);
}
