//! Kinds that reach the platform.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Case, Doubt, killed};
use crate::kinds::started;
use crate::stand_in::{Flow, PASSWORD};
use crate::stub::{Fate, call};
use crate::support::client::run;

#[test]
fn airflow_has_one_run() {
    for major in [3, 2] {
        killed(Doubt::SentAgain, || {
            let flow = Arc::new(Flow::new(major));
            let shared = Arc::clone(&flow);
            let stub = started(move |request| shared.answer(request));
            Case {
                action: "retrain",
                connection: format!(
                    "kind = \"airflow\"\nurl = \"{}\"\nusername = \"homeostat\"\npassword = \"env:AIRFLOW_PASSWORD\"",
                    stub.url()
                ),
                keys: "with.dag = \"homeostat_train\"".to_owned(),
                model: "m".to_owned(),
                environment: vec![("AIRFLOW_PASSWORD", PASSWORD.to_owned())],
                effects: Box::new(move |_| flow.runs()),
            }
        });
    }
}

#[test]
fn argo_has_one_workflow() {
    killed(Doubt::SentAgain, || {
        let made: Arc<Mutex<BTreeMap<String, Value>>> = Arc::default();
        let shared = Arc::clone(&made);
        let stub = started(move |request| {
            let mut made = shared.lock().unwrap();
            let (line, rest) = request.line.split_once(" /api/v1/workflows/ml/").unwrap();
            let name = rest.trim_end_matches(" HTTP/1.1");
            if line == "GET" {
                return match made.get(name) {
                    Some(workflow) => Fate::json(200, workflow),
                    None => Fate::json(404, &json!({"code": 5})),
                };
            }
            let body: Value = serde_json::from_str(&request.body).unwrap();
            let options = &body["submitOptions"];
            let name = options["name"].as_str().unwrap();
            if made.contains_key(name) {
                return Fate::json(409, &json!({"code": 6, "message": "already exists"}));
            }
            let labels = options["labels"].as_str().unwrap().split(',');
            let labels: BTreeMap<&str, &str> =
                labels.filter_map(|label| label.split_once('=')).collect();
            let workflow = json!({"metadata": {"name": name, "labels": labels}});
            made.insert(name.to_owned(), workflow.clone());
            Fate::json(200, &workflow)
        });
        Case {
            action: "retrain",
            connection: format!(
                "kind = \"argo_workflows\"\nurl = \"{}\"\nnamespace = \"ml\"",
                stub.url()
            ),
            keys: "with.template = \"train\"".to_owned(),
            model: "m".to_owned(),
            environment: Vec::new(),
            effects: Box::new(move |_| made.lock().unwrap().keys().cloned().collect()),
        }
    });
}

/// The registry of `scripts/mlflow`, as its administrator.
#[derive(Clone)]
struct Registry {
    port: u16,
    password: String,
}

impl Registry {
    fn find() -> Option<Self> {
        let variable = |name| {
            std::env::var(name)
                .ok()
                .filter(|text: &String| !text.is_empty())
        };
        let found = variable("MLFLOW_URL").zip(variable("MLFLOW_ADMIN_PASSWORD"));
        if found.is_none() {
            assert!(
                std::env::var_os("CI").is_none(),
                "MLFLOW_URL is not set; use scripts/test"
            );
            eprintln!("not run: MLflow (scripts/mlflow starts it, scripts/test uses it)");
        }
        let (url, password) = found?;
        let port = url.rsplit(':').next().unwrap().parse().unwrap();
        Some(Self { port, password })
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> Value {
        let account = STANDARD.encode(format!("admin:{}", self.password));
        let path = format!("/api/2.0/mlflow/{path}");
        let (status, said) = run(call(
            self.port,
            method,
            &path,
            &format!("Basic {account}"),
            body,
        ));
        assert_eq!(status, 200, "{path}: {said}");
        said
    }

    /// A model of three stable versions, of which the last is in use.
    fn model(&self) -> String {
        let name = format!("killed-{}", fastrand::u64(..));
        let post = |path: &str, body: Value| {
            self.request("POST", path, &body);
        };
        post("registered-models/create", json!({ "name": name }));
        for version in ["1", "2", "3"] {
            let source = format!("s3://models/{version}");
            post(
                "model-versions/create",
                json!({ "name": name, "source": source }),
            );
            post(
                "model-versions/set-tag",
                json!({"name": name, "version": version, "key": "validation_status", "value": "stable"}),
            );
        }
        post(
            "registered-models/alias",
            json!({ "name": name, "alias": "champion", "version": "3" }),
        );
        name
    }
}

#[test]
fn mlflow_is_one_version_further_back() {
    let Some(registry) = Registry::find() else {
        return;
    };
    killed(Doubt::SentAgain, || {
        let model = registry.model();
        let (asked, name) = (registry.clone(), model.clone());
        Case {
            action: "rollback",
            connection: format!(
                "kind = \"mlflow\"\nurl = \"http://127.0.0.1:{}\"\nusername = \"admin\"\npassword = \"env:MLFLOW_PASSWORD\"",
                registry.port
            ),
            keys: String::new(),
            model,
            environment: vec![("MLFLOW_PASSWORD", registry.password.clone())],
            effects: Box::new(move |_| {
                let path = format!("registered-models/alias?name={name}&alias=champion");
                let said = asked.request("GET", &path, &Value::Null);
                let version = said["model_version"]["version"].as_str().unwrap();
                assert_eq!(version, "2", "{name}");
                vec![version.to_owned()]
            }),
        }
    });
}
