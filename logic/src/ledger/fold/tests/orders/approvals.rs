//! Actions that need an approval.

use super::HOUR;
use crate::actions::Action::{Alert, Retrain};
use crate::ledger::fold::samples::*;
use crate::ledger::phase::DerivedKind;
use crate::ledger::record::{Id, OverrideOrder, Propose, Step};

const fn approve(action_id: Id, expect: i64) -> OverrideOrder {
    OverrideOrder::Approve { action_id, expect }
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
