//! `GET /api/v1/ledger`: the ledger's partitions as folded here, for people who compare instances, and for those who want
//! to know what is held back and which alerts reached nobody.

use std::sync::Arc;

use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use homeostat_actors::ledger_view::{LedgerView, Progress};
use homeostat_actors::lost_alerts::Delivered;
use homeostat_logic::history::format_time;
use homeostat_logic::ledger::fold::{FOLD_VERSION, Fold};
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::target::Target;
use serde_json::{Value, json};

use super::problem::{Kind, Problem};
use super::{ApiState, control, decisions};

/// Alerts listed of a partition at most; all are counted.
const ALERTS_LISTED: usize = 100;

/// The handler; with `?target=model/NAME` only the partition in which that target lives. Hashing a whole state takes its
/// time, so it is not done on the server's thread.
pub(super) async fn ledger(
    state: Data<ApiState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let target = wanted(&request)?;
    let mut views: Vec<Arc<LedgerView>> = state.control.views.clone();
    let note = target.as_ref().and_then(|target| {
        let home = control::partition(&state.control, target);
        views.retain(|view| view.partition == home);
        Some(control::held_with(target, views.first()?))
    });
    let (now, all) = (state.clock.now(), state.control.views.clone());
    let partitions = web::block(move || -> Vec<Value> {
        let delivered = Delivered::of(&all);
        let shown = views.iter().map(|view| partition(view, now, &delivered));
        shown.collect()
    });
    let partitions = partitions.await.map_err(|error| {
        tracing::error!(%error, "the ledger could not be looked at");
        Problem::new(Kind::Internal, "the ledger could not be looked at")
    })?;
    Ok(HttpResponse::Ok().json(json!({
        "known_version": FOLD_VERSION,
        "partitions": partitions,
        "note": note,
        "warnings": state.queries.readiness().warnings,
    })))
}

fn wanted(request: &HttpRequest) -> Result<Option<Target>, Problem> {
    let parameters = decisions::parameters(request, &["target"])?;
    let read = |(name, value): &(String, String)| {
        let target = control::read_target(value);
        target.ok_or_else(|| decisions::bad(name, value, "model/NAME or service/NAME"))
    };
    parameters.first().map(read).transpose()
}

/// Two instances that show the same offset of a partition must show the same hash.
fn partition(view: &LedgerView, now: Millis, delivered: &Delivered) -> Value {
    let state = view.read();
    let fold = &state.fold;
    let (progress, problem) = match &state.progress {
        Progress::Restoring => ("restoring", None),
        Progress::Live => ("live", None),
        why @ (Progress::Refused(_) | Progress::Misplaced { .. } | Progress::Outdated { .. }) => {
            ("refused", Some(why.to_string()))
        }
        why @ Progress::Truncated { .. } => ("truncated", Some(why.to_string())),
    };
    let boundary = fold.boundary();
    json!({
        "partition": view.partition,
        "owned": view.owner().is_some(),
        "progress": progress,
        "problem": problem,
        "offset": fold.offset(),
        "time": format_time(fold.now()),
        "hash": fold.hash(),
        "fold_version": fold.state().version,
        "installation": fold.installation(),
        "boundary": boundary.map(|one| json!({"covers": one.covers, "hash": one.hash})),
        "open_actions": fold.open_actions().count(),
        "holds": control::holds(fold, now),
        "undelivered": delivered.lost(fold).count(),
        "undelivered_alerts": undelivered(delivered, fold),
    })
}

/// The alerts that reached nobody, with the action that each is about.
fn undelivered(delivered: &Delivered, fold: &Fold) -> Vec<Value> {
    let lost = delivered.lost(fold).take(ALERTS_LISTED);
    let shown = lost.map(|(id, alert)| {
        json!({
            "id": id,
            "action": alert.step.action,
            "target": alert.subject.target.to_string(),
            "connector": alert.step.connector,
            "phase": alert.phase.name(),
            "changed": alert.changed,
            "ended": alert.end.map(format_time),
            "escalation_of": alert.derived_from.map(|(parent, _)| parent),
        })
    });
    shown.collect()
}
