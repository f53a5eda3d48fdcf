//! What the kinds over HTTP have of their own: how each is configured with a secret, and how its service answers when all is well.

use serde_json::{Value, json};

use crate::server::Received;
use crate::stub::{Fate, Stub};

/// A stub with a thread of its own, for tests that wait without a runtime.
pub(crate) fn started(fate: impl Fn(&Received) -> Fate + Send + Sync + 'static) -> Stub {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async move {
            sender.send(Stub::start(fate).await).ok();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

/// A connection of a kind whose secret is a reference, and the action over it.
pub(crate) struct Keys {
    pub(crate) kind: &'static str,
    pub(crate) action: &'static str,
    pub(crate) connection: String,
    pub(crate) with: &'static str,
    /// The secret of a name, in the form that the kind wants.
    pub(crate) secret: Box<dyn Fn(&str) -> String>,
}

/// Every kind over HTTP that sends a secret; Slack in both of its ways.
pub(crate) const KINDS: [&str; 9] = [
    "airflow",
    "alertmanager",
    "argo_workflows",
    "mlflow",
    "pagerduty",
    "slack",
    "slack-hook",
    "teams",
    "webhook",
];

/// With a reference to the secret.
pub(crate) fn secret_keys(kind: &str, url: &str, reference: &str) -> Keys {
    let header = format!("url = \"{url}\"\nheaders = {{ Authorization = \"{reference}\" }}");
    let token = format!("url = \"{url}\"\ntoken = \"{reference}\"");
    let address = format!("url = \"{reference}\"");
    let plain: Box<dyn Fn(&str) -> String> = Box::new(|name| format!("secret-{name}"));
    let bearer: Box<dyn Fn(&str) -> String> = Box::new(|name| format!("Bearer secret-{name}"));
    let base = url.to_owned();
    let hook: Box<dyn Fn(&str) -> String> = Box::new(move |name| format!("{base}/secret-{name}"));
    let (kind, action, connection, with, secret) = match kind {
        "airflow" => ("airflow", "retrain", token, "with.dag = \"train\"", plain),
        "alertmanager" => ("alertmanager", "alert", header, "", bearer),
        "argo_workflows" => (
            "argo_workflows",
            "retrain",
            format!("{header}\nnamespace = \"ml\""),
            "with.template = \"train\"",
            bearer,
        ),
        "mlflow" => ("mlflow", "rollback", token, "", plain),
        "pagerduty" => (
            "pagerduty",
            "alert",
            format!("url = \"{url}\"\nrouting_key = \"{reference}\""),
            "",
            plain,
        ),
        "slack" => (
            "slack",
            "alert",
            token,
            "with.channel = \"C0123456789\"",
            plain,
        ),
        "slack-hook" => ("slack", "alert", address, "", hook),
        "teams" => ("teams", "alert", address, "", hook),
        "webhook" => ("webhook", "retrain", header, "", bearer),
        other => panic!("{other}"),
    };
    Keys {
        kind,
        action,
        connection,
        with,
        secret,
    }
}

/// What a service of the kind answers when all is well.
pub(crate) fn good(kind: &str, request: &Received) -> Fate {
    let (status, body) = well(kind, request);
    Fate::Answer(status, body)
}

/// Status and body.
pub(crate) fn well(kind: &str, request: &Received) -> (u16, String) {
    let json = |value: Value| (200, value.to_string());
    let mut words = request.line.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let sent: Value = serde_json::from_str(&request.body).unwrap_or_default();
    match kind {
        "airflow" if path.ends_with("/version") => json(json!({"version": "3.3.2"})),
        "airflow" if method == "GET" => json(json!({
            "dag_id": "train", "is_paused": false, "has_import_errors": false, "is_stale": false,
        })),
        "airflow" => json(json!({
            "dag_run_id": sent["dag_run_id"], "dag_id": "train", "state": "queued", "conf": sent["conf"],
        })),
        "argo_workflows" => json(json!({"metadata": {"name": sent["submitOptions"]["name"]}})),
        "mlflow" if path.contains("model-versions/get") => json(version("2")),
        // The alias leads to the version that it was moved to.
        "mlflow" if method == "GET" => json(version("2")),
        "mlflow" => json(json!({})),
        "pagerduty" => (
            202,
            json!({"status": "success", "message": "Event processed", "dedup_key": "k"})
                .to_string(),
        ),
        "slack" => json(json!({"ok": true, "channel": "C0123456789", "ts": "1.2"})),
        "slack-hook" => (200, "ok".to_owned()),
        "teams" => (202, String::new()),
        _ => (200, String::new()),
    }
}

fn version(number: &str) -> Value {
    json!({"model_version": {
        "name": "fraud", "version": number, "status": "READY", "tags": [], "aliases": [],
    }, "registered_model": {"name": "fraud", "tags": []}})
}
