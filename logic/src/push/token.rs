//! Tokens with which users read what is theirs: JSON Web Tokens (RFC 7519) signed by HMAC-SHA256 (`HS256`, RFC 7515).
//!
//! `sub` is the user's id, `exp` is mandatory and at most 24 hours ahead, `nbf` is kept; other claims are not looked at. No other
//! algorithm is accepted, so a token cannot choose how it is checked. The signature is compared in constant time by the `hmac`
//! crate. `hmac`, `sha2` and `base64` are dependencies already; a JWT library would add asymmetric algorithms and what they
//! depend on, and would still need the claims judged as here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;

use super::update::user_id;
use crate::ledger::record::Millis;
use crate::recommend::id_text;

/// Longest life of a token.
pub const LIFE_MAX: Millis = 24 * 60 * 60 * 1_000;
/// Shortest secret in bytes: as long as the hash (RFC 7518 §3.2).
pub const SECRET_BYTES_MIN: usize = 32;
/// Longest token that is looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 4_096;
/// Clocks of two machines may differ by this.
const SKEW: Millis = 5_000;
/// Times beyond the year 9999 are no times.
const SECONDS_MAX: f64 = 253_402_300_800.0;

/// What a token that is in order says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whose it is.
    pub user: String,
    /// When it ends.
    pub expires: Millis,
}

/// Why a token is refused. Nothing of the token or the secret is in it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr, strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Refusal {
    /// None was sent.
    #[error("the request has no token")]
    Missing,
    /// Not three parts of base64url and JSON.
    #[error("it is not a JSON Web Token")]
    Malformed,
    /// `alg` is another one, or `none`.
    #[error("its header does not say `\"alg\": \"HS256\"`, the only algorithm that is accepted")]
    Algorithm,
    /// Another secret, or changed on the way.
    #[error("its signature is wrong: it was signed with another secret, or changed")]
    Signature,
    /// No `sub` that is an id.
    #[error("its claim `sub` is not a user id")]
    NoUser,
    /// No `exp` that is a time.
    #[error("its claim `exp` is not a time in seconds since 1970; a token has to end")]
    NoExpiry,
    /// `exp` is too far ahead.
    #[error("its claim `exp` is more than 24 hours ahead")]
    TooLong,
    /// `exp` is over.
    #[error("it has expired")]
    Expired,
    /// `nbf` is ahead, or no time.
    #[error("it is not valid yet (`nbf`)")]
    TooEarly,
    /// It is another user's.
    #[error("it is the token of another user")]
    OtherUser,
}

#[derive(Deserialize)]
struct Header {
    alg: Value,
    /// Extensions that must be understood; none is.
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Payload {
    sub: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
}

/// Checks a token.
///
/// # Errors
/// Why it is refused. The signature is checked before any claim.
pub fn verify(secret: &[u8], token: &str, now: Millis) -> Result<Claims, Refusal> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Refusal::Malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(Refusal::Malformed)?;
    let header: Header = decode(header)?;
    if header.alg != "HS256" || header.crit.is_some() {
        return Err(Refusal::Algorithm);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature);
    let signature = signature.map_err(|_| Refusal::Malformed)?;
    let mac = mac(secret, signed).ok_or(Refusal::Signature)?;
    mac.verify_slice(&signature)
        .map_err(|_| Refusal::Signature)?;
    judge(decode(payload)?, now)
}

/// Checks a token that must be of this user.
///
/// # Errors
/// As [`verify`], and [`Refusal::OtherUser`].
pub fn verify_of(secret: &[u8], token: &str, user: &str, now: Millis) -> Result<Claims, Refusal> {
    let claims = verify(secret, token, now)?;
    (claims.user == user)
        .then_some(claims)
        .ok_or(Refusal::OtherUser)
}

/// A token of this user from now on for `life` milliseconds, at most [`LIFE_MAX`].
pub fn sign(secret: &[u8], user: &str, now: Millis, life: Millis) -> String {
    let issued = now.div_euclid(1_000);
    let expires = (now + life.clamp(1_000, LIFE_MAX)).div_euclid(1_000);
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let payload = json!({"sub": user, "iat": issued, "exp": expires});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&payload));
    // HMAC takes keys of any length.
    let signature = mac(secret, &signed).map(|mac| mac.finalize().into_bytes());
    let signature = signature.map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    format!("{signed}.{}", signature.unwrap_or_default())
}

fn mac(secret: &[u8], signed: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(signed.as_bytes());
    Some(mac)
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, Refusal> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Refusal::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Refusal::Malformed)
}

fn judge(payload: Payload, now: Millis) -> Result<Claims, Refusal> {
    let user = payload.sub.as_ref().and_then(id_text);
    let user = user.ok_or(Refusal::NoUser)?;
    let user = user_id(&user).map_err(|_| Refusal::NoUser)?.to_owned();
    let expires = payload.exp.as_ref().and_then(millis);
    let expires = expires.ok_or(Refusal::NoExpiry)?;
    if expires <= now {
        return Err(Refusal::Expired);
    }
    if expires > now + LIFE_MAX + SKEW {
        return Err(Refusal::TooLong);
    }
    if let Some(begin) = payload.nbf
        && millis(&begin).is_none_or(|begin| begin > now + SKEW)
    {
        return Err(Refusal::TooEarly);
    }
    Ok(Claims { user, expires })
}

/// A `NumericDate`: seconds since 1970, with or without a fraction.
fn millis(value: &Value) -> Option<Millis> {
    let seconds = value.as_f64()?;
    if !(0.0..SECONDS_MAX).contains(&seconds) {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, reason = "bounded by SECONDS_MAX")]
    let millis = (seconds * 1_000.0) as Millis;
    Some(millis)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const NOW: Millis = 1_767_225_600_000;
    const SECONDS: i64 = NOW / 1_000;

    fn token(header: &Value, payload: &Value, secret: &[u8]) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(payload));
        let signature = mac(secret, &signed).unwrap().finalize().into_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn of(payload: &Value) -> Result<Claims, Refusal> {
        let token = token(&json!({"alg": "HS256"}), payload, SECRET);
        verify(SECRET, &token, NOW)
    }

    /// Made by Python's `hmac` and `base64`.
    #[test]
    fn a_token_of_another_library_is_accepted() {
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI3IiwiZXhwIjoxNzY3MjI5MjAwfQ.sPcFoue4Vz6KAItGgwHqd31M3xU2QQGZj6uWtaQcXko";
        let claims = verify_of(SECRET, token, "7", NOW).unwrap();
        assert_eq!(claims.expires, NOW + 3_600_000);
    }

    /// RFC 7515, appendix A.1: the signature of its example.
    #[test]
    fn the_example_of_the_rfc_has_the_signature_of_the_rfc() {
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let key = URL_SAFE_NO_PAD.decode(key).unwrap();
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        // Past the signature: only its claims are not what is needed here.
        assert_eq!(verify(&key, token, NOW), Err(Refusal::NoUser));
        assert_eq!(verify(SECRET, token, NOW), Err(Refusal::Signature));
    }

    #[test]
    fn claims_are_judged_at_each_boundary() {
        for (payload, expected) in [
            (json!({"sub": "7", "exp": SECONDS + 1}), Ok("7")),
            (json!({"sub": 7, "exp": SECONDS + 1}), Ok("7")),
            (json!({"sub": "7", "exp": 1_767_225_600.5}), Ok("7")),
            (json!({"sub": "7", "exp": SECONDS}), Err(Refusal::Expired)),
            (json!({"sub": "7", "exp": 0}), Err(Refusal::Expired)),
            (json!({"sub": "7", "exp": SECONDS + 86_405}), Ok("7")),
            (
                json!({"sub": "7", "exp": SECONDS + 86_406}),
                Err(Refusal::TooLong),
            ),
            (json!({"sub": "7", "exp": 1e300}), Err(Refusal::NoExpiry)),
            (json!({"sub": "7", "exp": -1}), Err(Refusal::NoExpiry)),
            (json!({"sub": "7", "exp": "soon"}), Err(Refusal::NoExpiry)),
            (json!({"sub": "7"}), Err(Refusal::NoExpiry)),
            (
                json!({"sub": "7", "exp": SECONDS + 9, "nbf": SECONDS + 5}),
                Ok("7"),
            ),
            (
                json!({"sub": "7", "exp": SECONDS + 9, "nbf": SECONDS + 6}),
                Err(Refusal::TooEarly),
            ),
            (
                json!({"sub": "7", "exp": SECONDS + 9, "nbf": "x"}),
                Err(Refusal::TooEarly),
            ),
            (json!({"exp": SECONDS + 9}), Err(Refusal::NoUser)),
            (json!({"sub": "", "exp": SECONDS + 9}), Err(Refusal::NoUser)),
            (
                json!({"sub": [7], "exp": SECONDS + 9}),
                Err(Refusal::NoUser),
            ),
            (json!([]), Err(Refusal::Malformed)),
            (json!("7"), Err(Refusal::Malformed)),
        ] {
            let found = of(&payload).map(|claims| claims.user);
            assert_eq!(found, expected.map(str::to_owned), "{payload}");
        }
    }

    #[test]
    fn no_header_but_that_of_the_one_algorithm_is_accepted() {
        let payload = json!({"sub": "7", "exp": SECONDS + 9});
        for header in [
            json!({"alg": "none"}),
            json!({"alg": "None"}),
            json!({"alg": "hs256"}),
            json!({"alg": "HS512"}),
            json!({"alg": "RS256"}),
            json!({"alg": ["HS256"]}),
            json!({"alg": "HS256", "crit": ["exp"]}),
        ] {
            let signed = token(&header, &payload, SECRET);
            assert_eq!(verify(SECRET, &signed, NOW), Err(Refusal::Algorithm));
            let (unsigned, _) = signed.rsplit_once('.').unwrap();
            let unsigned = format!("{unsigned}.");
            assert_eq!(verify(SECRET, &unsigned, NOW), Err(Refusal::Algorithm));
        }
    }

    #[test]
    fn what_is_changed_or_no_token_is_refused() {
        let good = sign(SECRET, "7", NOW, 60_000);
        assert!(verify_of(SECRET, &good, "7", NOW).is_ok());
        assert_eq!(verify_of(SECRET, &good, "8", NOW), Err(Refusal::OtherUser));
        assert_eq!(verify(b"another", &good, NOW), Err(Refusal::Signature));
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let (header, _) = signed.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode(json!({"sub": "8", "exp": SECONDS + 60}).to_string());
        for (token, expected) in [
            (format!("{header}.{other}.{signature}"), Refusal::Signature),
            (format!("{signed}."), Refusal::Signature),
            (format!("{signed}.AAAA"), Refusal::Signature),
            (format!("{good}="), Refusal::Malformed),
            (format!("{good}.x"), Refusal::Malformed),
            (format!(" {good}"), Refusal::Malformed),
            (signed.to_owned(), Refusal::Malformed),
            (String::new(), Refusal::Malformed),
            ("..".to_owned(), Refusal::Malformed),
            ("a.b.c".to_owned(), Refusal::Malformed),
            ("x".repeat(TOKEN_BYTES_MAX + 1), Refusal::Malformed),
        ] {
            assert_eq!(verify(SECRET, &token, NOW), Err(expected), "{token:.60}");
        }
    }

    #[test]
    fn a_signed_token_lives_as_long_as_asked_and_a_day_at_most() {
        for (life, lives) in [(0, 1_000), (60_000, 60_000), (LIFE_MAX * 2, LIFE_MAX)] {
            let token = sign(SECRET, "ü/7", NOW, life);
            let claims = verify_of(SECRET, &token, "ü/7", NOW).unwrap();
            assert_eq!(claims.expires, NOW + lives);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_is_accepted(text in "[A-Za-z0-9_.-]{0,60}|\\PC{0,40}") {
            prop_assert!(verify(SECRET, &text, NOW).is_err());
        }

        #[test]
        fn a_token_with_any_byte_changed_is_refused(place in 0_usize..150, by in 1_u8..=255) {
            let good = sign(SECRET, "seven", NOW, 60_000);
            let mut bytes = good.into_bytes();
            let place = place % bytes.len();
            bytes[place] = bytes[place].wrapping_add(by);
            if let Ok(changed) = String::from_utf8(bytes) {
                prop_assert!(verify(SECRET, &changed, NOW).is_err());
            }
        }
    }
}
