//! Each line of the table of ledger-protocol §9.

use crate::action::Action::{Alert, Retrain};
use crate::ledger::change::{ChangeKind, Halt};
use crate::ledger::fold::samples::*;
use crate::ledger::fold::{FOLD_VERSION, Fold};
use crate::ledger::identity;
use crate::ledger::phase::{DerivedKind, Phase};
use crate::ledger::record::FinishOutcome::{Done, Failed, Unknown};
use crate::ledger::record::{
    Id, Millis, Observe, OverrideOrder, Policy, Propose, Record, Resolution, Step, Upgrade, Verify,
};
use crate::ledger::state::OverrideVerdict;
use crate::ledger::times::{HORIZON_MS, REFIRE_START_MS};

const HOUR: Millis = 60 * MINUTE;

fn with(policy: Policy) -> Step {
    Step {
        policy,
        ..step(Retrain)
    }
}

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

const fn approve(action_id: Id, expect: i64) -> OverrideOrder {
    OverrideOrder::Approve { action_id, expect }
}

const fn resolve(action_id: Id, expect: i64, outcome: Resolution) -> OverrideOrder {
    OverrideOrder::Resolve {
        action_id,
        expect,
        outcome,
    }
}

const fn clear(action_id: Id, expect: i64) -> OverrideOrder {
    OverrideOrder::ClearCooldown { action_id, expect }
}

const fn silence(until: Millis) -> OverrideOrder {
    let target = None;
    OverrideOrder::Silence { until, target }
}

fn forced(number: u32, step: Step) -> Propose {
    Propose {
        event_key: identity::forced_key(id(number)),
        ..propose(0, vec![step])
    }
}

fn force(propose: Propose) -> OverrideOrder {
    OverrideOrder::Force(Box::new(propose))
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
    // The same id with an order that would be valid: the first result stands.
    assert_eq!(bench.order(2, 1, cancel(action, changed)), Err("stale"));
    assert_eq!(
        bench.void().unwrap(),
        format!("order {} was read before; its first result stands", id(1))
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

#[test]
fn a_cooldown_is_cleared_only_as_seen_and_only_when_the_key_is_closed() {
    let mut bench = Bench::new();
    let action = bench.propose(0, propose(1, vec![step(Retrain)]));
    let changed = bench.changed(action);
    // V10: an open action.
    assert_eq!(
        bench.order(1, 1, clear(action, changed)),
        Err("wrong_phase")
    );
    bench.start(2, action, 1, 1);
    bench.finish(3, action, 1, 1, Done);
    bench.propose(4, propose(2, vec![step(Retrain)]));
    assert_eq!(bench.entered().unwrap().2, "cooldown");
    let changed = bench.changed(action);
    assert_eq!(bench.order(5, 2, clear(action, changed)), Ok(()));
    assert_eq!(
        bench.order(5, 3, clear(action, changed)),
        Err("not_cooling")
    );
    let second = bench.propose(6, propose(3, vec![step(Retrain)]));
    assert_eq!(bench.entered().unwrap().0, "ready");
    assert_eq!(bench.order(7, 4, clear(action, changed)), Err("key_busy"));
    assert_eq!(bench.phase(second), "ready");
}

#[test]
fn pause_and_silence_hold_back_proposals_and_bids_and_nothing_else() {
    let mut bench = Bench::new();
    let sent = bench.propose(0, propose(1, vec![step(Retrain)]));
    bench.start(1, sent, 1, 1);
    let other = Step {
        cooldown_key: "other".to_owned(),
        ..step(Alert)
    };
    let waits = bench.propose(2, propose(2, vec![other]));
    assert_eq!(bench.order(3, 1, OverrideOrder::Pause), Ok(()));
    assert!(!bench.start(4, waits, 1, 2));
    assert_eq!(bench.void().unwrap(), "held back by an operator");
    bench.propose(5, propose(3, vec![step(Alert)]));
    assert_eq!(
        bench.entered().unwrap(),
        ("suppressed", 0, "held".to_owned())
    );
    // A request under way ends.
    bench.finish(6, sent, 1, 1, Done);
    assert_eq!(bench.phase(sent), "done");
    assert_eq!(bench.order(7, 2, OverrideOrder::Resume), Ok(()));
    assert!(bench.start(8, waits, 1, 3));
    // Silence ends by log time.
    let until = T0 + 10 * MINUTE;
    assert_eq!(bench.order(9, 3, silence(until)), Ok(()));
    // A shorter one ends it no earlier.
    let until = T0 + MINUTE;
    assert_eq!(bench.order(9, 4, silence(until)), Ok(()));
    let third = Step {
        cooldown_key: "third".to_owned(),
        ..step(Alert)
    };
    bench.propose(10 * MINUTE - 1, propose(4, vec![third.clone()]));
    assert_eq!(bench.entered().unwrap().2, "held");
    bench.propose(10 * MINUTE, propose(5, vec![third]));
    assert_eq!(bench.entered().unwrap().0, "ready");
    for until in [T0, T0 + HORIZON_MS + HOUR] {
        let number = u32::try_from(until % 1000).unwrap() + u32::from(until > T0) + 10;
        let refused = bench.order(10 * MINUTE, number, silence(until));
        assert_eq!(refused, Err("time"));
    }
}

#[test]
fn an_action_that_needs_approval_starts_when_it_is_given() {
    let approval = Step {
        approval: true,
        ..budgeted(Retrain, 1)
    };
    let mut bench = Bench::new();
    let action = bench.propose(0, propose(1, vec![approval.clone()]));
    assert_eq!(bench.phase(action), "approval");
    assert!(!bench.start(1, action, 1, 1));
    // It holds its key, also against an action that would start at once.
    bench.propose(2, propose(2, vec![step(Retrain)]));
    assert_eq!(bench.entered().unwrap().2, "in_progress");
    let changed = bench.changed(action);
    assert_eq!(
        bench.order(3, 1, approve(action, changed + 1)),
        Err("stale")
    );
    assert_eq!(bench.order(3, 2, approve(action, changed)), Ok(()));
    assert_eq!(bench.phase(action), "ready");
    let changed = bench.changed(action);
    assert_eq!(
        bench.order(4, 3, approve(action, changed)),
        Err("wrong_phase")
    );
    assert!(bench.start(4, action, 1, 2));
    // Nobody approves: it expires with an alert.
    let ignored = bench.propose(
        5,
        Propose {
            not_after: T0 + HOUR,
            ..propose(
                3,
                vec![Step {
                    cooldown_key: "x".to_owned(),
                    gates: Vec::new(),
                    ..approval
                }],
            )
        },
    );
    bench.tick(HOUR + 1);
    assert_eq!(bench.phase(ignored), "expired");
    assert!(
        bench
            .fold
            .action(ignored)
            .unwrap()
            .derived
            .contains_key(&DerivedKind::Escalation)
    );
}

#[test]
fn g8_an_approval_takes_its_slot_when_it_is_given() {
    let mut bench = Bench::new();
    let approval = |key: &str| Step {
        approval: true,
        cooldown_key: key.to_owned(),
        ..budgeted(Retrain, 1)
    };
    let lower = step(Alert);
    let first = bench.propose(0, propose(1, vec![approval("a")]));
    let second = bench.propose(1, propose(2, vec![approval("b"), lower]));
    // Both were accepted with a free slot.
    assert_eq!(
        (bench.phase(first), bench.phase(second)),
        ("approval", "approval")
    );
    let changed = bench.changed(first);
    bench.order(2, 1, approve(first, changed)).unwrap();
    let changed = bench.changed(second);
    bench.order(3, 2, approve(second, changed)).unwrap();
    // The budget is full by now: the next step of the ladder.
    let action = bench.fold.action(second).unwrap();
    assert_eq!((action.step.action, action.phase.name()), (Alert, "ready"));
}

#[test]
fn g9_an_approved_schedule_waits_for_its_window() {
    let scheduled = |key: &str| Step {
        approval: true,
        cooldown_key: key.to_owned(),
        start: within(&[window(HOUR, 2 * HOUR), window(3 * HOUR, 4 * HOUR)]),
        ..step(Retrain)
    };
    let mut bench = Bench::new();
    let early = bench.propose(0, propose(1, vec![scheduled("a")]));
    let inside = bench.propose(0, propose(2, vec![scheduled("b")]));
    let between = bench.propose(0, propose(3, vec![scheduled("c")]));
    let mut number = 0;
    let mut give = |bench: &mut Bench, at, action| {
        number += 1;
        let changed = bench.changed(action);
        bench.order(at, number, approve(action, changed)).unwrap();
        bench.phase(action)
    };
    assert_eq!(give(&mut bench, MINUTE, early), "waiting");
    assert_eq!(give(&mut bench, HOUR + MINUTE, inside), "ready");
    assert_eq!(bench.phase(early), "ready");
    assert!(bench.start(HOUR + 2 * MINUTE, early, 1, 1));
    assert_eq!(give(&mut bench, 2 * HOUR + MINUTE, between), "waiting");
    assert_eq!(
        bench.phase(inside),
        "waiting",
        "its window went by without a start"
    );
    assert!(!bench.start(2 * HOUR + 2 * MINUTE, between, 1, 2));
    bench.tick(3 * HOUR + 1);
    assert!(bench.start(3 * HOUR + 2, between, 1, 3));
}

#[test]
fn a_forced_action_skips_the_gates_takes_its_slot_and_respects_an_open_one() {
    let mut bench = Bench::new();
    let done = bench.propose(0, propose(1, vec![budgeted(Retrain, 1)]));
    // An open action of the key excludes it.
    assert_eq!(
        bench.order(1, 1, force(forced(1, budgeted(Retrain, 1)))),
        Err("key_busy")
    );
    bench.start(2, done, 1, 1);
    bench.finish(3, done, 1, 1, Done);
    // Budget and cooldown would both refuse it.
    bench.propose(4, propose(2, vec![budgeted(Retrain, 1)]));
    assert_eq!(bench.entered().unwrap().0, "suppressed");
    let order = force(forced(2, budgeted(Retrain, 1)));
    assert_eq!(bench.order(5, 2, order.clone()), Ok(()));
    let entered = bench.entered();
    assert_eq!(entered.unwrap(), ("ready", 0, String::new()));
    // Once.
    bench.order(6, 2, order).unwrap();
    assert_eq!(bench.entered(), None);
    let OverrideVerdict::Applied {
        action: Some(action),
    } = bench.fold.override_entry(id(2)).unwrap().verdict
    else {
        panic!("refused")
    };
    assert!(bench.start(7, action, 1, 7));
    let used: Vec<u32> = bench
        .fold
        .budgets(T0 + 8)
        .iter()
        .map(|budget| budget.used)
        .collect();
    assert_eq!(used, [2]);
}

#[test]
fn a_forced_action_that_is_none_is_refused() {
    let mut bench = Bench::new();
    let windows = Step {
        start: within(&[window(HOUR, 2 * HOUR)]),
        ..step(Retrain)
    };
    let another = Propose {
        event_key: id(7),
        ..forced(1, step(Retrain))
    };
    let empty = Propose {
        decisions: Vec::new(),
        ..forced(2, step(Retrain))
    };
    let late = Propose {
        not_after: T0 - 1,
        ..forced(4, step(Retrain))
    };
    assert_eq!(bench.order(1, 1, force(another)), Err("invalid"));
    assert_eq!(bench.order(1, 2, force(empty)), Err("invalid"));
    assert_eq!(bench.order(1, 3, force(forced(3, windows))), Err("invalid"));
    assert_eq!(bench.order(1, 4, force(late)), Err("time"));
    assert_eq!(bench.fold.open_actions().count(), 0);
}

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
