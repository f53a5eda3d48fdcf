//! Each line of ledger-protocol §4 about proposals, gates, windows and forgetting.

use crate::actions::Action::{Alert, Ignore, Monitor, Retrain, Rollback};
use crate::ledger::change::ChangeKind;
use crate::ledger::codec::Undecodable;
use crate::ledger::fold::samples::*;
use crate::ledger::phase::DerivedKind;
use crate::ledger::record::FinishOutcome::{Done, Failed};
use crate::ledger::record::{Finish, Id, Millis, Propose, Record, Step, Window};
use crate::ledger::times::HORIZON_MS;
use crate::target::Target;

fn scheduled(windows: &[Window]) -> Step {
    Step {
        start: within(windows),
        ..budgeted(Retrain, 1)
    }
}

fn escalation(bench: &Bench, parent: Id, kind: DerivedKind) -> Option<Id> {
    let parent = bench.fold.action(parent)?;
    parent.derived.get(&kind).copied()
}

#[test]
fn a_proposal_is_ready_at_once_and_a_second_record_of_it_is_void() {
    let mut bench = Bench::new();
    let action = bench.propose(0, propose(1, vec![step(Retrain)]));
    assert_eq!(bench.entered(), Some(("ready", 0, String::new())));
    let mut other_contents = propose(1, vec![step(Rollback)]);
    other_contents.rule_rev = "other".to_owned();
    bench.propose(SECOND, other_contents);
    assert!(bench.void().unwrap().contains("first decision counts"));
    assert_eq!(bench.phase(action), "ready");
    assert_eq!(bench.fold.open_actions().count(), 1);
}

/// What happened before, the ladder proposed, and what becomes of it: phase, step, gates that refused.
type Case = (
    Box<dyn Fn(&mut Bench)>,
    Vec<Step>,
    &'static str,
    usize,
    &'static str,
);

#[test]
fn gates_judge_budget_then_key_then_cooldown() {
    let end_one = |bench: &mut Bench, outcome| {
        let action = bench.propose(0, propose(1, vec![budgeted(Retrain, 1)]));
        bench.start(0, action, 1, 1);
        bench.apply(
            0,
            Record::Finish(Finish {
                permanent: true,
                ..finish(action, 1, 1, outcome)
            }),
        );
    };
    let cases: Vec<Case> = vec![
        (Box::new(|_| ()), vec![step(Retrain)], "ready", 0, ""),
        (
            Box::new(|_| ()),
            vec![budgeted(Retrain, 0), step(Monitor)],
            "ready",
            1,
            "budget",
        ),
        (
            Box::new(|_| ()),
            vec![budgeted(Retrain, 0), budgeted(Alert, 0)],
            "suppressed",
            1,
            "budget budget",
        ),
        (
            Box::new(|b| {
                b.propose(0, propose(1, vec![step(Retrain)]));
            }),
            vec![step(Retrain)],
            "suppressed",
            0,
            "in_progress",
        ),
        (
            Box::new(move |b| end_one(b, Done)),
            vec![step(Retrain)],
            "suppressed",
            0,
            "cooldown",
        ),
        (
            Box::new(move |b| end_one(b, Done)),
            vec![budgeted(Retrain, 1), step(Monitor)],
            "ready",
            1,
            "budget",
        ),
        (
            Box::new(move |b| end_one(b, Failed)),
            vec![step(Retrain)],
            "ready",
            0,
            "",
        ),
        (
            Box::new(move |b| end_one(b, Failed)),
            vec![budgeted(Retrain, 1)],
            "suppressed",
            0,
            "budget",
        ),
        (
            Box::new(|_| ()),
            vec![scheduled(&[window(MINUTE, 2 * MINUTE)])],
            "waiting",
            0,
            "",
        ),
    ];
    for (number, (before, ladder, phase, step, gates)) in cases.into_iter().enumerate() {
        let mut bench = Bench::new();
        before(&mut bench);
        bench.propose(SECOND, propose(2, ladder));
        let expected = Some((phase, step, gates.to_owned()));
        assert_eq!(bench.entered(), expected, "case {number}");
    }
}

#[test]
fn the_longer_of_both_cooldowns_counts_and_ends_on_the_millisecond() {
    for (first, second) in [(10, 3), (3, 10)] {
        let with = |minutes: Millis| {
            vec![Step {
                cooldown_ms: minutes * MINUTE,
                ..step(Retrain)
            }]
        };
        let mut bench = Bench::new();
        let action = bench.propose(0, propose(1, with(first)));
        bench.start(0, action, 1, 1);
        bench.finish(SECOND, action, 1, 1, Done);
        bench.propose(SECOND + 10 * MINUTE - 1, propose(2, with(second)));
        assert_eq!(bench.entered().unwrap().0, "suppressed");
        bench.propose(SECOND + 10 * MINUTE, propose(3, with(second)));
        assert_eq!(bench.entered().unwrap().0, "ready");
    }
}

#[test]
fn the_fifth_response_of_an_hour_takes_the_next_step_and_takes_no_slot() {
    let mut bench = Bench::new();
    let ladder = |key: i64| {
        let key = key.to_string();
        let keyed = |step| Step {
            cooldown_key: key.clone(),
            ..step
        };
        vec![keyed(budgeted(Retrain, 4)), keyed(step(Monitor))]
    };
    for number in 0..6 {
        bench.propose(number * MINUTE, propose(number, ladder(number)));
        assert_eq!(bench.entered().unwrap().1, usize::from(number > 3));
    }
    let budgets = bench.fold.budgets(bench.fold.now());
    assert_eq!((budgets[0].used, budgets[0].cap), (4, 4));
    assert_eq!(budgets[0].frees_at, T0 + 60 * MINUTE);
    // A slot is free once it is a whole window old.
    bench.propose(60 * MINUTE - 1, propose(7, ladder(7)));
    assert_eq!(bench.entered().unwrap().1, 1);
    bench.propose(60 * MINUTE, propose(8, ladder(8)));
    assert_eq!(bench.entered().unwrap().1, 0);
}

#[test]
fn g8_a_step_needs_room_in_all_its_budgets_and_takes_a_slot_of_each() {
    let mut bench = Bench::new();
    let ladder = |key: i64| {
        let keyed = |step| Step {
            cooldown_key: key.to_string(),
            ..step
        };
        let retrain = and_budget("day", 24 * 60 * MINUTE, 3, budgeted(Retrain, 2));
        let alert = and_budget("alerts", 60 * MINUTE, 1, step(Alert));
        vec![keyed(retrain), keyed(alert), keyed(step(Monitor))]
    };
    // By the hour, two; by the day, three. What fell to a milder step took no slot of the stronger one.
    let expected = [
        (0, 0),
        (1, 0),
        (2, 1),
        (3, 2),
        (60, 0),
        (61, 2),
        (62, 1),
        (24 * 60, 0),
    ];
    for (number, (minute, step)) in (0_i64..).zip(expected) {
        bench.propose(minute * MINUTE, propose(number, ladder(number)));
        let entered = bench.entered().unwrap();
        assert_eq!((entered.0, entered.1), ("ready", step), "minute {minute}");
    }
    let budgets = bench.fold.budgets(bench.fold.now());
    let used: Vec<_> = budgets.iter().map(|b| (b.scope.as_str(), b.used)).collect();
    assert_eq!(used, [("day", 3), ("hour", 1)]);
}

#[test]
fn what_is_too_old_or_a_duplicate_by_name_is_suppressed() {
    let mut bench = Bench::new();
    let late = Propose {
        not_after: T0 + MINUTE,
        ..propose(1, vec![step(Retrain)])
    };
    bench.propose(MINUTE + 1, late);
    assert_eq!(
        bench.entered(),
        Some(("suppressed", 0, "not_after".to_owned()))
    );
    let named = |offset| Propose {
        event_identity: Some(id(7)),
        ..propose(offset, vec![step(Retrain)])
    };
    bench.propose(2 * MINUTE, named(2));
    assert_eq!(bench.entered().unwrap().0, "ready");
    bench.propose(3 * MINUTE, named(3));
    assert_eq!(
        bench.entered(),
        Some(("suppressed", 0, "duplicate".to_owned()))
    );
    // Remembered for H since its last use.
    bench.propose(3 * MINUTE + HORIZON_MS, named(4));
    assert_eq!(bench.entered().unwrap().2, "duplicate");
    bench.tick(4 * MINUTE + 2 * HORIZON_MS);
    bench.propose(
        4 * MINUTE + 2 * HORIZON_MS,
        Propose {
            not_after: Millis::MAX,
            ..named(5)
        },
    );
    assert_eq!(bench.entered().unwrap().0, "ready");
}

#[test]
fn one_event_may_be_decided_for_two_targets_once_each() {
    let for_target = |name: &str| Propose {
        target: Target::service(name),
        event_identity: Some(id(7)),
        ..propose(1, vec![step(Retrain)])
    };
    let mut bench = Bench::new();
    for name in ["a", "b"] {
        bench.propose(0, for_target(name));
        assert_eq!(bench.entered().unwrap().0, "ready");
    }
    for name in ["a", "b"] {
        bench.propose(0, for_target(name));
        assert!(bench.void().unwrap().contains("already decided"));
    }
    assert_eq!(
        bench.fold.cooldowns(T0).len(),
        2,
        "each has a key of its own"
    );
}

#[test]
fn ignoring_is_done_at_once_without_gate_slot_or_trace() {
    let mut bench = Bench::new();
    let untouched = bench.fold.state().actions.clone();
    let ladder = || {
        vec![Step {
            cooldown_ms: HORIZON_MS,
            ..budgeted(Ignore, 0)
        }]
    };
    for offset in 1..3 {
        bench.propose(30 * 60 * MINUTE, propose(offset, ladder()));
        assert_eq!(bench.entered(), Some(("done", 0, String::new())));
    }
    assert_eq!(bench.fold.state().actions, untouched);
    assert!(bench.fold.state().targets.is_empty());
}

#[test]
fn breaches_and_undecodable_records_are_void() {
    let mut bench = Bench::new();
    bench.propose(0, propose(1, Vec::new()));
    assert!(bench.void().unwrap().contains("ladder of 0 steps"));
    // The position is not remembered: it may still be proposed.
    bench.propose(0, propose(1, vec![step(Retrain)]));
    assert_eq!(bench.entered().unwrap().0, "ready");
    let broken = Err(Undecodable("no".to_owned()));
    let changes = bench.fold.apply(9, T0 + MINUTE, broken);
    assert!(matches!(changes[0].kind, ChangeKind::Void { .. }));
    assert_eq!(
        bench.fold.now(),
        T0 + MINUTE,
        "log time passes all the same"
    );
}

#[test]
fn a_scheduled_action_goes_from_window_to_window_and_expires_with_an_alert() {
    let mut bench = Bench::new();
    let windows = [window(MINUTE, 2 * MINUTE), window(5 * MINUTE, 6 * MINUTE)];
    let ladder = vec![Step {
        start: within(&windows),
        ..step(Retrain)
    }];
    let action = bench.propose(0, propose(1, ladder));
    assert_eq!(bench.phase(action), "waiting");
    assert!(!bench.start(30 * SECOND, action, 1, 1), "before the window");
    bench.tick(MINUTE + 1);
    assert_eq!(bench.phase(action), "ready");
    assert!(
        !bench.start(2 * MINUTE, action, 1, 2),
        "the end is excluded"
    );
    bench.tick(2 * MINUTE + 1);
    assert_eq!(bench.phase(action), "waiting");
    bench.tick(5 * MINUTE + 1);
    let mut started = Bench {
        fold: bench.fold.clone(),
        changes: Vec::new(),
    };
    assert!(started.start(5 * MINUTE + 2, action, 1, 3));
    bench.tick(6 * MINUTE + 1);
    assert_eq!(bench.phase(action), "expired");
    assert!(escalation(&bench, action, DerivedKind::Escalation).is_some());
}

#[test]
fn an_immediate_action_supersedes_a_waiting_one_but_not_when_it_is_held_back_itself() {
    let waits = || vec![scheduled(&[window(30 * MINUTE, 60 * MINUTE)])];
    let mut bench = Bench::new();
    let waiting = bench.propose(0, propose(1, waits()));
    bench.propose(SECOND, propose(2, waits()));
    assert_eq!(
        bench.entered(),
        Some(("suppressed", 0, "in_progress".to_owned()))
    );
    let now = bench.propose(2 * SECOND, propose(3, vec![step(Retrain)]));
    assert_eq!(
        (bench.phase(waiting), bench.phase(now)),
        ("superseded", "ready")
    );

    let mut bench = Bench::new();
    let done = bench.propose(0, propose(1, vec![step(Retrain)]));
    bench.start(0, done, 1, 1);
    bench.finish(0, done, 1, 1, Done);
    let waiting = bench.propose(10 * MINUTE, propose(2, waits()));
    let longer = Step {
        cooldown_ms: 20 * MINUTE,
        ..step(Retrain)
    };
    bench.propose(11 * MINUTE, propose(3, vec![longer]));
    assert_eq!(
        bench.entered(),
        Some(("suppressed", 0, "cooldown".to_owned()))
    );
    assert_eq!(bench.phase(waiting), "waiting");
}

#[test]
fn a_window_that_opens_asks_the_gates_again() {
    for (below, phase, action) in [
        (None, "suppressed", Retrain),
        (Some(step(Monitor)), "ready", Monitor),
        (Some(step(Ignore)), "done", Ignore),
    ] {
        let mut bench = Bench::new();
        let mut ladder = vec![scheduled(&[window(MINUTE, 2 * MINUTE)])];
        ladder.extend(below);
        let waiting = bench.propose(0, propose(1, ladder));
        assert!(
            bench.fold.budgets(T0).is_empty(),
            "no slot before it is activated"
        );
        let taker = Step {
            cooldown_key: "other".to_owned(),
            ..budgeted(Rollback, 1)
        };
        bench.propose(SECOND, propose(2, vec![taker]));
        assert_eq!(bench.entered().unwrap().0, "ready");
        bench.tick(MINUTE + 1);
        assert_eq!(bench.phase(waiting), phase);
        assert_eq!(bench.fold.action(waiting).unwrap().step.action, action);
        let keys = bench.fold.cooldowns(bench.fold.now());
        let monitor = keys.iter().any(|key| key.key == "monitor");
        assert_eq!(monitor, action == Monitor);
        assert!(!keys.iter().any(|key| key.key == "retrain"));
    }
}

#[test]
fn everything_is_forgotten_after_the_horizon_and_old_positions_stay_refused() {
    let mut bench = Bench::new();
    let action = bench.propose(0, propose(5, vec![budgeted(Retrain, 1)]));
    bench.start(0, action, 1, 1);
    bench.finish(0, action, 1, 1, Done);
    bench.tick(HORIZON_MS);
    assert_eq!(bench.phase(action), "done");
    bench.tick(HORIZON_MS + 1);
    assert_eq!(bench.phase(action), "gone");
    assert!(bench.fold.state().targets.is_empty());
    assert_eq!(bench.fold.next_timer(), None);
    for offset in [4, 5] {
        bench.propose(HORIZON_MS + 2, propose(offset, vec![step(Retrain)]));
        assert!(
            bench.void().unwrap().contains("older than the memory"),
            "{offset}"
        );
    }
    let next = Propose {
        not_after: Millis::MAX,
        ..propose(6, vec![step(Retrain)])
    };
    bench.propose(HORIZON_MS + 2, next);
    assert_eq!(bench.entered().unwrap().0, "ready");
}

#[test]
fn a_record_read_again_changes_nothing() {
    let mut bench = Bench::new();
    bench.propose(0, propose(1, vec![step(Retrain)]));
    let before = bench.fold.hash();
    assert!(
        bench
            .fold
            .apply(0, T0 + MINUTE, Ok(Record::Tick))
            .is_empty()
    );
    assert_eq!(bench.fold.hash(), before);
}
