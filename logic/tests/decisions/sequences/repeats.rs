//! Events read or published twice, and events too old.

use homeostat_logic::actions::Action::Retrain;
use homeostat_logic::ledger::change::{Change, ChangeKind};
use homeostat_logic::ledger::record::Millis;

use super::{DRIFT, HOUR, MINUTE, NO_COOLDOWN, SECOND, Story, URGENT, told};
use crate::support::{noon, rules};

#[test]
fn an_event_read_twice_is_decided_once_whatever_the_rules_say_by_then() {
    let mut story = Story::new("");
    let first = story.event_from(noon(), DRIFT, 7, noon(), URGENT);
    let told = told(&first).unwrap();
    story.rules = rules("[rules.data_drift_detected]\nhigh = \"alert\"\n");
    let again = story.event_from(noon() + 5 * SECOND, DRIFT, 7, noon(), URGENT);
    assert!(
        matches!(
            &again[..],
            [Change {
                kind: ChangeKind::Void { .. },
                ..
            }]
        ),
        "{again:?}"
    );
    assert_eq!(story.phase(told.id), "ready");
    let step = &story.fold.action(told.id).unwrap().step;
    assert_eq!(step.action, Retrain);
}

#[test]
fn an_event_published_twice_is_known_by_its_source_and_id() {
    let named = |source: &str, id: &str| {
        format!(
            r#"{{"severity":"HIGH","model_version":"m@1","source":"{source}","event_id":"{id}","cloudevents":{{"specversion":"1.0"}}}}"#
        )
    };
    let mut story = Story::new(NO_COOLDOWN);
    assert_eq!(story.answered(noon(), DRIFT, &named("a", "1")), Retrain);
    let twice = story.event(noon() + MINUTE, DRIFT, &named("a", "1"));
    assert_eq!(twice.phase, "suppressed");
    assert_eq!(twice.held_back_by, Some("duplicate"));
    for (source, id) in [("b", "1"), ("a", "2")] {
        let action = story.answered(noon() + 2 * MINUTE, DRIFT, &named(source, id));
        assert_eq!(action, Retrain, "{source} {id}");
    }
    // Without a CloudEvent's promise it is known by its place only.
    assert_eq!(story.answered(noon() + 3 * MINUTE, DRIFT, URGENT), Retrain);
}

#[test]
fn an_event_older_than_a_day_is_recorded_and_not_acted_on() {
    const DAY: Millis = 24 * HOUR;
    let mut story = Story::new(NO_COOLDOWN);
    let in_time = story.event_from(noon(), DRIFT, 1, noon() - DAY, URGENT);
    assert_eq!(told(&in_time).unwrap().phase, "ready");
    story.carry_out(noon(), told(&in_time).unwrap().id);
    let late = story.event_from(noon(), DRIFT, 2, noon() - DAY - 1, URGENT);
    let late = told(&late).unwrap();
    assert_eq!(late.phase, "suppressed");
    assert_eq!(late.held_back_by, Some("not_after"));
}
