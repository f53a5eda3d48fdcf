//! Each row of ledger-protocol §6, and the violations of §11 that concern the executor.

mod admission;
mod probing;

use super::*;
use crate::actions::Action::Retrain;
use crate::ledger::fold::samples::*;
use crate::ledger::record::{OverrideOrder, Policy, Propose, Record};
use crate::ledger::times::START_DEADLINE;

/// One executor on a log that a test writes by hand. Boot time and log time run together.
struct Desk {
    bench: Bench,
    execution: Execution,
    now: Millis,
    next_id: u32,
    /// Places of each connection that are left.
    places: BTreeMap<String, usize>,
    /// What was said to wait: connection, how many, since when.
    waiting: Vec<(String, usize, Millis)>,
}

/// Hands the places of a desk out; a connection without an entry has room for all.
struct Places<'a>(
    &'a mut BTreeMap<String, usize>,
    &'a mut Vec<(String, usize, Millis)>,
);

impl Admission for Places<'_> {
    fn admit(&mut self, connection: &str, _: Id, _: Millis) -> bool {
        let Some(left) = self.0.get_mut(connection) else {
            return true;
        };
        let has_room = *left > 0;
        *left = left.saturating_sub(1);
        has_room
    }

    fn waits(&mut self, connection: &str, count: usize, due: Millis) {
        self.1.push((connection.to_owned(), count, due));
    }
}

fn boot(now: Millis) -> Duration {
    Duration::from_millis(now.unsigned_abs())
}

impl Desk {
    fn new() -> Self {
        let bench = Bench::new();
        let execution = Execution::new("me", &bench.fold, boot(0));
        Self {
            bench,
            execution,
            now: 0,
            next_id: 1000,
            places: BTreeMap::new(),
            waiting: Vec::new(),
        }
    }

    /// A desk with one action that was proposed at second 0.
    fn with_action(policy: Policy) -> (Self, Id) {
        let mut desk = Self::new();
        let ladder = vec![crate::ledger::record::Step {
            policy,
            ..step(Retrain)
        }];
        let proposed = propose(1, ladder);
        let action = action_of(&proposed);
        desk.read(Record::Propose(Box::new(proposed)));
        (desk, action)
    }

    fn at(&mut self, now: Millis) -> &mut Self {
        self.now = now;
        self
    }

    fn read(&mut self, record: Record) -> Vec<Effect> {
        let changes = self.bench.apply(self.now, record).to_vec();
        self.execution
            .folded(&self.bench.fold, &changes, boot(self.now))
    }

    fn tick(&mut self) -> Vec<Effect> {
        let now = Moment {
            boot: boot(self.now),
            log: T0 + self.now,
        };
        let next_id = &mut self.next_id;
        let mut fresh = |_| {
            *next_id += 1;
            id(*next_id)
        };
        self.waiting.clear();
        let mut places = Places(&mut self.places, &mut self.waiting);
        self.execution
            .tick(&self.bench.fold, now, &mut fresh, &mut places)
    }

    fn bid(&mut self) -> Start {
        match self.tick().as_slice() {
            [Effect::AppendStart(start)] => start.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn report(&mut self, start: &Start, delivered: bool) -> Vec<Effect> {
        self.execution.reported(
            &self.bench.fold,
            start.action_id,
            start.start_id,
            delivered,
            boot(self.now),
        )
    }
}

fn sent(effects: &[Effect]) -> Vec<(Id, u32, Id)> {
    let sends = effects.iter().filter_map(|effect| match effect {
        Effect::Send(order) => Some((order.action, order.attempt, order.start_id)),
        _ => None,
    });
    sends.collect()
}

fn is_not_sent(effects: &[Effect], start: &Start) -> bool {
    matches!(effects, [Effect::AppendFinish(finish)]
        if finish.outcome == FinishOutcome::NotSent && finish.start_id == start.start_id)
}

fn answer(outcome: FinishOutcome) -> Answer {
    Answer {
        outcome,
        detail: "é".repeat(DETAIL_BYTES_MAX),
        retry_after_ms: None,
        permanent: false,
    }
}

#[test]
fn a_winner_is_sent_once_in_either_order_of_read_back_and_report() {
    for report_first in [false, true] {
        let (mut desk, action) = Desk::with_action(Policy::Idempotent);
        let start = desk.bid();
        let mut effects = Vec::new();
        if report_first {
            effects.extend(desk.report(&start, true));
            assert_eq!(sent(&effects), []);
        }
        effects.extend(desk.read(Record::Start(start.clone())));
        if !report_first {
            assert_eq!(sent(&effects), []);
            effects.extend(desk.report(&start, true));
        }
        assert_eq!(sent(&effects), [(action, 1, start.start_id)]);
        // Neither a repeated landing, nor a repeated report, nor time sends it again.
        let again = desk.read(Record::Start(start.clone()));
        assert_eq!(sent(&again), []);
        assert_eq!(desk.report(&start, true), []);
        assert_eq!(desk.tick(), []);

        let finish = desk
            .execution
            .answered(start.start_id, answer(FinishOutcome::Done));
        let Some(Effect::AppendFinish(finish)) = finish else {
            panic!("{finish:?}");
        };
        assert!(finish.detail.len() <= DETAIL_BYTES_MAX);
        let again = desk
            .execution
            .answered(start.start_id, answer(FinishOutcome::Done));
        assert_eq!(again, None);
        desk.read(Record::Finish(finish));
        assert_eq!(desk.bench.phase(action), "done");
        assert!(desk.execution.is_idle());
    }
}

#[test]
fn nothing_is_bid_for_before_it_is_due() {
    let (mut desk, _) = Desk::with_action(Policy::Idempotent);
    desk.at(-1);
    assert_eq!(desk.tick(), []);
    desk.at(0).bid();
}

#[test]
fn nothing_is_bid_for_outside_its_window_or_after_its_end() {
    let mut desk = Desk::new();
    let start = within(&[window(MINUTE, 2 * MINUTE)]);
    let ladder = vec![crate::ledger::record::Step {
        start,
        ..step(Retrain)
    }];
    let limited = Propose {
        not_after: T0 + 2 * MINUTE,
        ..propose(1, ladder)
    };
    desk.read(Record::Propose(Box::new(limited)));
    assert_eq!(desk.tick(), []);
    desk.at(MINUTE + 1);
    assert_eq!(desk.tick(), [Effect::AppendTick], "the window has to open");
    desk.read(Record::Tick);
    desk.at(2 * MINUTE);
    assert_eq!(desk.tick(), []);
    desk.at(MINUTE + 2).bid();
}

#[test]
fn a_bid_read_back_after_the_deadline_is_not_sent() {
    let late = Millis::try_from(START_DEADLINE.as_millis()).unwrap();
    for (elapsed, sends) in [(late, true), (late + 1, false)] {
        let (mut desk, _) = Desk::with_action(Policy::Idempotent);
        let start = desk.bid();
        desk.report(&start, true);
        desk.at(elapsed);
        let effects = desk.read(Record::Start(start.clone()));
        assert_eq!(!sent(&effects).is_empty(), sends);
        assert_eq!(is_not_sent(&effects, &start), !sends);
    }
}

#[test]
fn a_bid_given_up_that_wins_later_is_told_as_not_sent_and_tried_again() {
    let (mut desk, action) = Desk::with_action(Policy::AtMostOnce);
    let start = desk.bid();
    desk.at(11 * SECOND);
    assert_eq!(
        desk.tick(),
        [],
        "a new bid waits for the report of the old one"
    );
    desk.report(&start, true);
    let effects = desk.at(12 * SECOND).read(Record::Start(start.clone()));
    assert!(is_not_sent(&effects, &start));
    let [Effect::AppendFinish(finish)] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    desk.read(Record::Finish(finish.clone()));
    assert_eq!(desk.bench.phase(action), "ready");
    let again = desk.at(MINUTE).bid();
    assert_eq!(again.attempt, 2);
}

#[test]
fn a_bid_whose_append_failed_is_never_sent_though_it_landed() {
    for landed_first in [false, true] {
        let (mut desk, _) = Desk::with_action(Policy::Idempotent);
        let start = desk.bid();
        let mut effects = Vec::new();
        if landed_first {
            effects.extend(desk.read(Record::Start(start.clone())));
        }
        effects.extend(desk.report(&start, false));
        if !landed_first {
            effects.extend(desk.read(Record::Start(start.clone())));
        }
        assert!(is_not_sent(&effects, &start), "{effects:?}");
    }
}

#[test]
fn v1_a_new_incarnation_takes_no_old_bid_for_its_own() {
    let (mut desk, action) = Desk::with_action(Policy::AtMostOnce);
    let start = desk.bid();
    desk.execution = Execution::new("me", &desk.bench.fold, boot(0));
    let mut effects = desk.read(Record::Start(start.clone()));
    effects.extend(desk.report(&start, true));
    assert_eq!(effects, []);
    // The lease decides.
    desk.at(LEASE + 1);
    assert_eq!(desk.tick(), [Effect::AppendTick]);
    desk.read(Record::Tick);
    assert_eq!(desk.bench.phase(action), "unknown");
}

#[test]
fn v2_every_append_of_a_start_has_an_id_of_its_own() {
    let (mut desk, _) = Desk::with_action(Policy::Verify);
    let first = desk.bid();
    desk.report(&first, false);
    desk.at(SECOND - 1);
    assert_eq!(desk.tick(), []);
    let second = desk.at(SECOND).bid();
    assert_ne!(first.start_id, second.start_id);
    // The first one lands after all, late, and wins: nobody may send for it, and the second is void.
    let effects = desk.read(Record::Start(first.clone()));
    assert!(is_not_sent(&effects, &first));
    let mut effects = desk.read(Record::Start(second.clone()));
    effects.extend(desk.report(&second, true));
    assert_eq!(sent(&effects), []);
}

#[test]
fn v9_a_winner_whose_action_moved_on_is_not_sent() {
    let (mut desk, _) = Desk::with_action(Policy::Idempotent);
    let start = desk.bid();
    desk.read(Record::Start(start.clone()));
    desk.bench.tick(LEASE + 1);
    let effects = desk.report(&start, true);
    assert!(is_not_sent(&effects, &start), "{effects:?}");
}

#[test]
fn a_start_that_landed_too_early_is_tried_again_a_second_later() {
    let (mut desk, action) = Desk::with_action(Policy::Idempotent);
    let first = desk.bid();
    desk.report(&first, true);
    desk.read(Record::Start(first.clone()));
    let failed = finish(action, 1, 0, FinishOutcome::Failed);
    let failed = Finish {
        start_id: first.start_id,
        ..failed
    };
    desk.execution
        .answered(first.start_id, answer(FinishOutcome::Failed));
    desk.read(Record::Finish(failed));
    let early = desk.at(10 * SECOND).bid();
    desk.report(&early, true);
    // The broker's clock is behind: the record's time is before the pause is over.
    desk.now = 2 * SECOND;
    let changes = desk.bench.apply(2 * SECOND, Record::Start(early)).to_vec();
    desk.now = 10 * SECOND;
    let effects = desk
        .execution
        .folded(&desk.bench.fold, &changes, boot(desk.now));
    assert_eq!(effects, []);
    desk.at(11 * SECOND - 1);
    assert_eq!(desk.tick(), []);
    assert_eq!(desk.at(11 * SECOND).bid().attempt, 2);
}

#[test]
fn ticks_come_at_most_once_a_second_and_only_when_nothing_is_read() {
    let (mut desk, _) = Desk::with_action(Policy::AtMostOnce);
    let start = desk.bid();
    desk.read(Record::Start(Start {
        start_id: id(7),
        ..start.clone()
    }));
    desk.report(&start, false);
    desk.at(LEASE);
    assert_eq!(desk.tick(), [], "not due yet");
    desk.at(LEASE + 1);
    assert_eq!(desk.tick(), [Effect::AppendTick]);
    desk.at(LEASE + 1000);
    assert_eq!(desk.tick(), []);
    desk.at(LEASE + 1001);
    assert_eq!(desk.tick(), [Effect::AppendTick]);
    desk.read(Record::Tick);
    let again = desk.at(LEASE + 1002).tick();
    assert!(!again.contains(&Effect::AppendTick), "the timer has fired");
}

#[test]
fn revocation_gives_bids_up_and_lets_sends_end() {
    let (mut desk, _) = Desk::with_action(Policy::Idempotent);
    let start = desk.bid();
    assert_eq!(desk.execution.revoked(&desk.bench.fold), []);
    assert!(!desk.execution.is_idle());
    let mut effects = desk.report(&start, true);
    effects.extend(desk.read(Record::Start(start.clone())));
    assert!(is_not_sent(&effects, &start));
    assert!(desk.execution.is_idle());
    desk.at(10 * MINUTE);
    assert_eq!(desk.tick(), [], "no new bid and no tick");

    let (mut desk, _) = Desk::with_action(Policy::Idempotent);
    let start = desk.bid();
    desk.report(&start, true);
    desk.read(Record::Start(start.clone()));
    assert_eq!(desk.execution.revoked(&desk.bench.fold), []);
    let end = desk
        .execution
        .answered(start.start_id, answer(FinishOutcome::Done));
    assert!(matches!(end, Some(Effect::AppendFinish(_))));
}

#[test]
fn an_executor_that_begins_in_the_middle_finds_what_is_open() {
    let (mut desk, action) = Desk::with_action(Policy::Idempotent);
    desk.execution = Execution::new("other", &desk.bench.fold, boot(0));
    let start = desk.bid();
    assert_eq!((start.action_id, start.owner.as_str()), (action, "other"));
}

#[test]
fn nothing_is_bid_for_while_people_hold_everything_back() {
    let (mut desk, _) = Desk::with_action(Policy::Idempotent);
    let order = |number, order| {
        Record::Override(Box::new(crate::ledger::record::Override {
            override_id: id(number),
            order,
            who: "somebody".to_owned(),
            reason: "because".to_owned(),
        }))
    };
    desk.at(1_000).read(order(1, OverrideOrder::Pause));
    assert_eq!(
        desk.at(5_000).tick(),
        [],
        "the bid would be void, and so would the next one a second later"
    );
    desk.at(6_000).read(order(2, OverrideOrder::Resume));
    assert!(matches!(
        desk.at(7_000).tick()[..],
        [Effect::AppendStart(_)]
    ));
}
