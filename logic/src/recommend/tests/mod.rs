//! The model against a direct formula, its rules, bounds, deltas and snapshots.

#![allow(
    clippy::float_cmp,
    clippy::cast_possible_wrap,
    clippy::redundant_closure_for_method_calls,
    clippy::explicit_iter_loop,
    reason = "exact figures of small examples"
)]

mod bounds;
mod dense;
mod evidence;
mod fold;
mod formula;
mod rules;
mod sharing;
mod similarity;
mod snapshots;
mod tastes;

use proptest::prelude::*;

use super::{Interaction, Model, RecommendSettings, Recommendation, Request, Scratch};

pub(super) const KINDS: [&str; 6] = ["view", "click", "like", "purchase", "dislike", "unheard_of"];
/// When the tests take place.
pub(super) const NOW_S: i64 = 1_760_000_000;

/// One event on one item.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) user: String,
    pub(super) item: String,
    pub(super) kind: &'static str,
    pub(super) second: i64,
}

/// Events in roughly the order of time: some late, many in one second, some days apart.
pub(super) fn steps(users: u32, items: u32, most: usize) -> impl Strategy<Value = Vec<Step>> {
    let gap = prop_oneof![
        4 => Just(0_i64),
        4 => 1_i64..60,
        2 => 3_500_i64..3_700,
        1 => 80_000_i64..900_000,
        1 => -500_i64..0,
    ];
    let step = (0..users, 0..items, 0..KINDS.len(), gap);
    prop::collection::vec(step, 1..most).prop_map(|steps| {
        let mut second = NOW_S - 20_000_000;
        steps
            .into_iter()
            .map(|(user, item, kind, gap)| {
                second += gap;
                Step {
                    user: format!("u{user}"),
                    item: format!("i{item}"),
                    kind: KINDS[kind],
                    second,
                }
            })
            .collect()
    })
}

/// What pairs and the trend are believed is fixed: evidence depends a little on when deltas are merged.
pub(super) fn fixed() -> RecommendSettings {
    RecommendSettings {
        prior: 100.0,
        trend_prior: 50.0,
        ..RecommendSettings::default()
    }
}

pub(super) fn learn(model: &mut Model, step: &Step) {
    step.on(|interaction| {
        assert_eq!(model.learn(interaction, NOW_S * 1_000).items, 1);
    });
}

pub(super) fn learn_apart(model: &mut Model, step: &Step) {
    step.on(|interaction| {
        assert_eq!(model.learn_apart(interaction, NOW_S * 1_000).items, 1);
    });
}

impl Step {
    fn on(&self, act: impl FnOnce(&Interaction<'_>)) {
        act(&Interaction {
            user: &self.user,
            kind: self.kind,
            weight: None,
            items: &[&self.item],
            time_ms: self.second * 1_000 + 321,
        });
    }
}

pub(super) fn model(settings: &RecommendSettings) -> Model {
    Model::new(settings.clone(), 7).unwrap()
}

pub(super) fn of(steps: &[Step], settings: &RecommendSettings) -> Model {
    let mut model = model(settings);
    for step in steps.iter() {
        learn(&mut model, step);
    }
    model
}

pub(super) fn recommend<'a>(
    model: &'a Model,
    user: &str,
    count: usize,
    second: i64,
) -> Vec<Recommendation<'a>> {
    let request = Request {
        user,
        count,
        now_ms: second * 1_000,
        before_ms: None,
        scoring: None,
        allow: &|_| true,
    };
    model.recommend(&request, &mut Scratch::default())
}

/// Both recommend the same with the same scores; items whose scores are closer than the tolerance can change places.
pub(super) fn assert_same(
    one: &Model,
    other: &Model,
    users: u32,
    second: i64,
) -> Result<(), TestCaseError> {
    for user in 0..=users {
        let user = format!("u{user}");
        let ours = recommend(one, &user, 1_000, second);
        let theirs = recommend(other, &user, 1_000, second);
        prop_assert_eq!(ours.len(), theirs.len());
        for found in &ours {
            let same = theirs.iter().find(|same| same.item == found.item);
            let difference = same.map(|same| (same.score - found.score).abs());
            prop_assert!(
                difference.is_some_and(|it| it < 1e-4),
                "{user} {found:?} {same:?}"
            );
        }
    }
    Ok(())
}
