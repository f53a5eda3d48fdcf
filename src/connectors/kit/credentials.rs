//! Who a connection is at its service: a token, or a user with a password. Both follow their references.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::compile::Compile;
use crate::live::LiveSecret;
use crate::secrets::Secret;

/// Keys of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(crate) struct CredentialSettings {
    /// Token that each request carries as `Authorization: Bearer`: a reference. In place of username and password.
    #[schemars(length(min = 1))]
    token: Option<String>,
    /// Name of the account; it may be a reference.
    #[schemars(length(min = 1))]
    username: Option<String>,
    /// Password of the account: a reference.
    #[schemars(length(min = 1))]
    password: Option<String>,
}

/// The account of a connection.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// No account, or headers of the connection that say it.
    None,
    Token(LiveSecret),
    Login(Login),
}

/// A user with a password.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    username: LiveSecret,
    password: LiveSecret,
}

impl Credentials {
    /// The header `Authorization` of now: Bearer or Basic.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        match self {
            Self::None => None,
            Self::Token(token) => bearer(token.current().expose()),
            Self::Login(login) => login.basic(),
        }
    }
}

impl Login {
    /// As JSON, and a number that changes with them.
    pub(crate) fn versioned(&self) -> ((u64, u64), Value) {
        let (first, username) = self.username.versioned();
        let (second, password) = self.password.versioned();
        let body = json!({ "username": username.expose(), "password": password.expose() });
        ((first, second), body)
    }

    fn basic(&self) -> Option<HeaderValue> {
        let (username, password) = (self.username.current(), self.password.current());
        let both = format!("{}:{}", username.expose(), password.expose());
        secret_header("Basic", &STANDARD.encode(both))
    }
}

/// `Authorization: Bearer`; `None` for what no header can hold.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    secret_header("Bearer", token)
}

fn secret_header(scheme: &str, value: &str) -> Option<HeaderValue> {
    // The form of a token was checked when it was read.
    let mut header = HeaderValue::from_str(&format!("{scheme} {value}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn token_form(value: &str) -> Option<String> {
    let fits = value.bytes().all(|byte| byte.is_ascii_graphic());
    (!fits).then(|| "has characters that no token has".to_owned())
}

impl Compile<'_> {
    /// The account of the settings; `None` with a problem recorded.
    pub(crate) fn credentials(&mut self, settings: &CredentialSettings) -> Option<Credentials> {
        let settings = (&settings.token, &settings.username, &settings.password);
        match settings {
            (None, None, None) => Some(Credentials::None),
            (Some(token), None, None) => {
                let token = self.secret_of_form("token", token, token_form)?;
                if let Some(problem) = token_form(token.current().expose()) {
                    self.problem("token", problem, "write the token alone, without `Bearer`");
                    return None;
                }
                Some(Credentials::Token(token))
            }
            (None, Some(username), Some(password)) => {
                let password = self.secret("password", password);
                let username = self.name("username", username);
                Some(Credentials::Login(Login {
                    username: username?,
                    password: password?,
                }))
            }
            (Some(_), _, _) => {
                let remedy = "write either token, or username and password";
                self.problem("token", "is beside a user name or password", remedy);
                None
            }
            (None, Some(_), None) => {
                self.problem("password", "is missing", "write the password of username");
                None
            }
            (None, None, Some(_)) => {
                self.problem("username", "is missing", "write the account of password");
                None
            }
        }
    }

    /// Text that is no secret, though it may come by reference: it is not masked.
    fn name(&mut self, key: &str, text: &str) -> Option<LiveSecret> {
        if !crate::secrets::is_reference(text) {
            return Some(LiveSecret::fixed(Secret::new(text)));
        }
        match crate::live::live(text, self.environment(), crate::live::any) {
            Ok(name) => Some(name),
            Err(error) => {
                self.problem(key, error.to_string(), error.remedy());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn credentials(token: &str, username: &str, password: &str) -> Result<Credentials, String> {
        let environment = BTreeMap::from([
            ("T".to_owned(), "token-1".to_owned()),
            ("BAD".to_owned(), "two words".to_owned()),
        ]);
        let mut compile = Compile::new(&environment);
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let settings = CredentialSettings {
            token: text(token),
            username: text(username),
            password: text(password),
        };
        let made = compile.credentials(&settings);
        let problem = compile.problems.pop();
        problem.map_or_else(
            || Ok(made.unwrap()),
            |problem| Err(format!("{} {}", problem.key.join("."), problem.problem)),
        )
    }

    #[test]
    fn an_account_is_a_token_or_a_user_with_a_password() {
        for (token, username, password, header) in [
            ("", "", "", None),
            ("env:T", "", "", Some("Bearer token-1")),
            ("", "ada", "env:T", Some("Basic YWRhOnRva2VuLTE=")),
            (
                "",
                "env:BAD",
                "env:T",
                Some("Basic dHdvIHdvcmRzOnRva2VuLTE="),
            ),
        ] {
            let made = credentials(token, username, password).unwrap().header();
            assert!(made.as_ref().is_none_or(HeaderValue::is_sensitive));
            let made = made.map(|made| made.to_str().unwrap().to_owned());
            assert_eq!(made.as_deref(), header);
        }
    }

    #[test]
    fn half_an_account_and_a_secret_in_the_clear_are_refused() {
        for (token, username, password, problem) in [
            (
                "env:T",
                "ada",
                "",
                "token is beside a user name or password",
            ),
            (
                "env:T",
                "",
                "env:T",
                "token is beside a user name or password",
            ),
            ("", "ada", "", "password is missing"),
            ("", "", "env:T", "username is missing"),
            ("abc", "", "", "token holds a secret in the clear"),
            ("", "ada", "abc", "password holds a secret in the clear"),
            ("env:BAD", "", "", "token has characters that no token has"),
        ] {
            let refused = credentials(token, username, password).unwrap_err();
            assert_eq!(refused, problem);
        }
    }
}
