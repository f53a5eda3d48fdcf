//! Budgets over an hour, and what happens in the place of an action.

use homeostat_logic::actions::Action::{self, Alert, Monitor, Retrain, Rollback};
use homeostat_logic::ledger::listing::GateVerdict;

use super::{DRIFT, HOUR, MINUTE, NO_COOLDOWN, SECOND, Story, URGENT};
use crate::support::{at, noon};

#[test]
fn four_responses_pass_within_an_hour_and_the_fifth_becomes_monitor() {
    let mut story = Story::new(NO_COOLDOWN);
    let actions =
        [0, 10, 20, 30, 40].map(|minute| story.answered(noon() + minute * MINUTE, DRIFT, URGENT));
    assert_eq!(actions, [Retrain, Retrain, Retrain, Retrain, Monitor]);
}

#[test]
fn the_hour_slides_and_a_slot_is_free_exactly_an_hour_later() {
    for (after, action) in [(HOUR - 1, Monitor), (HOUR, Retrain)] {
        let mut story = Story::new(NO_COOLDOWN);
        for minute in 0..4 {
            story.answered(noon() + minute * MINUTE, DRIFT, URGENT);
        }
        assert_eq!(
            story.answered(noon() + after, DRIFT, URGENT),
            action,
            "{after}"
        );
        // The other three slots are still taken, and so is the one just taken.
        let next = noon() + HOUR + 59 * SECOND;
        let expected = if action == Retrain { Monitor } else { Retrain };
        assert_eq!(story.answered(next, DRIFT, URGENT), expected, "{after}");
    }
}

#[test]
fn the_milder_step_takes_no_slot() {
    let mut story = Story::new(NO_COOLDOWN);
    for minute in 0..4 {
        assert_eq!(
            story.answered(noon() + minute * MINUTE, DRIFT, URGENT),
            Retrain
        );
    }
    for minute in [10, 20, 30, 40, 50] {
        assert_eq!(
            story.answered(noon() + minute * MINUTE, DRIFT, URGENT),
            Monitor
        );
    }
    for minute in 60..64 {
        assert_eq!(
            story.answered(noon() + minute * MINUTE, DRIFT, URGENT),
            Retrain
        );
    }
}

#[test]
fn an_alert_after_hours_takes_no_slot_but_is_limited() {
    let late = at("2026-03-02T23:10:00Z");
    let mut story = Story::new(NO_COOLDOWN);
    for minute in 0..6 {
        assert_eq!(story.answered(late + minute * MINUTE, DRIFT, URGENT), Alert);
    }
    let mut story = Story::new(NO_COOLDOWN);
    for minute in 11..15 {
        assert_eq!(
            story.answered(late - minute * MINUTE, DRIFT, URGENT),
            Retrain
        );
    }
    assert_eq!(story.answered(late, DRIFT, URGENT), Monitor);
}

/// Two trainings a day, of whatever event; of alerts in their place one an hour; a closer look twice in ten minutes.
const BUDGETS: &str = r#"
    [budget.training]
    actions = ["retrain"]
    window_minutes = 1440
    cap = 2
    [budget.people]
    actions = ["alert"]
    window_minutes = 60
    cap = 1
    [budget.looking]
    actions = ["monitor"]
    window_minutes = 10
    cap = 2
    [targets.small.budget.training]
    cap = 1
"#;

#[test]
fn a_budget_that_is_used_up_gives_way_to_the_next_rung_with_the_figures_that_closed_it() {
    let mut story = Story::new(&format!("{NO_COOLDOWN}{BUDGETS}"));
    let actions =
        [0, 1, 2, 3, 4].map(|minute| story.answered(noon() + minute * MINUTE, DRIFT, URGENT));
    assert_eq!(actions, [Retrain, Retrain, Alert, Monitor, Monitor]);
    // Nothing has room any more; the last rung says so.
    let told = story.event(noon() + 5 * MINUTE, DRIFT, URGENT);
    assert_eq!(
        (told.action, told.phase, told.held_back_by),
        (Monitor, "suppressed", Some("budget"))
    );
    let closed = |gate: &GateVerdict| (gate.action, gate.scope.clone(), gate.detail.clone());
    let refused = |(action, scope, detail): (Action, &str, &str)| {
        (action, scope.to_owned(), detail.to_owned())
    };
    let expected = [
        (Retrain, "budget.training", "2 of 2 in 86400 s"),
        (Alert, "budget.people", "1 of 1 in 3600 s"),
        (Monitor, "budget.looking", "2 of 2 in 600 s"),
    ];
    let gates = story.gates.iter().filter(|gate| !gate.passed).map(closed);
    assert_eq!(gates.collect::<Vec<_>>(), expected.map(refused));
    // Each opens with its own window, the strongest last.
    assert_eq!(story.answered(noon() + 13 * MINUTE, DRIFT, URGENT), Monitor);
    assert_eq!(story.answered(noon() + 62 * MINUTE, DRIFT, URGENT), Alert);
    let next_day = noon() + 24 * HOUR;
    assert_eq!(story.answered(next_day - 1, DRIFT, URGENT), Alert);
    assert_eq!(story.answered(next_day, DRIFT, URGENT), Retrain);
}

#[test]
fn a_further_budget_is_that_of_a_target_over_all_event_types() {
    let performance = "model.performance.degraded";
    let retrain =
        |model: &str| format!(r#"{{"model_name":"{model}","action_required":"RETRAIN"}}"#);
    let mut story = Story::new(&format!("{NO_COOLDOWN}{BUDGETS}"));
    assert_eq!(story.answered(noon(), DRIFT, URGENT), Retrain);
    assert_eq!(story.answered(noon(), performance, &retrain("m")), Retrain);
    assert_eq!(story.answered(noon(), performance, &retrain("m")), Alert);
    assert_eq!(
        story.answered(noon(), performance, &retrain("small")),
        Retrain
    );
    assert_eq!(
        story.answered(noon(), performance, &retrain("small")),
        Alert
    );
    // What the budget does not count, it does not close.
    let rollback = r#"{"model_name":"m","action_required":"ROLLBACK"}"#;
    assert_eq!(story.answered(noon(), performance, rollback), Rollback);
}

#[test]
fn an_alert_in_place_of_an_action_is_limited_by_the_hour_and_takes_no_slot_of_it() {
    let training = "[budget.training]\nactions = [\"retrain\"]\nwindow_minutes = 1440\ncap = 2\n";
    let mut story = Story::new(&format!("{NO_COOLDOWN}{training}"));
    let urgent =
        |story: &mut Story, minute| story.answered(noon() + minute * MINUTE, DRIFT, URGENT);
    let actions = [0, 1, 2, 3, 4, 5].map(|minute| urgent(&mut story, minute));
    assert_eq!(actions, [Retrain, Retrain, Alert, Alert, Alert, Alert]);
    let mut story = Story::new(&format!(
        "{NO_COOLDOWN}{training}[budget]\nresponses_per_hour = 2\n"
    ));
    let actions = [0, 1, 2, 3].map(|minute| urgent(&mut story, minute));
    assert_eq!(actions, [Retrain, Retrain, Monitor, Monitor]);
}

#[test]
fn an_action_waits_for_an_approval_and_asks_its_budgets_again_when_it_is_given() {
    let training = "[budget.training]\nactions = [\"retrain\"]\nwindow_minutes = 1440\ncap = 1\n";
    let mut story = Story::new(&format!(
        "{NO_COOLDOWN}{training}[actions.retrain]\napproval = true\n"
    ));
    let told = story.event(noon(), DRIFT, URGENT);
    let performance = r#"{"model_name":"m","action_required":"RETRAIN"}"#;
    let other = story.event(noon(), "model.performance.degraded", performance);
    assert_eq!((told.action, told.phase), (Retrain, "approval"));
    assert_eq!(
        (other.action, other.phase),
        (Retrain, "approval"),
        "no slot is taken yet"
    );
    assert_eq!(story.start(noon() + MINUTE, told.id, 1), None);
    for id in [told.id, other.id] {
        story.approve(noon() + MINUTE, id);
    }
    story.carry_out(noon() + 2 * MINUTE, told.id);
    assert_eq!(story.phase(told.id), "done");
    let action = story.fold.action(other.id).unwrap();
    assert_eq!((action.step.action, action.phase.name()), (Alert, "ready"));
    story.carry_out(noon() + 2 * MINUTE, other.id);
    // A day later nobody has answered: it expires, and people are told by its alert, which waits for nobody.
    let ignored = story.event(noon() + 25 * HOUR, DRIFT, URGENT);
    assert_eq!(ignored.phase, "approval");
    story.tick(noon() + 49 * HOUR + 1);
    assert_eq!(story.phase(ignored.id), "expired");
    let expired = story.fold.action(ignored.id).unwrap();
    let alerts: Vec<_> = expired
        .derived
        .values()
        .map(|id| story.phase(*id))
        .collect();
    assert_eq!(alerts, ["ready"]);
}

#[test]
fn the_limit_is_that_of_an_event_type_and_a_target() {
    let mut story = Story::new(NO_COOLDOWN);
    for minute in 0..4 {
        story.answered(noon() + minute * MINUTE, DRIFT, URGENT);
    }
    let later = noon() + 5 * MINUTE;
    let other_target = r#"{"severity":"HIGH","model_version":"n@1"}"#;
    assert_eq!(story.answered(later, DRIFT, other_target), Retrain);
    let same_target = r#"{"severity":"HIGH","model_name":"m"}"#;
    let other_type = story.answered(later, "model.performance.degraded", same_target);
    assert_eq!(other_type, Rollback);
    assert_eq!(story.answered(later, DRIFT, URGENT), Monitor);
}
