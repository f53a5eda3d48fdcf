//! A model that went through bytes is the same model.

use proptest::prelude::*;

use super::super::{Model, RecommendSettings};
use super::{learn, of, recommend, steps};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_restored_model_goes_on_as_the_one_before(steps in steps(6, 25, 200), cut: prop::sample::Index) {
        let settings = RecommendSettings { items_max: 20, users_max: 8, ..RecommendSettings::default() };
        let (before, after) = steps.split_at(cut.index(steps.len()));
        let mut original = of(before, &settings);
        original.boost("u1", ["i1", "i2"], 1.5, super::NOW_S * 1_000);
        let bytes = original.snapshot();
        let mut restored = Model::restore(&bytes, settings, 99).unwrap();
        prop_assert_eq!(&restored.snapshot(), &bytes);
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
    }

    #[test]
    fn damaged_bytes_are_an_error_and_no_panic(steps in steps(3, 8, 40), place: prop::sample::Index, byte: u8) {
        let settings = RecommendSettings::default();
        let mut bytes = of(&steps, &settings).snapshot();
        let cut = place.index(bytes.len());
        prop_assert!(Model::restore(&bytes[..cut], settings.clone(), 0).is_err());
        bytes[cut] = byte;
        if let Ok(mut model) = Model::restore(&bytes, settings, 0) {
            for step in &steps {
                learn(&mut model, step);
            }
            recommend(&model, "u0", 10, super::NOW_S);
        }
    }
}
