//! Records of later rules, of recoveries, and of positions older than the memory.

use super::HOUR;
use crate::actions::Action::Retrain;
use crate::ledger::change::{ChangeKind, Halt};
use crate::ledger::fold::samples::*;
use crate::ledger::fold::{FOLD_VERSION, Fold};
use crate::ledger::phase::{DerivedKind, Phase};
use crate::ledger::record::FinishOutcome::Done;
use crate::ledger::record::{Observe, Record, Step, Upgrade, Verify};
use crate::ledger::times::HORIZON_MS;

#[test]
fn a_recovery_that_is_seen_ends_the_verification() {
    let verify = Step {
        verify: Some(Box::new(Verify {
            signal: "drift".to_owned(),
            within_ms: HOUR,
            next: None,
        })),
        ..step(Retrain)
    };
    for recovered in [true, false] {
        let mut bench = Bench::new();
        let action = bench.propose(0, propose(1, vec![verify.clone()]));
        let observe = |action_id| {
            Record::Observe(Observe {
                action_id,
                recovered,
                evidence: "drift 0.1".to_owned(),
            })
        };
        bench.apply(1, observe(action));
        assert_eq!(bench.void().unwrap(), "the action waits for no signal");
        bench.start(2, action, 1, 1);
        bench.finish(3, action, 1, 1, Done);
        bench.apply(4, observe(action));
        assert_eq!(bench.void(), None);
        bench.tick(2 * HOUR);
        let told = bench
            .fold
            .action(action)
            .unwrap()
            .derived
            .contains_key(&DerivedKind::Unverified);
        assert_eq!(told, !recovered);
        bench.apply(5, observe(id(99)));
        assert_eq!(
            bench.void().unwrap(),
            format!("action {} is not known", id(99))
        );
    }
}

#[test]
fn g6_rules_that_a_program_does_not_know_stop_it_where_they_come_into_force() {
    let upgrade = |fold_version| Record::Upgrade(Upgrade { fold_version });
    let mut old = Fold::new();
    let (known, next) = (FOLD_VERSION, FOLD_VERSION + 1);
    let mut new = Fold::new().knowing(next);
    for (offset, record) in [
        genesis(INSTALLATION),
        upgrade(known),
        upgrade(next),
        Record::Tick,
    ]
    .into_iter()
    .enumerate()
    {
        let offset = i64::try_from(offset).unwrap();
        old.apply(offset, T0, Ok(record.clone()));
        new.apply(offset, T0, Ok(record));
    }
    assert_eq!(
        (old.halted(), old.offset()),
        (Some(Halt::NewerRules { found: next, known }), 2)
    );
    assert_eq!(
        (new.halted(), new.offset(), new.state().version),
        (None, 3, next)
    );
    let changes = new.apply(4, T0, Ok(upgrade(next)));
    assert!(
        matches!(changes[0].kind, ChangeKind::Void { .. }),
        "in force already"
    );
}

#[test]
fn people_are_told_once_of_each_source_partition_that_is_older_than_the_memory() {
    let mut bench = Bench::new();
    bench.propose(0, propose(5, vec![step(Retrain)]));
    bench.tick(HORIZON_MS + HOUR);
    let mut alarming = Vec::new();
    for offset in [5, 4, 3] {
        bench.propose(HORIZON_MS + HOUR, propose(offset, vec![step(Retrain)]));
        alarming.extend(
            bench
                .changes
                .iter()
                .filter_map(|change| match &change.kind {
                    ChangeKind::Void { reason, .. } => Some(reason.is_alarming()),
                    _ => None,
                }),
        );
    }
    assert_eq!(alarming, [true, false, false]);
    assert!(!matches!(bench.fold.phase(id(0)), Some(Phase::Done)));
}
