//! The cluster, a namespace of a test's own, connectors and orders.

use std::collections::BTreeMap;
use std::sync::{Arc, Once};
use std::time::Duration;

use homeostat::configuration::load;
use homeostat_actors::ports::connector::{Answer, Connector, Due, Finding, Order, Tended, Tending};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::{FinishOutcome, Id};
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;
use http::Request;
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

/// Longest wait for what a controller does by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// A namespace of the cluster.
pub(crate) struct Lab {
    pub(crate) namespace: String,
    pub(crate) kubeconfig: String,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) client: Client,
}

/// The administrator's kubeconfig, from `KUBERNETES_KUBECONFIG`. Without it Kubernetes is not tested: said once, and an error where
/// `CI` is set, because there no one reads.
fn kubeconfig() -> Option<String> {
    static SAID: Once = Once::new();
    let path = std::env::var("KUBERNETES_KUBECONFIG");
    let path = path.ok().filter(|path| !path.is_empty());
    if path.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "KUBERNETES_KUBECONFIG is not set; use scripts/test"
        );
        SAID.call_once(|| {
            eprintln!("not run: Kubernetes (set KUBERNETES_KUBECONFIG or use scripts/test)");
        });
    }
    path
}

impl Lab {
    /// A namespace; `None` without a cluster.
    pub(crate) async fn start(name: &str) -> Option<Self> {
        let kubeconfig = kubeconfig()?;
        // The connectors choose the process's cryptography when they are made.
        drop(rustls::crypto::ring::default_provider().install_default());
        let file = Kubeconfig::read_from(&kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
        let lab = Self {
            namespace: format!("{name}-{:08x}", fastrand::u32(..)),
            kubeconfig,
            folder: tempfile::tempdir().unwrap(),
            client: Client::try_from(config.unwrap()).unwrap(),
        };
        let namespace = json!({"metadata": {"name": lab.namespace}});
        lab.post("/api/v1/namespaces", &namespace).await;
        Some(lab)
    }

    /// Address of objects of the namespace: `apps/v1`, `deployments/web`.
    pub(crate) fn path(&self, api: &str, rest: &str) -> String {
        let root = if api.contains('/') { "/apis" } else { "/api" };
        format!("{root}/{api}/namespaces/{}/{rest}", self.namespace)
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, kube::Error> {
        let content = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let body = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content);
        self.client.request(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call("GET", path, &Value::Null).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", path, body).await.unwrap()
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Value {
        self.call("PATCH", path, body).await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) {
        self.call("DELETE", path, &Value::Null).await.unwrap();
    }

    /// Waits until an object is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let object = self.call("GET", path, &Value::Null).await;
                if let Ok(object) = object
                    && wanted(&object)
                {
                    return object;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        match waited.await {
            Ok(object) => object,
            Err(_) => panic!("{path} did not become as wanted: {}", self.get(path).await),
        }
    }

    /// Keys of a connection with the administrator's rights.
    pub(crate) fn admin(&self) -> String {
        format!(
            "kubeconfig = {:?}\nnamespace = {:?}\n",
            self.kubeconfig, self.namespace
        )
    }

    /// Keys of a connection with a token in a file.
    pub(crate) fn with_token(&self, token: &str) -> (String, std::path::PathBuf) {
        let path = self
            .folder
            .path()
            .join(format!("token-{:08x}", fastrand::u32(..)));
        std::fs::write(&path, token).unwrap();
        let file = Kubeconfig::read_from(&self.kubeconfig).unwrap();
        let cluster = file.clusters[0].cluster.as_ref().unwrap();
        let keys = format!(
            "server = {:?}\nca = {:?}\ntoken = \"file:{}\"\nnamespace = {:?}\n",
            cluster.server.as_ref().unwrap(),
            cluster.certificate_authority.as_ref().unwrap(),
            path.display(),
            self.namespace
        );
        (keys, path)
    }

    /// A service account without rights, and a token of it.
    pub(crate) async fn account(&self, name: &str) -> String {
        let accounts = self.path("v1", "serviceaccounts");
        self.post(&accounts, &json!({"metadata": {"name": name}}))
            .await;
        let asked = json!({"spec": {"expirationSeconds": 3_600}});
        let token = self.post(&format!("{accounts}/{name}/token"), &asked).await;
        token["status"]["token"].as_str().unwrap().to_owned()
    }

    /// Gives a service account the rights of a role.
    pub(crate) async fn bind(&self, account: &str, role: &str) {
        let rbac = "rbac.authorization.k8s.io";
        let binding = json!({
            "metadata": {"name": format!("{account}-{role}")},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": self.namespace}],
        });
        let api = format!("{rbac}/v1");
        self.post(&self.path(&api, "rolebindings"), &binding).await;
    }

    /// Makes a role of rules.
    pub(crate) async fn role(&self, role: &Value) {
        let path = self.path("rbac.authorization.k8s.io/v1", "roles");
        self.post(&path, role).await;
    }

    /// A kind of object without its operator, for as long as the cluster runs.
    pub(crate) async fn definition(&self, group: &str, version: &str, plural: &str, kind: &str) {
        let all = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let path = format!("{all}/{plural}.{group}");
        let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let definition = json!({"metadata": {"name": format!("{plural}.{group}")}, "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind},
            "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": any}}],
        }});
        // Another test may have been faster.
        drop(self.call("POST", all, &definition).await);
        let established = |object: &Value| {
            let conditions = object["status"]["conditions"].as_array();
            conditions
                .into_iter()
                .flatten()
                .any(|one| one["type"] == "Established" && one["status"] == "True")
        };
        self.until(&path, established).await;
        // Served a moment later.
        self.until(&self.path(&format!("{group}/{version}"), plural), |list| {
            list["items"].is_array()
        })
        .await;
    }

    /// A Deployment of `web` with a container of an image, ready.
    pub(crate) async fn deployment(&self, spec: &Value) -> String {
        let path = self.path("apps/v1", "deployments");
        let mut object = json!({"metadata": {"name": "web"}, "spec": {
            "selector": {"matchLabels": {"app": "web"}}, "template": template("web:1"),
        }});
        for (name, value) in spec.as_object().unwrap() {
            object["spec"][name] = value.clone();
        }
        self.post(&path, &object).await;
        format!("{path}/web")
    }
}

/// A pod of an image.
pub(crate) fn template(image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": format!("registry.example/{image}")}]},
    })
}

/// What the service does of a done action at this moment.
pub(crate) async fn tend(connector: &dyn Connector, order: Order, state: Tending) -> Tended {
    match connector.due(&order, state) {
        Due::Now => connector.tend(order, state).await.0,
        Due::In(pause) => Tended::Again(pause),
        Due::Over => Tended::Over,
    }
}

/// An action over a connection; both tables as they are written.
pub(crate) fn connector(
    kind: &str,
    action: Action,
    connection: &str,
    with: &str,
) -> Arc<dyn Connector> {
    let name = action.name();
    let text = format!(
        "[connections.cluster]\nkind = {kind:?}\n{connection}\n[actions.{name}]\nconnection = \"cluster\"\n[actions.{name}.with]\n{with}\n"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("homeostat.toml");
    std::fs::write(&file, &text).unwrap();
    let loaded = load(&[file], BTreeMap::<String, String>::new());
    let configuration = loaded.unwrap_or_else(|problem| panic!("{text}\n{problem:?}"));
    let connections = &configuration.settings.connections;
    let binding = connections
        .find("cluster", action, &target(action))
        .unwrap();
    Arc::clone(&binding.connector)
}

fn target(action: Action) -> Target {
    match action {
        Action::ScaleUp | Action::ScaleDown => Target::service("web"),
        _ => Target::model("web"),
    }
}

/// An action about `web`, of an id and an event of its own.
pub(crate) fn order(action: Action, params: Value) -> Order {
    Order {
        action_id: Id(fastrand::u128(..).to_be_bytes()),
        attempt: 1,
        action,
        target: target(action),
        severity: Severity::High,
        event_type: "data_drift_detected".to_owned(),
        event_id: format!("event-{:08x}", fastrand::u32(..)),
        params: params.into(),
        reasons: vec!["drift score 0.7 is above 0.6".to_owned()],
        now: 1_700_000_000_123,
        as_of: i64::MAX,
        dry_run: false,
    }
}

/// The order as it is after it was resolved; as it was, if it cannot be carried out.
pub(crate) async fn resolved(connector: &Arc<dyn Connector>, order: &Order) -> Order {
    let params = connector.resolve(order.clone()).await.unwrap();
    Order {
        params: params.map_or_else(|| order.params.clone(), Into::into),
        ..order.clone()
    }
}

/// Resolves and sends.
pub(crate) async fn send(connector: &Arc<dyn Connector>, order: &Order) -> Answer {
    let order = resolved(connector, order).await;
    connector.send(order).await
}

/// Asserts that an attempt was done, and its words.
#[track_caller]
pub(crate) fn is_done(answer: &Answer, words: &str) {
    assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
    assert!(answer.detail.contains(words), "{}", answer.detail);
}

/// Asserts that an attempt was refused for good, and its words.
#[track_caller]
pub(crate) fn is_refused(answer: &Answer, words: &str) {
    let class = (answer.outcome, answer.permanent);
    assert_eq!(class, (FinishOutcome::Failed, true), "{}", answer.detail);
    assert!(answer.detail.contains(words), "{}", answer.detail);
}

/// Asserts that an attempt failed and may succeed later, and its words.
#[track_caller]
pub(crate) fn may_succeed_later(answer: &Answer, words: &str) {
    let class = (answer.outcome, answer.permanent);
    assert_eq!(class, (FinishOutcome::Failed, false), "{}", answer.detail);
    assert!(answer.detail.contains(words), "{}", answer.detail);
}

/// Findings that keep actions from succeeding.
pub(crate) async fn wrong(connector: &Arc<dyn Connector>, order: &Order) -> Vec<String> {
    let findings = connector.examine(order.clone()).await;
    assert!(!findings.is_empty());
    let wrong = findings.into_iter().filter_map(|finding| match finding {
        Finding::Wrong { problem, remedy } => Some(format!("{problem}; {remedy}")),
        Finding::Fine(_) | Finding::Unsure(_) => None,
    });
    wrong.collect()
}
