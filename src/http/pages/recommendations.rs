//! `GET /recommendations`: what was shown and clicked, and how the arms of experiments compare.

use actix_web::HttpRequest;

use super::files::RECOMMENDATIONS;
use super::page::{Shown, with_headers};
use crate::http::route::Route;

/// The route.
pub(in crate::http) fn route() -> Route {
    let route = Route::get("/recommendations", "recommendations_page", show);
    with_headers(route).summary("A page with click-through rates and experiments")
}

async fn show(request: HttpRequest) -> Shown {
    RECOMMENDATIONS.answer(&request)
}
