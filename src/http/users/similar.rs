//! `GET /api/v1/users/{id}/similar`: users who have the same items.

use actix_web::web::{Data, Json};
use schemars::JsonSchema;
use serde::Serialize;

use super::access::{PARAMETER, UserAccess};
use super::known::{Known, PROBLEMS, unanswered};
use crate::http::list_query::CountQuery;
use crate::http::parameters::Parameters;
use crate::http::problem::{Kind, Problem};
use crate::http::route::Route;

/// The route.
pub(in crate::http) fn route() -> Route {
    Route::get("/api/v1/users/{id}/similar", "similar_users", show)
        .summary("Users who have the same items, most similar first")
        .details("Among the users who are in memory at this instance. Where users have tokens, it is for operators alone: it names other users.")
        .problems(&PROBLEMS)
}

/// Users who are similar to one.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SimilarUsers")]
struct Similar {
    user_id: String,
    /// Most similar first.
    similar: Vec<SimilarUser>,
}

/// One of them.
#[derive(Serialize, JsonSchema)]
struct SimilarUser {
    user_id: String,
    /// Above 0, at most 1.
    similarity: f64,
}

async fn show(
    access: UserAccess,
    query: Parameters<CountQuery>,
    known: Data<Known>,
) -> Result<Json<Similar>, Problem> {
    // A token of a user lasts; an operator's does not end.
    if access.lasts().is_some() {
        let detail = "the answer names other users, so a user's own token is not enough; show the operator's token";
        return Err(Problem::new(Kind::OtherUser, detail));
    }
    let count = query.read_beside(PARAMETER)?.count();
    let similar = known.users()?.similar_users(access.user(), count).await;
    let similar = similar.map_err(|error| unanswered(&error))?.into_iter();
    Ok(Json(Similar {
        user_id: access.user().to_owned(),
        similar: similar
            .map(|(user_id, similarity)| SimilarUser {
                user_id,
                similarity,
            })
            .collect(),
    }))
}
