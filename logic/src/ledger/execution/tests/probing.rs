//! Rows of ledger-protocol §6 about attempts in doubt, and what V2 to V4 ask of them.

use super::*;
use crate::ledger::record::Resolution;

/// A desk whose attempt 1 of a `policy` action was started at second 1 by somebody, and whose lease is over by log time.
fn in_doubt(policy: Policy) -> (Desk, Id) {
    let (mut desk, action) = Desk::with_action(policy);
    desk.at(SECOND);
    desk.read(start(action, 1, 7));
    desk.at(SECOND + LEASE + 1);
    desk.read(Record::Tick);
    (desk, action)
}

fn start(action_id: Id, attempt: u32, bid: u32) -> Record {
    Record::Start(Start {
        action_id,
        attempt,
        start_id: id(bid),
        owner: "other".to_owned(),
        resolved_params: None,
        probe: None,
    })
}

/// Attempts that the target is asked about.
fn asked(effects: &[Effect]) -> Vec<(Id, u32, Id)> {
    let probes = effects.iter().filter_map(|effect| match effect {
        Effect::Probe(order) => Some((order.action, order.attempt, order.start_id)),
        _ => None,
    });
    probes.collect()
}

fn found() -> Probed {
    Probed::Found("run 7 exists".to_owned())
}

fn absent() -> Probed {
    Probed::Absent("no such run".to_owned())
}

fn silent() -> Probed {
    Probed::NoAnswer("timed out".to_owned())
}

impl Desk {
    fn said(&mut self, action: Id, attempt: u32, said: Probed) -> Option<Effect> {
        let now = Moment {
            boot: boot(self.now),
            log: T0 + self.now,
        };
        let next_id = &mut self.next_id;
        let mut fresh = |_| {
            *next_id += 1;
            id(*next_id)
        };
        self.execution
            .probed(&self.bench.fold, action, attempt, said, now, &mut fresh)
    }
}

#[test]
fn a_doubtful_attempt_is_asked_about_once_at_a_time() {
    let (mut desk, action) = in_doubt(Policy::Verify);
    assert_eq!(asked(&desk.tick()), [(action, 1, id(7))]);
    desk.at(desk.now + 5 * MINUTE);
    assert_eq!(asked(&desk.tick()), [], "an answer is awaited");
}

#[test]
fn what_is_found_is_done_and_told_in_the_name_of_the_bid_that_won() {
    let (mut desk, action) = in_doubt(Policy::Verify);
    desk.tick();
    let Some(Effect::AppendFinish(finish)) = desk.said(action, 1, found()) else {
        panic!("nothing told");
    };
    let told = (finish.start_id, finish.outcome, finish.via, finish.attempt);
    assert_eq!(told, (id(7), FinishOutcome::Done, Via::Probe, 1));
    desk.at(desk.now + MINUTE);
    assert_eq!(asked(&desk.tick()), [], "the record is on its way");
    desk.read(Record::Finish(finish));
    assert_eq!(desk.bench.phase(action), "done");
}

#[test]
fn g3_what_is_absent_is_bid_for_again_with_the_evidence() {
    let (mut desk, action) = in_doubt(Policy::Verify);
    desk.tick();
    let Some(Effect::AppendStart(bid)) = desk.said(action, 1, absent()) else {
        panic!("no bid");
    };
    assert_eq!((bid.attempt, bid.probe.is_some()), (2, true));
    desk.report(&bid, true);
    let effects = desk.read(Record::Start(bid.clone()));
    assert_eq!(sent(&effects), [(action, 2, bid.start_id)]);
}

#[test]
fn evidence_is_not_used_twice() {
    let (mut desk, action) = in_doubt(Policy::Verify);
    desk.tick();
    let Some(Effect::AppendStart(bid)) = desk.said(action, 1, absent()) else {
        panic!("no bid");
    };
    assert_eq!(desk.said(action, 1, absent()), None, "not asked");
    // The bid was lost: the target is asked again before another one.
    desk.report(&bid, false);
    desk.at(desk.now + 30 * SECOND);
    let effects = desk.tick();
    assert_eq!(asked(&effects), [(action, 1, id(7))]);
    assert_eq!(effects.len(), 1, "no bid without asking");
}

#[test]
fn what_is_absent_with_no_attempt_left_or_too_late_has_failed() {
    for late in [false, true] {
        let (mut desk, action) = Desk::with_action(Policy::Verify);
        let not_after = desk.bench.fold.action(action).unwrap().not_after - T0;
        // Attempts 1 to 3, each in doubt, or one that starts at the last moment.
        let mut attempt = 1;
        desk.at(if late { not_after } else { SECOND });
        desk.read(start(action, 1, 7));
        loop {
            desk.at(desk.now + LEASE + 1);
            desk.read(Record::Tick);
            desk.tick();
            match desk.said(action, attempt, absent()) {
                Some(Effect::AppendStart(bid)) => {
                    assert!(!late);
                    attempt = bid.attempt;
                    desk.report(&bid, true);
                    desk.read(Record::Start(bid));
                }
                Some(Effect::AppendFinish(finish)) => {
                    assert_eq!(finish.outcome, FinishOutcome::Failed);
                    assert_eq!(attempt, if late { 1 } else { 3 });
                    desk.read(Record::Finish(finish));
                    // An attempt that is left may not start any more.
                    desk.read(Record::Tick);
                    assert_eq!(desk.bench.phase(action), "failed");
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn v3_the_lease_has_to_be_over_by_the_own_clock_as_well() {
    let (mut desk, action) = Desk::with_action(Policy::Verify);
    desk.at(SECOND);
    desk.read(start(action, 1, 7));
    // The log's clock steps a minute ahead; the request may still be under way.
    let changes = desk.bench.apply(2 * LEASE, Record::Tick).to_vec();
    desk.execution
        .folded(&desk.bench.fold, &changes, boot(2 * SECOND));
    assert_eq!(desk.bench.phase(action), "doubt");
    for now in [2 * SECOND, SECOND + LEASE] {
        assert_eq!(asked(&desk.at(now).tick()), []);
    }
    assert_eq!(asked(&desk.at(SECOND + LEASE + 1).tick()).len(), 1);
}

#[test]
fn v3_an_incarnation_that_did_not_read_the_start_waits_from_its_own_beginning() {
    let (desk, action) = in_doubt(Policy::Verify);
    let mut desk = Desk {
        execution: Execution::new("me", &desk.bench.fold, boot(desk.now)),
        ..desk
    };
    let began = desk.now;
    assert_eq!(asked(&desk.at(began + LEASE).tick()), []);
    let asks = asked(&desk.at(began + LEASE + 1).tick());
    assert_eq!(asks, [(action, 1, id(7))]);
}

#[test]
fn silence_is_asked_again_with_growing_pauses_until_a_person_has_to_look() {
    let (mut desk, action) = in_doubt(Policy::Verify);
    let mut pauses = Vec::new();
    let mut last = desk.now;
    while desk.bench.phase(action) == "doubt" {
        if !asked(&desk.tick()).is_empty() {
            pauses.push(desk.now - last);
            last = desk.now;
            assert_eq!(desk.said(action, 1, silent()), None);
        }
        desk.at(desk.now + SECOND);
        desk.read(Record::Tick);
    }
    assert_eq!(desk.bench.phase(action), "unknown");
    assert!(pauses.len() >= 3, "{pauses:?}");
    // From 5 s to a minute, each up to a quarter longer.
    assert!(pauses[1] < 8 * SECOND, "{pauses:?}");
    let longest = pauses.iter().max().unwrap();
    assert!((MINUTE..77 * SECOND).contains(longest), "{pauses:?}");
}

#[test]
fn a_target_that_cannot_be_asked_is_asked_once() {
    for policy in [Policy::Verify, Policy::AtMostOnce] {
        let (mut desk, action) = in_doubt(policy);
        assert_eq!(asked(&desk.tick()).len(), 1);
        assert_eq!(desk.said(action, 1, Probed::CannotAsk), None);
        desk.at(desk.now + 5 * MINUTE);
        assert_eq!(asked(&desk.tick()), []);
    }
}

#[test]
fn g2_of_an_unknown_action_a_target_can_only_say_that_it_was_done() {
    let (mut desk, action) = in_doubt(Policy::AtMostOnce);
    assert_eq!(desk.bench.phase(action), "unknown");
    assert_eq!(asked(&desk.tick()), [(action, 1, id(7))]);
    assert_eq!(desk.said(action, 1, absent()), None);
    desk.at(desk.now + MINUTE);
    assert_eq!(asked(&desk.tick()), [], "a person decides");

    let (mut desk, action) = in_doubt(Policy::AtMostOnce);
    desk.tick();
    let Some(Effect::AppendFinish(finish)) = desk.said(action, 1, found()) else {
        panic!("nothing told");
    };
    desk.read(Record::Finish(finish));
    assert_eq!(desk.bench.phase(action), "done");
}

#[test]
fn the_target_of_an_unknown_action_is_not_asked_for_ever() {
    let (mut desk, action) = in_doubt(Policy::AtMostOnce);
    let mut times = 0;
    for _ in 0..2_000 {
        if !asked(&desk.tick()).is_empty() {
            times += 1;
            desk.said(action, 1, silent());
        }
        desk.at(desk.now + 10 * SECOND);
    }
    assert_eq!(times, 10);
}

#[test]
fn an_answer_that_comes_too_late_means_nothing() {
    let (mut desk, action) = in_doubt(Policy::Verify);
    desk.tick();
    let changed = desk.bench.changed(action);
    let order = OverrideOrder::Resolve {
        action_id: action,
        expect: changed,
        outcome: Resolution::Done,
    };
    let order = crate::ledger::record::Override {
        override_id: id(1),
        order,
        who: "anna".to_owned(),
        reason: "seen".to_owned(),
    };
    desk.read(Record::Override(Box::new(order)));
    assert_eq!(desk.said(action, 1, absent()), None);
    assert_eq!(desk.bench.phase(action), "done");
}

#[test]
fn nothing_is_bid_for_behind_a_doubt_while_people_hold_back_or_somebody_else_owns_the_partition() {
    let (mut desk, action) = in_doubt(Policy::Verify);
    desk.tick();
    desk.bench.order(desk.now, 1, OverrideOrder::Pause).unwrap();
    assert_eq!(desk.said(action, 1, absent()), None);

    let (mut desk, action) = in_doubt(Policy::Verify);
    desk.tick();
    let (execution, fold) = (&mut desk.execution, &desk.bench.fold);
    execution.revoked(fold);
    assert_eq!(desk.said(action, 1, absent()), None);
    desk.at(desk.now + MINUTE);
    assert_eq!(desk.tick(), []);
}

#[test]
fn questions_wait_for_room_like_bids_and_go_before_them() {
    let mut desk = Desk::new();
    let proposed = |offset| {
        let ladder = vec![crate::ledger::record::Step {
            policy: Policy::Verify,
            cooldown_key: format!("key-{offset}"),
            ..step(Retrain)
        }];
        propose(offset, ladder)
    };
    for offset in 0..3 {
        desk.read(Record::Propose(Box::new(proposed(offset))));
    }
    desk.at(SECOND);
    for (bid, offset) in (1..).zip(0..3) {
        let action = action_of(&propose(offset, Vec::new()));
        desk.read(start(action, 1, bid));
    }
    desk.at(SECOND + LEASE + 1);
    desk.read(Record::Tick);
    // One that is ready, behind three that are in doubt.
    desk.read(Record::Propose(Box::new(proposed(3))));
    desk.places.insert("log".to_owned(), 2);
    let effects = desk.tick();
    assert_eq!(
        (asked(&effects).len(), effects.len()),
        (2, 2),
        "{effects:?}"
    );
    assert_eq!(
        desk.waiting,
        [
            ("log".to_owned(), 1, Millis::MIN),
            ("log".to_owned(), 1, T0 + SECOND + LEASE + 1)
        ]
    );
    assert_eq!(desk.tick(), [], "no room");
    let (action, ..) = asked(&effects)[0];
    assert!(desk.execution.holds(action));
    assert_eq!(desk.said(action, 1, silent()), None);
    assert!(!desk.execution.holds(action));
    // The place of a question becomes that of the bid that follows from its answer.
    let (other, ..) = asked(&effects)[1];
    assert!(desk.said(other, 1, absent()).is_some());
    assert!(desk.execution.holds(other));
}
