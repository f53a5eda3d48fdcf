//! Whatever comes, nothing grows beyond its bound.

use proptest::prelude::*;

use super::super::{Model, RecommendSettings};
use super::{of, recommend, steps};

/// Tables agree with one another, and keep to the bounds.
pub(super) fn check(model: &Model) -> Result<(), TestCaseError> {
    let settings = model.settings();
    let size = model.size();
    prop_assert!(size.items <= settings.items_max && size.users <= settings.users_max);
    prop_assert!(model.items.names.len() - size.items <= settings.items_max / 8 + 1_000);
    let rows = &model.items.rows;
    prop_assert_eq!(size.pairs, rows.iter().map(|row| row.len()).sum::<usize>());
    prop_assert!(size.pairs <= settings.pairs_max);
    for (slot, row) in (0_u32..).zip(rows) {
        prop_assert!(row.len() <= settings.neighbours_max && row.get(slot).is_none());
        for (other, count) in row.iter() {
            prop_assert!(count.is_finite() && model.items.get(other).is_counted);
        }
    }
    for (slot, holders) in (0_u32..).zip(&model.items.holders) {
        prop_assert!(holders.len() <= settings.holders_max);
        for holder in holders {
            let user = &model.users[*holder as usize];
            prop_assert!(user.known().any(|(item, _)| item == slot));
        }
    }
    for user in &model.users {
        prop_assert!(
            user.known_len() <= settings.seen_max && user.recent.len() <= settings.history_max
        );
    }
    for (slot, _) in model.items.names.all() {
        let item = model.items.get(slot);
        prop_assert_eq!(
            item.is_frequent,
            model.items.frequent.members().contains(&slot)
        );
        prop_assert_eq!(
            item.is_trending,
            model.items.trending.members().contains(&slot)
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn nothing_grows_beyond_its_bound(
        steps in steps(20, 60, 400),
        items_max in 8_usize..40,
        users_max in 8_usize..16,
        neighbours_max in 8_usize..20,
        pairs_max in 20_usize..400,
    ) {
        let settings = RecommendSettings {
            items_max, users_max, neighbours_max, pairs_max,
            seen_max: 9, holders_max: 8, history_max: 10, candidates_max: 5,
            ..RecommendSettings::default()
        };
        let model = of(&steps, &settings);
        check(&model)?;
        let restored = Model::restore(&model.snapshot(), RecommendSettings {
            items_max: 8, users_max: 8, neighbours_max: 8, pairs_max: 20, ..settings
        }, 1).unwrap();
        check(&restored)?;
        recommend(&restored, "u1", 10, steps[0].second);
    }
}

#[test]
fn the_rarest_items_and_the_quietest_users_leave() {
    let settings = RecommendSettings {
        items_max: 8,
        users_max: 8,
        ..RecommendSettings::default()
    };
    let mut model = super::model(&settings);
    let mut act = |user: usize, item: usize, second: i64| {
        let step = super::Step {
            user: format!("u{user}"),
            item: format!("i{item}"),
            kind: "like",
            second,
        };
        super::learn(&mut model, &step);
    };
    for user in (0..8).rev() {
        act(user, user, if user == 5 { 900 } else { 1_000 });
    }
    // Every item but i5 has a second event; of u7 nothing came for longest.
    for item in [0, 1, 2, 3, 4, 6, 7] {
        act(0, item, 1_000);
    }
    act(8, 8, 2_000);
    assert!(model.items.names.find("i5").is_none() && model.items.names.find("i8").is_some());
    assert!(model.user("u7").is_none() && model.user("u8").is_some());
    assert_eq!((model.size().items, model.size().users), (8, 8));
}
