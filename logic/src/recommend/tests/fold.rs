//! Which records of the common log count.

use proptest::prelude::*;

use super::super::{Delta, DeltaItem, ModelRecord, Outcome, RecommendSettings, SharedModel};
use super::{learn_apart, model, steps};

fn claim(shard: u32, token: u64) -> ModelRecord {
    ModelRecord::Claim {
        shard,
        token,
        store: format!("store {token}"),
    }
}

fn delta(shard: u32, token: u64, from: i64, to: i64) -> ModelRecord {
    let item = DeltaItem {
        id: "i".to_owned(),
        count: 1.0,
        ..DeltaItem::default()
    };
    ModelRecord::Delta {
        shard,
        token,
        from,
        to,
        delta: Delta {
            events: 1.0,
            items: vec![item],
            ..Delta::default()
        },
    }
}

fn shared() -> SharedModel {
    SharedModel::new(RecommendSettings::default(), 1).unwrap()
}

#[test]
fn a_delta_counts_once_and_only_of_the_latest_owner() {
    let mut shared = shared();
    for (offset, record, outcome) in [
        (0, delta(0, 1, 0, 9), Outcome::Fenced),
        (1, claim(0, 1), Outcome::Claimed),
        (2, delta(0, 1, 0, 9), Outcome::Counted),
        (2, delta(0, 1, 10, 12), Outcome::Applied),
        (3, delta(0, 1, 5, 12), Outcome::Repeated),
        (5, delta(0, 1, 10, 12), Outcome::Counted),
        (6, claim(0, 2), Outcome::Claimed),
        (7, delta(0, 1, 13, 20), Outcome::Fenced),
        (8, delta(1, 2, 13, 20), Outcome::Fenced),
        (9, delta(0, 2, 12, 20), Outcome::Repeated),
        (10, delta(0, 2, 13, 20), Outcome::Counted),
    ] {
        let read = ModelRecord::from_bytes(&record.to_bytes());
        assert_eq!(read.as_ref(), Ok(&record));
        assert_eq!(shared.apply(offset, &record), outcome, "{offset}");
    }
    assert_eq!(shared.model().size().events, 3.0);
    let progress = shared.progress(0).unwrap();
    assert_eq!(
        (progress.token, progress.to, &*progress.store),
        (2, Some(20), "store 2")
    );
    assert_eq!((shared.progress(1), shared.offset()), (None, Some(10)));
    shared.pass(11);
    assert_eq!(shared.apply(11, &claim(1, 1)), Outcome::Applied);
}

#[test]
fn an_empty_one_and_a_store_without_a_name_survive_their_bytes() {
    let mut shared = shared();
    let again = |shared: &SharedModel| {
        let bytes = shared.snapshot();
        SharedModel::restore(&bytes, RecommendSettings::default(), 2).unwrap()
    };
    assert_eq!(
        (again(&shared).offset(), again(&shared).shards().count()),
        (None, 0)
    );
    let store = String::new();
    shared.apply(
        0,
        &ModelRecord::Claim {
            shard: 9,
            token: 0,
            store,
        },
    );
    assert_eq!(again(&shared).progress(9), shared.progress(9));
}

/// Records of two shards whose owners change, with repeats.
fn log() -> impl Strategy<Value = Vec<ModelRecord>> {
    let record = (
        0_u32..2,
        0_u64..3,
        0_i64..40,
        0_i64..5,
        any::<bool>(),
        steps(3, 12, 20),
    );
    prop::collection::vec(record, 0..40).prop_map(|records| {
        let records = records
            .into_iter()
            .map(|(shard, token, from, more, is_claim, steps)| {
                if is_claim {
                    return claim(shard, token);
                }
                let mut learned = model(&RecommendSettings::default());
                for step in &steps {
                    learn_apart(&mut learned, step);
                }
                let delta = learned.take_delta().unwrap_or_default();
                ModelRecord::Delta {
                    shard,
                    token,
                    from,
                    to: from + more,
                    delta,
                }
            });
        records.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_restored_one_goes_on_as_the_one_before(log in log(), cut: prop::sample::Index) {
        let mut whole = shared();
        let mut part = shared();
        let cut = if log.is_empty() { 0 } else { cut.index(log.len()) };
        for (offset, record) in (0..).zip(&log) {
            whole.apply(offset, record);
            if (offset as usize) < cut {
                part.apply(offset, record);
            }
        }
        let bytes = part.snapshot();
        let mut restored = SharedModel::restore(&bytes, RecommendSettings::default(), 9).unwrap();
        prop_assert_eq!(restored.snapshot(), bytes);
        // From the beginning: what the snapshot holds is passed over.
        for (offset, record) in (0..).zip(&log) {
            restored.apply(offset, record);
        }
        prop_assert_eq!(restored.snapshot(), whole.snapshot());
        prop_assert_eq!(restored.offset(), whole.offset());
    }

    #[test]
    fn damaged_bytes_are_an_error_and_no_panic(log in log(), place: prop::sample::Index, byte: u8) {
        let mut shared = shared();
        for (offset, record) in (0..).zip(&log) {
            shared.apply(offset, record);
        }
        let mut bytes = shared.snapshot();
        let cut = place.index(bytes.len());
        let settings = RecommendSettings::default();
        prop_assert!(SharedModel::restore(&bytes[..cut], settings.clone(), 0).is_err());
        bytes[cut] = byte;
        if let Ok(mut restored) = SharedModel::restore(&bytes, settings, 0) {
            restored.apply(1_000, &claim(0, 1));
            super::recommend(restored.model(), "u0", 10, super::NOW_S);
        }
    }

    #[test]
    fn any_bytes_are_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for magic in [&b"HMSM\x02"[..], b"HMRM\x01", b"HMRS\x02", b""] {
            let bytes = [magic, &bytes].concat();
            drop(ModelRecord::from_bytes(&bytes));
            drop(SharedModel::restore(&bytes, RecommendSettings::default(), 0));
        }
    }
}
