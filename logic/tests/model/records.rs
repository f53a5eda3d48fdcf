//! The records that the models begin with.

use homeostat_logic::actions::Action;
use homeostat_logic::ledger::fold::{FOLD_VERSION, Fold, Memory};
use homeostat_logic::ledger::identity;
use homeostat_logic::ledger::record::{
    Backoff, Decision, EventBody, Id, Millis, Policy, Propose, RawJson, Record, Source, Step, When,
    Window,
};
use homeostat_logic::ledger::state::FoldState;
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;

/// Log time at which models begin.
pub(crate) const T0: Millis = 1_700_000_000_000;

/// The installation of the models' ledgers.
pub(crate) const INSTALLATION: Id = Id([0x11; 16]);

/// The unit of time: D and T are one of it, E and J two, the least lease is six.
pub(crate) const UNIT: Millis = 10_000;

/// The log time of a record that lands so many units after the beginning. Bids are the earliest of their unit, so that a
/// lease is over exactly when it must not be over before.
pub(crate) fn log_time(units: i64, record: &Record) -> Millis {
    let first = matches!(record, Record::Propose(_) | Record::Start(_));
    T0 + units * UNIT + i64::from(!first)
}

/// A fold as its Genesis leaves it; `founding.rs` searches what happens before.
pub(crate) fn founded() -> Fold {
    let state = FoldState {
        installation: Some(INSTALLATION),
        ..FoldState::empty(FOLD_VERSION)
    };
    Fold::resume(state, Memory::default())
}

/// A step with the shortest lease there is and pauses of at most one unit.
pub(crate) fn step(action: Action, policy: Policy) -> Step {
    Step {
        action,
        connector: "log".to_owned(),
        params: serde_json::json!({"model": "m"}).into(),
        cooldown_key: action.name().to_owned(),
        cooldown_ms: 0,
        gates: Vec::new(),
        charges: Vec::new(),
        policy,
        max_attempts: 2,
        backoff: Backoff {
            first_ms: 8_000,
            factor: 1,
            max_ms: 8_000,
        },
        lease_ms: homeostat_logic::ledger::times::LEASE_MS_MIN,
        probe_for_ms: 60 * UNIT,
        start: When::Now,
        approval: false,
        verify: None,
    }
}

/// A window in units.
pub(crate) fn window(from: i64, to: i64) -> Window {
    Window {
        from: T0 + from * UNIT,
        to: T0 + to * UNIT,
    }
}

/// Only inside these windows.
pub(crate) fn within(windows: Vec<Window>) -> When {
    When::Within(windows.try_into().unwrap())
}

/// The proposal of the event of that number, with one decision.
pub(crate) fn propose(event: i32, ladder: Vec<Step>, escalation: Step) -> Propose {
    let raw = serde_json::value::RawValue::from_string("{}".to_owned()).unwrap();
    Propose {
        event_key: identity::event_key("events", 0, event, 0),
        target: Target::model("m"),
        src: Source {
            topic: "events".to_owned(),
            generation: 0,
            partition: event,
            offset: 0,
            ts: T0,
        },
        event_id: format!("event-{event}"),
        event_identity: None,
        event_type: "data_drift_detected".to_owned(),
        event: EventBody::Inline(RawJson(raw)),
        rule_rev: "rev".to_owned(),
        not_after: T0 + 1_000 * UNIT,
        decisions: vec![Decision {
            rule: "rule".to_owned(),
            severity: Severity::High,
            severity_reason: "declared".to_owned(),
            proposed_action: ladder.first().map_or(Action::Ignore, |step| step.action),
            reasons: Vec::new(),
            ladder,
            escalation,
        }],
    }
}

/// Identity of the action that a proposal's decision leads to.
pub(crate) fn action_of(propose: &Propose) -> Id {
    identity::action_id(INSTALLATION, propose.event_key, &propose.target, 0)
}
