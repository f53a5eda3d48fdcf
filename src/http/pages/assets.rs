//! `GET /assets/{version}/{file}`: scripts and styles of the pages. The version is a hash of everything in `web/`, so that a
//! browser keeps an asset for ever, and a page names those that belong to it.

use actix_web::body::BoxBody;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, Responder};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::files::{ASSETS, VERSION};
use super::tagged::tagged;
use crate::http::describe::{Describe, Operation};
use crate::http::problem::{Kind, Problem};
use crate::http::route::Route;

/// The route.
pub(in crate::http) fn route() -> Route {
    Route::get("/assets/{version}/{file}", "asset", show)
        .summary("Scripts and styles of the pages")
        .details("The version is a hash of what the binary contains; another one is not found.")
        .problems(&[Kind::NotFound])
        .header(CACHE_CONTROL, "public, max-age=31536000, immutable")
        // Of an image that is opened by itself.
        .header(
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        )
}

#[derive(Deserialize, JsonSchema)]
struct Wanted {
    /// What the pages of this binary name.
    version: String,
    /// The file.
    file: String,
}

async fn show(request: HttpRequest, wanted: Path<Wanted>) -> Result<Shown, Problem> {
    let wanted = wanted.into_inner();
    let is_current = wanted.version == *VERSION;
    let mut assets = ASSETS.iter().filter(|_| is_current);
    let asset = assets.find(|asset| asset.name == wanted.file);
    let asset = asset.ok_or_else(|| {
        let detail = "no such file belongs to the pages of this version; load the page again";
        Problem::new(Kind::NotFound, detail)
    })?;
    let tag = format!("{}-{}", *VERSION, asset.name);
    Ok(Shown(tagged(&request, tag, asset.media, asset.bytes)))
}

struct Shown(HttpResponse);

impl Responder for Shown {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.0
    }
}

impl Describe for Shown {
    fn describe(operation: &mut Operation<'_>) {
        let text = json!({"type": "string"});
        operation.answer(200, "The file.", "*/*", &text);
    }
}
