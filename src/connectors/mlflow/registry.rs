//! The calls of MLflow's model registry that a rollback needs, and what their answers mean (MLflow 3.17; `/api/2.0/mlflow`).

use std::collections::BTreeMap;

use homeostat_actors::ports::connector::Answer;
use homeostat_logic::ledger::record::FinishOutcome;
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::connectors::kit::exchange::segment;
use crate::connectors::kit::{Call, Credentials, Reply, Talk, refused};

/// Versions asked for at once, and how often: beyond that a model has no version to be found.
const PAGE: usize = 200;
const PAGES_MAX: usize = 20;

/// A registry that is asked for one order.
pub(super) struct Registry<'a> {
    pub(super) talk: Talk<'a>,
    pub(super) credentials: &'a Credentials,
}

/// A version of a model.
#[derive(Clone, Debug, Deserialize)]
#[allow(clippy::struct_field_names, reason = "the registry's own names")]
pub(super) struct Version {
    pub(super) version: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Clone, Debug, Deserialize)]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

impl Version {
    pub(super) fn tag(&self, key: &str) -> Option<&str> {
        value_of(&self.tags, key)
    }

    pub(super) fn number(&self) -> Option<u64> {
        self.version.parse().ok()
    }

    /// Why it cannot be loaded, if it cannot.
    pub(super) fn unfit(&self) -> Option<String> {
        let is_ready = matches!(&*self.status, "READY" | "");
        (!is_ready).then(|| format!("its status is {}", self.status))
    }
}

fn value_of<'a>(tags: &'a [Tag], key: &str) -> Option<&'a str> {
    let tag = tags.iter().find(|tag| tag.key == key)?;
    Some(&tag.value)
}

#[derive(Deserialize)]
struct OneVersion {
    model_version: Version,
}

#[derive(Deserialize)]
struct Versions {
    #[serde(default)]
    model_versions: Vec<Version>,
    #[serde(default)]
    next_page_token: String,
}

#[derive(Deserialize)]
struct OneModel {
    registered_model: Model,
}

/// A registered model.
#[derive(Deserialize)]
pub(super) struct Model {
    #[serde(default)]
    tags: Vec<Tag>,
}

impl Model {
    pub(super) fn tag(&self, key: &str) -> Option<&str> {
        value_of(&self.tags, key)
    }
}

/// An error in MLflow's own form.
#[derive(Deserialize)]
struct Problem {
    error_code: String,
}

/// What an alias leads to.
pub(super) enum Aliased {
    Version(Version),
    /// The model has no such alias. The answer in words.
    NoAlias(String),
}

/// The tag by which a version is known as stable.
pub(super) struct StableTag<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a str,
}

impl Registry<'_> {
    async fn ask(&self, call: Call) -> Result<Reply, Answer> {
        self.talk.ask(self.signed(call)).await.map(explained)
    }

    fn signed(&self, call: Call) -> Call {
        match self.credentials.header() {
            Some(value) => call.header(AUTHORIZATION, value),
            None => call,
        }
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Answer> {
        let reply = self.ask(Call::get(path)).await?;
        answered(reply)
    }

    /// The version of the server, as it says it.
    pub(super) async fn server(&self) -> Result<Reply, Answer> {
        self.ask(Call::get("version")).await
    }

    pub(super) async fn model(&self, name: &str) -> Result<Model, Answer> {
        let path = api("registered-models/get", &[("name", name)]);
        let found: OneModel = self.read(&path).await?;
        Ok(found.registered_model)
    }

    pub(super) async fn alias(&self, name: &str, alias: &str) -> Result<Aliased, Answer> {
        let path = api(
            "registered-models/alias",
            &[("name", name), ("alias", alias)],
        );
        let reply = self.ask(Call::get(path)).await?;
        // Not a 404, as that of a model is.
        if reply.status == 400 && code(&reply).as_deref() == Some("INVALID_PARAMETER_VALUE") {
            return Ok(Aliased::NoAlias(reply.detail));
        }
        let found: OneVersion = answered(reply)?;
        Ok(Aliased::Version(found.model_version))
    }

    /// `None` = there is no such version, or it was deleted.
    pub(super) async fn version(
        &self,
        name: &str,
        version: &str,
    ) -> Result<Option<Version>, Answer> {
        let path = api(
            "model-versions/get",
            &[("name", name), ("version", version)],
        );
        let reply = self.ask(Call::get(path)).await?;
        if reply.status == 404 && code(&reply).as_deref() == Some("RESOURCE_DOES_NOT_EXIST") {
            return Ok(None);
        }
        let found: OneVersion = answered(reply)?;
        Ok(Some(found.model_version))
    }

    /// The newest version below `below` that has the tag and can be loaded.
    pub(super) async fn newest_stable(
        &self,
        name: &str,
        below: u64,
        tag: &StableTag<'_>,
    ) -> Result<Option<Version>, Answer> {
        let filter = filter(name, below, tag).map_err(refused)?;
        let mut token = String::new();
        for _ in 0..PAGES_MAX {
            let size = PAGE.to_string();
            let query = [
                ("filter", &*filter),
                ("order_by", "version_number DESC"),
                ("max_results", &*size),
                ("page_token", &*token),
            ];
            let query = query.iter().filter(|(_, value)| !value.is_empty());
            let query: Vec<_> = query.copied().collect();
            let page: Versions = self.read(&api("model-versions/search", &query)).await?;
            let fits = |version: &Version| {
                version.number().is_some_and(|number| number < below) && version.unfit().is_none()
            };
            // Newest first by request; the order of an answer is not relied on within a page.
            let fitting = page.model_versions.into_iter().filter(fits);
            if let Some(newest) = fitting.max_by_key(Version::number) {
                return Ok(Some(newest));
            }
            token = page.next_page_token;
            if token.is_empty() {
                return Ok(None);
            }
        }
        Err(refused(format!(
            "the {} newest versions of {name} with the tag {} = {} are none to go back to, and no more are read; name one in the event's to_version",
            PAGE * PAGES_MAX,
            tag.key,
            tag.value
        )))
    }

    /// Moves an alias: the one change of a rollback.
    pub(super) async fn move_alias(
        &self,
        name: &str,
        alias: &str,
        to: &str,
    ) -> Result<Reply, Answer> {
        let body = json!({ "name": name, "alias": alias, "version": to });
        self.post("registered-models/alias", &body).await
    }

    pub(super) async fn tag_version(
        &self,
        name: &str,
        version: &str,
        key: &str,
        value: &str,
    ) -> Result<Reply, Answer> {
        let body = json!({ "name": name, "version": version, "key": key, "value": value });
        self.post("model-versions/set-tag", &body).await
    }

    pub(super) async fn tag_model(
        &self,
        name: &str,
        key: &str,
        value: &str,
    ) -> Result<Reply, Answer> {
        let body = json!({ "name": name, "key": key, "value": value });
        self.post("registered-models/set-tag", &body).await
    }

    async fn post(&self, method: &str, body: &Value) -> Result<Reply, Answer> {
        let call = Call::json(Method::POST, api(method, &[]), body);
        self.talk.change(self.signed(call)).await.map(explained)
    }
}

/// Reads a 2xx; anything else is the answer of the order, which did not begin.
fn answered<T: DeserializeOwned>(reply: Reply) -> Result<T, Answer> {
    if !reply.is_success() {
        return Err(reply.not_begun());
    }
    reply.json().map_err(|problem| {
        let problem = format!("{problem}; check that the connection's url is that of MLflow");
        reply.answer(FinishOutcome::NotSent, false).with(problem)
    })
}

trait With {
    fn with(self, detail: String) -> Self;
}

impl With for Answer {
    fn with(mut self, detail: String) -> Self {
        self.detail = detail;
        self
    }
}

fn code(reply: &Reply) -> Option<String> {
    let problem: Problem = reply.json().ok()?;
    Some(problem.error_code)
}

/// With what to do about an answer that the names of things do not explain.
pub(super) fn explained(reply: Reply) -> Reply {
    let remedy = match reply.status {
        // MLflow's guard of its pages, in front of accounts and rights.
        403 if reply.detail.contains("Invalid Host header") => {
            "MLflow does not know the host of the connection's url: start it with --allowed-hosts HOST (or MLFLOW_SERVER_ALLOWED_HOSTS), with the host and port of that url"
        }
        403 => "give the account of the connection the permission EDIT on the model",
        401 => {
            let remedy = "check username and password, or token, of the connection";
            return reply.with_remedy(remedy).of_unknown_account();
        }
        404 if code(&reply).is_none() => {
            "check that the connection's url is that of MLflow, without /api"
        }
        300..=399 => {
            "check the connection's url: MLflow itself does not redirect, a login in front of it does"
        }
        _ => return reply,
    };
    reply.with_remedy(remedy)
}

fn api(method: &str, query: &[(&str, &str)]) -> String {
    let mut path = format!("api/2.0/mlflow/{method}");
    for (place, (name, value)) in query.iter().enumerate() {
        path.push(if place == 0 { '?' } else { '&' });
        path.push_str(name);
        path.push('=');
        path.push_str(&segment(value));
    }
    path
}

/// A filter in MLflow's language, in which text has no escapes.
fn filter(name: &str, below: u64, tag: &StableTag<'_>) -> Result<String, String> {
    let quoted = |text: &str| match (text.contains('\''), text.contains('"')) {
        (false, _) => Ok(format!("'{text}'")),
        (true, false) => Ok(format!("\"{text}\"")),
        (true, true) => Err(format!(
            "MLflow cannot search for {text}, which has quotes of both kinds"
        )),
    };
    let (name, value) = (quoted(name)?, quoted(tag.value)?);
    Ok(format!(
        "name={name} and tags.`{}`={value} and version_number < {below}",
        tag.key
    ))
}

/// Tags that could not be written.
pub(super) struct Missing {
    /// Which, and why.
    which: String,
    /// Another try may write them.
    pub(super) may_mend: bool,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "these tags were not written: {}", self.which)
    }
}

/// What could not be written of some tags; `None` = all are written.
pub(super) fn missing(written: BTreeMap<&str, Result<Reply, Answer>>) -> Option<Missing> {
    let answers = written
        .into_iter()
        .filter_map(|(tag, result)| match result {
            Ok(reply) if reply.is_success() => None,
            Ok(reply) => Some((tag, reply.outcome())),
            Err(answer) => Some((tag, answer)),
        });
    let mut may_mend = true;
    let failed = answers.map(|(tag, answer)| {
        may_mend &= !answer.permanent;
        format!("{tag} ({})", answer.detail)
    });
    let failed: Vec<_> = failed.collect();
    (!failed.is_empty()).then(|| Missing {
        which: failed.join(", "),
        may_mend,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_the_search_reads_them() {
        let tag = StableTag {
            key: "a b",
            value: "stable",
        };
        assert_eq!(
            filter("fraud", 3, &tag).unwrap(),
            "name='fraud' and tags.`a b`='stable' and version_number < 3"
        );
        assert_eq!(
            filter("o'hara", 3, &tag).unwrap(),
            "name=\"o'hara\" and tags.`a b`='stable' and version_number < 3"
        );
        assert!(filter("'\"", 3, &tag).is_err());
        let path = api(
            "registered-models/get",
            &[("name", "a&b/c"), ("alias", "x y")],
        );
        assert_eq!(
            path,
            "api/2.0/mlflow/registered-models/get?name=a%26b%2Fc&alias=x%20y"
        );
    }
}
