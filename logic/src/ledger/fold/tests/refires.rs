//! What a person may fire again, and how its next end is told (ledger-protocol §9, §13.8; issue 13, row 14).

use crate::actions::Action::{Alert, Retrain, Rollback};
use crate::ledger::fold::samples::*;
use crate::ledger::phase::DerivedKind;
use crate::ledger::reason::Refusal;
use crate::ledger::record::FinishOutcome::{Done, Failed, NotSent, Unknown};
use crate::ledger::record::{Id, Millis, OverrideOrder, Policy, Propose, Step, Verify};
use crate::ledger::state::OverrideVerdict;
use crate::ledger::times::REFIRE_START_MS;

const HOUR: Millis = 60 * MINUTE;

fn once(policy: Policy) -> Step {
    Step {
        policy,
        max_attempts: 1,
        ..step(Retrain)
    }
}

/// Fires an action again, as it is now.
fn refire(bench: &mut Bench, at: Millis, number: u32, action_id: Id) -> Ruled {
    let expect = bench.changed(action_id);
    bench.order(at, number, OverrideOrder::Refire { action_id, expect })
}

/// Why an order was refused.
fn refusal(bench: &Bench, number: u32) -> Refusal {
    match &bench.fold.override_entry(id(number)).unwrap().verdict {
        OverrideVerdict::Refused(refusal) => refusal.clone(),
        OverrideVerdict::Applied { .. } => panic!("it was applied"),
    }
}

/// An action that failed at 2 s, after one attempt.
fn failed(bench: &mut Bench, offset: i64) -> Id {
    let action = bench.propose(0, propose(offset, vec![once(Policy::Idempotent)]));
    assert!(bench.start(SECOND, action, 1, 1));
    bench.finish(2 * SECOND, action, 1, 1, Failed);
    assert_eq!(bench.phase(action), "failed");
    action
}

fn alert_of(bench: &Bench, action: Id) -> Id {
    bench.fold.action(action).unwrap().derived[&DerivedKind::Escalation]
}

#[test]
fn a_failed_action_is_fired_again_at_once_although_its_attempts_are_used_up() {
    let mut bench = Bench::new();
    let action = failed(&mut bench, 1);
    let alert = alert_of(&bench, action);
    assert_eq!(refire(&mut bench, 3 * SECOND, 1, action), Ok(()));
    assert_eq!(bench.phase(alert), "cancelled", "it is not due now");
    let state = bench.fold.action(action).unwrap();
    assert_eq!(state.not_after, T0 + 3 * SECOND + REFIRE_START_MS);
    assert!(bench.start(4 * SECOND, action, 2, 2));
    bench.finish(5 * SECOND, action, 2, 2, Done);
    assert_eq!(bench.phase(action), "done");
    // Its end starts the cooldown, as any other does.
    bench.propose(6 * SECOND, propose(2, vec![step(Retrain)]));
    assert_eq!(bench.entered().unwrap().2, "cooldown");
    // Done is no bad end.
    assert_eq!(refire(&mut bench, HOUR, 2, action), Err("wrong_phase"));
}

#[test]
fn v11_a_failed_action_with_an_attempt_in_doubt_waits_for_the_lease_of_that_attempt() {
    let mut bench = Bench::new();
    let twice = Step {
        max_attempts: 2,
        ..step(Retrain)
    };
    let action = bench.propose(0, propose(1, vec![twice]));
    assert!(bench.start(SECOND, action, 1, 1));
    // It may still arrive, and the second attempt fails for certain.
    bench.finish(2 * SECOND, action, 1, 1, Unknown);
    assert!(bench.start(20 * SECOND, action, 2, 2));
    bench.finish(21 * SECOND, action, 2, 2, Failed);
    assert_eq!(
        refire(&mut bench, 22 * SECOND, 1, action),
        Err("lease_running")
    );
    let until = T0 + SECOND + LEASE;
    assert_eq!(refusal(&bench, 1), Refusal::LeaseRunning { until });
    assert_eq!(refusal(&bench, 1).valid_from(), Some(until));
    assert_eq!(refire(&mut bench, SECOND + LEASE, 2, action), Ok(()));
}

#[test]
fn an_unknown_outcome_that_proves_harmless_needs_no_lease() {
    let mut bench = Bench::new();
    let action = bench.propose(0, propose(1, vec![once(Policy::AtMostOnce)]));
    bench.start(SECOND, action, 1, 1);
    bench.finish(2 * SECOND, action, 1, 1, Unknown);
    assert_eq!(
        refire(&mut bench, 3 * SECOND, 1, action),
        Err("lease_running")
    );
    // Its sender says so after all.
    bench.finish(4 * SECOND, action, 1, 1, NotSent);
    assert_eq!(bench.phase(action), "unknown");
    assert_eq!(refire(&mut bench, 5 * SECOND, 2, action), Ok(()));
}

#[test]
fn each_second_failure_is_told_by_an_alert_of_its_own_also_when_the_first_was_delivered() {
    let mut bench = Bench::new();
    let action = failed(&mut bench, 1);
    let mut alerts = vec![alert_of(&bench, action)];
    for round in 1..=3_u32 {
        let at = Millis::from(round) * MINUTE;
        let (alert, bid) = (alerts[alerts.len() - 1], 10 * round);
        assert_eq!(bench.phase(alert), "ready", "round {round}");
        assert!(bench.start(at, alert, 1, bid));
        bench.finish(at + 1, alert, 1, bid, Done);
        assert_eq!(refire(&mut bench, at + 2, round, action), Ok(()));
        assert_eq!(bench.phase(alert), "done", "it went out");
        assert!(bench.start(at + 3, action, 1 + round, bid + 1));
        bench.finish(at + 4, action, 1 + round, bid + 1, Failed);
        let next = alert_of(&bench, action);
        assert!(!alerts.contains(&next), "its receiver would drop it");
        alerts.push(next);
    }
}

#[test]
fn an_alert_on_its_way_while_its_parent_is_fired_again_is_left_alone() {
    let mut bench = Bench::new();
    let action = failed(&mut bench, 1);
    let first = alert_of(&bench, action);
    assert!(bench.start(3 * SECOND, first, 1, 2));
    assert_eq!(refire(&mut bench, 4 * SECOND, 1, action), Ok(()));
    bench.finish(5 * SECOND, first, 1, 2, Done);
    assert_eq!(bench.phase(first), "done");
    // Not started in its hour: told again.
    bench.tick(5 * SECOND + REFIRE_START_MS);
    assert_eq!(bench.phase(action), "failed");
    assert_ne!(alert_of(&bench, action), first);
}

#[test]
fn g7_a_failed_action_is_fired_again_only_while_its_key_is_free() {
    let mut bench = Bench::new();
    let first = failed(&mut bench, 1);
    let second = bench.propose(MINUTE, propose(2, vec![step(Retrain)]));
    assert_eq!(bench.phase(second), "ready");
    assert_eq!(refire(&mut bench, MINUTE, 1, first), Err("key_busy"));
    assert_eq!(refusal(&bench, 1), Refusal::KeyBusy(second));
    bench.start(MINUTE, second, 1, 2);
    bench.finish(2 * MINUTE, second, 1, 2, Done);
    // Cooling: until then, or until a person clears it.
    assert_eq!(refire(&mut bench, 3 * MINUTE, 2, first), Err("key_cooling"));
    let until = T0 + 12 * MINUTE;
    let action = second;
    assert_eq!(refusal(&bench, 2), Refusal::KeyCooling { action, until });
    assert_eq!(refire(&mut bench, 12 * MINUTE, 3, first), Ok(()));
    // It holds the key, and its end counts although the second was accepted later.
    bench.propose(12 * MINUTE, propose(3, vec![step(Retrain)]));
    assert_eq!(bench.entered().unwrap().2, "in_progress");
    bench.start(13 * MINUTE, first, 2, 3);
    bench.finish(14 * MINUTE, first, 2, 3, Done);
    bench.propose(15 * MINUTE, propose(4, vec![step(Retrain)]));
    assert_eq!(bench.entered().unwrap().2, "cooldown");
}

#[test]
fn a_cooldown_that_a_person_cleared_stops_no_refire() {
    let mut bench = Bench::new();
    let first = failed(&mut bench, 1);
    let second = bench.propose(MINUTE, propose(2, vec![step(Retrain)]));
    bench.start(MINUTE, second, 1, 2);
    bench.finish(2 * MINUTE, second, 1, 2, Done);
    let expect = bench.changed(second);
    let clear = OverrideOrder::ClearCooldown {
        action_id: second,
        expect,
    };
    assert_eq!(bench.order(3 * MINUTE, 1, clear), Ok(()));
    assert_eq!(refire(&mut bench, 3 * MINUTE, 2, first), Ok(()));
}

#[test]
fn an_expired_action_was_never_sent_and_is_not_fired_again() {
    let mut bench = Bench::new();
    let stale = Propose {
        not_after: T0 + MINUTE,
        ..propose(1, vec![step(Retrain)])
    };
    let action = bench.propose(0, stale);
    bench.tick(2 * MINUTE);
    assert_eq!(bench.phase(action), "expired");
    assert_eq!(
        refire(&mut bench, 3 * MINUTE, 1, action),
        Err("wrong_phase")
    );
    let why = refusal(&bench, 1).to_string();
    assert!(
        why.contains("`force`") && why.contains("`acknowledge`"),
        "{why}"
    );
}

/// A retraining that did not help, so the fold derived a rollback, which failed.
fn failed_rollback(bench: &mut Bench) -> Id {
    let next = Step {
        max_attempts: 1,
        ..step(Rollback)
    };
    let verify = Verify {
        signal: "drift".to_owned(),
        within_ms: MINUTE,
        next: Some(next),
    };
    let first = Step {
        verify: Some(Box::new(verify)),
        ..step(Retrain)
    };
    let parent = bench.propose(0, propose(1, vec![first]));
    bench.start(1, parent, 1, 1);
    bench.finish(2, parent, 1, 1, Done);
    bench.tick(2 * MINUTE);
    let rollback = bench.fold.action(parent).unwrap().derived[&DerivedKind::Next];
    assert!(bench.start(3 * MINUTE, rollback, 1, 2));
    bench.finish(3 * MINUTE, rollback, 1, 2, Failed);
    assert_eq!(bench.phase(rollback), "failed");
    rollback
}

#[test]
fn g7_a_derived_action_that_is_fired_again_checks_its_key_and_holds_it() {
    let mut bench = Bench::new();
    let rollback = failed_rollback(&mut bench);
    let other = bench.propose(4 * MINUTE, propose(2, vec![step(Rollback)]));
    assert_eq!(bench.phase(other), "ready");
    assert_eq!(refire(&mut bench, 5 * MINUTE, 1, rollback), Err("key_busy"));
    bench.start(5 * MINUTE, other, 1, 3);
    bench.finish(6 * MINUTE, other, 1, 3, Done);
    assert_eq!(
        refire(&mut bench, 7 * MINUTE, 2, rollback),
        Err("key_cooling")
    );
    assert_eq!(refire(&mut bench, 16 * MINUTE, 3, rollback), Ok(()));
    bench.propose(17 * MINUTE, propose(3, vec![step(Rollback)]));
    assert_eq!(bench.entered().unwrap().2, "in_progress");
    assert!(bench.start(18 * MINUTE, rollback, 2, 4));
    bench.finish(19 * MINUTE, rollback, 2, 4, Done);
    // A derived action leaves no cooldown, fired again or not.
    bench.propose(20 * MINUTE, propose(4, vec![step(Rollback)]));
    assert_eq!(bench.entered().unwrap().0, "ready");
}

#[test]
fn a_lost_alert_is_fired_again_beside_no_other_alert_and_holds_none_back() {
    let mut bench = Bench::new();
    let action = failed(&mut bench, 1);
    let alert = alert_of(&bench, action);
    for attempt in 1..=2_u32 {
        let at = Millis::from(attempt) * MINUTE;
        bench.start(at, alert, attempt, 10 + attempt);
        bench.finish(at, alert, attempt, 10 + attempt, Failed);
    }
    assert_eq!(bench.phase(alert), "failed");
    let other = bench.propose(3 * MINUTE, propose(2, vec![step(Alert)]));
    assert_eq!(refire(&mut bench, 3 * MINUTE, 1, alert), Err("key_busy"));
    bench.start(3 * MINUTE, other, 1, 20);
    bench.finish(3 * MINUTE, other, 1, 20, Failed);
    let retry = bench.changed(other);
    let cancel = OverrideOrder::Cancel {
        action_id: other,
        expect: retry,
    };
    assert_eq!(bench.order(4 * MINUTE, 2, cancel), Ok(()));
    assert_eq!(refire(&mut bench, 4 * MINUTE, 3, alert), Ok(()));
    bench.propose(4 * MINUTE, propose(3, vec![step(Alert)]));
    assert_eq!(bench.entered().unwrap().0, "ready", "alarms go through");
    assert!(bench.start(5 * MINUTE, alert, 3, 30));
    bench.finish(5 * MINUTE, alert, 3, 30, Failed);
    // Lost again: nobody is told of that but by the warning.
    assert_eq!(bench.fold.undelivered().count(), 1);
}

#[test]
fn what_is_fired_again_while_people_hold_everything_back_waits_for_resume() {
    let mut bench = Bench::new();
    let action = failed(&mut bench, 1);
    bench.order(MINUTE, 1, OverrideOrder::Pause).unwrap();
    assert_eq!(refire(&mut bench, MINUTE, 2, action), Ok(()));
    assert!(!bench.start(2 * MINUTE, action, 2, 2));
    bench.order(3 * MINUTE, 3, OverrideOrder::Resume).unwrap();
    assert!(bench.start(4 * MINUTE, action, 2, 3));
}
