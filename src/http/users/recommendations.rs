//! `GET /api/v1/users/{id}/recommendations`: what to show a user.

use actix_web::web::{Data, Json};
use homeostat_logic::activity::List;

use super::access::{PARAMETER, UserAccess};
use super::known::{Known, PROBLEMS, unanswered};
use crate::http::list_query::ListQuery;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::route::Route;
use crate::users::Asked;

/// The route.
pub(in crate::http) fn route() -> Route {
    Route::get("/api/v1/users/{id}/recommendations", "user_recommendations", show)
        .summary("Recommendations for a user")
        .details("From the cache, or computed now, as with `context` and `genre` always. A user of whom nothing is known gets what is trending. Send `list` along with clicks, as `list` in their context, so that they are joined to it. It counts as shown to the user, unless `preview` says that a person only looks at it.")
        .problems(&PROBLEMS)
}

async fn show(
    access: UserAccess,
    query: Parameters<ListQuery>,
    known: Data<Known>,
) -> Result<Json<List>, Problem> {
    let asked: Asked = query.read_beside(PARAMETER)?.into();
    let list = known.users()?.recommendations(access.user(), &asked).await;
    list.map(Json).map_err(|error| unanswered(&error))
}
