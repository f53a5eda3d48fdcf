//! The history as the API shows it.

use super::*;
use crate::actions::Action::{Ignore, Monitor, Retrain};
use crate::ledger::change::Change;
use crate::ledger::fold::Fold;
use crate::ledger::fold::samples::*;
use crate::ledger::record::{Override, OverrideOrder, Propose, Record, Step};

struct Told {
    bench: Bench,
    history: History,
}

impl Told {
    fn new(capacity: usize) -> Self {
        Self {
            bench: Bench::new(),
            history: History::new(capacity),
        }
    }

    fn apply(&mut self, at: Millis, record: Record) {
        let changes: Vec<Change> = self.bench.apply(at, record).to_vec();
        for change in &changes {
            self.history.apply(change, &self.bench.fold);
        }
    }

    fn propose(&mut self, at: Millis, propose: Propose) -> Id {
        let id = action_of(&propose);
        self.apply(at, Record::Propose(Box::new(propose)));
        id
    }

    fn start(&mut self, at: Millis, action_id: Id, attempt: u32) {
        let start = crate::ledger::record::Start {
            action_id,
            attempt,
            start_id: id(attempt),
            owner: "me".to_owned(),
            resolved_params: None,
            probe: None,
        };
        self.apply(at, Record::Start(start));
    }

    /// Sends an action once; it is done.
    fn done(&mut self, at: Millis, action: Id) {
        self.start(at, action, 1);
        self.apply(
            at,
            Record::Finish(finish(action, 1, 1, FinishOutcome::Done)),
        );
    }

    fn outcome(&self, id: Id) -> Outcome {
        self.history.get(id).unwrap().summary.outcome
    }
}

/// A proposal of its own key, so that decisions do not hold each other back.
fn free(offset: i64, action: Action) -> Propose {
    let cooldown_key = offset.to_string();
    propose(
        offset,
        vec![Step {
            cooldown_key,
            ..step(action)
        }],
    )
}

fn ids(page: &Page) -> Vec<String> {
    page.items
        .iter()
        .map(|item| item.event_id.clone())
        .collect()
}

#[test]
fn the_parameters_are_those_that_are_sent() {
    let mut told = Told::new(10);
    let action = told.propose(0, free(1, Retrain));
    let before = told.history.get(action).unwrap().params;
    let absolute = serde_json::json!({"from": "4", "to": "3"});
    let start = crate::ledger::record::Start {
        action_id: action,
        attempt: 1,
        start_id: id(1),
        owner: "me".to_owned(),
        resolved_params: Some(absolute.clone()),
        probe: None,
    };
    told.apply(SECOND, Record::Start(start));
    let after = told.history.get(action).unwrap().params;
    assert_ne!(after, before);
    assert_eq!(after.value(), absolute);
    // Also after a restart from a checkpoint.
    let mut again = History::new(10);
    again.restore(&told.bench.fold, |_| true);
    assert_eq!(again.get(action).unwrap().params.value(), absolute);
}

#[test]
fn a_story_follows_its_action_to_the_end() {
    let mut told = Told::new(10);
    let once = Step {
        max_attempts: 1,
        ..step(Retrain)
    };
    let action = told.propose(0, propose(1, vec![once]));
    assert_eq!(told.outcome(action), Outcome::Pending);
    told.start(SECOND, action, 1);
    let failed = finish(action, 1, 1, FinishOutcome::Failed);
    told.apply(2 * SECOND, Record::Finish(failed));
    let story = told.history.get(action).unwrap();
    assert_eq!(story.summary.outcome, Outcome::Failed);
    assert_eq!(story.attempts.len(), 1);
    assert_eq!(story.attempts[0].finished, Some(T0 + 2 * SECOND));
    assert_eq!(story.attempts[0].outcome, Some(FinishOutcome::Failed));
    assert_eq!(
        story.summary.reasons,
        ["working hours: open", "attempt 1 failed: answer"]
    );
    let alert = told.history.get(story.escalation.unwrap()).unwrap();
    assert_eq!(alert.summary.escalation_of, Some(action));
    assert_eq!(alert.event, story.event);
    assert_eq!(alert.summary.outcome, Outcome::Pending);
    // A late word of the winner corrects it.
    let mut done = finish(action, 1, 1, FinishOutcome::Done);
    done.detail = "found".to_owned();
    told.apply(3 * SECOND, Record::Finish(done));
    assert_eq!(told.outcome(action), Outcome::Executed);
    let attempts = told.history.get(action).unwrap().attempts;
    assert_eq!(attempts[0].detail.as_deref(), Some("answer; then found"));
    assert_eq!(told.outcome(alert.summary.id), Outcome::Suppressed);
}

#[test]
fn what_a_gate_held_back_says_why_with_the_numbers() {
    let mut told = Told::new(10);
    let ladder = vec![budgeted(Retrain, 0), step(Monitor)];
    let action = told.propose(0, propose(1, ladder));
    let story = told.history.get(action).unwrap();
    assert_eq!(story.summary.proposed_action, Retrain);
    assert_eq!(story.summary.action, Monitor);
    assert_eq!(
        story.summary.reasons[1],
        "retrain: budget `hour`: 0 of 0 in 3600 s"
    );
    assert_eq!(story.gates.len(), 3);
    let held = told.propose(1, propose(2, vec![step(Monitor)]));
    let story = told.history.get(held).unwrap();
    assert_eq!(story.summary.outcome, Outcome::Suppressed);
    assert!(story.summary.reasons[1].contains("in progress"));
}

#[test]
fn a_scheduled_action_that_falls_back_shows_the_step_it_fell_to() {
    let mut told = Told::new(10);
    let scheduled = Step {
        start: within(&[window(MINUTE, 2 * MINUTE)]),
        ..budgeted(Retrain, 1)
    };
    let action = told.propose(0, propose(1, vec![scheduled, step(Monitor)]));
    assert_eq!(told.outcome(action), Outcome::Scheduled);
    let taker = Step {
        cooldown_key: "other".to_owned(),
        ..budgeted(Retrain, 1)
    };
    told.propose(SECOND, propose(2, vec![taker]));
    told.apply(MINUTE + 1, Record::Tick);
    let story = told.history.get(action).unwrap();
    assert_eq!(story.summary.outcome, Outcome::Pending);
    assert_eq!(story.summary.action, Monitor);
    assert!(story.summary.reasons[1].contains("1 of 1 in 3600 s"));
}

#[test]
fn listings_are_newest_first_filtered_and_paged_without_gap_or_repeat() {
    let mut told = Told::new(100);
    for number in 0..10 {
        let action = if number % 3 == 0 { Ignore } else { Retrain };
        told.propose(number * SECOND, free(number, action));
    }
    let filter = Filter {
        limit: 4,
        ..Filter::default()
    };
    let mut seen = Vec::new();
    let mut newer = 100;
    let mut before = None;
    loop {
        let page = told.history.list(&Filter {
            before,
            ..filter.clone()
        });
        seen.extend(ids(&page));
        // What arrives meanwhile is newer and disturbs no later page.
        newer += 1;
        told.propose(MINUTE + newer, free(newer, Retrain));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let expected: Vec<String> = (0..10).rev().map(|n| format!("event-{n}")).collect();
    assert_eq!(seen, expected);

    let count = |filter: Filter| told.history.list(&filter).items.len();
    let all = Filter {
        limit: 100,
        ..Filter::default()
    };
    let cases = [
        (all.clone(), 13),
        (
            Filter {
                action: Some(Ignore),
                ..all.clone()
            },
            4,
        ),
        (
            Filter {
                outcome: Some(Outcome::Ignored),
                ..all.clone()
            },
            4,
        ),
        (
            Filter {
                outcome: Some(Outcome::Pending),
                ..all.clone()
            },
            9,
        ),
        (
            Filter {
                target: Some("m".to_owned()),
                ..all.clone()
            },
            13,
        ),
        (
            Filter {
                target: Some("model/m".to_owned()),
                ..all.clone()
            },
            13,
        ),
        (
            Filter {
                target: Some("service/m".to_owned()),
                ..all.clone()
            },
            0,
        ),
        (
            Filter {
                event_type: Some("other".to_owned()),
                ..all.clone()
            },
            0,
        ),
        (
            Filter {
                since: T0 + 9 * SECOND,
                ..all.clone()
            },
            4,
        ),
        (Filter { limit: 0, ..all }, 0),
    ];
    for (filter, expected) in cases {
        assert_eq!(count(filter.clone()), expected, "{filter:?}");
    }
}

#[test]
fn notices_push_no_decision_out_and_what_ended_first_leaves() {
    let mut told = Told::new(3);
    let first = told.propose(0, free(1, Retrain));
    for number in 10..20 {
        told.propose(number, free(number, Ignore));
    }
    assert_eq!(told.outcome(first), Outcome::Pending);
    assert_eq!(told.history.len(), 4);
    let page = told.history.list(&Filter::default());
    assert_eq!(page.forgotten_until, Some(T0 + 16), "the notices that left");
    assert_eq!(page.newest, Some(T0 + 19));
    let later: Vec<Id> = (20..23)
        .map(|number| told.propose(number, free(number, Retrain)))
        .collect();
    // They end, the last one first, and the oldest decision behind them.
    for (number, action) in later.iter().rev().chain([&first]).enumerate() {
        let at = SECOND * i64::try_from(number + 1).unwrap();
        told.done(at, *action);
    }
    assert_eq!(told.history.get(later[2]), None, "it ended first");
    assert_eq!(told.outcome(first), Outcome::Executed);
    assert_eq!(told.history.len(), 6);
    let page = told.history.list(&Filter::default());
    assert_eq!(page.forgotten_until, Some(T0 + 22));
}

#[test]
fn every_open_decision_is_listed_and_told_however_many_follow() {
    let mut told = Told::new(5);
    let waits = Step {
        approval: true,
        cooldown_key: "waits".to_owned(),
        ..step(Retrain)
    };
    let waiting = told.propose(0, propose(1, vec![waits]));
    let scheduled = Step {
        start: within(&[window(30 * MINUTE, 60 * MINUTE)]),
        cooldown_key: "scheduled".to_owned(),
        ..step(Retrain)
    };
    let scheduled = told.propose(1, propose(2, vec![scheduled]));
    let ready = told.propose(2, free(3, Retrain));
    for number in 10..200 {
        let closed = told.propose(number, free(number, Retrain));
        told.done(number, closed);
        told.propose(number, free(1_000 + number, Ignore));
    }
    assert_eq!(told.history.len(), 3 + 5 + 5);
    let listed = |told: &Told, outcome| {
        let filter = Filter {
            outcome: Some(outcome),
            limit: 100,
            ..Filter::default()
        };
        let items = told.history.list(&filter).items;
        items.iter().map(|item| item.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(&told, Outcome::Pending), [ready, waiting]);
    assert_eq!(listed(&told, Outcome::Scheduled), [scheduled]);
    // Also those decided before the time asked for, unless it was asked for.
    let mut filter = Filter {
        since: T0 + 20,
        open_of_any_age: true,
        limit: 100,
        ..Filter::default()
    };
    assert_eq!(told.history.list(&filter).items.len(), 3 + 10);
    filter.open_of_any_age = false;
    assert_eq!(told.history.list(&filter).items.len(), 10);
    // Page by page: no gap, no repeat, the newest first.
    let (mut before, mut pages) = (None, Vec::new());
    loop {
        let page = told.history.list(&Filter {
            before,
            limit: 2,
            ..Filter::default()
        });
        pages.extend(page.items.iter().map(cursor));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(pages.len(), 13);
    assert!(pages.windows(2).all(|pair| pair[0] > pair[1]));
    // What ends is among those that ended last.
    told.done(200, ready);
    assert_eq!(told.outcome(ready), Outcome::Executed);
    assert_eq!(told.history.len(), 2 + 5 + 5);
}

fn cursor(item: &DecisionSummary) -> Cursor {
    let (time, id) = (item.time, item.id);
    Cursor { time, id }
}

#[test]
fn an_action_whose_story_has_left_is_told_again_when_a_person_fires_it_again() {
    let mut told = Told::new(2);
    let once = Step {
        max_attempts: 1,
        ..step(Retrain)
    };
    let action = told.propose(0, propose(1, vec![once]));
    told.start(0, action, 1);
    told.apply(
        1,
        Record::Finish(finish(action, 1, 1, FinishOutcome::Failed)),
    );
    for number in 10..20 {
        let other = told.propose(number, free(number, Retrain));
        told.done(number, other);
    }
    assert_eq!(told.history.get(action), None);
    let order = OverrideOrder::Refire {
        action_id: action,
        expect: told.bench.changed(action),
    };
    told.bench.order(SECOND, 1, order).unwrap();
    let changes = std::mem::take(&mut told.bench.changes);
    for change in &changes {
        told.history.apply(change, &told.bench.fold);
    }
    let story = told.history.get(action).unwrap();
    assert_eq!(story.summary.outcome, Outcome::Pending);
    assert_eq!((story.summary.time, story.summary.ended), (T0, None));
    assert_eq!(story.attempts.len(), 1);
    let reasons = story.summary.reasons.join("; ");
    assert!(
        reasons.contains("offset 1 of model.monitoring.drift/0"),
        "{reasons}"
    );
    assert!(reasons.ends_with("refire by anna: because"), "{reasons}");
    told.start(2 * SECOND, action, 2);
    assert_eq!(told.history.get(action).unwrap().attempts.len(), 2);
}

#[test]
fn a_fold_that_goes_on_from_a_checkpoint_shows_what_it_keeps() {
    let mut told = Told::new(10);
    let open = told.propose(0, free(1, Retrain));
    let ended = told.propose(1, free(2, Retrain));
    told.done(2, ended);
    let mut restarted = History::new(10);
    restarted.restore(&told.bench.fold, |_| true);
    assert_eq!(
        restarted.get(open).unwrap().summary.outcome,
        Outcome::Pending
    );
    assert_eq!(
        restarted.get(ended).unwrap().summary.outcome,
        Outcome::Executed
    );
    let same = |history: &History| {
        let items = history.list(&Filter {
            limit: 10,
            ..Filter::default()
        });
        items.items.iter().map(cursor).collect::<Vec<_>>()
    };
    assert_eq!(same(&restarted), same(&told.history));
    // A person ordered an empty start of that partition: nothing is open in it.
    restarted.restore(&Fold::new(), |_| false);
    assert_eq!(restarted.len(), 2, "another partition");
    restarted.restore(&Fold::new(), |_| true);
    assert_eq!(restarted.get(open), None);
    assert!(restarted.get(ended).is_some());
}

#[test]
fn what_people_acknowledged_stands_in_the_story() {
    let mut told = Told::new(10);
    let once = Step {
        max_attempts: 1,
        ..step(Retrain)
    };
    let action = told.propose(0, propose(1, vec![once]));
    told.start(0, action, 1);
    told.apply(
        1,
        Record::Finish(finish(action, 1, 1, FinishOutcome::Failed)),
    );
    let before = told.history.get(action).unwrap();
    let order = Override {
        override_id: id(7),
        order: OverrideOrder::Acknowledge {
            action_id: action,
            expect: told.bench.changed(action),
        },
        who: "anna".to_owned(),
        reason: "seen".to_owned(),
    };
    told.apply(2, Record::Override(Box::new(order)));
    let story = told.history.get(action).unwrap();
    assert!(story.summary.acknowledged);
    assert_eq!(
        story.summary.reasons.last().unwrap(),
        "acknowledge by anna: seen"
    );
    let phases = |story: &DecisionStory| (story.summary.phase, story.summary.changed);
    assert_eq!(phases(&story), phases(&before));
}

#[test]
fn a_cursor_is_read_as_it_was_written() {
    let cursor = Cursor {
        time: -5,
        id: id(3),
    };
    assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
    for broken in ["", "5", "-", "x-00", "5-xyz"] {
        assert_eq!(Cursor::parse(broken), None, "{broken}");
    }
}
