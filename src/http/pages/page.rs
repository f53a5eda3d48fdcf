//! A page: the shell that all have, with its title, its main part and its script.

use std::future::{Ready, ready};

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, HttpResponse, Responder};
use serde_json::json;

use super::files::{Page, SHELL, VERSION};
use super::tagged::tagged;
use crate::http::describe::{Describe, Operation};
use crate::http::problem::Problem;
use crate::http::route::Route;

/// Scripts, styles and requests of this service alone, and nothing in the text of the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const HTML: &str = "text/html; charset=utf-8";

impl Page {
    /// Its text for one who asked for it at a path that has `root` before what the service serves.
    fn text(&self, root: &str) -> String {
        let assets = format!("{root}assets/{}", *VERSION);
        SHELL
            .replace("{{title}}", self.title)
            .replace("{{main}}", self.main)
            .replace("{{script}}", self.script)
            .replace("{{style}}", self.style)
            .replace("{{assets}}", &assets)
            .replace("{{root}}", root)
    }

    /// The answer to a request.
    pub(super) fn answer(&self, request: &HttpRequest) -> Shown {
        let root = root(request);
        let tag = format!("{}-{}", *VERSION, root.len());
        Shown(tagged(request, tag, HTML, self.text(&root)))
    }
}

/// A route that answers with a page.
pub(super) fn with_headers(route: Route) -> Route {
    route
        .header(CACHE_CONTROL, "no-cache")
        .header(CONTENT_SECURITY_POLICY, POLICY)
        // Ids of users are in the address of a page.
        .header(REFERRER_POLICY, "no-referrer")
}

/// The path as it was asked for, before slashes at its end were removed: relative addresses depend on it.
pub(in crate::http) struct AskedPath(pub(in crate::http) String);

/// How a browser gets from the page's address to the root of this service, which may be below a prefix that only a proxy knows.
fn root(request: &HttpRequest) -> String {
    let extensions = request.extensions();
    let path = extensions.get::<AskedPath>().map(|asked| asked.0.as_str());
    let path = path.unwrap_or_else(|| request.path());
    match path.matches('/').count() {
        0 | 1 => "./".to_owned(),
        deep => "../".repeat(deep - 1),
    }
}

/// The page itself.
pub(super) struct Shown(HttpResponse);

impl Responder for Shown {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.0
    }
}

impl Describe for Shown {
    fn describe(operation: &mut Operation<'_>) {
        let text = json!({"type": "string"});
        operation.answer(200, "A page for people.", "text/html", &text);
    }
}

/// The id in the address of a page of a user. Only its script reads it, and asks the API, which says whether it can be one.
pub(super) struct InAddress;

impl FromRequest for InAddress {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self))
    }
}

#[derive(schemars::JsonSchema)]
struct Named {
    /// The user's id, percent-encoded.
    #[schemars(rename = "id")]
    _id: String,
}

impl Describe for InAddress {
    fn describe(operation: &mut Operation<'_>) {
        operation.parameters::<Named>("path");
    }
}
