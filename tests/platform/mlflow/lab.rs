//! A registered model of one test in the real registry of `scripts/mlflow`.

use std::sync::{Arc, Once};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use homeostat_actors::ports::connector::{Connector, Order};
use homeostat_logic::actions::Action;
use homeostat_logic::target::Target;
use serde_json::{Value, json};

use crate::bench::{connector, order};
use crate::stub::call;

/// A registry, from `MLFLOW_URL`, or one with accounts, from `MLFLOW_ACCOUNTS_URL`. Without them MLflow is not tested: said once, and an error where
/// `CI` is set.
pub(super) struct Lab {
    pub(super) port: u16,
    pub(super) password: String,
    pub(super) model: String,
}

pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

impl Lab {
    /// Without a model; the registry that takes any account.
    pub(super) fn find(model: &str) -> Option<Self> {
        Self::find_at("MLFLOW_URL", model)
    }

    fn find_at(url: &str, model: &str) -> Option<Self> {
        static SAID: Once = Once::new();
        let variable = |name| {
            std::env::var(name)
                .ok()
                .filter(|value: &String| !value.is_empty())
        };
        let found = variable(url).zip(variable("MLFLOW_ADMIN_PASSWORD"));
        if found.is_none() {
            assert!(
                std::env::var_os("CI").is_none(),
                "MLFLOW_URL is not set; use scripts/test"
            );
            SAID.call_once(|| {
                eprintln!("not run: MLflow (scripts/mlflow starts it, scripts/test uses it)");
            });
        }
        let (url, password) = found?;
        let port = url.rsplit(':').next().unwrap().parse().unwrap();
        // Several runs may use one server.
        let model = format!("{model}-{}-{}", std::process::id(), fastrand::u64(..));
        Some(Self {
            port,
            password,
            model,
        })
    }

    /// A model with so many versions; `stable` ones are tagged, the alias leads to the last.
    pub(super) async fn with(model: &str, versions: u32, stable: &[u32]) -> Option<Self> {
        Self::find(model)?.filled(versions, stable).await
    }

    /// The same where accounts count.
    pub(super) async fn with_accounts(model: &str, versions: u32, stable: &[u32]) -> Option<Self> {
        Self::find_at("MLFLOW_ACCOUNTS_URL", model)?
            .filled(versions, stable)
            .await
    }

    async fn filled(self, versions: u32, stable: &[u32]) -> Option<Self> {
        let lab = self;
        let name = &lab.model;
        lab.post("registered-models/create", json!({ "name": name }))
            .await;
        for version in 1..=versions {
            let source = format!("s3://models/{version}");
            lab.post(
                "model-versions/create",
                json!({ "name": name, "source": source }),
            )
            .await;
        }
        for version in stable {
            lab.tag(*version, "validation_status", "stable").await;
        }
        if versions > 0 {
            lab.set_alias("champion", versions).await;
        }
        Some(lab)
    }

    pub(super) async fn request(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let path = format!("/api/2.0/mlflow/{path}");
        call(
            self.port,
            method,
            &path,
            &basic("admin", &self.password),
            &body,
        )
        .await
    }

    pub(super) async fn post(&self, path: &str, body: Value) {
        let (status, said) = self.request("POST", path, body).await;
        assert_eq!(status, 200, "{path}: {said}");
    }

    pub(super) async fn tag(&self, version: u32, key: &str, value: &str) {
        let body = json!({ "name": self.model, "version": version.to_string(), "key": key, "value": value });
        self.post("model-versions/set-tag", body).await;
    }

    pub(super) async fn set_alias(&self, alias: &str, version: u32) {
        let body = json!({ "name": self.model, "alias": alias, "version": version.to_string() });
        self.post("registered-models/alias", body).await;
    }

    pub(super) async fn delete(&self, version: u32) {
        let body = json!({ "name": self.model, "version": version.to_string() });
        let (status, said) = self.request("DELETE", "model-versions/delete", body).await;
        assert_eq!(status, 200, "{said}");
    }

    /// The version that `champion` leads to.
    pub(super) async fn champion(&self) -> String {
        let path = format!("registered-models/alias?name={}&alias=champion", self.model);
        let (_, said) = self.request("GET", &path, Value::Null).await;
        said["model_version"]["version"]
            .as_str()
            .unwrap_or("none")
            .to_owned()
    }

    pub(super) async fn version_tag(&self, version: u32, key: &str) -> String {
        let path = format!("model-versions/get?name={}&version={version}", self.model);
        let (_, said) = self.request("GET", &path, Value::Null).await;
        tag(&said["model_version"]["tags"], key)
    }

    pub(super) async fn model_tag(&self, key: &str) -> String {
        let path = format!("registered-models/get?name={}", self.model);
        let (_, said) = self.request("GET", &path, Value::Null).await;
        tag(&said["registered_model"]["tags"], key)
    }

    /// The rollback of the product, asked at `port`.
    pub(super) fn rollback_at(&self, port: u16) -> Arc<dyn Connector> {
        rollback(
            port,
            "admin",
            "env:PASSWORD",
            "",
            &[("PASSWORD", &self.password)],
        )
    }

    pub(super) fn rollback(&self) -> Arc<dyn Connector> {
        self.rollback_at(self.port)
    }

    pub(super) fn order(&self, id: u8, params: Value) -> Order {
        order(Action::Rollback, Target::model(&*self.model), id, params)
    }

    /// An order as the ledger holds it after its first bid.
    pub(super) async fn resolved(&self, id: u8) -> Order {
        let relative = self.order(
            id,
            json!({ "to": "previous_stable", "reason": "auto_response_rollback" }),
        );
        let params = self.rollback().resolve(relative.clone()).await.unwrap();
        Order {
            params: params.expect("a version to go to").into(),
            ..relative
        }
    }
}

fn tag(tags: &Value, key: &str) -> String {
    let tags = tags.as_array().cloned().unwrap_or_default();
    let tag = tags.iter().find(|tag| tag["key"] == key);
    tag.map_or_else(String::new, |tag| tag["value"].as_str().unwrap().to_owned())
}

pub(super) fn rollback(
    port: u16,
    user: &str,
    password: &str,
    with: &str,
    environment: &[(&str, &str)],
) -> Arc<dyn Connector> {
    let text = format!(
        "[connections.platform]\nkind = \"mlflow\"\nurl = \"http://127.0.0.1:{port}\"\nusername = \"{user}\"\npassword = \"{password}\"\n\
         [actions.rollback]\nconnection = \"platform\"\npolicy = \"verify\"\n[actions.rollback.with]\n{with}\n"
    );
    connector(Action::Rollback, &text, environment)
}
