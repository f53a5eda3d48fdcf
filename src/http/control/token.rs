//! Who may give orders, and replay dead letters: whoever shows the operator token.

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};

use super::super::problem::{Kind, Problem};
use crate::configuration::Secret;

/// Lets a request with the right token pass.
pub(in crate::http) fn check(token: Option<&Secret>, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(token) = token else {
        let detail = "no operator token is configured, so no orders are taken; set http.operator_token to env:NAME or file:PATH and restart";
        return Err(Problem::new(Kind::NoOperatorToken, detail));
    };
    match headers.get(AUTHORIZATION).map(HeaderValue::as_bytes) {
        None => {
            let detail = "this needs the operator token, and the request has none: send it as `Authorization: Bearer TOKEN`";
            Err(Problem::new(Kind::Unauthorized, detail))
        }
        Some(credentials) => match bearer(credentials) {
            None => {
                let detail = "this needs the operator token, and the request authorizes itself in another way: send it as `Authorization: Bearer TOKEN`";
                Err(Problem::new(Kind::Unauthorized, detail))
            }
            Some(shown) if equal(shown, token.expose().as_bytes()) => Ok(()),
            Some(_) => {
                let detail = "the operator token of the request is wrong: send the one that http.operator_token refers to; after a change of it the service has to be restarted";
                Err(Problem::new(Kind::WrongToken, detail))
            }
        },
    }
}

/// The token of bearer credentials; the name of a scheme is read in any case (RFC 9110).
fn bearer(credentials: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = credentials.split_at_checked(b"Bearer ".len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"Bearer ");
    is_bearer.then(|| token.trim_ascii())
}

/// The same for what was open before there were tokens: it asks for one only where one is configured.
pub(in crate::http) fn check_if_configured(
    token: Option<&Secret>,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    token.map_or(Ok(()), |token| check(Some(token), headers))
}

/// In a time that tells nothing about either: digests have one length, and every byte of them is looked at.
fn equal(left: &[u8], right: &[u8]) -> bool {
    let pairs = Sha256::digest(left).into_iter().zip(Sha256::digest(right));
    pairs.fold(0_u8, |difference, (left, right)| {
        difference | (left ^ right)
    }) == 0
}
