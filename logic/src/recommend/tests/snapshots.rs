//! What is known of items, through bytes.

use proptest::prelude::*;

use super::super::{Model, RecommendSettings};
use super::{learn, of, recommend, steps};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_restored_model_knows_the_same_of_items(steps in steps(6, 25, 200), items_max in 8_usize..30) {
        let settings = RecommendSettings { items_max, ..RecommendSettings::default() };
        let original = of(&steps, &settings);
        let bytes = original.snapshot();
        let restored = Model::restore(&bytes, settings, 99).unwrap();
        prop_assert_eq!(&restored.snapshot(), &bytes);
        let now = steps[steps.len() - 1].second;
        let found = |model| -> Vec<(String, f32)> {
            let found = recommend(model, "stranger", 50, now);
            found.iter().map(|one| (one.item.to_owned(), one.score)).collect()
        };
        prop_assert_eq!(found(&restored), found(&original));
        prop_assert_eq!(restored.size().users, 0);
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
