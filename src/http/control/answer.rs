//! What an order is answered with once it was read back.

use std::sync::Arc;

use homeostat_actors::ledger_view::LedgerView;
use homeostat_logic::actions::Action;
use homeostat_logic::clock_text::format_time;
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::identity;
use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::reason::Refusal;
use homeostat_logic::ledger::record::{Id, Millis, OverrideOrder, Resolution};
use homeostat_logic::ledger::state::{ActionState, OverrideEntry, OverrideVerdict};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::super::holds::{Held, held_with, holds_in};
use super::super::problem::{Kind, Problem};
use super::parts::Part;

/// It took effect.
#[derive(Serialize, JsonSchema)]
pub(super) struct Ordered {
    override_id: Id,
    order: String,
    /// Log time of the order.
    #[schemars(extend("format" = "date-time"))]
    time: String,
    /// Where the order is in the ledger.
    records: Vec<Place>,
    action: Option<ActionShown>,
    holds: Held,
    /// What else a silence of one target holds.
    note: Option<String>,
}

/// A record of the ledger.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OrderRecord")]
struct Place {
    partition: i32,
    offset: i64,
}

/// The state of an action.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OrderedAction")]
struct ActionShown {
    id: Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<Action>,
    /// None of an action that is not kept any more.
    phase: Option<&'static str>,
    /// Ledger offset of its last change.
    changed: Option<i64>,
}

/// A key belongs to one order, also in partitions that the order does not concern.
pub(super) fn own_key(
    views: &[Arc<LedgerView>],
    parts: &[Part<'_>],
    id: Id,
) -> Result<(), Problem> {
    for view in views {
        let concerned = parts
            .iter()
            .any(|part| part.view.partition == view.partition);
        if let Some(entry) = view.read().fold.override_entry(id)
            && !concerned
        {
            return Err(reused(entry));
        }
    }
    Ok(())
}

/// What was read back under the key is what is asked for. Who asks and why may differ; so may the minutes of a silence,
/// of which the ledger knows only the end.
pub(super) fn same_order(part: &Part<'_>, entry: &OverrideEntry) -> Result<(), Problem> {
    let same = if part.repeatable {
        entry.digest == identity::order_digest(&part.order)
    } else {
        entry.order == part.order.name()
    };
    if same { Ok(()) } else { Err(reused(entry)) }
}

fn reused(entry: &OverrideEntry) -> Problem {
    let detail = format!(
        "this Idempotency-Key belongs to another order ({}), given at {}; use a new one; nothing was ordered",
        entry.order,
        format_time(entry.at)
    );
    Problem::new(Kind::IdempotencyKeyReused, detail)
}

/// Applied, or refused with the present state of what it was about, and with when it would be valid.
pub(super) fn answer(
    id: Id,
    entries: &[(&Part<'_>, OverrideEntry)],
    now: Millis,
) -> Result<Ordered, Problem> {
    let Some((part, first)) = entries.first() else {
        return Err(Problem::new(Kind::Internal, "an order for no partition"));
    };
    let places = entries.iter().map(|(part, entry)| Place {
        partition: part.view.partition,
        offset: entry.offset,
    });
    let records: Vec<Place> = places.collect();
    let holds = holds_in(entries.iter().map(|(part, _)| part.view), now);
    for (part, entry) in entries {
        if let OverrideVerdict::Refused(refusal) = &entry.verdict {
            let fold = &part.view.read().fold;
            let about = about(&part.order, refusal);
            let detail = in_words(fold, &part.order, about, refusal);
            return Err(Problem::new(Kind::OrderRefused, detail)
                .with("reason", refusal.name())
                .with("valid_from", refusal.valid_from().map(format_time))
                .with("override_id", id.to_string())
                .with("records", json!(records))
                .with(
                    "action",
                    json!(about.map(|action| action_state(fold, action))),
                )
                .with("holds", json!(holds)));
        }
    }
    let note = silenced_with(part);
    let fold = &part.view.read().fold;
    let action = match first.verdict {
        OverrideVerdict::Applied { action } => action.map(|action| action_state(fold, action)),
        OverrideVerdict::Refused(_) => None,
    };
    Ok(Ordered {
        override_id: id,
        order: first.order.clone(),
        time: format_time(first.at),
        records,
        action,
        holds,
        note,
    })
}

/// What else a silence of one target holds back.
fn silenced_with(part: &Part<'_>) -> Option<String> {
    match &part.order {
        OverrideOrder::Silence {
            target: Some(target),
            ..
        } => Some(held_with(target, part.view)),
        _ => None,
    }
}

/// The action that a refusal is about: the one ordered about, or the one in the way of a forced one.
const fn about(order: &OverrideOrder, refusal: &Refusal) -> Option<Id> {
    match (order, refusal) {
        (
            OverrideOrder::Cancel { action_id, .. }
            | OverrideOrder::Refire { action_id, .. }
            | OverrideOrder::Resolve { action_id, .. }
            | OverrideOrder::ClearCooldown { action_id, .. }
            | OverrideOrder::Approve { action_id, .. }
            | OverrideOrder::Acknowledge { action_id, .. },
            _,
        ) => Some(*action_id),
        (OverrideOrder::Force(_), Refusal::KeyBusy(open)) => Some(*open),
        _ => None,
    }
}

/// Why an order has no effect, with the action and its target, when it is valid, and the command that fits.
fn in_words(fold: &Fold, order: &OverrideOrder, about: Option<Id>, refusal: &Refusal) -> String {
    let Some((id, state)) = about.and_then(|id| Some((id, fold.action(id)?))) else {
        return refusal.to_string();
    };
    let (action, target) = (state.step.action, &state.subject.target);
    let remedy = remedy(id, state, order, refusal);
    let remedy = remedy.map_or_else(String::new, |command| format!(": {command}"));
    format!("{action} of {target} ({id}): {refusal}{remedy}")
}

/// A command that leads on from a refusal.
fn remedy(id: Id, state: &ActionState, order: &OverrideOrder, refusal: &Refusal) -> Option<String> {
    match (refusal, order) {
        (Refusal::Stale { changed, .. }, OverrideOrder::Approve { .. }) => Some(format!(
            "`homeostat approve {id} --expect {changed} --reason WHY`"
        )),
        (Refusal::Stale { changed, .. }, OverrideOrder::Resolve { outcome, .. }) => {
            let outcome = match outcome {
                Resolution::Done => "done",
                Resolution::Failed => "failed",
            };
            Some(format!(
                "`homeostat override resolve {id} --outcome {outcome} --expect {changed} --reason WHY`"
            ))
        }
        (Refusal::Stale { changed, .. }, _) => {
            let name = order.name().replace('_', "-");
            Some(format!(
                "`homeostat override {name} {id} --expect {changed} --reason WHY`"
            ))
        }
        (Refusal::KeyBusy(open), _) => {
            Some(format!("`homeostat override cancel {open} --reason WHY`"))
        }
        (Refusal::WrongPhase { .. }, OverrideOrder::Refire { .. })
            if state.phase == Phase::Expired =>
        {
            let action = state.step.action;
            let target = state.subject.target.to_string();
            let target = shlex::try_quote(&target).ok()?;
            Some(format!(
                "`homeostat override force --action {action} --target {target} --reason WHY`"
            ))
        }
        _ => None,
    }
}

/// The state of an action now.
fn action_state(fold: &Fold, id: Id) -> ActionShown {
    let action = fold.action(id);
    ActionShown {
        id,
        target: action.map(|action| action.subject.target.to_string()),
        action: action.map(|action| action.step.action),
        phase: action.map(|action| action.phase.name()),
        changed: action.map(|action| action.changed),
    }
}
