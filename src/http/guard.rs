//! Around every request: what is not meant for this service is refused, pages of other sites are kept from reading and
//! publishing through a person's browser, a panic becomes a 500, every error a problem document, and every answer gets its
//! headers and is counted.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ResourceDef, ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    ORIGIN, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Uri, Version};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, HttpRequest, ResponseError as _};
use futures_util::FutureExt as _;

use super::connections::{Connection, Underway};
use super::hosts::Hosts;
use super::pages::AskedPath;
use super::problem::{Kind, MEDIA_TYPE, Problem};
use crate::authority::Authority;
use crate::metrics::Metrics;

/// Paths that are answered even when too many requests are under way.
pub(super) struct Exempt(ResourceDef);

impl Exempt {
    /// Of routes with these patterns.
    pub(super) fn of(patterns: impl Iterator<Item = &'static str>) -> Self {
        Self(ResourceDef::new(patterns.collect::<Vec<_>>()))
    }
}

/// Headers of every answer whose route has no other word for it.
const STRICT: [(HeaderName, &str); 3] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CACHE_CONTROL, "no-store"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
];
/// At most this much of a header is repeated.
const ECHO_CHARS_MAX: usize = 100;

/// The middleware.
pub(super) async fn guard(
    hosts: Data<Hosts>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let began = Instant::now();
    // The request itself must not be kept: actix routes by mutating it, which needs it unshared.
    let path = request.path().to_owned();
    request.extensions_mut().insert(AskedPath(path.clone()));
    let checked = check_sender(&hosts, &request).and_then(|()| begin(&request));
    let _underway = match checked {
        Ok(underway) => underway,
        Err(problem) => {
            return Ok(finish(
                request.into_response(problem.at(&path).error_response()),
                began,
            ));
        }
    };
    let metrics = request.app_data::<Data<Metrics>>().cloned();
    let Ok(result) = AssertUnwindSafe(next.call(request)).catch_unwind().await else {
        tracing::error!(
            path,
            "an HTTP handler panicked; the request was answered with 500"
        );
        if let Some(metrics) = metrics {
            metrics.http_request("other", 500, began.elapsed());
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
    if let Some(metrics) = response.request().app_data::<Data<Metrics>>() {
        let route = route.as_deref().unwrap_or("other");
        metrics.http_request(route, response.status().as_u16(), began.elapsed());
    }
    let headers = response.headers_mut();
    for (name, value) in STRICT {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// Counts the request while it is under way. Without a connection there is nothing to count: actix's own tests.
fn begin(request: &ServiceRequest) -> Result<Option<Underway>, Problem> {
    let Some(connection) = request.conn_data::<Connection>() else {
        return Ok(None);
    };
    let path = request.path().trim_end_matches('/');
    let exempt = request.app_data::<Data<Exempt>>();
    let underway = connection.begin(exempt.is_some_and(|exempt| exempt.0.is_match(path)));
    let underway = underway.ok_or_else(|| {
        let detail = "too many requests in progress; try again";
        Problem::new(Kind::Busy, detail)
    })?;
    Ok(Some(underway))
}

/// Whether the request is meant for this service, and not sent by a page of another site (see [`super::hosts`]).
fn check_sender(hosts: &Hosts, request: &ServiceRequest) -> Result<(), Problem> {
    let (host, target) = (host(hosts, request)?, target(request.uri())?);
    for authority in [&host, &target].into_iter().flatten() {
        if !hosts.takes_host(&authority.1) {
            return Err(misdirected(hosts, &authority.0));
        }
    }
    if request.method().is_safe() {
        return Ok(());
    }
    let asked = target.or(host);
    check_origin(
        hosts,
        request.headers(),
        asked.as_ref().map(|(_, host)| host),
        "write",
    )
}

/// A target in absolute form names the host as well, and goes before the header (RFC 9112 §3.2.2).
fn target(uri: &Uri) -> Result<Option<Named>, Problem> {
    let target = uri.authority();
    target.map(|target| authority(target.as_str())).transpose()
}

/// Whether no page of another site asks, for what a page may read without the browser's leave: handshakes of `WebSocket`s are
/// outside the same-origin policy.
pub(super) fn check_reader(hosts: &Hosts, request: &HttpRequest) -> Result<(), Problem> {
    let host = single(request.headers(), HOST).ok().flatten();
    let host = host.and_then(|host| Authority::parse(host).ok());
    let asked = target(request.uri())?.map(|(_, target)| target).or(host);
    check_origin(hosts, request.headers(), asked.as_ref(), "read this")
}

type Named = (String, Authority);

fn authority(text: &str) -> Result<Named, Problem> {
    let parsed = Authority::parse(text).map_err(|error| {
        let text: String = text.chars().take(ECHO_CHARS_MAX).collect();
        Problem::new(Kind::BadRequest, format!("Host: `{text}` {error}"))
    })?;
    Ok((text.to_owned(), parsed))
}

/// What `Host` says. HTTP/1.1 wants exactly one; HTTP/1.0 may leave it out, but then nothing says who is meant.
fn host(hosts: &Hosts, request: &ServiceRequest) -> Result<Option<Named>, Problem> {
    let listen = hosts.listen();
    match single(request.headers(), HOST) {
        Ok(Some(text)) => authority(text).map(Some),
        Ok(None) if request.version() <= Version::HTTP_10 => {
            let detail = format!("the request names no host; send the header `Host: {listen}`");
            Err(Problem::new(Kind::Misdirected, detail))
        }
        Ok(None) | Err(()) => {
            let detail = format!(
                "expected exactly one readable Host header; send the header `Host: {listen}`"
            );
            Err(Problem::new(Kind::BadRequest, detail))
        }
    }
}

fn misdirected(hosts: &Hosts, host: &str) -> Problem {
    let (host, listen): (String, _) = (host.chars().take(ECHO_CHARS_MAX).collect(), hosts.listen());
    let detail = format!(
        "{host} is not a name of this service; send the request to {listen}, or, if a proxy or a name of your own leads here, add \"{host}\" to http.allowed_hosts and restart"
    );
    Problem::new(Kind::Misdirected, detail).with("host", host)
}

/// Browsers send `Origin` with every write of a page, and without any preflight if the body looks like a form.
fn check_origin(
    hosts: &Hosts,
    headers: &HeaderMap,
    host: Option<&Authority>,
    purpose: &str,
) -> Result<(), Problem> {
    let origin = match single(headers, ORIGIN) {
        Ok(None) => return Ok(()),
        Ok(Some(origin)) if hosts.takes_origin(origin, host) => return Ok(()),
        Ok(Some(origin)) => origin,
        Err(()) => "an Origin that cannot be read",
    };
    let origin: String = origin.chars().take(ECHO_CHARS_MAX).collect();
    let detail = format!(
        "pages of another site ({origin}) may not {purpose}; send the request without an Origin header, or add the origin's host and port to http.allowed_hosts and restart"
    );
    Err(Problem::new(Kind::CrossSite, detail))
}

/// A header's value; several, or one that is no text, are an error and not nothing.
fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all(name);
    let first = values.next();
    if values.next().is_some() {
        return Err(());
    }
    first
        .map(|value| value.to_str().map_err(|_| ()))
        .transpose()
}
