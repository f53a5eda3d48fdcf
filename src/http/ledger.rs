//! `GET /api/v1/ledger`: the ledger's partitions as folded here, for people who compare instances, and for those who want
//! to know what is held back and which alerts were not delivered.

use std::sync::Arc;

use actix_web::web::{self, Data, Json};
use homeostat_actors::ledger_view::{FoldProgress, LedgerView};
use homeostat_actors::lost_alerts::Delivered;
use homeostat_actors::ports::clock::Clock;
use homeostat_logic::actions::Action;
use homeostat_logic::clock_text::format_time;
use homeostat_logic::ledger::fold::{FOLD_VERSION, Fold};
use homeostat_logic::ledger::placement::partition_of_target;
use homeostat_logic::ledger::record::{Id, Millis};
use homeostat_logic::target::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::control::Control;
use super::holds::{Held, held_with, holds};
use super::parameters::{self, Parameters};
use super::probes::Health;
use super::problem::{Kind, Problem};
use super::route::Route;
use super::target::{PATTERN, read_target};

/// Alerts listed of a partition at most; all are counted.
const ALERTS_LISTED: usize = 100;

/// `GET /api/v1/ledger`.
pub(super) fn route() -> Route {
    Route::get("/api/v1/ledger", "ledger", show)
        .summary("The ledger's partitions as folded by this instance")
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// model/NAME or service/NAME: only the partition in which it lives, and in `note` what a silence of it would hold.
    #[serde(default, deserialize_with = "target")]
    #[schemars(with = "Option<String>", extend("pattern" = PATTERN))]
    target: Option<Target>,
}

fn target<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Target>, D::Error> {
    parameters::text(deserializer, "model/NAME or service/NAME", read_target).map(Some)
}

/// Two instances at the same offset of a partition show the same hash. `installation` is part of every action's id; null
/// before the partition's first record is folded.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Ledger")]
struct Shown {
    /// The newest rules of the fold that this instance knows.
    known_version: u32,
    partitions: Vec<Folded>,
    /// What a silence of the target holds.
    note: Option<String>,
    warnings: Vec<String>,
}

/// A ledger partition as folded here.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LedgerPartition")]
struct Folded {
    partition: i32,
    /// Whether this instance executes it.
    owned: bool,
    #[schemars(extend("enum" = ["restoring", "live", "refused", "truncated"]))]
    progress: &'static str,
    /// Why it is not folded.
    problem: Option<String>,
    /// Offset of the last record that is folded.
    offset: i64,
    /// Log time.
    #[schemars(extend("format" = "date-time"))]
    time: String,
    hash: String,
    fold_version: u32,
    installation: Option<Id>,
    boundary: Option<Boundary>,
    open_actions: usize,
    holds: Held,
    /// Alerts of the last eight days that were not delivered: not acknowledged, and none delivered later through their connector.
    undelivered: usize,
    #[schemars(length(max = ALERTS_LISTED))]
    undelivered_alerts: Vec<Undelivered>,
}

/// The state that was hashed last.
#[derive(Serialize, JsonSchema)]
struct Boundary {
    /// Offset of the last record that is included.
    covers: i64,
    hash: String,
}

/// An alert that was not delivered, with the action that it is about.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UndeliveredAlert")]
struct Undelivered {
    id: Id,
    action: Action,
    target: String,
    connector: String,
    phase: &'static str,
    changed: i64,
    #[schemars(extend("format" = "date-time"))]
    ended: Option<String>,
    escalation_of: Option<Id>,
}

/// Hashing a whole state takes its time, so it is not done on the server's thread.
async fn show(
    control: Data<Control>,
    clock: Data<dyn Clock>,
    health: Data<dyn Health>,
    wanted: Parameters<Wanted>,
) -> Result<Json<Shown>, Problem> {
    let target = wanted.read()?.target;
    let mut views: Vec<Arc<LedgerView>> = control.views.clone();
    let note = target.as_ref().and_then(|target| {
        let home = partition_of_target(target, views.len());
        views.retain(|view| view.partition == home);
        Some(held_with(target, views.first()?))
    });
    let (now, all) = (clock.now(), control.views.clone());
    let partitions = web::block(move || -> Vec<Folded> {
        let delivered = Delivered::of(&all);
        let shown = views.iter().map(|view| partition(view, now, &delivered));
        shown.collect()
    });
    let partitions = partitions.await.map_err(|error| {
        tracing::error!(%error, "the ledger could not be read");
        Problem::new(Kind::Internal, "the ledger could not be read")
    })?;
    Ok(Json(Shown {
        known_version: FOLD_VERSION,
        partitions,
        note,
        warnings: health.readiness().warnings,
    }))
}

fn partition(view: &LedgerView, now: Millis, delivered: &Delivered) -> Folded {
    let state = view.read();
    let fold = &state.fold;
    let (progress, problem) = match &state.progress {
        FoldProgress::Restoring => ("restoring", None),
        FoldProgress::Live => ("live", None),
        why @ (FoldProgress::Refused(_)
        | FoldProgress::Misplaced { .. }
        | FoldProgress::Outdated { .. }) => ("refused", Some(why.to_string())),
        why @ FoldProgress::Truncated { .. } => ("truncated", Some(why.to_string())),
    };
    let boundary = fold.boundary().map(|one| Boundary {
        covers: one.covers,
        hash: one.hash.clone(),
    });
    Folded {
        partition: view.partition,
        owned: view.owner().is_some(),
        progress,
        problem,
        offset: fold.offset(),
        time: format_time(fold.now()),
        hash: fold.hash(),
        fold_version: fold.state().version,
        installation: fold.installation(),
        boundary,
        open_actions: fold.open_actions().count(),
        holds: holds(fold, now),
        undelivered: delivered.lost(fold).count(),
        undelivered_alerts: undelivered(delivered, fold),
    }
}

fn undelivered(delivered: &Delivered, fold: &Fold) -> Vec<Undelivered> {
    let lost = delivered.lost(fold).take(ALERTS_LISTED);
    let shown = lost.map(|(id, alert)| Undelivered {
        id,
        action: alert.step.action,
        target: alert.subject.target.to_string(),
        connector: alert.step.connector.clone(),
        phase: alert.phase.name(),
        changed: alert.changed,
        ended: alert.end.map(format_time),
        escalation_of: alert.derived_from.map(|(parent, _)| parent),
    });
    shown.collect()
}
