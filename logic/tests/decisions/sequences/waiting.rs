//! What waits: for its window, or for somebody to start it.

use homeostat_logic::actions::Action::Retrain;
use homeostat_logic::ledger::change::ChangeKind;
use homeostat_logic::ledger::record::Record;

use super::{DRIFT, HOUR, MINUTE, SECOND, Story, URGENT};
use crate::support::{at, noon};

const CALM: &str = r#"{"severity":"MEDIUM","model_version":"m@1"}"#;

#[test]
fn medium_drift_waits_for_its_window_and_is_retrained_there_once() {
    let opens = at("2026-03-03T02:00:00Z");
    let mut story = Story::new("");
    let told = story.event(noon(), DRIFT, CALM);
    assert_eq!((told.action, told.phase), (Retrain, "waiting"));
    assert_eq!(story.start(noon() + SECOND, told.id, 1), None);
    let second = story.event(noon() + HOUR, DRIFT, CALM);
    assert_eq!(second.held_back_by, Some("in_progress"));
    story.tick(opens);
    assert_eq!(story.phase(told.id), "waiting");
    story.tick(opens + 1);
    assert_eq!(story.phase(told.id), "ready");
    story.carry_out(opens + SECOND, told.id);
    assert_eq!(story.phase(told.id), "done");
    for day in 1..8 {
        story.tick(opens + day * 24 * HOUR + 1);
    }
    assert_eq!(story.phase(told.id), "done");
    assert_eq!(story.start(opens + 2 * 24 * HOUR, told.id, 1), None);
}

#[test]
fn a_window_that_passes_unused_leaves_the_next_one() {
    let opens = at("2026-03-03T02:00:00Z");
    let mut story = Story::new("");
    let told = story.event(noon(), DRIFT, CALM);
    // Nobody was there from 02:00 to 05:00.
    story.tick(opens + 4 * HOUR);
    assert_eq!(story.phase(told.id), "waiting");
    assert_eq!(story.start(opens + 5 * HOUR, told.id, 1), None);
    let next_night = opens + 24 * HOUR + 1;
    story.tick(next_night);
    story.carry_out(next_night, told.id);
    assert_eq!(story.phase(told.id), "done");
}

#[test]
fn urgent_drift_takes_the_place_of_a_waiting_retraining() {
    let mut story = Story::new("");
    let waiting = story.event(noon(), DRIFT, CALM);
    let urgent = story.event(noon() + MINUTE, DRIFT, URGENT);
    assert_eq!((urgent.action, urgent.phase), (Retrain, "ready"));
    assert_eq!(story.phase(waiting.id), "superseded");
    story.carry_out(noon() + 2 * MINUTE, urgent.id);
    let opens = at("2026-03-03T02:00:00Z");
    story.tick(opens + 1);
    assert_eq!(story.phase(waiting.id), "superseded");
    assert_eq!(story.start(opens + SECOND, waiting.id, 1), None);
}

#[test]
fn an_action_that_nobody_starts_within_a_day_of_its_event_expires_and_is_told() {
    let mut story = Story::new("");
    let told = story.event(noon(), DRIFT, URGENT);
    story.tick(noon() + 24 * HOUR);
    assert_eq!(story.phase(told.id), "ready");
    let changes = story.record(noon() + 24 * HOUR + 1, &Record::Tick);
    assert_eq!(story.phase(told.id), "expired");
    let alerts = changes
        .iter()
        .filter(|change| matches!(change.kind, ChangeKind::Derived(_)));
    assert_eq!(alerts.count(), 1);
}
