//! `/api/v1/recommendations…`: what to show somebody without an id, what most choose, and what was shown and clicked.

use actix_web::web::{Data, Json};
use homeostat_logic::activity::List;
use homeostat_logic::activity::list::Recommended;
use homeostat_logic::experiments::RecommendationStats;
use schemars::JsonSchema;
use serde::Serialize;

use super::list_query::{ItemsQuery, ListQuery};
use super::parameters::Parameters;
use super::problem::{Kind, Problem};
use super::route::Route;
use super::users::{Known, unanswered};
use crate::users::Asked;

/// `GET /api/v1/recommendations`.
pub(super) fn for_anybody() -> Route {
    Route::get("/api/v1/recommendations", "recommendations", anybody)
        .summary("Recommendations for somebody without an id")
        .details("By `context` alone, and without it what is trending. Nothing is kept or counted of it, and it is in no experiment; as soon as there is an id, such as a session's, ask for the recommendations of that user.")
        .problems(&[Kind::NoRecommendations])
}

/// `GET /api/v1/recommendations/popular`.
pub(super) fn popular() -> Route {
    Route::get("/api/v1/recommendations/popular", "popular_items", most)
        .summary("The items that are chosen most")
        .details("By the weights of all events. Of the 500 most frequent items (`candidates_max`), those that are available and of the genre.")
        .problems(&[Kind::NoRecommendations])
}

/// `GET /api/v1/recommendations/trending`.
pub(super) fn trending() -> Route {
    Route::get("/api/v1/recommendations/trending", "trending_items", lately)
        .summary("The items that are chosen lately")
        .details("By the weights of events, each half as much after seven days (`trend_half_life_hours`). Of the 500 most trending items (`candidates_max`), those that are available and of the genre.")
        .problems(&[Kind::NoRecommendations])
}

/// `GET /api/v1/recommendations/stats`.
pub(super) fn stats() -> Route {
    Route::get("/api/v1/recommendations/stats", "recommendation_stats", show)
        .summary("What was recommended and clicked, and how the arms of experiments compare")
        .details("Counted by all instances together, from what was pushed and served. Rates have 95 % intervals; comparisons of arms hold at all times together. A click takes a moment until it is counted.")
        .problems(&[Kind::NoRecommendations])
}

/// Items that many choose.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChosenItems")]
struct Chosen {
    /// Best first. A score is the sum of the weights of the item's events.
    recommendations: Vec<Recommended>,
}

async fn anybody(query: Parameters<ListQuery>, known: Data<Known>) -> Result<Json<List>, Problem> {
    let asked: Asked = query.read()?.into();
    let list = known.users()?.for_anybody(&asked);
    list.map(Json).map_err(|error| unanswered(&error))
}

async fn most(query: Parameters<ItemsQuery>, known: Data<Known>) -> Result<Json<Chosen>, Problem> {
    chosen(&query, &known, false)
}

async fn lately(
    query: Parameters<ItemsQuery>,
    known: Data<Known>,
) -> Result<Json<Chosen>, Problem> {
    chosen(&query, &known, true)
}

fn chosen(
    query: &Parameters<ItemsQuery>,
    known: &Known,
    lately: bool,
) -> Result<Json<Chosen>, Problem> {
    let asked: Asked = query.read()?.into();
    let recommendations = known.users()?.most_chosen(&asked, lately);
    Ok(Json(Chosen { recommendations }))
}

async fn show(known: Data<Known>) -> Result<Json<RecommendationStats>, Problem> {
    Ok(Json(known.users()?.stats()))
}
