//! Sequences of events as SPEC §4 tells them, the whole way of a decision: decoded, judged, written down, encoded, read
//! back and folded in order, with the log's times.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not see that helpers of a test are part of it"
)]

#[cfg(test)]
#[allow(dead_code, reason = "each test file uses its own part")]
mod support;

use homeostat_logic::action::Action::{self, Alert, Monitor, Retrain, Rollback, ScaleUp};
use homeostat_logic::decide::judge::judge;
use homeostat_logic::decide::propose::{Context, propose};
use homeostat_logic::event::{Names, decode as decode_event};
use homeostat_logic::history::GateVerdict;
use homeostat_logic::ledger::change::{Change, ChangeKind};
use homeostat_logic::ledger::codec;
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::{
    Finish, FinishOutcome, Genesis, Id, Millis, Override, OverrideOrder, Record, Start, Via,
};
use homeostat_logic::rules::Rules;
use homeostat_logic::topic;
use homeostat_logic::view::EventView;
use support::{at, noon, rules};

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;

const DRIFT: &str = "data.drift.detected";
const URGENT: &str = r#"{"severity":"HIGH","model_version":"m@1"}"#;
const CALM: &str = r#"{"severity":"MEDIUM","model_version":"m@1"}"#;

/// Cooldowns off, so that budgets show.
const NO_COOLDOWN: &str = "[cooldown]\nretrain_minutes = 0\nrollback_minutes = 0\nscale_up_minutes = 0\n\
                           alert_minutes = 0\nmonitor_minutes = 0\n";

/// What became of an event.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    id: Id,
    action: Action,
    phase: &'static str,
    /// The gate that spoke last, when it did not let it pass.
    held_back_by: Option<&'static str>,
}

/// A ledger under way.
struct Story {
    rules: Rules,
    fold: Fold,
    next_source: i64,
    next_bid: u8,
    /// What the gates said about the newest event.
    gates: Vec<GateVerdict>,
}

impl Story {
    fn new(overlay: &str) -> Self {
        let mut story = Self {
            rules: rules(overlay),
            fold: Fold::new(),
            next_source: 0,
            next_bid: 0,
            gates: Vec::new(),
        };
        let installation = Id([1; 16]);
        story.record(0, &Record::Genesis(Genesis::new(installation)));
        story
    }

    /// Through the bytes, as every instance reads it.
    fn record(&mut self, now: Millis, record: &Record) -> Vec<Change> {
        let bytes = codec::encode(record).unwrap();
        let read = codec::decode(&bytes).unwrap();
        assert_eq!(read, *record);
        let offset = self.fold.offset() + 1;
        self.fold.apply(offset, now, Ok(read))
    }

    /// An event at the next source position, proposed and folded at once.
    fn event(&mut self, now: Millis, topic_name: &str, raw: &str) -> Told {
        let source = self.next_source;
        self.next_source += 1;
        let changes = self.event_from(now, topic_name, source, now, raw);
        for change in &changes {
            if let ChangeKind::Entered(entered) = &change.kind {
                self.gates.clone_from(&entered.gates);
            }
        }
        told(&changes).unwrap_or_else(|| panic!("not decided: {changes:?}"))
    }

    fn event_from(
        &mut self,
        now: Millis,
        topic_name: &str,
        offset: i64,
        timestamp: Millis,
        raw: &str,
    ) -> Vec<Change> {
        let topic = topic::find(topic_name).unwrap();
        let event = decode_event(Some(raw.as_bytes()), topic, &mut Names::default()).unwrap();
        let view = EventView::new(raw);
        let verdict = judge(&event, &view, &self.rules, now);
        let context = Context {
            replay: None,
            event: &event,
            view: &view,
            topic: topic_name,
            generation: 1,
            partition: 0,
            offset,
            timestamp,
            now,
            rules: &self.rules,
        };
        let proposal = propose(&context, &verdict);
        self.record(now, &Record::Propose(Box::new(proposal.propose)))
    }

    /// A person lets it start, having seen it as it stands.
    fn approve(&mut self, now: Millis, action_id: Id) {
        let expect = self.fold.action(action_id).unwrap().changed;
        self.next_bid += 1;
        let order = Override {
            override_id: Id([self.next_bid; 16]),
            order: OverrideOrder::Approve { action_id, expect },
            who: "somebody".to_owned(),
            reason: "checked".to_owned(),
        };
        self.record(now, &Record::Override(Box::new(order)));
    }

    fn start(&mut self, now: Millis, action: Id, attempt: u32) -> Option<Id> {
        self.next_bid += 1;
        let start_id = Id([self.next_bid; 16]);
        let start = Start {
            action_id: action,
            attempt,
            start_id,
            owner: "test".to_owned(),
            resolved_params: None,
            probe: None,
        };
        let changes = self.record(now, &Record::Start(start));
        let won = |change: &Change| matches!(change.kind, ChangeKind::BidWon { .. });
        changes.iter().any(won).then_some(start_id)
    }

    fn finish(
        &mut self,
        now: Millis,
        action: Id,
        attempt: u32,
        start_id: Id,
        outcome: FinishOutcome,
    ) -> Vec<Change> {
        let finish = Finish {
            action_id: action,
            attempt,
            start_id,
            outcome,
            via: Via::Response,
            detail: "answer".to_owned(),
            retry_after_ms: None,
            permanent: false,
        };
        self.record(now, &Record::Finish(finish))
    }

    /// Sent and done within the same millisecond, so that its end is `now`.
    fn carry_out(&mut self, now: Millis, action: Id) {
        let start_id = self.start(now, action, 1).expect("the bid wins");
        self.finish(now, action, 1, start_id, FinishOutcome::Done);
    }

    /// An event that is answered, and the answer carried out at once.
    fn answered(&mut self, now: Millis, topic_name: &str, raw: &str) -> Action {
        let told = self.event(now, topic_name, raw);
        assert_eq!(told.phase, "ready", "{told:?}");
        self.carry_out(now, told.id);
        told.action
    }

    fn tick(&mut self, now: Millis) {
        self.record(now, &Record::Tick);
    }

    fn phase(&self, action: Id) -> &'static str {
        self.fold.phase(action).map_or("gone", |phase| phase.name())
    }
}

fn told(changes: &[Change]) -> Option<Told> {
    changes.iter().find_map(|change| match &change.kind {
        ChangeKind::Entered(entered) => Some(Told {
            id: entered.action,
            action: entered.propose.decisions[entered.decision].ladder[entered.step].action,
            phase: entered.phase.name(),
            held_back_by: entered
                .gates
                .last()
                .filter(|gate| !gate.passed)
                .map(|gate| gate.gate),
        }),
        _ => None,
    })
}

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
