//! `GET /api/v1/users/{id}/profile`: what a user prefers.

use std::collections::BTreeMap;

use actix_web::web::{Data, Json};
use schemars::JsonSchema;
use serde::Serialize;

use super::access::UserAccess;
use super::known::{Known, unanswered};
use crate::http::problem::{Kind, Problem};
use crate::http::route::Route;

/// The route.
pub(in crate::http) fn route() -> Route {
    Route::get("/api/v1/users/{id}/profile", "user_profile", show)
        .summary("What a user prefers")
        .details("Each interaction adds a tenth of its type's weight to every genre of its items, at most 1. An item that the catalog does not know has no genres.")
        .problems(&[Kind::NoRecommendations, Kind::StoreUnavailable, Kind::UnknownUser])
}

/// A profile.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UserProfile")]
struct Shown {
    user_id: String,
    /// Weights from 0 to 1 by genre.
    preferences: BTreeMap<String, f32>,
    /// Interactions in it.
    interactions: u64,
    /// When the last one was, RFC 3339 in UTC.
    updated_at: String,
}

async fn show(access: UserAccess, known: Data<Known>) -> Result<Json<Shown>, Problem> {
    let user = access.user();
    let profile = known.users()?.profile(user).await;
    let profile = profile.map_err(|error| unanswered(&error))?;
    let profile = profile.ok_or_else(|| {
        let detail = "no event of this user was read yet, or the user was erased";
        Problem::new(Kind::UnknownUser, detail)
    })?;
    Ok(Json(Shown {
        user_id: user.to_owned(),
        preferences: profile.preferences,
        interactions: profile.interactions,
        updated_at: profile.updated_at,
    }))
}
