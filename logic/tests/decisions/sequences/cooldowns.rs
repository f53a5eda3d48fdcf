//! Cooldowns, keys of running actions, and failures.

use homeostat_logic::actions::Action::{Alert, Monitor, Retrain, Rollback, ScaleUp};
use homeostat_logic::ledger::change::ChangeKind;
use homeostat_logic::ledger::record::FinishOutcome;

use super::{DRIFT, HOUR, MINUTE, NO_COOLDOWN, SECOND, Story, URGENT};
use crate::support::noon;

#[test]
fn each_action_cools_down_for_its_minutes_from_its_end_to_the_millisecond() {
    let cases = [
        (DRIFT, URGENT, Retrain, 60),
        (
            "model.performance.degraded",
            r#"{"severity":"HIGH","model_name":"m"}"#,
            Rollback,
            30,
        ),
        (
            "system.alerts",
            r#"{"event_type":"system_overload","severity":"HIGH"}"#,
            ScaleUp,
            10,
        ),
        (
            "system.alerts",
            r#"{"event_type":"odd","severity":"HIGH"}"#,
            Alert,
            5,
        ),
        (
            DRIFT,
            r#"{"severity":"LOW","model_version":"m@1"}"#,
            Monitor,
            2,
        ),
    ];
    for (topic, raw, action, minutes) in cases {
        let mut story = Story::new("");
        let first = story.event(noon(), topic, raw);
        assert_eq!((first.action, first.phase), (action, "ready"), "{raw}");
        let start_id = story.start(noon() + SECOND, first.id, 1).unwrap();
        // The cooldown is counted from here, not from the event.
        let end = noon() + 50 * SECOND;
        story.finish(end, first.id, 1, start_id, FinishOutcome::Done);
        let last = story.event(end + minutes * MINUTE - 1, topic, raw);
        assert_eq!(last.held_back_by, Some("cooldown"), "{raw}");
        assert_eq!(last.phase, "suppressed", "{raw}");
        let next = story.event(end + minutes * MINUTE, topic, raw);
        assert_eq!((next.action, next.phase), (action, "ready"), "{raw}");
    }
}

#[test]
fn a_key_is_closed_while_its_action_runs() {
    let mut story = Story::new(NO_COOLDOWN);
    let first = story.event(noon(), DRIFT, URGENT);
    let before = story.event(noon() + SECOND, DRIFT, URGENT);
    assert_eq!(before.held_back_by, Some("in_progress"));
    let start_id = story.start(noon() + 2 * SECOND, first.id, 1).unwrap();
    let during = story.event(noon() + 3 * SECOND, DRIFT, URGENT);
    assert_eq!(during.held_back_by, Some("in_progress"));
    story.finish(
        noon() + 4 * SECOND,
        first.id,
        1,
        start_id,
        FinishOutcome::Done,
    );
    let after = story.event(noon() + 4 * SECOND, DRIFT, URGENT);
    assert_eq!(after.phase, "ready");
    // What was held back took no slot: three more pass.
    story.carry_out(noon() + 5 * SECOND, after.id);
    let rest = [6, 7, 8].map(|second| story.answered(noon() + second * SECOND, DRIFT, URGENT));
    assert_eq!(rest, [Retrain, Retrain, Monitor]);
}

#[test]
fn an_action_that_fails_is_tried_again_then_told_and_silences_nothing() {
    let mut story = Story::new("");
    let told = story.event(noon(), DRIFT, URGENT);
    let mut now = noon();
    let mut alerts = Vec::new();
    for attempt in 1..=5 {
        // Beyond the longest pause between two attempts.
        now += 10 * MINUTE;
        let start_id = story.start(now, told.id, attempt).unwrap();
        let changes = story.finish(now, told.id, attempt, start_id, FinishOutcome::Failed);
        alerts.extend(changes.into_iter().filter_map(|change| match change.kind {
            ChangeKind::Derived(derived) => Some((attempt, derived.step.action, derived.parent)),
            _ => None,
        }));
    }
    assert_eq!(story.phase(told.id), "failed");
    assert_eq!(alerts, [(5, Alert, told.id)]);
    assert_eq!(story.start(now + HOUR, told.id, 6), None);
    let next = story.event(now + 1, DRIFT, URGENT);
    assert_eq!((next.action, next.phase), (Retrain, "ready"));
}
