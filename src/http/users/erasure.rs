//! `DELETE /api/v1/users/{id}`: everything about a user is erased.

use std::time::Duration;

use actix_web::web::{Data, Json};
use schemars::JsonSchema;
use serde::Serialize;

use super::access::UserAccess;
use super::known::{Known, PROBLEMS, unanswered};
use crate::http::problem::Problem;
use crate::http::route::Route;
use crate::users::Erased;

/// Longest wait for the tombstone.
const LIMIT: Duration = Duration::from_secs(5);

/// The route.
pub(in crate::http) fn route() -> Route {
    Route::delete("/api/v1/users/{id}", "erase_user", erase)
        .summary("Erase a user")
        .details("Stream, profile, cached recommendations and what the model knows of the user are removed; a tombstone without any of it stays. Records of topics cannot be rewritten: they go with their topics' retention. What the user's choices added to the counts of items names no user and stays.")
        .problems(&PROBLEMS)
}

/// What was done.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UserErased")]
struct Done {
    user_id: String,
    /// Whether it is done. `false`: the order is durable, and is carried out when the partition's events before it are.
    erased: bool,
    /// Topics with records of the user, which go with their retention alone.
    until_retention: Vec<&'static str>,
}

async fn erase(access: UserAccess, known: Data<Known>) -> Result<Json<Done>, Problem> {
    let (user, users) = (access.user(), known.users()?);
    let ordered = users.order_erasure(user).await;
    let ordered = ordered.map_err(|error| unanswered(&error))?;
    let erased = users.erased(user, ordered, LIMIT).await;
    let erased = erased.map_err(|error| unanswered(&error))?;
    Ok(Json(Done {
        user_id: user.to_owned(),
        erased: erased == Erased::Done,
        until_retention: vec![
            "business.user.interaction",
            "business.recommendation.clicked",
            "business.feedback.received",
            "homeostat.users",
            "homeostat.dead-letters",
            "push.recommendations",
            "recommendations.updated",
        ],
    }))
}
