//! The history as the API shows it.

use super::*;
use crate::action::Action::{Ignore, Monitor, Retrain};
use crate::ledger::change::Change;
use crate::ledger::fold::samples::*;
use crate::ledger::record::{Finish, Propose, Record, Step};

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
            self.history.apply(change);
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
fn notices_push_no_decision_out_and_what_left_is_forgotten() {
    let mut told = Told::new(3);
    let first = told.propose(0, free(1, Retrain));
    for number in 10..20 {
        told.propose(number, free(number, Ignore));
    }
    assert_eq!(told.outcome(first), Outcome::Pending);
    assert_eq!(told.history.len(), 4);
    for number in 20..23 {
        told.propose(number, free(number, Retrain));
    }
    assert_eq!(told.history.get(first), None);
    told.start(SECOND, first, 1);
    let refused = Finish {
        permanent: true,
        ..finish(first, 1, 1, FinishOutcome::Failed)
    };
    told.apply(SECOND, Record::Finish(refused));
    let page = told.history.list(&Filter {
        limit: 10,
        ..Filter::default()
    });
    // The alert of the forgotten one is listed all the same.
    assert_eq!(page.items[0].escalation_of, Some(first));
    assert_eq!(told.history.len(), 6);
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
