//! Around every request: a panic becomes a 500, every error a problem document, every answer gets its headers and is
//! counted, and pages of other sites are kept from publishing through somebody's browser.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, ORIGIN,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError as _, web};
use futures_util::FutureExt as _;

use super::ApiState;
use super::problem::{Kind, MEDIA_TYPE, Problem};

/// The middleware.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let began = Instant::now();
    // The request itself must not be kept: actix routes by mutating it, which needs it unshared.
    let path = request.path().to_owned();
    if is_cross_site(&request) {
        let problem = Problem::new(
            Kind::CrossSite,
            "a page of another site may not write; send the request without an Origin header",
        );
        return Ok(finish(
            request.into_response(problem.at(&path).error_response()),
            began,
        ));
    }
    let state = request.app_data::<web::Data<ApiState>>().cloned();
    let Ok(result) = AssertUnwindSafe(next.call(request)).catch_unwind().await else {
        tracing::error!(
            path,
            "an HTTP handler panicked; the request was answered with 500"
        );
        if let Some(state) = state {
            state.metrics.http_request("other", 500, began.elapsed());
        }
        let detail = "the handler failed; the log of the service says why";
        return Err(Problem::new(Kind::Internal, detail).at(&path).into());
    };
    let response = result?.map_into_boxed_body();
    Ok(finish(as_problem(response, &path), began))
}

fn as_problem(response: ServiceResponse<BoxBody>, path: &str) -> ServiceResponse<BoxBody> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let error = response.response().error();
    let problem = match error.and_then(|error| error.as_error::<Problem>()) {
        Some(problem) => problem.clone(),
        None if is_problem(response.headers()) => return response,
        None => {
            let kind = if status.is_server_error() {
                Kind::Internal
            } else {
                Kind::BadRequest
            };
            let detail = error.map_or_else(|| status.to_string(), ToString::to_string);
            Problem::new(kind, detail)
        }
    };
    response.into_response(problem.at(path).error_response())
}

fn is_problem(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes() == MEDIA_TYPE.as_bytes())
}

fn finish(mut response: ServiceResponse<BoxBody>, began: Instant) -> ServiceResponse<BoxBody> {
    let route = response.request().match_pattern();
    if let Some(state) = response.request().app_data::<web::Data<ApiState>>() {
        let route = route.as_deref().unwrap_or("other");
        state
            .metrics
            .http_request(route, response.status().as_u16(), began.elapsed());
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Browsers send `Origin` with every cross-site write, and without any preflight if the body looks like a form. The
/// API has no such clients, so an origin other than the host asked for is refused.
fn is_cross_site(request: &ServiceRequest) -> bool {
    let text = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let Some(origin) = text(ORIGIN) else {
        return false;
    };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    !request.method().is_safe() && (authority.is_none() || authority != text(HOST))
}
