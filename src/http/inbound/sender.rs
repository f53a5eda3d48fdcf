//! Who may send payloads: anyone who reaches the API, or only those who show a token, and for `MLflow` those who sign.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use homeostat_logic::ledger::record::Millis;
use serde_json::json;
use sha2::Sha256;

use crate::http::describe::{Describe, Operation};
use crate::http::problem::{Kind, Problem};
use crate::http::token;
use crate::secrets::{InboundSecrets, Secret};

/// How far the time of a signed request may be from the clock, in seconds: what Standard Webhooks recommends.
const WINDOW_SECONDS: i64 = 5 * 60;
/// Signatures looked at; a sender that rotates its secret sends two.
const SIGNATURES_MAX: usize = 8;

const DELIVERY: &str = "x-mlflow-delivery-id";
const TIMESTAMP: &str = "x-mlflow-timestamp";
const SIGNATURE: &str = "x-mlflow-signature";

/// A sender that showed the token, where one is configured. An argument before the body, so that others are refused before
/// it is read.
pub(super) struct Known;

impl FromRequest for Known {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let secrets = request.app_data::<Data<InboundSecrets>>();
        let token = secrets.and_then(|secrets| secrets.token.as_ref());
        let checked = token.map_or(Ok(()), |token| check_token(token, request.headers()));
        ready(checked.map(|()| Self))
    }
}

impl Describe for Known {
    fn describe(operation: &mut Operation<'_>) {
        operation.security(json!([{"inboundToken": []}, {"inboundPassword": []}, {}]));
        operation.problem(Kind::UnknownSender);
    }
}

/// As `Authorization: Bearer TOKEN`, or as the password of Basic with any user: what webhooks of Alertmanager and Grafana
/// can send.
fn check_token(token: &Secret, headers: &HeaderMap) -> Result<(), Problem> {
    let unknown = |detail: &str| Err(Problem::new(Kind::UnknownSender, detail));
    let Some(credentials) = headers.get(AUTHORIZATION) else {
        return unknown(
            "this needs the token that inbound.token refers to: send it as `Authorization: Bearer TOKEN`, or as the password of Basic authentication",
        );
    };
    let credentials = credentials.as_bytes();
    let shown = token::of_scheme(credentials, "Bearer").map(<[u8]>::to_vec);
    let shown = shown.or_else(|| {
        let encoded = token::of_scheme(credentials, "Basic")?;
        let decoded = STANDARD.decode(encoded).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        decoded.get(colon + 1..).map(<[u8]>::to_vec)
    });
    match shown {
        Some(shown) if token::equal(&shown, token.expose().as_bytes()) => Ok(()),
        Some(_) => unknown("the token of the request is not the one that inbound.token refers to"),
        None => unknown("the request authorizes itself neither by Bearer nor by Basic"),
    }
}

/// Lets a body pass that one of these secrets signed: `v1,base64(HMAC-SHA256(secret, "{id}.{timestamp}.{body}"))`, as
/// MLflow does it.
pub(super) fn check_signature(
    secrets: &[Secret],
    headers: &HeaderMap,
    body: &[u8],
    now: Millis,
) -> Result<(), Problem> {
    if secrets.is_empty() {
        let detail = "no secret of MLflow's webhooks is configured, so none is accepted; set inbound.mlflow_secret to env:NAME or file:PATH, give the webhook the same secret, and restart";
        return Err(Problem::new(Kind::NoInboundSecret, detail));
    }
    let header = |name: &'static str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.ok_or_else(|| {
            let detail = format!(
                "the header {name} is missing; create the webhook with a secret, so that MLflow signs"
            );
            Problem::new(Kind::UnknownSender, detail)
        })
    };
    let (id, timestamp, signatures) = (header(DELIVERY)?, header(TIMESTAMP)?, header(SIGNATURE)?);
    let unknown = |detail: String| Err(Problem::new(Kind::UnknownSender, detail));
    let Ok(seconds) = timestamp.parse::<i64>() else {
        return unknown(format!("the header {TIMESTAMP} is no number of seconds"));
    };
    let away = now
        .div_euclid(1_000)
        .saturating_sub(seconds)
        .saturating_abs();
    if away > WINDOW_SECONDS {
        return unknown(format!(
            "the request was signed {away} s from now; at most {WINDOW_SECONDS} s are accepted: check both clocks"
        ));
    }
    let signed = |secret: &Secret, signature: &[u8]| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
            return false;
        };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        // In a time that does not depend on where they differ.
        mac.verify_slice(signature).is_ok()
    };
    let signatures = signatures.split_whitespace().take(SIGNATURES_MAX);
    let signatures = signatures.filter_map(|one| one.strip_prefix("v1,"));
    let mut signatures = signatures.filter_map(|one| STANDARD.decode(one).ok());
    if signatures.any(|signature| secrets.iter().any(|secret| signed(secret, &signature))) {
        return Ok(());
    }
    unknown(
        "the signature is of another secret: give the webhook the secret that inbound.mlflow_secret refers to"
            .to_owned(),
    )
}
