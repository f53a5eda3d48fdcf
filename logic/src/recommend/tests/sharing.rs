//! Instances with users of their own, sharing deltas, know together what one instance would.

use proptest::prelude::*;

use super::super::{CodecError, Delta, Model, ModelRecord, RecommendSettings, SharedModel};
use super::{Step, assert_same, fixed, learn, learn_apart, model, of, steps};

/// Through bytes, as it travels.
fn travelled(delta: &Delta) -> Delta {
    Delta::from_bytes(&delta.to_bytes()).unwrap()
}

fn shared(settings: &RecommendSettings, seed: u64) -> SharedModel {
    SharedModel::new(settings.clone(), seed).unwrap()
}

/// Two instances learn the events of their own users and apply all deltas, each in its own time but in one order.
fn two(settings: &RecommendSettings, steps: &[Step], every: usize) -> [SharedModel; 2] {
    let mut instances = [shared(settings, 1), shared(settings, 2)];
    let mut log: Vec<Vec<u8>> = Vec::new();
    for shard in 0..2 {
        let claim = ModelRecord::Claim {
            shard,
            token: 7,
            store: "here".to_owned(),
        };
        log.push(claim.to_bytes());
    }
    let mut from = [0; 2];
    for (place, step) in (0..).zip(steps) {
        let own = usize::from(step.user.ends_with(['1', '3', '5']));
        learn_apart(instances[own].model_mut(), step);
        if (place as usize).is_multiple_of(every) || place as usize + 1 == steps.len() {
            for (shard, instance) in (0_u32..).zip(&mut instances) {
                if let Some(delta) = instance.model_mut().take_delta() {
                    let from = std::mem::replace(&mut from[shard as usize], place + 1);
                    let record = ModelRecord::Delta {
                        shard,
                        token: 7,
                        from,
                        to: place,
                        delta,
                    };
                    log.push(record.to_bytes());
                }
            }
            // The second is behind by a record until the end.
            let late = usize::from(place as usize + 1 < steps.len());
            for (instance, behind) in instances.iter_mut().zip([0, late]) {
                let next = instance.offset().map_or(0, |offset| offset as usize + 1);
                let known = log.len().saturating_sub(behind);
                for (offset, bytes) in log.iter().enumerate().take(known).skip(next) {
                    let record = ModelRecord::from_bytes(bytes).unwrap();
                    instance.apply(offset as i64, &record);
                }
            }
        }
    }
    instances
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn learning_apart_and_merging_equals_learning(steps in steps(6, 20, 250), every in 1_usize..60) {
        let settings = fixed();
        let mut apart = model(&settings);
        for (place, step) in steps.iter().enumerate() {
            learn_apart(&mut apart, step);
            let is_due = place.is_multiple_of(every) || place + 1 == steps.len();
            if is_due && let Some(delta) = apart.take_delta() {
                prop_assert_eq!(&travelled(&delta), &delta);
                apart.merge(&delta);
            }
        }
        prop_assert_eq!(apart.take_delta(), None);
        let together = of(&steps, &settings);
        let now = steps.iter().map(|step| step.second).max().unwrap_or(0);
        assert_same(&apart, &together, 6, now)?;
        prop_assert_eq!(apart.size().pairs, together.size().pairs);
        prop_assert!((apart.size().events - together.size().events).abs() < 1e-9);
        for item in 0..20 {
            let item = format!("i{item}");
            prop_assert_eq!(apart.similar_items(&item, 0.0, 30), together.similar_items(&item, 0.0, 30));
        }
    }

    #[test]
    fn instances_know_the_same_of_items_and_together_what_one_would(steps in steps(6, 20, 250), every in 1_usize..60) {
        let settings = fixed();
        let instances = two(&settings, &steps, every);
        prop_assert_eq!(instances[0].snapshot(), instances[1].snapshot());
        let now = steps.iter().map(|step| step.second).max().unwrap_or(0);
        // Each knows its own users; the others are strangers to it.
        for (instance, others) in instances.iter().zip([["u1", "u3", "u5"], ["u0", "u2", "u4"]]) {
            let mut one = of(&steps, &settings);
            for other in others {
                one.forget(other);
            }
            assert_same(instance.model(), &one, 6, now)?;
        }
    }

    #[test]
    fn instances_know_the_same_of_items_at_every_bound(
        steps in steps(20, 200, 400),
        every in 1_usize..60,
        items_max in 8_usize..40,
        neighbours_max in 8_usize..20,
        pairs_max in 20_usize..400,
    ) {
        let settings = RecommendSettings {
            items_max, neighbours_max, pairs_max, users_max: 8, seen_max: 9, holders_max: 8,
            candidates_max: 5, ..RecommendSettings::default()
        };
        let instances = two(&settings, &steps, every);
        prop_assert_eq!(instances[0].snapshot(), instances[1].snapshot());
        let [one, other] = instances.map(|mut instance| {
            super::bounds::check(instance.model()).unwrap();
            instance.model_mut().retain_users(|_| false);
            let now = steps.iter().map(|step| step.second).max().unwrap_or(0);
            let found = super::recommend(instance.model(), "stranger", 10, now);
            found.iter().map(|one| (one.item.to_owned(), one.score)).collect::<Vec<_>>()
        });
        prop_assert_eq!(one, other);
    }

    #[test]
    fn damaged_bytes_are_an_error_and_no_panic(steps in steps(3, 8, 40), place: prop::sample::Index, byte: u8) {
        let mut learned = model(&RecommendSettings::default());
        for step in &steps {
            learn_apart(&mut learned, step);
        }
        let Some(delta) = learned.take_delta() else { return Ok(()); };
        let record = ModelRecord::Delta { shard: 3, token: u64::MAX, from: 0, to: 9, delta };
        let mut bytes = record.to_bytes();
        prop_assert_eq!(&ModelRecord::from_bytes(&bytes), &Ok(record));
        let cut = place.index(bytes.len());
        prop_assert!(ModelRecord::from_bytes(&bytes[..cut]).is_err());
        bytes[cut] = byte;
        if let Ok(ModelRecord::Delta { delta, .. }) = ModelRecord::from_bytes(&bytes) {
            learned.merge(&delta);
            super::recommend(&learned, "u0", 10, super::NOW_S);
        }
    }
}

#[test]
fn foreign_and_later_bytes_are_named() {
    assert_eq!(
        Delta::from_bytes(b"nonsense"),
        Err(CodecError::Foreign("delta"))
    );
    let later = CodecError::Version { found: 3, known: 2 };
    assert_eq!(Delta::from_bytes(b"HMRD\x03"), Err(later));
    assert!(later.to_string().contains("upgrade"));
    let earlier = Delta::from_bytes(b"HMRD\x01").unwrap_err();
    assert!(
        earlier
            .to_string()
            .contains("version 1 of a delta is no longer read"),
        "{earlier}"
    );
}

fn like(user: &str, item: &str) -> Step {
    Step {
        user: user.to_owned(),
        item: item.to_owned(),
        kind: "like",
        second: super::NOW_S,
    }
}

#[test]
fn what_is_learned_apart_counts_once_it_is_merged() {
    let mut one = model(&RecommendSettings::default());
    learn_apart(&mut one, &like("u", "i"));
    assert!(one.knows("u", "i"));
    assert_eq!((one.size().items, one.size().events), (0, 0.0));
    let delta = one.take_delta().unwrap();
    assert_eq!((delta.items[0].holders, one.take_delta()), (1, None));
    one.merge(&delta);
    assert_eq!((one.size().items, one.size().events), (1, 1.0));
    // A second choice of it adds no user, and an import no count at all.
    learn_apart(&mut one, &like("u", "i"));
    assert_eq!(one.take_delta(), None);
    let taste = one.export_user("u").unwrap();
    let before = one.snapshot();
    one.import_user("u", &taste).unwrap();
    assert_eq!((one.take_delta(), one.snapshot()), (None, before));
}

/// An item that leaves at the bound while a delta names it keeps its slot: what the delta says of it reaches no other item.
#[test]
fn an_item_that_leaves_while_its_delta_is_under_way_comes_back_with_it() {
    let settings = RecommendSettings {
        items_max: 8,
        ..RecommendSettings::default()
    };
    let mut one = model(&settings);
    learn_apart(&mut one, &like("u", "rare"));
    let first = one.take_delta().unwrap();
    one.merge(&first);
    learn_apart(&mut one, &like("v", "rare"));
    let mut many = model(&settings);
    for item in 0..9 {
        for user in ["a", "b", "c"] {
            learn_apart(&mut many, &like(user, &format!("i{item}")));
        }
    }
    one.merge(&many.take_delta().unwrap());
    let counted = |model: &Model| {
        let slot = model.items.names.find("rare").unwrap();
        model.items.get(slot).is_counted
    };
    assert!(!counted(&one) && one.knows("v", "rare"));
    let second = one.take_delta().unwrap();
    assert_eq!(second.items[0].id, "rare");
    one.merge(&second);
    assert!(counted(&one) && one.size().items <= 8);
}

#[test]
fn items_that_only_users_name_are_bounded() {
    let settings = RecommendSettings {
        items_max: 8,
        ..RecommendSettings::default()
    };
    let mut one = model(&settings);
    for item in 0..5_000 {
        learn(&mut one, &like("v", "kept"));
        learn_apart(
            &mut one,
            &like(&format!("u{}", item % 20), &format!("i{item}")),
        );
        if item % 100 == 0 {
            one.take_delta();
        }
        assert!(one.items.names.len() <= 8 + 1_001);
    }
    super::bounds::check(&one).unwrap();
    assert!(one.knows("u19", "i4999") && one.knows("v", "kept"));
}

#[test]
fn a_large_delta_is_due_before_a_record_is_too_large() {
    let mut one = model(&RecommendSettings::default());
    let mut learned = 0;
    while !one.delta_is_due() {
        learn_apart(&mut one, &like("u", &format!("item-{learned}")));
        learned += 1;
    }
    let bytes = one.take_delta().unwrap().to_bytes().len();
    assert!(
        learned > 1_000 && bytes > 200_000 && bytes < 900_000,
        "{learned} {bytes}"
    );
}
