//! How Airflow is asked: which of its two APIs it has, as whom, and what its errors mean. Version and token are found once and kept;
//! both are found again when Airflow no longer takes them.

use homeostat_actors::ports::connector::Answer;
use parking_lot::Mutex;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

use crate::connectors::kit::credentials::bearer;
use crate::connectors::kit::exchange::{failed, not_sent};
use crate::connectors::kit::{Call, Credentials, Reply, Talk, refused};

/// Major version, each with an API of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Two,
    Three,
}

impl Version {
    /// Path of its API.
    pub(super) const fn api(self) -> &'static str {
        match self {
            Self::Two => "api/v1",
            Self::Three => "api/v2",
        }
    }
}

/// The way into one Airflow.
#[derive(Debug)]
pub(super) struct Access {
    credentials: Credentials,
    /// As the configuration says; `None` = it is asked for.
    configured: Option<Version>,
    found: Mutex<Option<Version>>,
    /// Held while one order logs in, so that the others wait for its token.
    token: tokio::sync::Mutex<Option<Token>>,
}

/// A token of a login.
#[derive(Debug)]
struct Token {
    header: HeaderValue,
    /// Of user name and password.
    made_of: (u64, u64),
}

/// What Airflow says about itself.
#[derive(Deserialize)]
pub(super) struct Said {
    pub(super) version: String,
}

#[derive(Deserialize)]
struct LoggedIn {
    access_token: String,
}

/// Whether a request only asks.
#[derive(Clone, Copy)]
enum Kind {
    Question,
    Change,
}

impl Access {
    pub(super) fn new(credentials: Credentials, configured: Option<Version>) -> Self {
        Self {
            credentials,
            configured,
            found: Mutex::new(None),
            token: tokio::sync::Mutex::new(None),
        }
    }

    /// The version, asked for at the first use.
    pub(super) async fn version(&self, talk: &Talk<'_>) -> Result<Version, Answer> {
        let known = self.configured.or_else(|| *self.found.lock());
        match known {
            Some(version) => Ok(version),
            None => self.look(talk).await,
        }
    }

    /// Whether Airflow has another version than was believed, after it did not know a path.
    pub(super) async fn changed(&self, talk: &Talk<'_>, believed: Version) -> Result<bool, Answer> {
        Ok(self.configured.is_none() && self.look(talk).await? != believed)
    }

    async fn look(&self, talk: &Talk<'_>) -> Result<Version, Answer> {
        let mut last = String::new();
        for version in [Version::Three, Version::Two] {
            let reply = self.said(talk, version).await?;
            if reply.is_success() && reply.json::<Said>().is_ok() {
                *self.found.lock() = Some(version);
                return Ok(version);
            }
            // Only an answer that says "no such page", in whatever form, leads on to the other one.
            if !reply.is_success() && !matches!(reply.status, 404 | 405 | 410) {
                return Err(explained(reply, version).not_begun());
            }
            last = reply.detail;
        }
        Err(not_sent(format!(
            "neither API of Airflow is there (api/v2/version, api/v1/version); check the connection's url: {last}"
        )))
    }

    /// Asks for the version, which takes no account. A gateway in front of Airflow may want the token all the same.
    pub(super) async fn said(&self, talk: &Talk<'_>, version: Version) -> Result<Reply, Answer> {
        let call = Call::get(format!("{}/version", version.api()));
        talk.ask(signed(call, self.fixed(version))).await
    }

    /// Credentials that no login is needed for.
    fn fixed(&self, version: Version) -> Option<HeaderValue> {
        match (&self.credentials, version) {
            (Credentials::Login(_), Version::Three) => None,
            (credentials, _) => credentials.header(),
        }
    }

    /// Asks something.
    pub(super) async fn ask(
        &self,
        talk: &Talk<'_>,
        version: Version,
        call: Call,
    ) -> Result<Reply, Answer> {
        self.exchange(talk, version, call, Kind::Question).await
    }

    /// Asks for a change.
    pub(super) async fn change(
        &self,
        talk: &Talk<'_>,
        version: Version,
        call: Call,
    ) -> Result<Reply, Answer> {
        self.exchange(talk, version, call, Kind::Change).await
    }

    async fn exchange(
        &self,
        talk: &Talk<'_>,
        version: Version,
        call: Call,
        kind: Kind,
    ) -> Result<Reply, Answer> {
        let used = self.authorization(talk, version, None).await?;
        let reply = once(talk, signed(call.clone(), used.clone()), kind).await?;
        if !is_unknown_account(&reply, version) {
            return Ok(explained(reply, version));
        }
        // Refused, so that nothing was done: it may be asked again, as somebody that Airflow knows.
        let renewed = self.authorization(talk, version, used.as_ref()).await?;
        if renewed == used {
            return Ok(explained(reply, version));
        }
        Ok(explained(
            once(talk, signed(call, renewed), kind).await?,
            version,
        ))
    }

    /// The header to send; `refused` is one that Airflow did not take.
    async fn authorization(
        &self,
        talk: &Talk<'_>,
        version: Version,
        refused: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, Answer> {
        let Credentials::Login(login) = &self.credentials else {
            return Ok(self.credentials.header());
        };
        if version == Version::Two {
            return Ok(self.credentials.header());
        }
        let until = talk.until();
        let token = tokio::time::timeout_at(until, self.token.lock()).await;
        let mut token = token.map_err(|_| {
            not_sent("another order logs in at Airflow, and gets no answer".to_owned())
        })?;
        let (made_of, body) = login.versioned();
        let kept = token.as_ref().filter(|token| token.made_of == made_of);
        if let Some(kept) = kept.filter(|kept| refused != Some(&kept.header)) {
            return Ok(Some(kept.header.clone()));
        }
        *token = None;
        let header = log_in(talk, &body).await?;
        *token = Some(Token {
            header: header.clone(),
            made_of,
        });
        Ok(Some(header))
    }
}

async fn once(talk: &Talk<'_>, call: Call, kind: Kind) -> Result<Reply, Answer> {
    match kind {
        Kind::Question => talk.ask(call).await,
        Kind::Change => talk.change(call).await,
    }
}

fn signed(call: Call, header: Option<HeaderValue>) -> Call {
    match header {
        Some(header) => call.header(AUTHORIZATION, header),
        None => call,
    }
}

async fn log_in(talk: &Talk<'_>, body: &Value) -> Result<HeaderValue, Answer> {
    let reply = talk
        .ask(Call::json(Method::POST, "auth/token", body))
        .await?;
    match reply.status {
        200..=299 => {
            // The answer is not repeated in words: it may hold a token where none is looked for.
            let token = reply
                .json::<LoggedIn>()
                .ok()
                .and_then(|said| bearer(&said.access_token));
            token.ok_or_else(|| {
                not_sent(format!(
                    "the login at Airflow (POST auth/token) answered {} without an access_token",
                    reply.status
                ))
            })
        }
        401 => Err(failed(
            reply
                .with_remedy("Airflow does not accept username and password of the connection")
                .detail,
        )),
        404 | 405 => Err(refused(
            reply
                .with_remedy("this Airflow has no login by password: write a token")
                .detail,
        )),
        _ => Err(reply.not_begun()),
    }
}

/// Whether Airflow does not know (any more) who asks. Airflow 3 answers 401 to an old token and 403 to one with another key.
fn is_unknown_account(reply: &Reply, version: Version) -> bool {
    match (reply.status, version) {
        (401, _) | (403, Version::Two) => true,
        (403, Version::Three) => reply.detail.contains("JWT"),
        _ => false,
    }
}

/// With what to do about an answer that says nothing about a DAG.
fn explained(reply: Reply, version: Version) -> Reply {
    let is_refused_key =
        reply.status == 403 && version == Version::Three && reply.detail.contains("JWT");
    if reply.status == 401 || is_refused_key {
        let remedy = "Airflow does not know the account: check token, or username and password, of the connection";
        return reply.with_remedy(remedy).of_unknown_account();
    }
    let remedy = match (reply.status, version) {
        (403, Version::Three) => {
            "check that the role of the account may read DAGs and create runs (Op has these rights)"
        }
        (403, Version::Two) => {
            "check username and password, the backend of [api] auth_backends, and that the role of the account may read DAGs and create runs (Op has these rights)"
        }
        (300..=399, _) => {
            "check the connection's url: Airflow's API does not redirect, a login in front of it does"
        }
        _ => return reply,
    };
    let reply = reply.with_remedy(remedy);
    // Airflow 2 says the same of a wrong password and of a missing right.
    if (reply.status, version) == (403, Version::Two) {
        reply.of_unknown_account()
    } else {
        reply
    }
}
