//! `GET /users` and `GET /users/{id}`: what a user did, prefers and is recommended, as it changes.

use actix_web::HttpRequest;

use super::files::USERS;
use super::page::{InAddress, Shown, with_headers};
use crate::http::route::Route;

/// The page that asks for a user.
pub(in crate::http) fn any() -> Route {
    let route = Route::get("/users", "users_page", show_any);
    with_headers(route).summary("A page that asks for a user's id")
}

/// The page of one user.
pub(in crate::http) fn one() -> Route {
    let route = Route::get("/users/{id}", "user_page", show_one);
    with_headers(route)
        .summary("A page with a user's stream, profile and recommendations, live")
        .details("The page itself holds nothing of the user: its script reads the API, with the user's or the operator's token where one is needed.")
}

async fn show_any(request: HttpRequest) -> Shown {
    USERS.answer(&request)
}

async fn show_one(request: HttpRequest, _: InAddress) -> Shown {
    USERS.answer(&request)
}
