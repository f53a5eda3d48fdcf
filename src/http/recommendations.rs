//! `GET /api/v1/recommendations/stats`: what was shown and clicked, and how the arms of experiments compare.

use actix_web::web::{Data, Json};
use homeostat_logic::experiments::RecommendationStats;

use super::problem::{Kind, Problem};
use super::route::Route;
use super::users::Known;

/// The route.
pub(super) fn route() -> Route {
    Route::get("/api/v1/recommendations/stats", "recommendation_stats", show)
        .summary("What was recommended and clicked, and how the arms of experiments compare")
        .details("Counted by all instances together, from what was pushed and served. Rates have 95 % intervals; comparisons of arms hold at all times together. A click takes a moment until it is counted.")
        .problems(&[Kind::NoRecommendations])
}

async fn show(known: Data<Known>) -> Result<Json<RecommendationStats>, Problem> {
    Ok(Json(known.users()?.stats()))
}
