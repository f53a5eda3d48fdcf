//! The closed list of routes, and the handlers that only pass on what [`Queries`](super::Queries) says.

use actix_web::guard;
use actix_web::http::header::ContentType;
use actix_web::web::{self, Data};
use actix_web::{HttpResponse, Route};
use serde_json::json;

use super::problem::{Kind, Problem};
use super::{ApiState, control, dead_letters, decisions, ledger, publish, publish_lines, topics};

/// The OpenAPI 3.1 document.
pub const OPENAPI: &str = include_str!("openapi.json");

/// Content type of the Prometheus text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Method, path and handler of every route.
pub fn table() -> Vec<(&'static str, &'static str, Route)> {
    vec![
        ("GET", "/", get().to(index)),
        ("GET", "/livez", get().to(livez)),
        ("GET", "/readyz", get().to(readyz)),
        ("GET", "/metrics", get().to(metrics)),
        ("GET", "/api/v1/actors", get().to(actors)),
        (
            "POST",
            "/api/v1/events",
            web::post().to(publish_lines::publish),
        ),
        (
            "POST",
            "/api/v1/events/{topic}",
            web::post().to(publish::publish),
        ),
        ("GET", "/api/v1/decisions", get().to(decisions::list)),
        ("GET", "/api/v1/decisions/{id}", get().to(decisions::story)),
        ("GET", "/api/v1/dead-letters", get().to(dead_letters::list)),
        (
            "POST",
            "/api/v1/dead-letters/replay",
            web::post().to(dead_letters::replay),
        ),
        (
            "POST",
            "/api/v1/dead-letters/resume",
            web::post().to(dead_letters::resume),
        ),
        (
            "GET",
            "/api/v1/dead-letters/{id}",
            get().to(dead_letters::show),
        ),
        ("GET", "/api/v1/cooldowns", get().to(cooldowns)),
        ("GET", "/api/v1/ledger", get().to(ledger::ledger)),
        ("GET", "/api/v1/topics", get().to(topics::list)),
        ("GET", "/api/v1/topics/{name}", get().to(topics::show)),
        (
            "POST",
            "/api/v1/control/{order}",
            web::post().to(control::order),
        ),
        ("GET", "/api/v1/openapi.json", get().to(openapi)),
    ]
}

/// Puts the table into an application; whatever is not in it is a 404 or a 405.
pub(super) fn configure(application: &mut web::ServiceConfig) {
    for (method, path, route) in table() {
        let allow = if method == "GET" { "GET, HEAD" } else { method };
        let refuse =
            move || async move { Err::<HttpResponse, _>(Problem::method_not_allowed(allow)) };
        application.service(
            web::resource(path)
                .route(route)
                .default_service(web::to(refuse)),
        );
    }
    application.default_service(web::to(|| async {
        let detail = "nothing is served at this path; GET / lists what is";
        Err::<HttpResponse, _>(Problem::new(Kind::NotFound, detail))
    }));
}

/// A HEAD request is a GET whose body stays away.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn index() -> HttpResponse {
    let routes: Vec<String> = table()
        .iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    HttpResponse::Ok().json(json!({
        "service": "homeostat",
        "version": env!("CARGO_PKG_VERSION"),
        "documentation": "/api/v1/openapi.json",
        "routes": routes,
    }))
}

async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(json!({"alive": true}))
}

async fn readyz(state: Data<ApiState>) -> Result<HttpResponse, Problem> {
    let readiness = state.queries.readiness();
    if readiness.ready {
        return Ok(HttpResponse::Ok().json(json!({
            "ready": true,
            "reasons": readiness.reasons,
            "warnings": readiness.warnings,
        })));
    }
    Err(Problem::new(Kind::NotReady, readiness.reasons.join("; "))
        .with("ready", false)
        .with("reasons", readiness.reasons)
        .with("warnings", readiness.warnings))
}

async fn metrics(state: Data<ApiState>) -> Result<HttpResponse, Problem> {
    let text = state.metrics.render().map_err(|error| {
        tracing::error!(%error, "the metrics could not be rendered");
        Problem::new(Kind::Internal, "the metrics could not be rendered")
    })?;
    Ok(HttpResponse::Ok().content_type(METRICS_TYPE).body(text))
}

async fn actors(state: Data<ApiState>) -> HttpResponse {
    HttpResponse::Ok().json(state.queries.actors())
}

async fn cooldowns(state: Data<ApiState>) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "cooldowns": state.queries.cooldowns(),
        "budgets": state.queries.budgets(),
    }))
}

async fn openapi() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(OPENAPI)
}
