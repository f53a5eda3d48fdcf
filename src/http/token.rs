//! Who may give orders, and replay dead letters: callers that show the operator token.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::describe::{Describe, Operation};
use super::problem::{Kind, Problem};
use crate::secrets::Secret;

/// The token that is configured, if one is.
pub(super) struct Token(pub(super) Option<Secret>);

/// An operator: no other caller gets to the handler. Its first argument, so that others are refused before anything else.
pub(super) struct Operator;

/// The same for what was open before there were tokens: one is needed only where one is configured.
pub(super) struct OperatorIfConfigured;

impl FromRequest for Operator {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = token(request).and_then(|token| check(token.0.as_ref(), request.headers()));
        ready(token.map(|()| Self))
    }
}

impl FromRequest for OperatorIfConfigured {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let checked = token(request).and_then(|token| {
            let configured = token.0.as_ref();
            configured.map_or(Ok(()), |token| check(Some(token), request.headers()))
        });
        ready(checked.map(|()| Self))
    }
}

fn token(request: &HttpRequest) -> Result<&Data<Token>, Problem> {
    let missing = || {
        Problem::new(
            Kind::Internal,
            "the server does not know its operator token",
        )
    };
    request.app_data::<Data<Token>>().ok_or_else(missing)
}

impl Describe for Operator {
    fn describe(operation: &mut Operation<'_>) {
        operation.security(json!([{"operatorToken": []}]));
        operation.problem(Kind::Unauthorized);
        operation.problem(Kind::NoOperatorToken);
    }
}

impl Describe for OperatorIfConfigured {
    fn describe(operation: &mut Operation<'_>) {
        operation.security(json!([{"operatorToken": []}, {}]));
        operation.problem(Kind::Unauthorized);
    }
}

/// Lets a request with the right token pass.
fn check(token: Option<&Secret>, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(token) = token else {
        let detail = "no operator token is configured, so no orders are taken; set http.operator_token to env:NAME or file:PATH and restart";
        return Err(Problem::new(Kind::NoOperatorToken, detail));
    };
    match headers.get(AUTHORIZATION).map(HeaderValue::as_bytes) {
        None => {
            let detail = "this needs the operator token, and the request has none: send it as `Authorization: Bearer TOKEN`";
            Err(Problem::new(Kind::Unauthorized, detail))
        }
        Some(credentials) => match of_scheme(credentials, "Bearer") {
            None => {
                let detail = "this needs the operator token, and the request authorizes itself in another way: send it as `Authorization: Bearer TOKEN`";
                Err(Problem::new(Kind::Unauthorized, detail))
            }
            Some(shown) if equal(shown, token.expose().as_bytes()) => Ok(()),
            Some(_) => {
                let detail = "the operator token of the request is wrong: send the one that http.operator_token refers to; restart the service after changing it";
                Err(Problem::new(Kind::WrongToken, detail))
            }
        },
    }
}

/// What credentials of a scheme hold; the scheme's name is read in any case (RFC 9110).
pub(super) fn of_scheme<'a>(credentials: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (own, rest) = credentials.split_at_checked(scheme.len())?;
    let is_own = own.eq_ignore_ascii_case(scheme.as_bytes()) && rest.starts_with(b" ");
    is_own.then(|| rest.trim_ascii())
}

/// In a time that reveals nothing about either: digests have one length, and every byte of them is looked at.
pub(super) fn equal(left: &[u8], right: &[u8]) -> bool {
    let pairs = Sha256::digest(left).into_iter().zip(Sha256::digest(right));
    pairs.fold(0_u8, |difference, (left, right)| {
        difference | (left ^ right)
    }) == 0
}
