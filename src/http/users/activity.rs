//! `GET /api/v1/users/{id}/activity`: what a user did lately.

use actix_web::web::{Data, Json};
use homeostat_logic::activity::stream::Activity;
use schemars::JsonSchema;
use serde::Serialize;

use super::access::UserAccess;
use super::known::{Known, PROBLEMS, unanswered};
use crate::http::problem::Problem;
use crate::http::route::Route;

/// The route.
pub(in crate::http) fn route() -> Route {
    Route::get("/api/v1/users/{id}/activity", "user_activity", show)
        .summary("The newest activities of a user")
        .details("At most 100, in the order in which they came. They are kept for an hour after the last one.")
        .problems(&PROBLEMS)
}

/// The oldest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UserActivity")]
struct Shown {
    user_id: String,
    activities: Vec<Activity>,
}

async fn show(access: UserAccess, known: Data<Known>) -> Result<Json<Shown>, Problem> {
    let user = access.user();
    let stream = known.users()?.stream(user).await;
    let stream = stream.map_err(|error| unanswered(&error))?;
    Ok(Json(Shown {
        user_id: user.to_owned(),
        activities: stream.unwrap_or_default().activities,
    }))
}
