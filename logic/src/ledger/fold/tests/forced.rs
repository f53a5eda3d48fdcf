//! Actions by a person's word: a key names one order as long as the fold remembers it, and another one, of another action,
//! behind that.

use proptest::prelude::*;

use super::histories;
use super::random::{forcing, log_of};
use crate::actions::Action::Retrain;
use crate::ledger::change::Halt;
use crate::ledger::fold::restore::Restore;
use crate::ledger::fold::samples::*;
use crate::ledger::fold::{FIRST_VERSION, FOLD_VERSION, Fold};
use crate::ledger::identity;
use crate::ledger::phase::DerivedKind;
use crate::ledger::record::FinishOutcome::{Done, Failed};
use crate::ledger::record::{
    Genesis, Id, Millis, Override, OverrideOrder, Propose, Record, Step, Upgrade,
};
use crate::ledger::state::OverrideVerdict;
use crate::ledger::times::{CHECKPOINT_MS, HORIZON_MS, RESTORE_MARGIN_MS};

const HOUR: Millis = 60 * MINUTE;

/// An order to retrain at once, always the same but for its time.
fn force(at: Millis) -> Record {
    let once = Step {
        max_attempts: 1,
        ..step(Retrain)
    };
    let propose = Propose {
        event_key: identity::forced_key(id(1)),
        not_after: T0 + at + HOUR,
        ..propose(0, vec![once])
    };
    Record::Override(Box::new(Override {
        override_id: id(1),
        order: OverrideOrder::Force(Box::new(propose)),
        who: "anna".to_owned(),
        reason: "because".to_owned(),
    }))
}

/// Gives the order; the action that it is answered with.
fn forced(bench: &mut Bench, at: Millis) -> Id {
    bench.apply(at, force(at));
    assert_eq!(bench.void(), None);
    match bench.fold.override_entry(id(1)).unwrap().verdict {
        OverrideVerdict::Applied { action } => action.unwrap(),
        OverrideVerdict::Refused(_) => panic!("it was refused"),
    }
}

/// Sends the only attempt of an action, which fails; the alert about it.
fn fails(bench: &mut Bench, at: Millis, action: Id, attempt: u32, bid: u32) -> Id {
    assert!(bench.start(at, action, attempt, bid));
    bench.finish(at + SECOND, action, attempt, bid, Failed);
    bench.fold.action(action).unwrap().derived[&DerivedKind::Escalation]
}

/// Both attempts of an alert fail.
fn is_lost(bench: &mut Bench, at: Millis, alert: Id, bid: u32) {
    for attempt in 1..=2_u32 {
        let at = at + Millis::from(attempt) * MINUTE;
        assert!(bench.start(at, alert, attempt, bid + attempt));
        bench.finish(at + SECOND, alert, attempt, bid + attempt, Failed);
    }
    assert_eq!(bench.phase(alert), "failed");
}

#[test]
fn g10_a_key_that_is_used_again_after_the_memory_forces_another_action_with_an_id_of_its_own() {
    let mut bench = Bench::new();
    let first = forced(&mut bench, 0);
    bench.start(SECOND, first, 1, 1);
    bench.finish(2 * SECOND, first, 1, 1, Done);
    // As long as it is remembered, the order is the same one.
    for at in [HOUR, HORIZON_MS] {
        bench.apply(at, force(at));
        let void = bench.void().unwrap();
        assert!(void.contains("was read before"), "{void}");
        assert_eq!(bench.fold.open_actions().count(), 0);
    }
    bench.tick(HORIZON_MS + 1);
    let second = forced(&mut bench, HORIZON_MS + 1);
    assert_ne!(first, second, "its target would drop it as a repetition");
    assert_eq!(bench.phase(second), "ready");
    assert!(bench.start(HORIZON_MS + SECOND, second, 1, 2));
}

#[test]
fn g7_a_key_that_is_used_again_waits_for_what_it_forced_before() {
    let mut bench = Bench::new();
    let first = forced(&mut bench, 0);
    bench.start(SECOND, first, 1, 1);
    // Whatever keeps the action open that long.
    bench.fold = {
        let mut state = bench.fold.state().clone();
        state.overrides.clear();
        Fold::resume(state, bench.fold.memory().clone())
    };
    bench.apply(2 * SECOND, force(2 * SECOND));
    let void = bench.void().unwrap();
    assert!(void.contains(&first.to_string()), "{void}");
    assert_eq!(bench.fold.open_actions().count(), 1);
}

#[test]
fn what_a_key_forced_before_the_memory_keeps_its_lost_alert_beside_that_of_the_second_action() {
    let mut bench = Bench::new();
    let first = forced(&mut bench, 0);
    let lost = fails(&mut bench, SECOND, first, 1, 1);
    is_lost(&mut bench, 2 * HOUR, lost, 10);
    // The action is forgotten, its alert is not yet.
    let later = HORIZON_MS + HOUR;
    bench.tick(later);
    assert_eq!((bench.phase(first), bench.phase(lost)), ("gone", "failed"));
    let second = forced(&mut bench, later);
    let alert = fails(&mut bench, later + SECOND, second, 1, 20);
    assert_ne!(alert, lost, "its receiver would drop it as a repetition");
    assert_eq!((bench.phase(lost), bench.phase(alert)), ("failed", "ready"));
    is_lost(&mut bench, later, alert, 30);
    assert_eq!(bench.fold.undelivered().count(), 2);
    bench.tick(HORIZON_MS + 3 * HOUR);
    assert_eq!((bench.phase(lost), bench.phase(alert)), ("gone", "failed"));
    assert_eq!(bench.fold.undelivered().count(), 1);
}

#[test]
fn g6_a_key_that_is_used_again_forces_the_same_action_on_every_instance_also_behind_a_checkpoint() {
    let mut bench = Bench {
        fold: Fold::new(),
        changes: Vec::new(),
    };
    let later = HORIZON_MS + 2 * RESTORE_MARGIN_MS + 2 * CHECKPOINT_MS;
    bench.apply(0, genesis(INSTALLATION));
    let first = forced(&mut bench, 0);
    bench.tick(later);
    let mut restore = Restore::new(FOLD_VERSION);
    restore.read(1, T0, Ok(force(0))).unwrap();
    let part = bench.fold.checkpoint().unwrap().remove(0);
    let read = restore.read(3, T0 + later, Ok(Record::Checkpoint(part)));
    let mut other = Bench {
        fold: read.unwrap().expect("a state to start from"),
        changes: Vec::new(),
    };
    let second = forced(&mut bench, later);
    assert_eq!(forced(&mut other, later), second);
    assert_ne!(first, second);
    assert_eq!(other.fold.hash(), bench.fold.hash());
}

#[test]
fn a_ledger_begun_by_the_first_rules_is_folded_by_them_until_it_is_upgraded() {
    // As it was written before a Genesis named its rules.
    let old = format!("{{\"genesis\":{{\"installation\":\"{INSTALLATION}\"}}}}");
    let old: Record = serde_json::from_str(&old).unwrap();
    let mut bench = Bench {
        fold: Fold::new(),
        changes: Vec::new(),
    };
    bench.apply(0, old);
    assert_eq!(bench.fold.state().version, FIRST_VERSION);
    let target = propose(0, Vec::new()).target;
    let key = identity::forced_key(id(1));
    let by_key = identity::action_id(INSTALLATION, key, &target, 0);
    let action = forced(&mut bench, 0);
    assert_eq!(action, by_key, "bids in the ledger name it so");
    // It fails twice, and both alerts are lost: the newest one alone is acknowledged with it.
    let first = fails(&mut bench, SECOND, action, 1, 1);
    is_lost(&mut bench, MINUTE, first, 10);
    let expect = bench.changed(action);
    let action_id = action;
    let refire = OverrideOrder::Refire { action_id, expect };
    assert_eq!(bench.order(HOUR, 2, refire), Ok(()));
    let second = fails(&mut bench, HOUR + SECOND, action, 2, 20);
    is_lost(&mut bench, HOUR + MINUTE, second, 30);
    let expect = bench.changed(action);
    let acknowledge = OverrideOrder::Acknowledge { action_id, expect };
    assert_eq!(bench.order(2 * HOUR, 3, acknowledge.clone()), Ok(()));
    let left: Vec<Id> = bench.fold.undelivered().map(|(alert, _)| alert).collect();
    assert_eq!(left, [first]);
    let fold_version = FOLD_VERSION;
    bench.apply(2 * HOUR, Record::Upgrade(Upgrade { fold_version }));
    assert_eq!(bench.order(2 * HOUR, 4, acknowledge), Ok(()));
    assert_eq!(bench.fold.undelivered().count(), 0);
    let later = HORIZON_MS + 3 * HOUR;
    bench.tick(later);
    assert_ne!(forced(&mut bench, later), by_key);
}

#[test]
fn a_ledger_begun_by_newer_rules_stops_a_program_that_does_not_know_them() {
    let (found, known) = (FOLD_VERSION + 1, FOLD_VERSION);
    let begun = Record::Genesis(Genesis {
        fold_version: found,
        ..Genesis::new(INSTALLATION)
    });
    let (mut old, mut new) = (Fold::new(), Fold::new().knowing(found));
    old.apply(0, T0, Ok(begun.clone()));
    new.apply(0, T0, Ok(begun));
    let halt = Halt::NewerRules { found, known };
    assert_eq!((old.halted(), old.installation()), (Some(halt), None));
    assert_eq!((new.halted(), new.state().version), (None, found));
    assert_eq!(new.installation(), Some(INSTALLATION));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_promise_holds_of_keys_that_are_used_again_after_the_memory(moves in forcing()) {
        let log = log_of(&moves);
        histories::one_bid_wins_an_attempt(&log);
        histories::one_action_of_a_key_is_open(&log);
        histories::one_event_leads_to_one_decision(&log);
        histories::each_bad_end_has_an_alert_of_its_own(&log);
        histories::acknowledged_actions_stay_where_they_are(&log);
        histories::the_index_is_what_a_scan_finds(&log);
    }
}
