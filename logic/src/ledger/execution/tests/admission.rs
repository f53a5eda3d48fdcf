//! What is not admitted waits: nothing is appended, no attempt is spent, and no other connection is delayed.

use super::*;

/// Proposes a retraining over a connection.
fn ready(desk: &mut Desk, offset: i64, connection: &str) -> Id {
    let ladder = vec![crate::ledger::record::Step {
        connector: connection.to_owned(),
        cooldown_key: offset.to_string(),
        ..step(Retrain)
    }];
    let proposed = propose(offset, ladder);
    let action = action_of(&proposed);
    desk.read(Record::Propose(Box::new(proposed)));
    action
}

fn bids(effects: &[Effect]) -> Vec<Start> {
    let bids = effects.iter().map(|effect| match effect {
        Effect::AppendStart(start) => start.clone(),
        other => panic!("{other:?}"),
    });
    bids.collect()
}

fn actions(bids: &[Start]) -> Vec<Id> {
    bids.iter().map(|start| start.action_id).collect()
}

#[test]
fn the_longest_due_go_first_and_the_others_stay_ready_with_all_their_attempts() {
    let mut desk = Desk::new();
    let mut all = Vec::new();
    for offset in 0..5 {
        desk.at(offset);
        all.push(ready(&mut desk, offset, "log"));
    }
    desk.places.insert("log".to_owned(), 2);
    let first = bids(&desk.tick());
    assert_eq!(actions(&first), all[..2]);
    assert_eq!(desk.waiting, [("log".to_owned(), 3, T0 + 2)]);
    assert_eq!(desk.tick(), []);
    assert_eq!(desk.waiting, [("log".to_owned(), 3, T0 + 2)]);
    // The first one is sent: its place is the request's now, the other still bids.
    desk.report(&first[0], true);
    desk.read(Record::Start(first[0].clone()));
    assert!(!desk.execution.holds(all[0]) && desk.execution.holds(all[1]));
    assert_eq!(desk.tick(), []);
    for action in &all[2..] {
        assert_eq!(desk.bench.phase(*action), "ready");
        assert_eq!(desk.bench.fold.action(*action).unwrap().winners.len(), 0);
    }
    desk.places.insert("log".to_owned(), 1);
    let next = bids(&desk.tick());
    assert_eq!((actions(&next), next[0].attempt), (vec![all[2]], 1));
    assert_eq!(desk.waiting, [("log".to_owned(), 2, T0 + 3)]);
}

#[test]
fn a_connection_without_room_delays_no_other() {
    let mut desk = Desk::new();
    for offset in 0..400 {
        ready(&mut desk, offset, "hangs");
    }
    desk.at(SECOND);
    let alert = ready(&mut desk, 400, "works");
    desk.places.insert("hangs".to_owned(), 0);
    assert_eq!(actions(&bids(&desk.tick())), [alert]);
    assert_eq!(desk.waiting, [("hangs".to_owned(), 400, T0)]);
}

#[test]
fn those_that_wait_are_asked_for_once_a_tick_however_many_they_are() {
    let mut desk = Desk::new();
    for offset in 0..1_000 {
        ready(&mut desk, offset, "shut");
    }
    let mut asked = 0;
    let now = Moment {
        boot: boot(0),
        log: T0 + 1,
    };
    let mut admission = |_: &str, _: Id| {
        asked += 1;
        false
    };
    let mut fresh = |_| panic!("nothing is bid for");
    let effects = desk
        .execution
        .tick(&desk.bench.fold, now, &mut fresh, &mut admission);
    assert_eq!((effects, asked), (Vec::new(), 1));
}

#[test]
fn a_place_is_held_until_the_bid_is_over_whatever_became_of_it() {
    let (mut desk, action) = Desk::with_action(Policy::Idempotent);
    let start = desk.bid();
    assert!(desk.execution.holds(action));
    // Given up, and still it waits for its report: a new bid must not overtake it.
    desk.at(11 * SECOND).tick();
    assert!(desk.execution.holds(action));
    desk.report(&start, false);
    assert!(!desk.execution.holds(action));
}
