//! Orders about one action: cancelled, fired again, resolved.

use super::{HOUR, with};
use crate::actions::Action::Retrain;
use crate::ledger::fold::samples::*;
use crate::ledger::identity;
use crate::ledger::phase::DerivedKind;
use crate::ledger::record::FinishOutcome::{Done, Failed, Unknown};
use crate::ledger::record::{Id, OverrideOrder, Policy, Resolution, Step};
use crate::ledger::times::{HORIZON_MS, REFIRE_START_MS};

/// An action of this policy, sent at 1 s with an unknown outcome at 2 s.
fn unknown(bench: &mut Bench, offset: i64, policy: Policy) -> Id {
    let action = bench.propose(0, propose(offset, vec![with(policy)]));
    assert!(bench.start(SECOND, action, 1, 1));
    bench.finish(2 * SECOND, action, 1, 1, Unknown);
    action
}

fn alert_of(bench: &Bench, action: Id) -> Id {
    bench.fold.action(action).unwrap().derived[&DerivedKind::Escalation]
}

const fn cancel(action_id: Id, expect: i64) -> OverrideOrder {
    OverrideOrder::Cancel { action_id, expect }
}

const fn refire(action_id: Id, expect: i64) -> OverrideOrder {
    OverrideOrder::Refire { action_id, expect }
}

const fn resolve(action_id: Id, expect: i64, outcome: Resolution) -> OverrideOrder {
    OverrideOrder::Resolve {
        action_id,
        expect,
        outcome,
    }
}

#[test]
fn g10_a_cancelled_action_never_starts() {
    let mut bench = Bench::new();
    let action = bench.propose(0, propose(1, vec![step(Retrain)]));
    let changed = bench.changed(action);
    assert_eq!(
        bench.order(1, 1, cancel(id(99), changed)),
        Err("unknown_action")
    );
    assert_eq!(bench.order(1, 2, cancel(action, changed - 1)), Err("stale"));
    assert_eq!(bench.order(1, 3, cancel(action, changed)), Ok(()));
    assert_eq!(bench.phase(action), "cancelled");
    // V9: the bid lands behind the cancel.
    assert!(!bench.start(2, action, 1, 1));
    let changed = bench.changed(action);
    assert_eq!(
        bench.order(3, 4, cancel(action, changed)),
        Err("wrong_phase")
    );
    // A cancel starts no cooldown.
    bench.propose(4, propose(2, vec![step(Retrain)]));
    assert_eq!(bench.entered().unwrap().0, "ready");
}

#[test]
fn what_is_being_sent_can_be_neither_cancelled_nor_fired_again() {
    let mut bench = Bench::new();
    let action = bench.propose(0, propose(1, vec![step(Retrain)]));
    bench.start(1, action, 1, 1);
    let changed = bench.changed(action);
    for (number, order) in [cancel(action, changed), refire(action, changed)]
        .into_iter()
        .enumerate()
    {
        let number = u32::try_from(number).unwrap();
        assert_eq!(bench.order(2, number, order), Err("being_sent"));
    }
    bench.finish(3, action, 1, 1, Done);
    assert_eq!(bench.phase(action), "done");
}

#[test]
fn every_phase_that_waits_can_be_cancelled() {
    let window = Step {
        start: within(&[window(HOUR, 2 * HOUR)]),
        ..step(Retrain)
    };
    let approval = Step {
        approval: true,
        ..step(Retrain)
    };
    for step in [
        window,
        approval,
        with(Policy::AtMostOnce),
        with(Policy::Verify),
    ] {
        let mut bench = Bench::new();
        let policy = step.policy;
        let waits = !step.start.is_now() || step.approval;
        let action = bench.propose(0, propose(1, vec![step]));
        if !waits {
            bench.start(SECOND, action, 1, 1);
            // Unknown for at_most_once, doubt for verify.
            bench.tick(2 * SECOND + LEASE);
            let expected = if policy == Policy::Verify {
                "doubt"
            } else {
                "unknown"
            };
            assert_eq!(bench.phase(action), expected);
        }
        let changed = bench.changed(action);
        assert_eq!(bench.order(2 * MINUTE, 1, cancel(action, changed)), Ok(()));
        bench.tick(24 * HOUR);
        assert_eq!(bench.phase(action), "cancelled");
    }
}

#[test]
fn an_order_read_twice_keeps_its_first_result() {
    let mut bench = Bench::new();
    let action = bench.propose(0, propose(1, vec![step(Retrain)]));
    let changed = bench.changed(action);
    assert_eq!(bench.order(1, 1, cancel(action, changed + 5)), Err("stale"));
    // The same id with an order that would be valid: the first result counts.
    assert_eq!(bench.order(2, 1, cancel(action, changed)), Err("stale"));
    assert_eq!(
        bench.void().unwrap(),
        format!("order {} was read before; its first result counts", id(1))
    );
    assert_eq!(bench.phase(action), "ready");
    let entry = bench.fold.override_entry(id(1)).unwrap();
    assert_eq!(
        entry.digest,
        identity::order_digest(&cancel(action, changed + 5))
    );
    // It is remembered for H.
    bench.tick(HORIZON_MS + 2);
    assert_eq!(bench.fold.override_entry(id(1)), None);
}

#[test]
fn g2_an_unknown_action_is_sent_again_only_by_an_order_behind_its_lease() {
    let mut bench = Bench::new();
    let action = unknown(&mut bench, 1, Policy::AtMostOnce);
    assert_eq!(bench.phase(action), "unknown");
    assert!(!bench.start(3 * SECOND, action, 2, 2), "nobody ordered it");
    let changed = bench.changed(action);
    // V11: the first request may still be under way.
    assert_eq!(
        bench.order(LEASE, 1, refire(action, changed)),
        Err("lease_running")
    );
    let alert = alert_of(&bench, action);
    let at = 2 * LEASE;
    assert_eq!(bench.order(at, 2, refire(action, changed)), Ok(()));
    assert_eq!(bench.phase(action), "ready");
    assert_eq!(bench.phase(alert), "cancelled");
    assert_eq!(
        bench.fold.action(action).unwrap().not_after,
        T0 + at + REFIRE_START_MS
    );
    assert!(bench.start(at + 1, action, 2, 2));
    let changed = bench.changed(action);
    assert_eq!(
        bench.order(at + 2, 3, refire(action, changed)),
        Err("being_sent")
    );
    // It goes wrong again: people are told again, by another alert.
    bench.finish(at + 3, action, 2, 2, Failed);
    assert_eq!(bench.phase(action), "failed");
    assert_eq!(bench.phase(alert), "cancelled");
    assert_eq!(bench.phase(alert_of(&bench, action)), "ready");
}

#[test]
fn an_order_to_fire_again_that_nobody_carries_out_expires_with_an_alert() {
    let mut bench = Bench::new();
    let action = unknown(&mut bench, 1, Policy::AtMostOnce);
    let alert = alert_of(&bench, action);
    let changed = bench.changed(action);
    assert_eq!(bench.order(2 * LEASE, 1, refire(action, changed)), Ok(()));
    bench.tick(2 * LEASE + REFIRE_START_MS + 1);
    assert_eq!(bench.phase(action), "failed");
    assert_eq!(bench.phase(alert), "cancelled");
    assert_eq!(bench.phase(alert_of(&bench, action)), "ready");
}

#[test]
fn g7_an_action_is_not_fired_again_beside_another_of_its_key() {
    let mut bench = Bench::new();
    let first = unknown(&mut bench, 1, Policy::AtMostOnce);
    let later = 20 * MINUTE;
    let second = bench.propose(later, propose(2, vec![step(Retrain)]));
    assert_eq!(bench.phase(second), "ready");
    let changed = bench.changed(first);
    assert_eq!(
        bench.order(later + 1, 1, refire(first, changed)),
        Err("key_busy")
    );
    let seen = bench.changed(second);
    assert_eq!(bench.order(later + 2, 2, cancel(second, seen)), Ok(()));
    assert_eq!(bench.order(later + 4, 3, refire(first, changed)), Ok(()));
    // And it holds the key now.
    bench.propose(later + 5, propose(3, vec![step(Retrain)]));
    assert_eq!(bench.entered().unwrap().2, "in_progress");
}

#[test]
fn a_person_says_what_came_of_an_unknown_or_doubtful_action() {
    for (policy, word, expected) in [
        (Policy::AtMostOnce, Resolution::Done, "done"),
        (Policy::AtMostOnce, Resolution::Failed, "failed"),
        (Policy::Verify, Resolution::Done, "done"),
        (Policy::Verify, Resolution::Failed, "failed"),
    ] {
        let mut bench = Bench::new();
        let action = unknown(&mut bench, 1, policy);
        bench.tick(2 * LEASE);
        let changed = bench.changed(action);
        assert_eq!(
            bench.order(2 * LEASE + 1, 1, resolve(action, changed, word)),
            Ok(())
        );
        assert_eq!(bench.phase(action), expected);
        let alert = bench
            .fold
            .action(action)
            .unwrap()
            .derived
            .get(&DerivedKind::Escalation);
        let alert = alert.map(|alert| bench.phase(*alert));
        let told = (expected == "failed").then_some("ready");
        assert!(
            alert == told || alert == Some("cancelled"),
            "{policy:?} {word:?}: {alert:?}"
        );
    }
    let mut bench = Bench::new();
    let action = bench.propose(0, propose(1, vec![step(Retrain)]));
    let changed = bench.changed(action);
    assert_eq!(
        bench.order(1, 1, resolve(action, changed, Resolution::Done)),
        Err("wrong_phase")
    );
}
