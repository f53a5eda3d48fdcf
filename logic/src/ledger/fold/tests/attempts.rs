//! Each line of ledger-protocol §4 about bids, outcomes, doubt and what is derived from them.

use crate::actions::Action::{Retrain, Rollback};
use crate::ledger::fold::closing::backoff;
use crate::ledger::fold::samples::*;
use crate::ledger::phase::{DerivedKind, Phase};
use crate::ledger::record::FinishOutcome::{Done, Failed, NotSent, Unknown};
use crate::ledger::record::{
    Finish, Id, Millis, Override, OverrideOrder, Policy, Propose, Record, Resolution, Step, Verify,
};
use crate::ledger::times::HORIZON_MS;

fn with(policy: Policy) -> Vec<Step> {
    vec![Step {
        policy,
        ..step(Retrain)
    }]
}

fn escalation(bench: &Bench, parent: Id, kind: DerivedKind) -> Option<Id> {
    let parent = bench.fold.action(parent)?;
    parent.derived.get(&kind).copied()
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

/// The simulation's seed 91: an alert that may have been sent, and that a person withdrew, was sent a second time.
#[test]
fn an_alert_that_a_person_cancelled_is_not_due_again_when_its_parent_ends_badly() {
    let mut bench = Bench::new();
    let mut proposal = propose(1, with(Policy::AtMostOnce));
    proposal.decisions[0].escalation.policy = Policy::AtMostOnce;
    let action = bench.propose(0, proposal);
    bench.start(0, action, 1, 1);
    bench.finish(SECOND, action, 1, 1, Unknown);
    let alert = escalation(&bench, action, DerivedKind::Escalation).unwrap();
    bench.start(SECOND, alert, 1, 2);
    bench.finish(2 * SECOND, alert, 1, 2, Unknown);
    let expect = bench.fold.action(alert).unwrap().changed;
    let action_id = alert;
    order(&mut bench, 10, OverrideOrder::Cancel { action_id, expect });
    assert_eq!(bench.phase(alert), "cancelled");
    let expect = bench.fold.action(action).unwrap().changed;
    let (action_id, outcome) = (action, Resolution::Failed);
    let failed = OverrideOrder::Resolve {
        action_id,
        expect,
        outcome,
    };
    order(&mut bench, 11, failed);
    assert_eq!(
        (bench.phase(action), bench.phase(alert)),
        ("failed", "cancelled")
    );
}

fn order(bench: &mut Bench, number: u32, order: OverrideOrder) {
    let order = Override {
        override_id: id(number),
        order,
        who: "somebody".to_owned(),
        reason: "because".to_owned(),
    };
    bench.apply(3 * SECOND, Record::Override(Box::new(order)));
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
    let undelivered: Vec<Id> = bench.fold.undelivered().map(|(id, _)| id).collect();
    assert_eq!(undelivered, [alert]);
    assert_eq!(bench.fold.open_actions().count(), 0);
    assert!(
        bench.fold.cooldowns(bench.fold.now()).is_empty(),
        "outside cooldowns"
    );
}
