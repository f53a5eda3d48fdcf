//! Instances with users of their own, sharing deltas, know together what one instance would.

use proptest::prelude::*;

use super::super::{CodecError, Delta, RecommendSettings};
use super::{assert_same, learn, model, of, steps};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn merged_deltas_equal_learning_together(steps in steps(6, 20, 250), every in 5_usize..60) {
        let settings = RecommendSettings::default();
        let mut instances = [model(&settings), model(&settings)];
        instances.iter_mut().for_each(super::Model::share);
        for (place, step) in steps.iter().enumerate() {
            let own = usize::from(step.user.ends_with(['1', '3', '5']));
            learn(&mut instances[own], step);
            if place % every == 0 || place + 1 == steps.len() {
                for (one, other) in [(0, 1), (1, 0)] {
                    if let Some(delta) = instances[one].take_delta() {
                        let read = Delta::from_bytes(&delta.to_bytes());
                        prop_assert_eq!(read.as_ref(), Ok(&delta));
                        instances[other].merge(&delta);
                    }
                }
            }
        }
        prop_assert!(instances[0].take_delta().is_none());
        let mut together = of(&steps, &settings);
        let now = steps.iter().map(|step| step.second).max().unwrap_or(0);
        let forget = |model: &mut super::Model, own: [&str; 3]| {
            for user in &own {
                model.forget(user);
            }
        };
        // Each knows its own users; the others are strangers to it.
        let mut even = together.clone();
        forget(&mut even, ["u1", "u3", "u5"]);
        forget(&mut together, ["u0", "u2", "u4"]);
        assert_same(&instances[0], &even, 6, now)?;
        assert_same(&instances[1], &together, 6, now)?;
        prop_assert!((instances[0].size().events - even.size().events).abs() < 1e-9);
    }

    #[test]
    fn damaged_bytes_are_an_error_and_no_panic(steps in steps(3, 8, 40), place: prop::sample::Index, byte: u8) {
        let mut learned = model(&RecommendSettings::default());
        learned.share();
        for step in &steps {
            learn(&mut learned, step);
        }
        let Some(delta) = learned.take_delta() else { return Ok(()); };
        let mut bytes = delta.to_bytes();
        let cut = place.index(bytes.len());
        prop_assert!(Delta::from_bytes(&bytes[..cut]).is_err());
        bytes[cut] = byte;
        if let Ok(delta) = Delta::from_bytes(&bytes) {
            learned.merge(&delta);
        }
    }
}

#[test]
fn foreign_and_later_bytes_are_named() {
    assert_eq!(
        Delta::from_bytes(b"nonsense"),
        Err(CodecError::Foreign("delta"))
    );
    let later = CodecError::Version { found: 2, known: 1 };
    assert_eq!(Delta::from_bytes(b"HMRD\x02"), Err(later));
    assert!(later.to_string().contains("upgrade"));
}

#[test]
fn what_is_merged_is_not_sent_on() {
    let settings = RecommendSettings::default();
    let [mut one, mut other] = [model(&settings), model(&settings)];
    one.share();
    other.share();
    let step = super::Step {
        user: "u".to_owned(),
        item: "i".to_owned(),
        kind: "like",
        second: super::NOW_S,
    };
    learn(&mut one, &step);
    other.merge(&one.take_delta().unwrap());
    assert_eq!(other.take_delta(), None);
    assert_eq!(other.size().events, 1.0);
}
