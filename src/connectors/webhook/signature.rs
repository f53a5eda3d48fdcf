//! Standard Webhooks signatures (<https://www.standardwebhooks.com>), symmetric `v1`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::configuration::Secret;

/// Shortest secret the scheme allows, in bytes.
const KEY_BYTES_MIN: usize = 24;

/// Signs requests.
#[derive(Clone)]
pub(super) struct Signer {
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Signer(***)")
    }
}

impl Signer {
    /// A secret after `whsec_` is base64, as the scheme writes it; any other is taken byte for byte. What is wrong with it
    /// comes back in words.
    pub(super) fn new(secret: &Secret) -> Result<Self, String> {
        let key = match secret.expose().strip_prefix("whsec_") {
            Some(encoded) => STANDARD
                .decode(encoded.trim())
                .map_err(|_| "is not base64 after `whsec_`".to_owned())?,
            None => secret.expose().as_bytes().to_vec(),
        };
        if key.len() < KEY_BYTES_MIN {
            return Err(format!("has {} bytes", key.len()));
        }
        let mac = Hmac::new_from_slice(&key).map_err(|error| error.to_string())?;
        Ok(Self { mac })
    }

    /// The value of `webhook-signature`: `v1,base64(HMAC-SHA256(key, "{id}.{timestamp}.{body}"))`.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let mut mac = self.mac.clone();
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_has_the_signature_of_the_specification() {
        // The test vector of the reference implementations.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = Signer::new(&secret).unwrap().sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn short_and_garbled_secrets_are_refused() {
        assert!(Signer::new(&Secret::new("x".repeat(23))).is_err());
        assert!(Signer::new(&Secret::new("x".repeat(24))).is_ok());
        assert!(Signer::new(&Secret::new("whsec_!")).is_err());
    }
}
