//! Proposals, bids and outcomes for tests: small values by default, each test changes what it is about.

use crate::actions::Action;
use crate::ledger::change::{Change, ChangeKind};
use crate::ledger::fold::{FOLD_VERSION, Fold, Memory};
use crate::ledger::identity;
use crate::ledger::record::{
    AbsentProbe, Backoff, Decision, EventBody, Finish, FinishOutcome, Gate, Genesis, Id, Millis,
    Override, OverrideOrder, Policy, Propose, RawJson, Record, Source, Start, Step, Via, Window,
};
use crate::ledger::state::{FoldState, OverrideVerdict};
pub(crate) use crate::ledger::when::When;
use crate::severity::Severity;
use crate::target::Target;

/// A log time at which tests begin, far from zero.
pub(crate) const T0: Millis = 1_700_000_000_000;
/// The installation of the sample ledgers.
pub(crate) const INSTALLATION: Id = Id([0x11; 16]);
/// A second.
pub(crate) const SECOND: Millis = 1000;
/// A minute.
pub(crate) const MINUTE: Millis = 60 * SECOND;
/// Lease of the sample steps.
pub(crate) const LEASE: Millis = 60 * SECOND;
/// Time for asking of the sample steps.
pub(crate) const PROBE: Millis = 10 * MINUTE;

pub(crate) fn step(action: Action) -> Step {
    Step {
        action,
        connector: "log".to_owned(),
        params: serde_json::json!({"model": "m"}).into(),
        cooldown_key: action.name().to_owned(),
        cooldown_ms: 10 * MINUTE,
        gates: Vec::new(),
        charges: Vec::new(),
        policy: Policy::Idempotent,
        max_attempts: 3,
        backoff: Backoff {
            first_ms: 5 * SECOND,
            factor: 2,
            max_ms: MINUTE,
        },
        lease_ms: LEASE,
        probe_for_ms: PROBE,
        start: When::Now,
        approval: false,
        verify: None,
    }
}

/// A step that counts in scope `hour`.
pub(crate) fn budgeted(action: Action, cap: u32) -> Step {
    Step {
        gates: vec![Gate {
            scope: "hour".to_owned(),
            window_ms: 60 * MINUTE,
            cap,
        }],
        charges: vec!["hour".to_owned()],
        ..step(action)
    }
}

/// The same step, which counts in one more scope.
pub(crate) fn and_budget(scope: &str, window_ms: Millis, cap: u32, mut step: Step) -> Step {
    step.gates.push(Gate {
        scope: scope.to_owned(),
        window_ms,
        cap,
    });
    step.charges.push(scope.to_owned());
    step
}

pub(crate) fn window(from: Millis, to: Millis) -> Window {
    Window {
        from: T0 + from,
        to: T0 + to,
    }
}

/// Only inside these windows.
pub(crate) fn within(windows: &[Window]) -> When {
    When::Within(windows.to_vec().try_into().unwrap())
}

pub(crate) fn decision(ladder: Vec<Step>) -> Decision {
    Decision {
        rule: "matrix.data_drift_detected.high".to_owned(),
        severity: Severity::High,
        severity_reason: "declared".to_owned(),
        proposed_action: ladder.first().map_or(Action::Ignore, |step| step.action),
        reasons: vec!["working hours: open".to_owned()],
        ladder,
        escalation: Step {
            max_attempts: 2,
            ..step(Action::Alert)
        },
    }
}

/// The proposal of the event at `offset`, with one decision.
pub(crate) fn propose(offset: i64, ladder: Vec<Step>) -> Propose {
    Propose {
        event_key: identity::event_key("model.monitoring.drift", 0, 0, offset),
        target: Target::model("m"),
        src: Source {
            topic: "model.monitoring.drift".to_owned(),
            generation: 0,
            partition: 0,
            offset,
            ts: T0,
        },
        event_id: format!("event-{offset}"),
        event_identity: None,
        event_type: "data_drift_detected".to_owned(),
        event: EventBody::Inline(RawJson(
            serde_json::value::RawValue::from_string("{\"drift_score\":0.70}".to_owned()).unwrap(),
        )),
        rule_rev: "rev".to_owned(),
        not_after: T0 + 24 * 60 * MINUTE,
        decisions: vec![decision(ladder)],
    }
}

pub(crate) fn action_of(propose: &Propose) -> Id {
    identity::action_id(INSTALLATION, propose.event_key, &propose.target, 0)
}

pub(crate) fn id(number: u32) -> Id {
    Id::hash(&[&number.to_be_bytes()])
}

/// The first record of a ledger partition.
pub(crate) fn genesis(installation: Id) -> Record {
    Record::Genesis(Genesis::new(installation))
}

/// A fold as its Genesis leaves it, which tests of everything else begin with; the next offset is 0.
pub(crate) fn founded() -> Fold {
    let state = FoldState {
        installation: Some(INSTALLATION),
        ..FoldState::empty(FOLD_VERSION)
    };
    Fold::resume(state, Memory::default())
}

/// Feeds records to a fold at times relative to [`T0`].
pub(crate) struct Bench {
    pub(crate) fold: Fold,
    pub(crate) changes: Vec<Change>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            fold: founded(),
            changes: Vec::new(),
        }
    }

    pub(crate) fn apply(&mut self, at: Millis, record: Record) -> &[Change] {
        let offset = self.fold.offset() + 1;
        self.changes = self.fold.apply(offset, T0 + at, Ok(record));
        &self.changes
    }

    /// Proposes and returns the action's id.
    pub(crate) fn propose(&mut self, at: Millis, propose: Propose) -> Id {
        let id = action_of(&propose);
        self.apply(at, Record::Propose(Box::new(propose)));
        id
    }

    pub(crate) fn tick(&mut self, at: Millis) -> &[Change] {
        self.apply(at, Record::Tick)
    }

    /// Bids for an attempt with `start_id` = id(bid).
    pub(crate) fn start(&mut self, at: Millis, action_id: Id, attempt: u32, bid: u32) -> bool {
        self.start_with(at, action_id, attempt, bid, false)
    }

    pub(crate) fn start_with(
        &mut self,
        at: Millis,
        action_id: Id,
        attempt: u32,
        bid: u32,
        absent: bool,
    ) -> bool {
        let start = Start {
            action_id,
            attempt,
            start_id: id(bid),
            owner: format!("owner-{bid}"),
            resolved_params: None,
            probe: absent.then(|| AbsentProbe {
                evidence: "no such job".to_owned(),
            }),
        };
        let changes = self.apply(at, Record::Start(start));
        changes
            .iter()
            .any(|change| matches!(change.kind, ChangeKind::BidWon { .. }))
    }

    pub(crate) fn finish(
        &mut self,
        at: Millis,
        action_id: Id,
        attempt: u32,
        bid: u32,
        outcome: FinishOutcome,
    ) {
        let finish = finish(action_id, attempt, bid, outcome);
        self.apply(at, Record::Finish(finish));
    }

    /// Carries a person's order out; what became of it.
    pub(crate) fn order(&mut self, at: Millis, number: u32, order: OverrideOrder) -> Ruled {
        let order = Override {
            override_id: id(number),
            order,
            who: "anna".to_owned(),
            reason: "because".to_owned(),
        };
        self.apply(at, Record::Override(Box::new(order)));
        match &self.fold.override_entry(id(number)).unwrap().verdict {
            OverrideVerdict::Applied { .. } => Ok(()),
            OverrideVerdict::Refused(refusal) => Err(refusal.name()),
        }
    }

    /// The offset of an action's last change, as a person sees it.
    pub(crate) fn changed(&self, action: Id) -> i64 {
        self.fold.action(action).unwrap().changed
    }

    /// The entries of changes of the last record that were void.
    pub(crate) fn void(&self) -> Option<String> {
        self.changes.iter().find_map(|change| match &change.kind {
            ChangeKind::Void { reason, .. } => Some(reason.to_string()),
            _ => None,
        })
    }

    /// Name of the phase that the last record's decision entered in.
    pub(crate) fn entered(&self) -> Option<(&'static str, usize, String)> {
        self.changes.iter().find_map(|change| match &change.kind {
            ChangeKind::Entered(entered) => {
                let failed: Vec<_> = entered.gates.iter().filter(|gate| !gate.passed).collect();
                let failed: Vec<_> = failed.iter().map(|gate| gate.gate).collect();
                Some((entered.phase.name(), entered.step, failed.join(" ")))
            }
            _ => None,
        })
    }

    pub(crate) fn phase(&self, action: Id) -> &'static str {
        self.fold.phase(action).map_or("gone", |phase| phase.name())
    }
}

/// What became of an order: nothing, or the name of the refusal.
pub(crate) type Ruled = Result<(), &'static str>;

pub(crate) fn finish(action_id: Id, attempt: u32, bid: u32, outcome: FinishOutcome) -> Finish {
    Finish {
        action_id,
        attempt,
        start_id: id(bid),
        outcome,
        via: Via::Response,
        detail: "answer".to_owned(),
        retry_after_ms: None,
        permanent: false,
    }
}
