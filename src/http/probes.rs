//! Whether the service is alive and does its work, what it measures, and its supervision tree.

use actix_web::body::BoxBody;
use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse, Responder};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::describe::{Describe, Operation};
use super::problem::{Kind, Problem};
use super::route::Route;
use crate::metrics::Metrics;

/// Content type of the Prometheus text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Who knows whether the service does its work. Called on the HTTP worker: answers at once, from memory.
pub trait Health: Send + Sync + 'static {
    /// Whether the service does its work.
    fn readiness(&self) -> Readiness;
}

/// Whether the service does its work, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Assigned, restored, progressing.
    pub ready: bool,
    /// What is missing, one sentence each.
    pub reasons: Vec<String>,
    /// What people should look at although the service does its work, one sentence each.
    pub warnings: Vec<String>,
}

/// Who knows the supervision tree.
pub trait Tree: Send + Sync + 'static {
    /// Every actor, as `/api/v1/actors` shows it.
    fn actors(&self) -> Value;
}

/// `GET /livez`.
pub(super) fn alive() -> Route {
    Route::get("/livez", "livez", livez)
        .summary("Whether the process is alive; never depends on the event log")
        .exempt()
}

/// `GET /readyz`.
pub(super) fn ready() -> Route {
    Route::get("/readyz", "readyz", readyz)
        .summary("Whether the service does its work")
        .problems(&[Kind::NotReady])
        .exempt()
}

/// `GET /metrics`.
pub(super) fn measured() -> Route {
    Route::get("/metrics", "metrics", metrics)
        .summary("Metrics in the Prometheus text format")
        .exempt()
}

/// `GET /api/v1/actors`.
pub(super) fn tree() -> Route {
    Route::get("/api/v1/actors", "actors", actors)
        .summary("The supervision tree with mailboxes, states and restarts")
}

/// Alive.
#[derive(Serialize, JsonSchema)]
struct Alive {
    #[schemars(extend("const" = true))]
    alive: bool,
}

/// Assigned, restored and progressing.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Ready")]
struct AtWork {
    #[schemars(extend("const" = true))]
    ready: bool,
    reasons: Vec<String>,
    /// What people should look at although the service does its work, e.g. alerts that were not delivered. Also in a 503.
    warnings: Vec<String>,
}

async fn livez() -> Json<Alive> {
    Json(Alive { alive: true })
}

async fn readyz(health: Data<dyn Health>) -> Result<Json<AtWork>, Problem> {
    let Readiness {
        ready,
        reasons,
        warnings,
    } = health.readiness();
    if ready {
        return Ok(Json(AtWork {
            ready,
            reasons,
            warnings,
        }));
    }
    Err(Problem::new(Kind::NotReady, reasons.join("; "))
        .with("ready", false)
        .with("reasons", reasons)
        .with("warnings", warnings))
}

async fn metrics(metrics: Data<Metrics>) -> Result<Exposition, Problem> {
    let text = metrics.render().map_err(|error| {
        tracing::error!(%error, "the metrics could not be rendered");
        Problem::new(Kind::Internal, "the metrics could not be rendered")
    })?;
    Ok(Exposition(text))
}

/// The metrics as text.
struct Exposition(String);

impl Responder for Exposition {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().content_type(METRICS_TYPE).body(self.0)
    }
}

impl Describe for Exposition {
    fn describe(operation: &mut Operation<'_>) {
        let text = json!({"type": "string"});
        operation.answer(200, "Text format 0.0.4.", "text/plain", &text);
    }
}

/// Every actor.
#[derive(Serialize, JsonSchema)]
struct Actors(Value);

async fn actors(tree: Data<dyn Tree>) -> Json<Actors> {
    Json(Actors(tree.actors()))
}
