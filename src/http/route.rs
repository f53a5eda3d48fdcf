//! A route: where it is, what the document says of it, its handler, and the headers of its answers.

use actix_web::dev::Handler;
use actix_web::guard;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::DefaultHeaders;
use actix_web::web;
use actix_web::{FromRequest, Responder};

use super::describe::{Describe, Operation};
use super::problem::Kind;

/// Problems that any request may be answered with.
const COMMON: [Kind; 3] = [Kind::BadRequest, Kind::Misdirected, Kind::Internal];

/// One route, as its handler's file declares it.
pub struct Route {
    method: &'static str,
    path: &'static str,
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) details: &'static str,
    problems: &'static [Kind],
    headers: Vec<(HeaderName, &'static str)>,
    is_exempt: bool,
    describe: fn(&mut Operation<'_>),
    handler: actix_web::Route,
}

impl Route {
    /// A route that reads; a HEAD request is a GET whose body stays away. `name` is the operation's in the document.
    pub(super) fn get<F, Args>(path: &'static str, name: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Describe + 'static,
        F::Output: Responder + Describe + 'static,
    {
        let reads = web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
        Self::new("GET", path, name, reads, handler)
    }

    /// A route that writes.
    pub(super) fn post<F, Args>(path: &'static str, name: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Describe + 'static,
        F::Output: Responder + Describe + 'static,
    {
        Self::new("POST", path, name, web::post(), handler)
    }

    /// A route that removes.
    pub(super) fn delete<F, Args>(path: &'static str, name: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Describe + 'static,
        F::Output: Responder + Describe + 'static,
    {
        Self::new("DELETE", path, name, web::delete(), handler)
    }

    fn new<F, Args>(
        method: &'static str,
        path: &'static str,
        name: &'static str,
        route: actix_web::Route,
        handler: F,
    ) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Describe + 'static,
        F::Output: Responder + Describe + 'static,
    {
        Self {
            method,
            path,
            name,
            summary: "",
            details: "",
            problems: &[],
            headers: Vec::new(),
            is_exempt: false,
            describe: |operation| {
                Args::describe(operation);
                F::Output::describe(operation);
            },
            handler: route.to(handler),
        }
    }

    /// What it is for, in a line.
    pub(super) const fn summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// What callers should know beyond that.
    pub(super) const fn details(mut self, details: &'static str) -> Self {
        self.details = details;
        self
    }

    /// Further problems, beside those that its arguments bring.
    pub(super) const fn problems(mut self, problems: &'static [Kind]) -> Self {
        self.problems = problems;
        self
    }

    /// A header of its answers, in place of the strict one that every other answer gets. Its problems keep the strict one.
    pub(super) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Answered even when too many requests are under way.
    pub(super) const fn exempt(mut self) -> Self {
        self.is_exempt = true;
        self
    }

    /// `GET`, `POST` or `DELETE`.
    pub const fn method(&self) -> &'static str {
        self.method
    }

    /// With the names of its variable parts in braces.
    pub const fn path(&self) -> &'static str {
        self.path
    }

    pub(super) const fn is_exempt(&self) -> bool {
        self.is_exempt
    }

    /// What the types of its handler say of it, and which problems any request may be answered with.
    pub(super) fn describe(&self, operation: &mut Operation<'_>) {
        (self.describe)(operation);
        let busy = (!self.is_exempt).then_some(Kind::Busy);
        let cross_site = (self.method != "GET").then_some(Kind::CrossSite);
        let own = self.problems.iter().copied();
        let all = own.chain(COMMON).chain(busy).chain(cross_site);
        all.for_each(|kind| operation.problem(kind));
    }

    /// The handler, with the headers of its answers.
    pub(super) fn into_service(self) -> (actix_web::Route, DefaultHeaders) {
        let headers = self.headers.into_iter();
        let headers = headers.fold(DefaultHeaders::new(), |headers, (name, value)| {
            headers.add((name, HeaderValue::from_static(value)))
        });
        (self.handler, headers)
    }
}
