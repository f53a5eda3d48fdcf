//! How old an event is: its own plausible time and the log's, the older one counts, and no odd time silences an alarm
//! (issue 13, row 9).

use crate::support::{at, noon, rules};
use homeostat_logic::actions::Action::{self, Alert, Ignore, Retrain};
use homeostat_logic::decide::judge::judge;
use homeostat_logic::decide::propose::{Context, propose};
use homeostat_logic::envelope::open_text;
use homeostat_logic::event::{Names, decode};
use homeostat_logic::ledger::record::{Id, Millis, Propose};
use homeostat_logic::rules::Rules;
use homeostat_logic::topic;
use homeostat_logic::view::EventView;

const DAY_MS: Millis = 86_400_000;

struct Case<'a> {
    topic: &'a str,
    raw: String,
    log: Millis,
    replay: bool,
}

impl Case<'_> {
    fn drift(timestamp: &str) -> Self {
        Self {
            topic: "data.drift.detected",
            raw: format!(r#"{{"severity":"critical","model_name":"m","timestamp":{timestamp}}}"#),
            log: noon(),
            replay: false,
        }
    }

    fn proposed(&self, rules: &Rules) -> Propose {
        let topic = topic::find(self.topic).unwrap();
        let event = decode(Some(self.raw.as_bytes()), topic, &mut Names::default()).unwrap();
        let view = EventView::new(&self.raw);
        let verdict = judge(&event, &view, rules, noon());
        let context = Context {
            replay: self.replay.then(|| Id::hash(&[b"letter"])),
            event: &event,
            view: &view,
            topic: self.topic,
            generation: 1,
            partition: 0,
            offset: 7,
            timestamp: self.log,
            now: noon(),
            rules,
        };
        propose(&context, &verdict).propose
    }

    /// The action, whether the ledger will act on it now, and the reasons.
    fn decided(&self, rules: &Rules) -> (Action, bool, String) {
        let propose = self.proposed(rules);
        let decision = &propose.decisions[0];
        (
            decision.ladder[0].action,
            noon() <= propose.not_after,
            decision.reasons.join("\n"),
        )
    }
}

#[test]
fn an_event_that_is_old_by_its_own_time_is_not_acted_on_though_the_log_has_it_now() {
    let rules = rules("");
    for timestamp in [
        r#""2026-02-20T12:00:00Z""#,
        r#""2026-02-20T13:00:00+01:00""#,
        r#""2026-02-20 12:00:00""#,
        r#""2026-02-20""#,
        r#""Fri, 20 Feb 2026 12:00:00 GMT""#,
        &at("2026-02-20T12:00:00Z").to_string(),
        r#""2001-01-01T00:00:00Z""#,
    ] {
        for severity in ["medium", "critical"] {
            let mut case = Case::drift(timestamp);
            case.raw = case.raw.replace("critical", severity);
            let (action, acted_on, reasons) = case.decided(&rules);
            assert_eq!(
                (action, acted_on),
                (Retrain, false),
                "{timestamp} {severity}"
            );
            assert!(
                reasons.contains("older than the log's, 2026-03-02T12:00:00")
                    && reasons.contains("an event older than 1440 min is not acted on"),
                "{timestamp}: {reasons}"
            );
        }
    }
    // One that asks for nothing is recorded as ever.
    let mut ingested = Case::drift(r#""2016-01-01T00:00:00Z""#);
    ingested.topic = "data.ingested";
    let (action, _, reasons) = ingested.decided(&rules);
    assert!(action == Ignore && !reasons.contains("older"), "{reasons}");
}

#[test]
fn the_age_counts_from_the_older_of_both_times() {
    let rules = rules("");
    let not_after = |own: &str, log: Millis| {
        let mut case = Case::drift(own);
        case.log = log;
        case.proposed(&rules).not_after
    };
    let hour = 3_600_000;
    let two_hours_ago = r#""2026-03-02T10:00:00Z""#;
    assert_eq!(not_after(two_hours_ago, noon()), noon() - 2 * hour + DAY_MS);
    assert_eq!(
        not_after(two_hours_ago, noon() - 3 * hour),
        noon() - 3 * hour + DAY_MS
    );
    assert_eq!(not_after("null", noon() - hour), noon() - hour + DAY_MS);
    // A clock that is ahead a little makes nothing younger.
    assert_eq!(
        not_after(r#""2026-03-02T12:04:00Z""#, noon()),
        noon() + DAY_MS
    );
    // The position in the log keeps the log's time, which latencies are counted from.
    assert_eq!(Case::drift(two_hours_ago).proposed(&rules).src.ts, noon());
    // An old record stays old, whatever its event says.
    let mut case = Case::drift(r#""2026-03-02T12:00:00Z""#);
    case.log = noon() - 10 * DAY_MS;
    assert!(!case.decided(&rules).1);
}

#[test]
fn a_scheduled_action_of_an_old_event_does_not_run_in_a_later_window() {
    let rules = rules("");
    let mut case = Case::drift("null");
    case.raw = case.raw.replace("critical", "medium");
    assert!(case.decided(&rules).1);
    case.log = noon() - 2 * DAY_MS;
    let (action, acted_on, _) = case.decided(&rules);
    assert_eq!((action, acted_on), (Retrain, false));
}

#[test]
fn a_time_that_is_not_plausible_is_named_and_the_logs_counts() {
    let rules = rules("");
    for (timestamp, part) in [
        (r#""2026-03-02T12:05:01Z""#, "ahead of the clock"),
        (r#""2036-03-02T12:00:00Z""#, "ahead of the clock"),
        ("4102444800000", "ahead of the clock"),
        ("4102444800", "ahead of the clock"),
        (r#""1970-01-01T00:00:00Z""#, "before the year 2000"),
        ("0", "not a time after the year 2000"),
        ("-62135596800", "not a time after the year 2000"),
        (r#""""#, "timestamp is empty"),
        (r#""last Tuesday""#, "not a time that can be read"),
        ("true", "timestamp is a boolean, not a time"),
        ("[]", "timestamp is a list, not a time"),
        (r#"{"seconds":1}"#, "timestamp is an object, not a time"),
        ("1e999", "not a time after the year 2000"),
    ] {
        for severity in ["high", "critical"] {
            let mut case = Case::drift(timestamp);
            case.raw = case.raw.replace("critical", severity);
            let (action, acted_on, reasons) = case.decided(&rules);
            assert_eq!((action, acted_on), (Retrain, true), "{timestamp}");
            assert!(
                reasons.contains(part) && reasons.contains("the log's time counts"),
                "{timestamp}: {reasons}"
            );
        }
    }
}

#[test]
fn seconds_are_recognised_and_silence_no_alarm() {
    let rules = rules("");
    let (now, old) = (noon() / 1_000, (noon() - 10 * DAY_MS) / 1_000);
    for scale in ["", "000000", "000000000"] {
        let (action, acted_on, reasons) = Case::drift(&format!("{now}{scale}")).decided(&rules);
        assert_eq!((action, acted_on), (Retrain, true), "{scale}");
        assert!(
            reasons.contains("not milliseconds; it is read as 2026-03-02T12:00:00"),
            "{reasons}"
        );
        let (action, acted_on, reasons) = Case::drift(&format!("{old}{scale}")).decided(&rules);
        assert_eq!((action, acted_on), (Alert, true), "{scale}");
        assert!(
            reasons.contains("its age is not certain; people are alerted instead of retrain"),
            "{reasons}"
        );
    }
    // What would only be watched is left as too old.
    let mut mild = Case::drift(&old.to_string());
    mild.raw = mild.raw.replace("critical", "low");
    assert!(!mild.decided(&rules).1);
    // A certain second time settles it.
    let mut case = Case::drift(&old.to_string());
    case.log = noon() - 10 * DAY_MS;
    assert!(!case.decided(&rules).1);
}

#[test]
fn the_logs_own_time_is_looked_at_in_the_same_way() {
    let rules = rules("");
    for (log, part) in [
        (-1, "the log's time is missing; now counts"),
        (0, "the log's time is missing; now counts"),
        (noon() / 1_000, "is in seconds, not milliseconds"),
        (noon() * 1_000, "is in microseconds, not milliseconds"),
        (noon() + DAY_MS, "is ahead of the clock"),
    ] {
        let mut case = Case::drift("null");
        case.log = log;
        let (action, acted_on, reasons) = case.decided(&rules);
        assert_eq!((action, acted_on), (Retrain, true), "{log}");
        assert!(reasons.contains(part), "{log}: {reasons}");
        assert_eq!(case.proposed(&rules).src.ts, noon(), "{log}");
    }
    let mut case = Case::drift("null");
    case.log = (noon() - 10 * DAY_MS) / 1_000;
    assert_eq!(
        (case.decided(&rules).0, case.decided(&rules).1),
        (Alert, true)
    );
}

#[test]
fn a_replay_counts_from_its_replay_and_history_can_be_replayed_by_configuration() {
    let old = r#""2016-01-01T09:01:00+00:00""#;
    let mut case = Case::drift(old);
    case.replay = true;
    let (action, acted_on, reasons) = case.decided(&rules(""));
    assert_eq!((action, acted_on), (Retrain, true));
    assert!(!reasons.contains("time"), "{reasons}");
    case.replay = false;
    for (overlay, expected) in [
        ("", false),
        ("budget.trust_event_time = false", true),
        ("rules.data_drift_detected.trust_event_time = false", true),
        (
            "targets.m.rules.data_drift_detected.trust_event_time = false",
            true,
        ),
        (
            "targets.n.rules.data_drift_detected.trust_event_time = false",
            false,
        ),
    ] {
        assert_eq!(case.decided(&rules(overlay)).1, expected, "{overlay}");
    }
}

#[test]
fn the_time_of_a_cloud_event_is_its_own_time() {
    for (time, acted_on) in [
        ("2026-02-20T12:00:00Z", false),
        ("2026-03-02T11:00:00Z", true),
    ] {
        let envelope = format!(
            r#"{{"specversion":"1.0","id":"1","source":"s","type":"t","time":"{time}","data":{{"model_name":"m"}}}}"#
        );
        let mut case = Case::drift("null");
        case.raw = open_text(&envelope).unwrap().unwrap().text;
        assert_eq!(case.decided(&rules("")).1, acted_on, "{time}");
    }
}
