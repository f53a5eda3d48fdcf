//! Alerts that reached nobody, and how people come to know of them (ledger-protocol §13.8; issue 13, row 14).

use crate::actions::Action::{Alert, Retrain};
use crate::ledger::change::ChangeKind;
use crate::ledger::fold::Fold;
use crate::ledger::fold::samples::*;
use crate::ledger::phase::DerivedKind;
use crate::ledger::record::FinishOutcome::{Done, Failed, Unknown};
use crate::ledger::record::{
    Genesis, Id, Millis, OverrideOrder, Policy, Propose, Record, Resolution, Step,
};
use crate::ledger::state::FoldState;
use crate::ledger::times::{ESCALATION_START_MS, HORIZON_MS};

const HOUR: Millis = 60 * MINUTE;

/// A retraining of a key of its own that failed, and whose alert through this connector is lost; both by now.
fn lost(bench: &mut Bench, at: Millis, offset: i64, connector: &str) -> (Id, Id) {
    let mut propose = propose(
        offset,
        vec![Step {
            cooldown_key: format!("key-{offset}"),
            max_attempts: 1,
            ..step(Retrain)
        }],
    );
    propose.decisions[0].escalation = Step {
        connector: connector.to_owned(),
        max_attempts: 1,
        ..step(Alert)
    };
    let action = bench.propose(at, propose);
    let bid = 100 * u32::try_from(offset).unwrap();
    assert!(bench.start(at, action, 1, bid));
    bench.finish(at, action, 1, bid, Failed);
    let alert = bench.fold.action(action).unwrap().derived[&DerivedKind::Escalation];
    assert!(bench.start(at, alert, 1, bid + 1));
    bench.finish(at, alert, 1, bid + 1, Failed);
    (action, alert)
}

fn undelivered(fold: &Fold) -> Vec<Id> {
    fold.undelivered().map(|(id, _)| id).collect()
}

fn acknowledge(bench: &mut Bench, at: Millis, number: u32, action_id: Id) -> Ruled {
    let expect = bench.changed(action_id);
    let order = OverrideOrder::Acknowledge { action_id, expect };
    bench.order(at, number, order)
}

/// What history was told.
fn told(bench: &Bench) -> Vec<(Id, String)> {
    let told = bench
        .changes
        .iter()
        .filter_map(|change| match &change.kind {
            ChangeKind::Acknowledged { action, cause } => Some((*action, cause.to_string())),
            _ => None,
        });
    told.collect()
}

#[test]
fn an_acknowledged_alert_is_no_warning_and_stays_where_it_is() {
    let mut bench = Bench::new();
    let (action, alert) = lost(&mut bench, 0, 1, "webhook");
    assert_eq!(undelivered(&bench.fold), [alert]);
    let changed = bench.changed(alert);
    assert_eq!(acknowledge(&mut bench, MINUTE, 1, alert), Ok(()));
    assert_eq!(
        told(&bench),
        [(alert, "acknowledge by anna: because".to_owned())]
    );
    assert!(undelivered(&bench.fold).is_empty());
    assert_eq!(
        (bench.phase(alert), bench.changed(alert)),
        ("failed", changed)
    );
    assert!(!bench.start(2 * MINUTE, alert, 2, 7), "nothing is sent");
    // Another person may do so as well.
    assert_eq!(acknowledge(&mut bench, HOUR, 2, alert), Ok(()));
    assert_eq!(acknowledge(&mut bench, HOUR, 3, action), Ok(()));
    assert!(undelivered(&bench.fold).is_empty());
}

#[test]
fn whoever_acknowledges_an_action_knows_what_its_alert_would_say() {
    let mut bench = Bench::new();
    let (action, alert) = lost(&mut bench, 0, 1, "webhook");
    assert_eq!(acknowledge(&mut bench, MINUTE, 1, action), Ok(()));
    assert!(undelivered(&bench.fold).is_empty());
    assert_eq!(told(&bench).len(), 2, "in both stories");
    // Also when the alert is lost only afterwards.
    let next = bench.propose(
        HOUR,
        propose(
            2,
            vec![Step {
                max_attempts: 1,
                ..step(Retrain)
            }],
        ),
    );
    bench.start(HOUR, next, 1, 5);
    bench.finish(HOUR, next, 1, 5, Failed);
    assert_eq!(acknowledge(&mut bench, HOUR, 2, next), Ok(()));
    let late = bench.fold.action(next).unwrap().derived[&DerivedKind::Escalation];
    for attempt in 1..=2_u32 {
        let at = HOUR + Millis::from(attempt) * MINUTE;
        assert!(bench.start(at, late, attempt, 5 + attempt));
        bench.finish(at, late, attempt, 5 + attempt, Failed);
    }
    assert_eq!(bench.phase(late), "failed");
    assert!(undelivered(&bench.fold).is_empty());
    assert_ne!(alert, late);
}

#[test]
fn a_second_failure_is_not_covered_by_what_was_acknowledged_before() {
    let mut bench = Bench::new();
    let (action, first) = lost(&mut bench, 0, 1, "webhook");
    assert_eq!(acknowledge(&mut bench, MINUTE, 1, action), Ok(()));
    let seen = bench.changed(action);
    let refire = |expect| OverrideOrder::Refire {
        action_id: action,
        expect,
    };
    assert_eq!(bench.order(MINUTE, 2, refire(seen)), Ok(()));
    assert!(bench.start(2 * MINUTE, action, 2, 8));
    bench.finish(2 * MINUTE, action, 2, 8, Failed);
    let second = bench.fold.action(action).unwrap().derived[&DerivedKind::Escalation];
    bench.start(3 * MINUTE, second, 1, 9);
    bench.finish(3 * MINUTE, second, 1, 9, Failed);
    assert_eq!(undelivered(&bench.fold), [second]);
    assert_ne!(first, second);
    // As it was seen before the second failure, it is another one.
    let stale = OverrideOrder::Acknowledge {
        action_id: action,
        expect: seen,
    };
    assert_eq!(bench.order(4 * MINUTE, 3, stale), Err("stale"));
    assert_eq!(acknowledge(&mut bench, 4 * MINUTE, 4, action), Ok(()));
    assert!(undelivered(&bench.fold).is_empty());
}

#[test]
fn whoever_acknowledges_an_action_that_was_fired_again_knows_of_all_its_lost_alerts_and_of_no_others()
 {
    let mut bench = Bench::new();
    let (action, first) = lost(&mut bench, 0, 1, "webhook");
    let (_, elsewhere) = lost(&mut bench, 1, 2, "webhook");
    let again = |bench: &mut Bench, at: Millis, attempt: u32| {
        let order = OverrideOrder::Refire {
            action_id: action,
            expect: bench.changed(action),
        };
        assert_eq!(bench.order(at, attempt, order), Ok(()));
        assert!(bench.start(at, action, attempt, 10 * attempt));
        bench.finish(at, action, attempt, 10 * attempt, Failed);
        bench.fold.action(action).unwrap().derived[&DerivedKind::Escalation]
    };
    let fails = |bench: &mut Bench, at: Millis, alert: Id, bid: u32| {
        assert!(bench.start(at, alert, 1, bid));
        bench.finish(at, alert, 1, bid, Failed);
    };
    let second = again(&mut bench, MINUTE, 2);
    fails(&mut bench, 2 * MINUTE, second, 21);
    // The third alert is under way while the fourth end comes.
    let third = again(&mut bench, 3 * MINUTE, 3);
    assert!(bench.start(4 * MINUTE, third, 1, 31));
    let fourth = again(&mut bench, 4 * MINUTE + 1, 4);
    let mut all = vec![first, second, elsewhere];
    all.sort_unstable();
    assert_eq!(undelivered(&bench.fold), all);
    assert_eq!(acknowledge(&mut bench, 4 * MINUTE + 2, 50, action), Ok(()));
    assert_eq!(undelivered(&bench.fold), [elsewhere]);
    let stories: Vec<Id> = told(&bench).into_iter().map(|(id, _)| id).collect();
    assert_eq!(stories.len(), 5);
    assert!(
        [action, first, second, third, fourth]
            .iter()
            .all(|id| stories.contains(id))
    );
    // What was under way is lost only now, and people know of that end.
    bench.finish(4 * MINUTE + 3, third, 1, 31, Failed);
    fails(&mut bench, 4 * MINUTE + 3, fourth, 41);
    assert_eq!(
        (bench.phase(third), bench.phase(fourth)),
        ("failed", "failed")
    );
    assert_eq!(undelivered(&bench.fold), [elsewhere]);
    // The next end is another one.
    let fifth = again(&mut bench, 8 * MINUTE, 5);
    fails(&mut bench, 9 * MINUTE, fifth, 51);
    let mut left = vec![elsewhere, fifth];
    left.sort_unstable();
    assert_eq!(undelivered(&bench.fold), left);
}

#[test]
fn a_later_alert_through_the_same_connector_ends_the_warning() {
    let mut bench = Bench::new();
    let (_, first) = lost(&mut bench, 0, 1, "webhook");
    let (_, second) = lost(&mut bench, 1, 2, "webhook");
    let (_, elsewhere) = lost(&mut bench, 2, 3, "mail");
    let mut all = vec![first, second, elsewhere];
    all.sort_unstable();
    assert_eq!(undelivered(&bench.fold), all);
    let through = |action, connector: &str| Step {
        connector: connector.to_owned(),
        cooldown_key: format!("{action}-{connector}"),
        ..step(action)
    };
    let mut bid = 1_000;
    let mut deliver = |bench: &mut Bench, offset, step| {
        bid += 1;
        let action = bench.propose(MINUTE, propose(offset, vec![step]));
        assert!(bench.start(MINUTE, action, 1, bid));
        bench.finish(MINUTE, action, 1, bid, Done);
        action
    };
    // What is no alert shows nothing of alerts.
    deliver(&mut bench, 4, through(Retrain, "webhook"));
    assert_eq!(bench.fold.undelivered().count(), 3);
    let alert = deliver(&mut bench, 5, through(Alert, "webhook"));
    assert_eq!(undelivered(&bench.fold), [elsewhere]);
    let why = format!("alert {alert} was delivered later through `webhook`");
    let mut expected = vec![(first, why.clone()), (second, why)];
    expected.sort_unstable();
    assert_eq!(told(&bench), expected);
    // One that is lost after it is a warning again.
    let (_, after) = lost(&mut bench, HOUR, 6, "webhook");
    let mut left = vec![elsewhere, after];
    left.sort_unstable();
    assert_eq!(undelivered(&bench.fold), left);
}

#[test]
fn a_persons_word_on_one_alert_says_nothing_of_the_others() {
    let mut bench = Bench::new();
    let (_, first) = lost(&mut bench, 0, 1, "log");
    let once = Step {
        policy: Policy::AtMostOnce,
        ..step(Alert)
    };
    let alert = bench.propose(MINUTE, propose(2, vec![once]));
    bench.start(MINUTE, alert, 1, 5);
    bench.finish(MINUTE, alert, 1, 5, Unknown);
    let resolve = OverrideOrder::Resolve {
        action_id: alert,
        expect: bench.changed(alert),
        outcome: Resolution::Done,
    };
    assert_eq!(bench.order(HOUR, 1, resolve), Ok(()));
    assert!(undelivered(&bench.fold).contains(&first));
}

#[test]
fn only_a_bad_end_is_acknowledged() {
    let mut bench = Bench::new();
    let waits = bench.propose(0, propose(1, vec![step(Retrain)]));
    assert_eq!(acknowledge(&mut bench, 1, 1, waits), Err("wrong_phase"));
    bench.start(2, waits, 1, 1);
    assert_eq!(acknowledge(&mut bench, 3, 2, waits), Err("being_sent"));
    bench.finish(4, waits, 1, 1, Done);
    assert_eq!(acknowledge(&mut bench, 5, 3, waits), Err("wrong_phase"));
    let unknown = OverrideOrder::Acknowledge {
        action_id: id(99),
        expect: 0,
    };
    assert_eq!(bench.order(6, 4, unknown), Err("unknown_action"));
    // Expired and unknown ones are.
    let stale = Propose {
        not_after: T0 + HOUR,
        ..propose(2, vec![step(Alert)])
    };
    let expired = bench.propose(7, stale);
    let once = Step {
        policy: Policy::AtMostOnce,
        cooldown_key: "other".to_owned(),
        ..step(Retrain)
    };
    let open = bench.propose(8, propose(3, vec![once]));
    bench.start(9, open, 1, 2);
    bench.finish(10, open, 1, 2, Unknown);
    assert_eq!(acknowledge(&mut bench, 11, 5, open), Ok(()));
    bench.tick(2 * HOUR);
    assert_eq!(bench.phase(expired), "expired");
    assert_eq!(acknowledge(&mut bench, 2 * HOUR, 6, expired), Ok(()));
}

#[test]
fn g6_what_was_acknowledged_is_known_behind_a_checkpoint_and_on_every_instance() {
    let mut bench = Bench::new();
    let (_, first) = lost(&mut bench, 0, 1, "webhook");
    let (_, second) = lost(&mut bench, 1, 2, "webhook");
    acknowledge(&mut bench, MINUTE, 1, first).unwrap();
    let parts = bench.fold.checkpoint().unwrap();
    let text: String = parts.into_iter().map(|part| part.state).collect();
    let state: FoldState = serde_json::from_str(&text).unwrap();
    let other = Fold::resume(state, bench.fold.memory().clone());
    assert_eq!(undelivered(&other), [second]);
    assert_eq!(other.hash(), bench.fold.hash());
}

#[test]
fn what_reached_nobody_is_forgotten_with_the_rest_after_the_horizon() {
    let mut bench = Bench::new();
    lost(&mut bench, 0, 1, "webhook");
    bench.tick(HORIZON_MS + MINUTE);
    assert!(undelivered(&bench.fold).is_empty());
    // An alert that nobody could send in its eight days is lost, and kept for as long again.
    let mut bench = Bench::new();
    let stale = Propose {
        not_after: T0 + MINUTE,
        ..propose(1, vec![step(Retrain)])
    };
    bench.propose(0, stale);
    bench.tick(2 * MINUTE);
    bench.tick(2 * MINUTE + ESCALATION_START_MS + 1);
    assert_eq!(undelivered(&bench.fold).len(), 1);
}

#[test]
fn a_delivered_alert_can_be_acknowledged_and_nothing_else_that_is_done() {
    let mut bench = Bench::new();
    let alert = bench.propose(0, propose(1, vec![step(Alert)]));
    assert!(bench.start(0, alert, 1, 1));
    bench.finish(0, alert, 1, 1, Done);
    let changed = bench.changed(alert);
    assert_eq!(acknowledge(&mut bench, MINUTE, 1, alert), Ok(()));
    assert!(bench.fold.action(alert).unwrap().acknowledged);
    let now = (bench.phase(alert), bench.changed(alert));
    assert_eq!(now, ("done", changed));
    let other = bench.propose(
        HOUR,
        propose(
            2,
            vec![Step {
                cooldown_key: "another".to_owned(),
                ..step(Retrain)
            }],
        ),
    );
    assert!(bench.start(HOUR, other, 1, 2));
    bench.finish(HOUR, other, 1, 2, Done);
    assert!(acknowledge(&mut bench, HOUR, 2, other).is_err());
}

#[test]
fn rules_before_the_third_version_refuse_to_acknowledge_what_is_done() {
    let mut bench = Bench {
        fold: Fold::new(),
        changes: Vec::new(),
    };
    let begun = Genesis {
        fold_version: 2,
        ..Genesis::new(INSTALLATION)
    };
    bench.apply(0, Record::Genesis(begun));
    let alert = bench.propose(0, propose(1, vec![step(Alert)]));
    assert!(bench.start(0, alert, 1, 1));
    bench.finish(0, alert, 1, 1, Done);
    assert!(acknowledge(&mut bench, MINUTE, 1, alert).is_err());
    assert!(!bench.fold.action(alert).unwrap().acknowledged);
}
