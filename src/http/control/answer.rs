//! What an order is answered with once it was read back.

use std::sync::Arc;

use actix_web::HttpResponse;
use homeostat_actors::ledger_view::LedgerView;
use homeostat_logic::history::format_time;
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::identity;
use homeostat_logic::ledger::reason::Refusal;
use homeostat_logic::ledger::record::{Id, OverrideOrder};
use homeostat_logic::ledger::state::{OverrideEntry, OverrideVerdict};
use serde_json::{Value, json};

use super::super::problem::{Kind, Problem};
use super::parts::Part;

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

/// Applied, or refused with the present state of what it was about.
pub(super) fn answer(
    id: Id,
    entries: &[(&Part<'_>, OverrideEntry)],
) -> Result<HttpResponse, Problem> {
    let Some((part, first)) = entries.first() else {
        return Err(Problem::new(Kind::Internal, "an order for no partition"));
    };
    let places: Vec<Value> = entries
        .iter()
        .map(|(part, entry)| json!({"partition": part.view.partition, "offset": entry.offset}))
        .collect();
    for (part, entry) in entries {
        if let OverrideVerdict::Refused(refusal) = &entry.verdict {
            let fold = &part.view.read().fold;
            let about = about(&part.order, refusal).map(|action| action_state(fold, action));
            return Err(Problem::new(Kind::OrderRefused, refusal.to_string())
                .with("reason", refusal.name())
                .with("override_id", id.to_string())
                .with("records", places)
                .with("action", about)
                .with("holds", holds(fold)));
        }
    }
    let fold = &part.view.read().fold;
    let action = match first.verdict {
        OverrideVerdict::Applied { action } => action.map(|action| action_state(fold, action)),
        OverrideVerdict::Refused(_) => None,
    };
    Ok(HttpResponse::Ok().json(json!({
        "override_id": id,
        "order": first.order,
        "time": format_time(first.at),
        "records": places,
        "action": action,
        "holds": holds(fold),
    })))
}

/// The action that a refusal is about: the one ordered about, or the one in the way of a forced one.
const fn about(order: &OverrideOrder, refusal: &Refusal) -> Option<Id> {
    match (order, refusal) {
        (
            OverrideOrder::Cancel { action_id, .. }
            | OverrideOrder::Refire { action_id, .. }
            | OverrideOrder::Resolve { action_id, .. }
            | OverrideOrder::ClearCooldown { action_id, .. }
            | OverrideOrder::Approve { action_id, .. },
            _,
        ) => Some(*action_id),
        (OverrideOrder::Force(_), Refusal::KeyBusy(open)) => Some(*open),
        _ => None,
    }
}

/// Where an action stands now.
fn action_state(fold: &Fold, id: Id) -> Value {
    let Some(action) = fold.action(id) else {
        return json!({"id": id, "phase": null, "changed": null});
    };
    json!({
        "id": id,
        "target": action.subject.target.to_string(),
        "action": action.step.action,
        "phase": action.phase.name(),
        "changed": action.changed,
    })
}

/// What people hold back.
pub(in crate::http) fn holds(fold: &Fold) -> Value {
    let holds = fold.holds();
    json!({
        "paused": holds.paused,
        "silenced_until": holds.silenced_until.map(format_time),
    })
}
