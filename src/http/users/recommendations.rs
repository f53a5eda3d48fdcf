//! `GET /api/v1/users/{id}/recommendations`: what to show a user.

use actix_web::web::{Data, Json};
use homeostat_logic::activity::List;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::access::{PARAMETER, UserAccess};
use super::known::{Known, PROBLEMS, unanswered};
use crate::http::parameters::{self, Parameters};
use crate::http::problem::Problem;
use crate::http::route::Route;

/// Recommendations unless asked otherwise, and at most.
const COUNT: usize = 10;
const COUNT_MAX: usize = 500;

/// The route.
pub(in crate::http) fn route() -> Route {
    Route::get("/api/v1/users/{id}/recommendations", "user_recommendations", show)
        .summary("Recommendations for a user")
        .details("From the cache, or computed now. A user of whom nothing is known gets what is trending. Send `list` along with clicks, as `list` in their context, so that they are joined to it.")
        .problems(&PROBLEMS)
}

#[derive(Deserialize, JsonSchema)]
struct Query {
    /// How many, 1 to 500.
    #[serde(default, deserialize_with = "count")]
    #[schemars(with = "Option<u32>", range(min = 1, max = COUNT_MAX))]
    k: Option<usize>,
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let wanted = format!("a whole number from 1 to {COUNT_MAX}");
    parameters::text(deserializer, &wanted, |text| {
        let number = text.parse().ok();
        number
            .filter(|count| (1..=COUNT_MAX).contains(count))
            .map(Some)
    })
}

async fn show(
    access: UserAccess,
    query: Parameters<Query>,
    known: Data<Known>,
) -> Result<Json<List>, Problem> {
    let count = query.read_beside(PARAMETER)?.k.unwrap_or(COUNT);
    let list = known.users()?.recommendations(access.user(), count).await;
    list.map(Json).map_err(|error| unanswered(&error))
}
