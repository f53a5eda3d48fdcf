//! Named time intervals at work: maintenance windows and working hours by name, per rule and target, and alerts that wait.

use homeostat_logic::actions::Action::{Alert, Monitor, Retrain};
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::{Genesis, Id, Millis, Record};
use homeostat_logic::rules::Rules;

use crate::support::{at, judged, noon, proposed, rules, settings};

const NAMED: &str = r#"
    [[time_intervals.nights]]
    times = [{ start_time = "22:00", end_time = "24:00" }, { start_time = "00:00", end_time = "06:00" }]
    [[time_intervals.sundays]]
    weekdays = ["sunday"]
    times = [{ start_time = "03:00", end_time = "04:00" }]
    location = "Europe/Berlin"
    [[time_intervals.office]]
    weekdays = ["monday:friday"]
    times = [{ start_time = "09:00", end_time = "17:00" }]
    [[time_intervals.always]]
"#;

fn named(overlay: &str) -> Rules {
    rules(&format!("{NAMED}\n{overlay}"))
}

fn drift(severity: &str, model: &str) -> String {
    format!(r#"{{"severity":"{severity}","model_version":"{model}@1"}}"#)
}

/// When a retraining after medium drift may start first.
fn starts(rules: &Rules, model: &str, now: &str) -> Millis {
    let proposal = proposed(
        "data.drift.detected",
        &drift("medium", model),
        rules,
        at(now),
    );
    let step = &proposal.propose.decisions[0].ladder[0];
    assert_eq!(step.action, Retrain);
    step.start.windows().next().unwrap().from
}

#[test]
fn maintenance_windows_are_named_and_the_most_specific_ones_count() {
    let rules = named(
        r#"
        [maintenance]
        windows = ["sundays", "nights"]
        [targets.a.maintenance]
        windows = ["sundays"]
        [targets.a.rules.data_drift_detected.maintenance]
        start = "12:30"
        end = "13:00"
        [targets.b.maintenance]
        windows = ["sundays"]
        [targets.c]
        maintenance.days = ["tue"]
        "#,
    );
    let monday = "2026-03-02T12:00:00Z";
    assert_eq!(starts(&rules, "any", monday), at("2026-03-02T22:00:00Z"));
    assert_eq!(starts(&rules, "b", monday), at("2026-03-08T02:00:00Z"));
    // Hours of its own take the place of names below them, with what is left of the weekly windows.
    assert_eq!(starts(&rules, "a", monday), at("2026-03-02T12:30:00Z"));
    assert_eq!(starts(&rules, "c", monday), at("2026-03-03T02:00:00Z"));
    // Names that hold no time: people are alerted.
    let never =
        named("[[time_intervals.past]]\nyears = [2020]\n[maintenance]\nwindows = [\"past\"]");
    let verdict = judged("data.drift.detected", &drift("medium", "m"), &never, noon());
    assert_eq!((verdict.action, verdict.no_window), (Alert, true));
}

#[test]
fn working_hours_are_named_and_the_reason_names_them() {
    let rules = named(
        "[working_hours]\nduring = [\"office\"]\n[targets.always.working_hours]\nduring = [\"always\"]\n\
         [targets.own.working_hours]\nstart = 0\nend = 23",
    );
    let judged = |model: &str, now: &str| {
        let raw = drift("high", model);
        let proposal = proposed("data.drift.detected", &raw, &rules, at(now));
        let decision = &proposal.propose.decisions[0];
        (decision.ladder[0].action, decision.reasons.join("; "))
    };
    let (inside, outside) = ("2026-03-02T16:59:59Z", "2026-03-02T17:00:00Z");
    assert_eq!(judged("m", inside).0, Retrain);
    let (action, reasons) = judged("m", outside);
    assert_eq!(action, Alert);
    let why =
        "2026-03-02T17:00:00.000Z is outside the working hours `office`; retrain became alert";
    assert!(reasons.contains(why), "{reasons}");
    assert_eq!(judged("always", outside).0, Retrain);
    assert_eq!(judged("own", outside).0, Retrain);
}

/// An event type of its own, which people are alerted of.
fn alerted(
    rules: &Rules,
    severity: &str,
    now: &str,
) -> (homeostat_logic::ledger::record::Propose, String) {
    let raw = format!(r#"{{"event_type":"disk_full","severity":"{severity}","service":"s"}}"#);
    let propose = proposed("system.alerts", &raw, rules, at(now)).propose;
    let reasons = propose.decisions[0].reasons.join("; ");
    (propose, reasons)
}

#[test]
fn an_alert_waits_until_it_is_not_muted_and_what_failed_is_said_at_once() {
    let rules = named("[alerts]\nmute = [\"nights\"]");
    let (propose, reasons) = alerted(&rules, "high", "2026-03-02T23:30:00Z");
    let decision = &propose.decisions[0];
    assert_eq!(decision.ladder[0].action, Alert);
    let first = decision.ladder[0].start.windows().next().unwrap();
    assert_eq!(first.from, at("2026-03-03T06:00:00Z"));
    assert_eq!(first.to, at("2026-03-03T22:00:00Z"));
    let last = decision.ladder[0].start.windows().last().unwrap();
    assert_eq!(propose.not_after, last.to, "it waits as long as it must");
    let why = "alerts are muted during `nights`; this one waits until 2026-03-03T06:00:00";
    assert!(reasons.contains(why), "{reasons}");
    assert_eq!(decision.ladder[1].action, Monitor);
    assert!(decision.ladder[1].start.is_now());
    assert!(
        decision.escalation.start.is_now(),
        "an alert that the action failed"
    );
    for (severity, now) in [
        ("critical", "2026-03-02T23:30:00Z"),
        ("high", "2026-03-02T21:59:59Z"),
        ("high", "2026-03-03T06:00:00Z"),
    ] {
        let (propose, reasons) = alerted(&rules, severity, now);
        assert!(
            propose.decisions[0].ladder[0].start.is_now(),
            "{severity} {now}"
        );
        assert!(!reasons.contains("muted"), "{reasons}");
    }
    // What replaces an action without room in its budgets is no news of the event, and waits for nothing.
    let raw = drift("high", "m");
    let retrain = named(
        "[alerts]\nmute = [\"nights\"]\n[working_hours]\nenabled = false\n\
         [budget.training]\nactions = [\"retrain\"]\nwindow_minutes = 60\ncap = 1",
    );
    let propose = proposed(
        "data.drift.detected",
        &raw,
        &retrain,
        at("2026-03-02T23:30:00Z"),
    )
    .propose;
    let ladder = &propose.decisions[0].ladder;
    assert_eq!((ladder[0].action, ladder[1].action), (Retrain, Alert));
    assert!(ladder.iter().all(|step| step.start.is_now()));
}

#[test]
fn active_times_mute_critical_and_what_is_muted_for_ever() {
    let now = "2026-03-07T12:00:00Z";
    let active = named("[alerts]\nactive = [\"office\"]\nmute = [\"nights\"]");
    let (propose, reasons) = alerted(&active, "low", now);
    let first = propose.decisions[0].ladder[0]
        .start
        .windows()
        .next()
        .unwrap();
    assert_eq!(first.from, at("2026-03-09T09:00:00Z"), "a Monday");
    assert!(
        reasons.contains("alerts are sent only during `office`; this one waits"),
        "{reasons}"
    );
    let of_target = named(
        "[alerts]\nactive = [\"office\"]\nmute_critical = true\n[targets.\"service/s\".alerts]\nmute = [\"nights\"]\nactive = []",
    );
    let starts_now = |severity: &str, now: &str| {
        let (propose, _) = alerted(&of_target, severity, now);
        propose.decisions[0].ladder[0].start.is_now()
    };
    assert!(starts_now("high", now));
    assert!(!starts_now("critical", "2026-03-02T23:00:00Z"));
    let (propose, reasons) = alerted(&named("[alerts]\nmute = [\"always\"]"), "high", now);
    assert!(propose.decisions[0].ladder[0].start.is_now(), "never lost");
    assert!(
        reasons.contains("that does not end within 400 days; this one is sent now"),
        "{reasons}"
    );
}

#[test]
fn a_waiting_alert_becomes_ready_when_the_mute_ends_and_a_critical_one_takes_its_place() {
    let rules = named("[alerts]\nmute = [\"nights\"]");
    let night = "2026-03-02T23:30:00Z";
    let mut fold = Fold::new();
    fold.apply(0, at(night), Ok(Record::Genesis(Genesis::new(Id([1; 16])))));
    let (propose, _) = alerted(&rules, "high", night);
    fold.apply(1, at(night), Ok(Record::Propose(Box::new(propose))));
    let phase = |fold: &Fold| {
        let (_, action) = fold.open_actions().next().unwrap();
        (action.step.action, action.phase.name().to_owned())
    };
    assert_eq!(phase(&fold), (Alert, "waiting".to_owned()));
    let mut later = fold.clone();
    later.apply(2, at("2026-03-03T06:00:01Z"), Ok(Record::Tick));
    assert_eq!(phase(&later), (Alert, "ready".to_owned()));
    let (mut critical, _) = alerted(&rules, "critical", "2026-03-03T01:00:00Z");
    critical.event_key = Id([7; 16]);
    critical.src.offset = 8;
    critical.event_id = "another".to_owned();
    fold.apply(
        2,
        at("2026-03-03T01:00:00Z"),
        Ok(Record::Propose(Box::new(critical))),
    );
    assert_eq!(phase(&fold), (Alert, "ready".to_owned()));
    assert_eq!(fold.open_actions().count(), 1);
}

#[test]
fn names_without_a_list_and_wrong_intervals_are_refused_with_their_keys() {
    let errors = |overlay: &str| -> Vec<String> {
        let refused = Rules::new(&settings(&format!("{NAMED}\n{overlay}"))).unwrap_err();
        refused.iter().map(ToString::to_string).collect()
    };
    let found = errors(
        "[[time_intervals.wrong]]\nweekdays = [\"mon\"]\n[targets.m.rules.other.alerts]\nmute = [\"night\"]\n\
         [rules.other.maintenance]\nwindows = [\"nights\", \"never\"]\n[targets.m.maintenance]\nstart = \"25:00\"\ndays = []",
    );
    for expected in [
        "time_intervals.wrong[0]: weekdays[0]: `mon` is not a weekday",
        "targets.m.rules.other.alerts.mute: there is no list [[time_intervals.night]]",
        "rules.other.maintenance.windows: there is no list [[time_intervals.never]]",
        "targets.m.maintenance.start: \"25:00\" is not a time of day",
        "targets.m.maintenance.days: no day is named",
    ] {
        assert!(
            found.iter().any(|one| one.contains(expected)),
            "{expected}: {found:#?}"
        );
    }
    assert_eq!(found.len(), 5, "{found:#?}");
}
