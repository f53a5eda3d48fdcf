//! What of folds and records a state is told apart by. Offsets are left out as far as nothing can depend on them, so that
//! logs which differ in void records only lead to the same state.

use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::{Id, OverrideOrder, Record};
use homeostat_logic::ledger::state::{ActionState, OverrideVerdict};

use crate::canon::Canon;

/// A fold, without its offsets.
pub(crate) fn of_fold(canon: &mut Canon, fold: &Fold) {
    let state = fold.state();
    canon.add((state.now, state.version, state.actions.len()));
    for (id, action) in &state.actions {
        canon.add(id);
        of_action(canon, action);
    }
    for (name, target) in &state.targets {
        canon.add((name, target.keys.len()));
        for (key, state) in &target.keys {
            let last = state.last.as_ref();
            canon.add((key, state.open));
            canon.add(last.map(|last| (last.action, last.end, last.cooldown_ms)));
        }
        for (scope, state) in &target.scopes {
            canon.add((scope, &state.slots));
        }
    }
    for hold in &state.holds {
        canon.add((hold.until, hold.at));
    }
    for (id, entry) in &state.overrides {
        canon.add((id, matches!(entry.verdict, OverrideVerdict::Applied { .. })));
    }
}

fn of_action(canon: &mut Canon, action: &ActionState) {
    of_phase(canon, action.phase);
    for (attempt, winner) in &action.winners {
        canon.add((attempt, winner.start_id, winner.at));
        canon.add(winner.without_effect);
    }
    canon.add((action.refires, action.acknowledged));
    canon.add((action.evidence_of_effect, action.end, action.not_after));
    canon.add((action.step.action, action.later.len(), action.verify_by));
    canon.add((
        action.derived.len(),
        action.resolved.as_ref().map(ToString::to_string),
    ));
}

fn of_phase(canon: &mut Canon, phase: Phase) {
    canon.add(phase.name().len()).add(phase.name());
    match phase {
        Phase::Waiting { window } => canon.add(window),
        Phase::Ready {
            attempt,
            from,
            window,
        } => canon.add((attempt, from, window)),
        Phase::Started {
            attempt,
            start_id,
            at,
        } => canon.add((attempt, start_id, at)),
        Phase::Doubt { attempt, since } => canon.add((attempt, since)),
        Phase::Unknown { attempt } => canon.add(attempt),
        _ => canon,
    };
}

/// A record; `seen` is the fold that everybody has reached, in whose terms the expectation of an order is told.
pub(crate) fn of_record(canon: &mut Canon, record: &Record, seen: &Fold) {
    match record {
        Record::Propose(propose) => canon.add((0, propose.event_key, &propose.rule_rev)),
        Record::Start(start) => {
            let probe = start.probe.is_some();
            canon.add((1, start.action_id, start.attempt, start.start_id, probe));
            canon.add(start.resolved_params.as_ref().map(ToString::to_string))
        }
        Record::Finish(finish) => {
            let outcome = finish.outcome as u8;
            canon.add((
                2,
                finish.action_id,
                finish.attempt,
                finish.start_id,
                outcome,
            ))
        }
        Record::Override(order) => {
            canon.add((3, order.override_id, order.order.name()));
            canon.add(expectation(&order.order, seen))
        }
        Record::Tick => canon.add(4),
        other => canon.add(format!("{other:?}")),
    };
}

/// How far behind the shared fold the order expects the last change; 0 is the change that this fold has, -1 an older one.
fn expectation(order: &OverrideOrder, seen: &Fold) -> i64 {
    let (OverrideOrder::Cancel { action_id, expect }
    | OverrideOrder::Refire { action_id, expect }
    | OverrideOrder::Resolve {
        action_id, expect, ..
    }
    | OverrideOrder::ClearCooldown { action_id, expect }
    | OverrideOrder::Approve { action_id, expect }
    | OverrideOrder::Acknowledge { action_id, expect }) = order
    else {
        return 0;
    };
    if *expect > seen.offset() {
        return expect - seen.offset();
    }
    let same = seen
        .action(*action_id)
        .is_some_and(|action| action.changed == *expect);
    if same { 0 } else { -1 }
}

/// What was ordered, as a name of its own per kind and number.
pub(crate) fn override_id(number: u8) -> Id {
    Id::hash(&[b"order", &[number]])
}
