//! Traces of ledger-protocol §11 that concern the fold: each found a violation in an earlier text of the protocol.

use crate::actions::Action::{Retrain, Rollback};
use crate::ledger::fold::samples::*;
use crate::ledger::record::FinishOutcome::{Done, Failed, Unknown};
use crate::ledger::record::{Policy, Propose, Record, Step};
use crate::ledger::times::HORIZON_MS;

fn verified() -> Vec<Step> {
    vec![Step {
        policy: Policy::Verify,
        ..step(Retrain)
    }]
}

#[test]
fn v4_an_unknown_answer_keeps_the_lease_under_verify() {
    let mut bench = Bench::new();
    let action = bench.propose(0, propose(1, verified()));
    bench.start(0, action, 1, 1);
    bench.finish(SECOND, action, 1, 1, Unknown);
    assert!(
        !bench.start_with(2 * SECOND, action, 2, 2, true),
        "the first request may still arrive"
    );
    bench.tick(LEASE + 1);
    assert!(bench.start_with(LEASE + 2, action, 2, 3, true));
}

#[test]
fn v5_another_configuration_cannot_decide_an_event_twice() {
    let mut bench = Bench::new();
    let first = bench.propose(0, propose(1, vec![step(Retrain)]));
    let mut second = propose(1, vec![step(Rollback)]);
    second.rule_rev = "other".to_owned();
    second.decisions[0].rule = "other".to_owned();
    assert_eq!(
        bench.propose(1, second),
        first,
        "the rule is no part of the identity"
    );
    assert!(bench.void().is_some());
    assert_eq!(bench.fold.open_actions().count(), 1);
}

#[test]
fn v7_no_start_after_not_after_not_even_behind_a_probe() {
    let mut bench = Bench::new();
    let limited = Propose {
        not_after: T0 + LEASE + 10,
        ..propose(1, verified())
    };
    let action = bench.propose(0, limited.clone());
    bench.start(0, action, 1, 1);
    bench.tick(LEASE + 1);
    assert_eq!(bench.phase(action), "doubt");
    assert!(!bench.start_with(LEASE + 11, action, 2, 2, true));
    let mut late = Bench::new();
    let action = late.propose(0, limited);
    assert!(!late.start(LEASE + 11, action, 1, 1));
    assert_eq!(late.phase(action), "expired");
}

#[test]
fn v8_memory_is_a_constant_of_the_protocol_and_the_same_when_rebuilt() {
    let mut bench = Bench::new();
    bench.propose(0, propose(1, vec![step(Retrain)]));
    bench.propose(HORIZON_MS, propose(1, vec![step(Retrain)]));
    bench.propose(2 * HORIZON_MS, propose(1, vec![step(Retrain)]));
    assert!(
        bench.void().unwrap().contains("already decided"),
        "a duplicate refreshes the memory"
    );
}

#[test]
fn v9_a_start_behind_the_end_of_its_action_is_void() {
    let mut bench = Bench::new();
    let start = within(&[window(30 * MINUTE, 60 * MINUTE)]);
    let waiting = bench.propose(
        0,
        propose(
            1,
            vec![Step {
                start,
                ..step(Retrain)
            }],
        ),
    );
    bench.propose(SECOND, propose(2, vec![step(Retrain)]));
    assert_eq!(bench.phase(waiting), "superseded");
    assert!(!bench.start(31 * MINUTE, waiting, 1, 1));
}

#[test]
fn v12_cooldown_counts_from_the_end() {
    let mut bench = Bench::new();
    let action = bench.propose(0, propose(1, vec![step(Retrain)]));
    // The execution is delayed beyond the cooldown: the key is closed while the action is open.
    bench.propose(11 * MINUTE, propose(2, vec![step(Retrain)]));
    assert_eq!(bench.entered().unwrap().2, "in_progress");
    bench.start(12 * MINUTE, action, 1, 1);
    bench.finish(12 * MINUTE, action, 1, 1, Done);
    bench.propose(21 * MINUTE, propose(3, vec![step(Retrain)]));
    assert_eq!(bench.entered().unwrap().2, "cooldown");
    bench.propose(22 * MINUTE, propose(4, vec![step(Retrain)]));
    assert_eq!(bench.entered().unwrap().0, "ready");
}

#[test]
fn v12_a_failure_silences_nothing() {
    let mut bench = Bench::new();
    let once = vec![Step {
        max_attempts: 1,
        ..step(Retrain)
    }];
    let action = bench.propose(0, propose(1, once));
    bench.start(0, action, 1, 1);
    bench.finish(0, action, 1, 1, Failed);
    bench.propose(1, propose(2, vec![step(Retrain)]));
    assert_eq!(bench.entered().unwrap().0, "ready");
}

#[test]
fn v13_the_escalation_needs_no_record_of_its_own() {
    let mut bench = Bench::new();
    let once = vec![Step {
        policy: Policy::AtMostOnce,
        ..step(Retrain)
    }];
    let action = bench.propose(0, propose(1, once));
    bench.start(0, action, 1, 1);
    // Everybody dies; the next record of anybody finds the alert.
    bench.tick(LEASE + 1);
    assert_eq!(bench.phase(action), "unknown");
    let (_, alert) = bench.fold.open_actions().next().unwrap();
    assert_eq!(alert.derived_from.unwrap().0, action);
}

#[test]
fn v14_slots_are_taken_at_activation() {
    let mut bench = Bench::new();
    let keyed = |key: &str, start| Step {
        cooldown_key: key.to_owned(),
        start,
        ..budgeted(Retrain, 1)
    };
    let opens = within(&[window(MINUTE, 5 * MINUTE)]);
    let scheduled = bench.propose(0, propose(1, vec![keyed("a", opens)]));
    bench.tick(MINUTE + 1);
    assert_eq!(bench.phase(scheduled), "ready");
    bench.propose(MINUTE + 2, propose(2, vec![keyed("b", When::Now)]));
    assert_eq!(
        bench.entered().unwrap().2,
        "budget",
        "both fall into one window"
    );
}

#[test]
fn log_time_that_steps_back_frees_no_slot() {
    let mut bench = Bench::new();
    let keyed = |offset: i64| {
        let cooldown_key = offset.to_string();
        propose(
            offset,
            vec![Step {
                cooldown_key,
                ..budgeted(Retrain, 1)
            }],
        )
    };
    bench.propose(0, keyed(1));
    for (offset, at) in [(2, -2 * 60 * MINUTE), (3, 59 * MINUTE), (4, 0)] {
        bench.apply(at, Record::Propose(Box::new(keyed(offset))));
        assert_eq!(bench.entered().unwrap().2, "budget");
    }
}
