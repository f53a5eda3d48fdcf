//! `GET /`: what is served here.

use actix_web::web::{Data, Json};
use schemars::JsonSchema;
use serde::Serialize;

use super::route::Route;

/// Method and path of every route.
pub(super) struct Served(pub(super) Vec<String>);

/// The route.
pub(super) fn route() -> Route {
    Route::get("/", "index", show).summary("What is served here")
}

/// Name, version and routes.
#[derive(Serialize, JsonSchema)]
struct Index {
    service: &'static str,
    version: &'static str,
    /// Where the document is.
    documentation: &'static str,
    routes: Vec<String>,
}

async fn show(served: Data<Served>) -> Json<Index> {
    Json(Index {
        service: "homeostat",
        version: env!("CARGO_PKG_VERSION"),
        documentation: "/api/v1/openapi.json",
        routes: served.0.clone(),
    })
}
