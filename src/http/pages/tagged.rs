//! Answers that a client keeps, and asks about by their tag.

use actix_web::http::header::{ETAG, EntityTag, Header as _, IF_NONE_MATCH, IfNoneMatch};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};

/// An answer that a client keeps by its tag, or that the client's is still right.
pub(super) fn tagged(
    request: &HttpRequest,
    tag: String,
    media: &'static str,
    body: impl Into<Bytes>,
) -> HttpResponse {
    let tag = EntityTag::new_strong(tag);
    let known = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => request.headers().contains_key(IF_NONE_MATCH),
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|one| one.weak_eq(&tag)),
        Err(_) => false,
    };
    if known {
        return HttpResponse::NotModified()
            .insert_header((ETAG, tag.to_string()))
            .finish();
    }
    HttpResponse::Ok()
        .insert_header((ETAG, tag.to_string()))
        .content_type(media)
        .body(body.into())
}
