//! Standard Webhooks signatures (<https://www.standardwebhooks.com>), symmetric `v1`.
//!
//! A secret is read as the scheme's own libraries read it, or refused: both sides have to sign with the same bytes.

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD as PLUS_AND_SLASH, URL_SAFE};
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::secrets::Secret;

/// Shortest secret the scheme allows, in bytes.
const KEY_BYTES_MIN: usize = 24;

/// Why a secret is refused. Nothing of the secret is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SecretForm {
    /// As some services show it, with the version of the signature before it.
    #[error("begins with the version `v1,`")]
    Version,
    /// Several, for a rotation.
    #[error("holds more than one secret")]
    Several,
    /// A key pair's.
    #[error("is a key of the asymmetric scheme")]
    Asymmetric,
    /// Libraries of the scheme take it for base64 all the same, so they would sign with other bytes than these.
    #[error("does not begin with `whsec_`")]
    NoPrefix,
    /// Neither alphabet, or both.
    #[error("is not base64 after `whsec_`")]
    NotBase64,
    /// Below [`KEY_BYTES_MIN`].
    #[error("has {0} bytes")]
    Short(usize),
}

impl SecretForm {
    /// What to do about it.
    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::Version => "remove `v1,`, so that it begins with `whsec_`",
            Self::Several => "write one; while it is rotated the receiver accepts both",
            Self::Asymmetric => "use a secret that begins with `whsec_`",
            Self::NoPrefix => {
                "write `whsec_` before it if it is base64, else `whsec_` and its base64 (printf %s SECRET | base64), on both sides"
            }
            Self::NotBase64 => {
                "copy it again, or make one: echo \"whsec_$(openssl rand -base64 32)\""
            }
            Self::Short(_) => "use 24 bytes or more: echo \"whsec_$(openssl rand -base64 32)\"",
        }
    }
}

/// Signs requests.
#[derive(Clone)]
pub(crate) struct Signer {
    mac: Hmac<Sha256>,
    /// Of a secret in the URL-safe alphabet, whose `-` and `_` some libraries leave out instead of reading them: what they
    /// sign with. A request then has both signatures, as the scheme allows, and the receiver accepts either.
    second: Option<Hmac<Sha256>>,
    is_url_safe: bool,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Signer(***)")
    }
}

impl Signer {
    /// From `whsec_` and base64: with or without padding, in the standard or the URL-safe alphabet.
    pub(crate) fn new(secret: &Secret) -> Result<Self, SecretForm> {
        let encoded = encoded(secret.expose())?;
        let is_url_safe = encoded.contains(['-', '_']);
        let alphabet = if is_url_safe {
            &URL_SAFE
        } else {
            &PLUS_AND_SLASH
        };
        let key = decode(encoded, alphabet).ok_or(SecretForm::NotBase64)?;
        let second = is_url_safe.then(|| encoded.replace(['-', '_'], ""));
        let second = second.and_then(|left| decode(&left, &PLUS_AND_SLASH));
        let long = |key: &Vec<u8>| key.len() >= KEY_BYTES_MIN;
        Ok(Self {
            mac: mac(&key)?,
            second: second.filter(long).map(|key| mac(&key)).transpose()?,
            is_url_safe,
        })
    }

    /// What a person should know of the secret: problem and remedy.
    pub(crate) fn doubt(&self) -> Option<(&'static str, &'static str)> {
        let doubtful = self.is_url_safe && self.second.is_none();
        doubtful.then_some((
            "is base64 of the URL-safe alphabet, which not every library can read (standardwebhooks of PyPI cannot)",
            "give receivers the same secret with `+` for `-` and `/` for `_`",
        ))
    }

    /// The value of `webhook-signature`: `v1,base64(HMAC-SHA256(key, "{id}.{timestamp}.{body}"))`, twice with a space
    /// between where there are two keys.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let sign = |mac: &Hmac<Sha256>| {
            let mut mac = mac.clone();
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body.as_bytes());
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        };
        let signatures: Vec<String> = std::iter::once(&self.mac)
            .chain(&self.second)
            .map(sign)
            .collect();
        signatures.join(" ")
    }
}

/// What follows `whsec_`.
fn encoded(secret: &str) -> Result<&str, SecretForm> {
    if secret.matches("whsec_").count() > 1 || secret.contains(char::is_whitespace) {
        return Err(SecretForm::Several);
    }
    if secret.starts_with("v1,") {
        return Err(SecretForm::Version);
    }
    if ["whsk_", "whpk_", "v1a,"]
        .iter()
        .any(|prefix| secret.starts_with(prefix))
    {
        return Err(SecretForm::Asymmetric);
    }
    secret.strip_prefix("whsec_").ok_or(SecretForm::NoPrefix)
}

/// Bits beyond the last whole byte do not count, and neither does padding: the scheme's libraries ignore both.
fn decode(encoded: &str, alphabet: &Alphabet) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone);
    let engine = GeneralPurpose::new(alphabet, config);
    engine.decode(encoded.trim_end_matches('=')).ok()
}

fn mac(key: &[u8]) -> Result<Hmac<Sha256>, SecretForm> {
    let short = SecretForm::Short(key.len());
    if key.len() < KEY_BYTES_MIN {
        return Err(short);
    }
    // HMAC takes keys of every length.
    Hmac::new_from_slice(key).map_err(|_| short)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::strategy::{Strategy as _, ValueTree as _};
    use proptest::test_runner::TestRunner;

    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIME: i64 = 1_614_265_330;
    const BODY: &str = r#"{"test": 2432232314}"#;

    fn signature(secret: &str) -> Result<String, SecretForm> {
        Ok(Signer::new(&Secret::new(secret))?.sign(ID, TIME, BODY))
    }

    #[test]
    fn the_example_of_the_specification_has_the_signature_of_the_specification() {
        // The test vector of the reference implementations.
        assert_eq!(
            signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").as_deref(),
            Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        );
    }

    #[test]
    fn padding_and_alphabet_make_no_difference() {
        let key: Vec<u8> = (0..32).map(|byte| byte * 8 + 7).collect();
        let standard = format!("whsec_{}", STANDARD.encode(&key));
        assert!(standard.ends_with('=') && standard.contains('/'));
        let expected = signature(&standard).unwrap();
        assert_eq!(signature(standard.trim_end_matches('=')).unwrap(), expected);
        for url_safe in [
            standard.replace('+', "-").replace('/', "_"),
            standard
                .trim_end_matches('=')
                .replace('+', "-")
                .replace('/', "_"),
        ] {
            let signatures = signature(&url_safe).unwrap();
            assert_eq!(signatures.split(' ').next().unwrap(), expected);
        }
        let signer =
            Signer::new(&Secret::new("whsec_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_")).unwrap();
        assert!(
            signer.doubt().is_some(),
            "PyPI's library would be left with nothing"
        );
        assert!(!signer.sign(ID, TIME, BODY).contains(' '));
    }

    #[test]
    fn a_secret_that_the_other_side_would_read_differently_is_refused_with_a_remedy() {
        let good = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let table = [
            (format!("v1,whsec_{good}"), SecretForm::Version),
            (format!("v1a,whpk_{good}"), SecretForm::Asymmetric),
            (format!("whsk_{good}"), SecretForm::Asymmetric),
            (format!("whsec_{good} whsec_{good}"), SecretForm::Several),
            (format!("whsec_{good},whsec_{good}"), SecretForm::Several),
            (
                format!("v1,whsec_{good} v1,whsec_{good}"),
                SecretForm::Several,
            ),
            (format!("whsec_{good}\nwhsec_{good}"), SecretForm::Several),
            (good.to_owned(), SecretForm::NoPrefix),
            (
                "a passphrase of more than twenty-four bytes".replace(' ', "-"),
                SecretForm::NoPrefix,
            ),
            (format!("WHSEC_{good}"), SecretForm::NoPrefix),
            ("whsec_!".to_owned(), SecretForm::NotBase64),
            (format!("whsec_{good}a"), SecretForm::NotBase64),
            (format!("whsec_{good}=aaa"), SecretForm::NotBase64),
            (format!("whsec_{good}+-aa"), SecretForm::NotBase64),
            (format!("whsec_{good}ä"), SecretForm::NotBase64),
            ("whsec_".to_owned(), SecretForm::Short(0)),
            (
                format!("whsec_{}", STANDARD.encode([1; 23])),
                SecretForm::Short(23),
            ),
        ];
        for (secret, form) in table {
            assert_eq!(signature(&secret), Err(form), "{secret}");
            assert!(!form.remedy().is_empty());
        }
        assert!(signature(&format!("whsec_{}", STANDARD.encode([1; 24]))).is_ok());
    }

    /// The receiver's side, `standardwebhooks` of `PyPI`: one line in for each secret, one line out with what it makes of it.
    const RECEIVER: &str = "
import datetime, json, sys
from standardwebhooks.webhooks import Webhook
for line in sys.stdin:
    case = json.loads(line)
    try:
        hook = Webhook(case['secret'])
        time = datetime.datetime.fromtimestamp(case['time'], datetime.timezone.utc)
        print(json.dumps(hook.sign(case['id'], time, case['body'])))
    except Exception as error:
        print('null')
";

    fn receivers(secrets: &[String], python: &str) -> Vec<Option<String>> {
        let mut child = Command::new(python)
            .args(["-c", RECEIVER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let case =
            |secret| serde_json::json!({"secret": secret, "id": ID, "time": TIME, "body": BODY});
        let lines: Vec<String> = secrets.iter().map(|one| case(one).to_string()).collect();
        let lines = lines.join("\n");
        let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Keys of every length, written in every way, and what people write by mistake.
    fn secrets() -> Vec<String> {
        let mut runner = TestRunner::deterministic();
        let key = proptest::collection::vec(proptest::num::u8::ANY, 20..70);
        let text = "(whsec_|v1,whsec_|)[A-Za-z0-9+/_=-]{20,60}";
        let mut secrets = vec!["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()];
        for _ in 0..300 {
            let key = STANDARD.encode(key.new_tree(&mut runner).unwrap().current());
            for one in [key.trim_end_matches('='), &key] {
                secrets.push(format!("whsec_{one}"));
                secrets.push(format!("whsec_{}", one.replace('+', "-").replace('/', "_")));
                secrets.push(one.to_owned());
            }
            secrets.push(text.new_tree(&mut runner).unwrap().current());
        }
        secrets
    }

    #[test]
    fn what_is_signed_here_is_what_the_library_of_pypi_signs_with_the_same_secret() {
        let Ok(python) = std::env::var("STANDARD_WEBHOOKS_PYTHON") else {
            let is_ci = std::env::var_os("CI").is_some();
            assert!(
                !is_ci,
                "STANDARD_WEBHOOKS_PYTHON is not set; use scripts/test"
            );
            eprintln!(
                "not run: standardwebhooks of PyPI (set STANDARD_WEBHOOKS_PYTHON or use scripts/test)"
            );
            return;
        };
        let secrets = secrets();
        let (mut compared, mut doubtful) = (0, 0);
        for (secret, theirs) in secrets.iter().zip(receivers(&secrets, &python)) {
            let Ok(signer) = Signer::new(&Secret::new(secret.as_str())) else {
                continue;
            };
            if signer.doubt().is_some() {
                doubtful += 1;
                continue;
            }
            let ours = signer.sign(ID, TIME, BODY);
            let theirs = theirs.unwrap_or_else(|| panic!("not read there: {secret}"));
            assert!(ours.split(' ').any(|one| one == theirs), "{secret}");
            compared += 1;
        }
        assert!(compared > 800 && doubtful < 400, "{compared} {doubtful}");
    }
}
