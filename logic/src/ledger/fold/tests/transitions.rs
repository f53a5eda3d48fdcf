//! Each line of the pseudo-code of ledger-protocol §4.

use crate::action::Action::{Alert, Ignore, Monitor, Retrain, Rollback};
use crate::ledger::change::ChangeKind;
use crate::ledger::codec::Undecodable;
use crate::ledger::fold::closing::backoff;
use crate::ledger::fold::samples::*;
use crate::ledger::phase::{DerivedKind, Phase};
use crate::ledger::record::FinishOutcome::{Done, Failed, NotSent, Unknown};
use crate::ledger::record::{Finish, Id, Millis, Policy, Propose, Record, Step, Verify, Window};
use crate::ledger::times::HORIZON_MS;

fn with(policy: Policy) -> Vec<Step> {
    vec![Step {
        policy,
        ..step(Retrain)
    }]
}

fn scheduled(windows: &[Window]) -> Step {
    Step {
        windows: windows.to_vec(),
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
    assert!(bench.void().unwrap().contains("first decision stands"));
    assert_eq!(bench.phase(action), "ready");
    assert_eq!(bench.fold.open_actions().count(), 1);
}

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
    // What happened before, the ladder proposed, and what becomes of it: phase, step, gates that refused.
    type Case = (
        Box<dyn Fn(&mut Bench)>,
        Vec<Step>,
        &'static str,
        usize,
        &'static str,
    );
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
fn a_bid_wins_only_in_a_phase_that_allows_it() {
    let mut bench = Bench::new();
    let action = bench.propose(0, propose(1, vec![step(Retrain)]));
    assert!(!bench.start(1, id(99), 1, 1), "unknown action");
    assert!(!bench.start(1, action, 2, 1), "wrong attempt");
    assert!(bench.start(1, action, 1, 2));
    assert!(!bench.start(1, action, 1, 3), "second bid");
    bench.finish(2, action, 1, 3, Done);
    assert!(bench.void().unwrap().contains("did not win"));
    bench.finish(2, action, 1, 2, Failed);
    assert_eq!(bench.phase(action), "ready");
    assert!(!bench.start(3, action, 2, 4), "before the pause is over");
    assert!(bench.void().unwrap().contains("not due before"));
    assert!(bench.start(10 * SECOND, action, 2, 5));
    bench.finish(10 * SECOND, action, 2, 5, Done);
    assert!(!bench.start(20 * SECOND, action, 3, 6), "closed");
    assert_eq!(bench.phase(action), "done");
}

#[test]
fn finish_in_started_by_policy_and_outcome() {
    use Policy::{AtMostOnce, Idempotent, Verify};
    let cases = [
        (Idempotent, Done, "done"),
        (Idempotent, Failed, "ready"),
        (Idempotent, NotSent, "ready"),
        (Idempotent, Unknown, "ready"),
        (Verify, Done, "done"),
        (Verify, Failed, "ready"),
        (Verify, NotSent, "ready"),
        (Verify, Unknown, "started"),
        (AtMostOnce, Done, "done"),
        (AtMostOnce, Failed, "failed"),
        (AtMostOnce, NotSent, "ready"),
        (AtMostOnce, Unknown, "unknown"),
    ];
    for (policy, outcome, phase) in cases {
        let mut bench = Bench::new();
        let action = bench.propose(0, propose(1, with(policy)));
        bench.start(0, action, 1, 1);
        bench.finish(SECOND, action, 1, 1, outcome);
        assert_eq!(bench.phase(action), phase, "{policy:?} {outcome:?}");
        let escalated = escalation(&bench, action, DerivedKind::Escalation).is_some();
        assert_eq!(escalated, matches!(phase, "failed" | "unknown"));
    }
}

#[test]
fn a_lease_that_ends_is_in_doubt_by_policy() {
    for (policy, phase) in [
        (Policy::Idempotent, "ready"),
        (Policy::Verify, "doubt"),
        (Policy::AtMostOnce, "unknown"),
    ] {
        let mut bench = Bench::new();
        let action = bench.propose(0, propose(1, with(policy)));
        bench.start(SECOND, action, 1, 1);
        bench.tick(SECOND + LEASE);
        assert_eq!(bench.phase(action), "started", "due only beyond its time");
        bench.tick(SECOND + LEASE + 1);
        assert_eq!(bench.phase(action), phase);
        // The late answer of the winner still counts.
        bench.finish(2 * MINUTE, action, 1, 1, Done);
        assert_eq!(bench.phase(action), "done");
    }
}

#[test]
fn the_last_attempt_in_doubt_is_unknown_and_the_last_failure_is_failed() {
    for (outcome, phase) in [(Unknown, "unknown"), (Failed, "failed")] {
        let mut bench = Bench::new();
        let action = bench.propose(0, propose(1, with(Policy::Idempotent)));
        for attempt in 1..=3 {
            let at = i64::from(attempt) * MINUTE;
            assert!(bench.start(at, action, attempt, attempt));
            bench.finish(at, action, attempt, attempt, outcome);
        }
        assert_eq!(bench.phase(action), phase);
        let alert = escalation(&bench, action, DerivedKind::Escalation).unwrap();
        assert_eq!(bench.phase(alert), "ready");
    }
}

#[test]
fn doubt_ends_by_evidence_by_answer_or_as_unknown() {
    let doubtful = || {
        let mut bench = Bench::new();
        let action = bench.propose(0, propose(1, with(Policy::Verify)));
        bench.start(0, action, 1, 1);
        bench.tick(LEASE + 1);
        (bench, action)
    };
    let (mut bench, action) = doubtful();
    assert!(!bench.start(2 * MINUTE, action, 2, 2), "no evidence");
    assert!(
        !bench.start_with(2 * MINUTE, action, 3, 2, true),
        "wrong attempt"
    );
    assert!(bench.start_with(2 * MINUTE, action, 2, 2, true));
    let (mut bench, action) = doubtful();
    bench.finish(2 * MINUTE, action, 1, 1, NotSent);
    assert_eq!(bench.phase(action), "ready");
    let (mut bench, action) = doubtful();
    bench.tick(LEASE + PROBE);
    assert_eq!(bench.phase(action), "doubt");
    bench.tick(LEASE + PROBE + 1);
    assert_eq!(bench.phase(action), "unknown");
}

#[test]
fn an_earlier_attempt_that_was_done_closes_the_action_when_the_later_one_ends() {
    for (end, phase) in [(Some(Failed), "done"), (None, "done")] {
        let mut bench = Bench::new();
        let action = bench.propose(0, propose(1, with(Policy::Idempotent)));
        bench.start(0, action, 1, 1);
        bench.tick(LEASE + 1);
        bench.start(2 * MINUTE, action, 2, 2);
        bench.finish(2 * MINUTE + 1, action, 1, 1, Done);
        assert_eq!(bench.phase(action), "started");
        match end {
            Some(outcome) => bench.finish(2 * MINUTE + 2, action, 2, 2, outcome),
            None => drop(bench.tick(3 * MINUTE + 1).to_vec()),
        }
        assert_eq!(bench.phase(action), phase);
    }
}

#[test]
fn done_corrects_unknown_and_withdraws_an_alert_that_nobody_started() {
    for alert_started in [false, true] {
        let mut bench = Bench::new();
        let action = bench.propose(0, propose(1, with(Policy::AtMostOnce)));
        bench.start(0, action, 1, 1);
        bench.finish(SECOND, action, 1, 1, Unknown);
        let alert = escalation(&bench, action, DerivedKind::Escalation).unwrap();
        if alert_started {
            assert!(bench.start(SECOND, alert, 1, 2));
        }
        bench.finish(2 * SECOND, action, 1, 1, Failed);
        assert_eq!(bench.phase(action), "unknown", "noted, never sent again");
        bench.finish(3 * SECOND, action, 1, 1, Done);
        assert_eq!(bench.phase(action), "done");
        let expected = if alert_started {
            "started"
        } else {
            "cancelled"
        };
        assert_eq!(bench.phase(alert), expected);
    }
}

#[test]
fn a_permanent_failure_is_not_repeated() {
    let mut bench = Bench::new();
    let action = bench.propose(0, propose(1, vec![step(Retrain)]));
    bench.start(0, action, 1, 1);
    let refused = Finish {
        permanent: true,
        ..finish(action, 1, 1, Failed)
    };
    bench.apply(SECOND, Record::Finish(refused));
    assert_eq!(bench.phase(action), "failed");
}

#[test]
fn the_pause_grows_is_bounded_and_honours_the_target() {
    let step = step(Retrain);
    for (attempt, pause) in [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (9, 60)] {
        let found = backoff(id(1), &step, attempt);
        let pause = pause * SECOND;
        assert!(
            (pause..pause + pause / 4).contains(&found),
            "{attempt}: {found}"
        );
    }
    assert_ne!(backoff(id(1), &step, 5), backoff(id(2), &step, 5), "spread");
    let from_after = |wish: Option<Millis>| {
        let mut bench = Bench::new();
        let action = bench.propose(0, propose(1, vec![step.clone()]));
        bench.start(0, action, 1, 1);
        let asked = Finish {
            retry_after_ms: wish,
            ..finish(action, 1, 1, Failed)
        };
        bench.apply(0, Record::Finish(asked));
        match bench.fold.phase(action) {
            Some(Phase::Ready { from, .. }) => from - T0,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(from_after(Some(MINUTE)), MINUTE);
    assert_eq!(from_after(Some(1)), from_after(None));
    assert_eq!(from_after(Some(Millis::MAX)), HORIZON_MS);
}

#[test]
fn ready_ends_expired_before_the_first_start_and_failed_after_it() {
    let limited = || Propose {
        not_after: T0 + 10 * MINUTE,
        ..propose(1, vec![step(Retrain)])
    };
    for (started, phase) in [(false, "expired"), (true, "failed")] {
        let mut bench = Bench::new();
        let action = bench.propose(0, limited());
        if started {
            bench.start(0, action, 1, 1);
            bench.finish(0, action, 1, 1, Failed);
        }
        bench.tick(10 * MINUTE);
        assert_eq!(bench.phase(action), "ready");
        bench.tick(10 * MINUTE + 1);
        assert_eq!(bench.phase(action), phase);
        let alert = escalation(&bench, action, DerivedKind::Escalation).unwrap();
        assert!(
            bench.start(11 * MINUTE, alert, 1, 2),
            "the alert has time of its own"
        );
    }
}

#[test]
fn a_scheduled_action_goes_from_window_to_window_and_expires_with_an_alert() {
    let mut bench = Bench::new();
    let windows = [window(MINUTE, 2 * MINUTE), window(5 * MINUTE, 6 * MINUTE)];
    let ladder = vec![Step {
        windows: windows.to_vec(),
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
fn done_without_recovery_leads_to_the_next_step_or_to_people() {
    for (next, kind) in [
        (Some(step(Rollback)), DerivedKind::Next),
        (None, DerivedKind::Unverified),
    ] {
        let mut bench = Bench::new();
        let verify = Verify {
            signal: "drift".to_owned(),
            within_ms: MINUTE,
            next,
        };
        let ladder = vec![Step {
            verify: Some(Box::new(verify)),
            ..step(Retrain)
        }];
        let action = bench.propose(0, propose(1, ladder));
        bench.start(0, action, 1, 1);
        bench.finish(SECOND, action, 1, 1, Done);
        bench.tick(SECOND + MINUTE);
        assert_eq!(escalation(&bench, action, kind), None);
        bench.tick(SECOND + MINUTE + 1);
        let derived = escalation(&bench, action, kind).unwrap();
        assert_eq!(bench.phase(derived), "ready");
        assert_eq!(
            bench.fold.next_timer(),
            bench.fold.action(derived).unwrap().timer()
        );
    }
}

#[test]
fn a_derived_alert_that_fails_derives_nothing_more() {
    let mut bench = Bench::new();
    let action = bench.propose(0, propose(1, with(Policy::AtMostOnce)));
    bench.start(0, action, 1, 1);
    bench.finish(0, action, 1, 1, Failed);
    let alert = escalation(&bench, action, DerivedKind::Escalation).unwrap();
    for attempt in 1..=2 {
        let at = i64::from(attempt) * MINUTE;
        assert!(bench.start(at, alert, attempt, 10 + attempt));
        bench.finish(at, alert, attempt, 10 + attempt, Failed);
    }
    assert_eq!(bench.phase(alert), "failed");
    assert_eq!(bench.fold.open_actions().count(), 0);
    assert!(
        bench.fold.cooldowns(bench.fold.now()).is_empty(),
        "outside cooldowns"
    );
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
