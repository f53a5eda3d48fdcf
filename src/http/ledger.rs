//! `GET /api/v1/ledger`: the ledger's partitions as folded here, for people who compare instances.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{self, Data};
use homeostat_actors::ledger_view::{LedgerView, Progress};
use homeostat_logic::history::format_time;
use homeostat_logic::ledger::fold::FOLD_VERSION;
use serde_json::{Value, json};

use super::problem::{Kind, Problem};
use super::{ApiState, control};

/// The handler. Hashing a whole state takes its time, so it is not done on the server's thread.
pub(super) async fn ledger(state: Data<ApiState>) -> Result<HttpResponse, Problem> {
    let views: Vec<Arc<LedgerView>> = state.control.views.clone();
    let partitions =
        web::block(move || -> Vec<Value> { views.iter().map(|view| partition(view)).collect() });
    let partitions = partitions.await.map_err(|error| {
        tracing::error!(%error, "the ledger could not be looked at");
        Problem::new(Kind::Internal, "the ledger could not be looked at")
    })?;
    Ok(HttpResponse::Ok().json(json!({ "known_version": FOLD_VERSION, "partitions": partitions })))
}

/// Two instances that show the same offset of a partition must show the same hash.
fn partition(view: &LedgerView) -> Value {
    let state = view.read();
    let fold = &state.fold;
    let (progress, problem) = match &state.progress {
        Progress::Restoring => ("restoring", None),
        Progress::Live => ("live", None),
        why @ (Progress::Refused(_) | Progress::Misplaced { .. }) => {
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
        "boundary": boundary.map(|one| json!({"covers": one.covers, "hash": one.hash})),
        "open_actions": fold.open_actions().count(),
        "holds": control::holds(fold),
    })
}
