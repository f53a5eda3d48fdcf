//! `argo_workflows`: by the Kubernetes API on a real one, and by a stub of the Argo server that is as strict as its interface.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use homeostat_actors::ports::connector::{Connector, Finding, Order, Probe};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::FinishOutcome;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::between::{Next, between};
use crate::lab::{Lab, connector, is_done, is_refused, order, wrong};

const WITH: &str = "template = \"train-{{ target.name }}\"\nparameters = { reason = \"{{ event_type }}\", plan = \"a=b, c\" }\n";

fn an_order() -> Order {
    order(Action::Retrain, json!({"priority": "high"}))
}

async fn templates(lab: &Lab) {
    let group = "argoproj.io";
    for (plural, kind) in [
        ("workflows", "Workflow"),
        ("workflowtemplates", "WorkflowTemplate"),
        ("cronworkflows", "CronWorkflow"),
    ] {
        lab.definition(group, "v1alpha1", plural, kind).await;
    }
    let api = "argoproj.io/v1alpha1";
    let spec = json!({"entrypoint": "main", "arguments": {"parameters": [{"name": "reason", "value": "none"}, {"name": "kept", "value": "1"}]}});
    let template = json!({"apiVersion": api, "kind": "WorkflowTemplate", "metadata": {"name": "train-web"}, "spec": spec});
    lab.post(&lab.path(api, "workflowtemplates"), &template)
        .await;
    let cron = json!({"apiVersion": api, "kind": "CronWorkflow", "metadata": {"name": "nightly"}, "spec": {"schedule": "0 3 * * *", "workflowSpec": spec}});
    lab.post(&lab.path(api, "cronworkflows"), &cron).await;
}

async fn workflows(lab: &Lab) -> Vec<Value> {
    let list = lab
        .get(&lab.path("argoproj.io/v1alpha1", "workflows"))
        .await;
    list["items"].as_array().unwrap().clone()
}

fn by_kubernetes(keys: &str, with: &str) -> Arc<dyn Connector> {
    connector("argo_workflows", Action::Retrain, keys, with)
}

#[tokio::test]
async fn a_workflow_is_made_once_through_the_kubernetes_api() {
    let Some(lab) = Lab::start("workflow").await else {
        return;
    };
    templates(&lab).await;
    let connector = by_kubernetes(&lab.admin(), WITH);
    let order = an_order();
    assert_eq!(wrong(&connector, &order).await, Vec::<String>::new());
    let dry = Order {
        dry_run: true,
        ..order.clone()
    };
    is_done(&connector.send(dry).await, "dry run, nothing was changed");
    assert!(matches!(
        connector.probe(order.clone()).await,
        Some(Probe::Absent(_))
    ));
    is_done(&connector.send(order.clone()).await, "was created");
    is_done(
        &connector.send(order.clone()).await,
        "from an earlier attempt",
    );
    assert!(matches!(
        connector.probe(order.clone()).await,
        Some(Probe::Found(_))
    ));
    let made = workflows(&lab).await;
    assert_eq!(made.len(), 1);
    assert_eq!(
        made[0]["metadata"]["name"],
        format!("retrain-web-{}", order.action_id)
    );
    assert_eq!(
        made[0]["metadata"]["labels"]["workflows.argoproj.io/workflow-template"],
        "train-web"
    );
    assert_eq!(made[0]["spec"]["workflowTemplateRef"]["name"], "train-web");
    let parameters = json!([{"name": "plan", "value": "a=b, c"}, {"name": "reason", "value": "data_drift_detected"}]);
    assert_eq!(made[0]["spec"]["arguments"]["parameters"], parameters);
    let keys = between(&lab, Next::Lose).await;
    let lossy = by_kubernetes(&keys, WITH);
    let lost = an_order();
    assert_eq!(
        lossy.send(lost.clone()).await.outcome,
        FinishOutcome::Unknown
    );
    assert!(matches!(
        lossy.probe(lost.clone()).await,
        Some(Probe::Found(_))
    ));
    is_done(&lossy.send(lost).await, "from an earlier attempt");
    assert_eq!(workflows(&lab).await.len(), 2);
}

#[tokio::test]
async fn a_cron_workflow_is_run_with_its_own_parameters_where_none_are_given() {
    let Some(lab) = Lab::start("workflow").await else {
        return;
    };
    templates(&lab).await;
    let with = "template = \"nightly\"\nkind = \"CronWorkflow\"\nparameters = { reason = \"drift\" }\nservice_account = \"trainer\"";
    is_done(
        &by_kubernetes(&lab.admin(), with).send(an_order()).await,
        "CronWorkflow",
    );
    let spec = &workflows(&lab).await[0]["spec"];
    let parameters = json!([{"name": "reason", "value": "drift"}, {"name": "kept", "value": "1"}]);
    assert_eq!(spec["arguments"]["parameters"], parameters);
    assert_eq!(
        (&spec["entrypoint"], &spec["serviceAccountName"]),
        (&json!("main"), &json!("trainer"))
    );
}

#[tokio::test]
async fn what_argo_would_expand_and_what_is_not_there_is_refused() {
    let Some(lab) = Lab::start("workflow").await else {
        return;
    };
    templates(&lab).await;
    let evil = Order {
        event_type: "{{workflow.name}}".to_owned(),
        ..an_order()
    };
    is_refused(
        &by_kubernetes(&lab.admin(), WITH).send(evil).await,
        "which Argo would expand",
    );
    let gone = by_kubernetes(&lab.admin(), "template = \"gone\"");
    is_refused(&gone.send(an_order()).await, "there is no such object");
    assert_eq!(wrong(&gone, &an_order()).await.len(), 1);
    assert_eq!(workflows(&lab).await.len(), 0);
}

/// How the stub says that a name is taken: versions of the server differ.
const TAKEN: [&str; 3] = [
    "409 Conflict",
    "400 Bad Request",
    "500 Internal Server Error",
];

#[derive(Default)]
struct Argo {
    taken: &'static str,
    made: BTreeMap<String, Value>,
    /// Requests that no Argo server would take.
    faults: Vec<String>,
}

impl Argo {
    fn answer(&mut self, line: &str, authorization: &str, body: &Value) -> (&'static str, Value) {
        if authorization != "Bearer right" {
            return (
                "401 Unauthorized",
                json!({"code": 16, "message": "token not valid"}),
            );
        }
        let (method, path) = line.split_once(' ').unwrap();
        match (method, path) {
            ("GET", "/api/v1/version") => ("200 OK", json!({"version": "v3.7.2"})),
            ("POST", "/api/v1/workflows/ml/submit") => self.submit(body),
            ("GET", path) => {
                let name = path
                    .strip_prefix("/api/v1/workflows/ml/")
                    .unwrap_or_default();
                match self.made.get(name) {
                    Some(workflow) => ("200 OK", workflow.clone()),
                    None => (
                        "404 Not Found",
                        json!({"code": 5, "message": format!("workflows.argoproj.io \"{name}\" not found")}),
                    ),
                }
            }
            other => {
                self.faults.push(format!("{other:?}"));
                ("501 Not Implemented", json!({"code": 12}))
            }
        }
    }

    fn submit(&mut self, body: &Value) -> (&'static str, Value) {
        let only = |table: &Value, known: &[&str]| {
            let keys = table.as_object().unwrap().keys();
            keys.filter(|key| !known.contains(&key.as_str()))
                .cloned()
                .collect::<Vec<_>>()
        };
        let options = &body["submitOptions"];
        self.faults.extend(only(
            body,
            &["namespace", "resourceKind", "resourceName", "submitOptions"],
        ));
        self.faults.extend(only(
            options,
            &[
                "name",
                "generateName",
                "entryPoint",
                "parameters",
                "serviceAccount",
                "dryRun",
                "serverDryRun",
                "labels",
                "ownerReference",
                "annotations",
                "podPriorityClassName",
                "priority",
            ],
        ));
        if body["namespace"] != "ml" || body["resourceKind"] != "WorkflowTemplate" {
            self.faults.push(body.to_string());
        }
        if body["resourceName"] != "train-web" {
            return (
                "404 Not Found",
                json!({"code": 5, "message": "workflowtemplates.argoproj.io not found"}),
            );
        }
        for parameter in options["parameters"].as_array().unwrap() {
            if !parameter.as_str().unwrap().contains('=') {
                self.faults.push(parameter.to_string());
            }
        }
        let labels = options["labels"].as_str().unwrap().split(',');
        let labels: BTreeMap<&str, &str> =
            labels.map(|label| label.split_once('=').unwrap()).collect();
        if labels.values().any(|value| value.len() > 63) {
            self.faults.push("labels".to_owned());
        }
        let name = options["name"].as_str().unwrap();
        let workflow =
            json!({"metadata": {"name": name, "labels": labels}, "status": {"phase": "Running"}});
        if options["serverDryRun"] == true {
            return ("200 OK", workflow);
        }
        if self.made.contains_key(name) {
            return (
                self.taken,
                json!({"code": 6, "message": format!("workflows.argoproj.io \"{name}\" already exists")}),
            );
        }
        self.made.insert(name.to_owned(), workflow.clone());
        ("200 OK", workflow)
    }
}

async fn server(taken: &'static str) -> (Arc<Mutex<Argo>>, u16) {
    let argo = Arc::new(Mutex::new(Argo {
        taken,
        ..Argo::default()
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let shared = Arc::clone(&argo);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            serve(stream, &shared).await;
        }
    });
    (argo, port)
}

async fn serve(mut stream: TcpStream, argo: &Mutex<Argo>) {
    let mut bytes = Vec::new();
    loop {
        let mut some = [0; 4_096];
        let read = stream.read(&mut some).await.unwrap_or(0);
        bytes.extend_from_slice(&some[..read]);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let head = text.split_once("\r\n\r\n");
        let Some((head, body)) = head else {
            if read == 0 {
                return;
            }
            continue;
        };
        let header = |name: &str| {
            let mut lines = head.lines();
            let line = lines.find(|line| line.to_lowercase().starts_with(&format!("{name}: ")));
            line.map_or("", |line| &line[name.len() + 2..]).to_owned()
        };
        if body.len() < header("content-length").parse().unwrap_or(0) {
            continue;
        }
        let line = head
            .lines()
            .next()
            .unwrap()
            .trim_end_matches(" HTTP/1.1")
            .to_owned();
        let body = serde_json::from_str(body).unwrap_or_default();
        let (status, answer) = argo
            .lock()
            .unwrap()
            .answer(&line, &header("authorization"), &body);
        let answer = answer.to_string();
        let reply = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
            answer.len()
        );
        stream.write_all(reply.as_bytes()).await.unwrap();
        return;
    }
}

fn by_server(port: u16, token: &str, with: &str) -> Arc<dyn Connector> {
    let folder = tempfile::tempdir().unwrap().keep();
    let file = folder.join("token");
    std::fs::write(&file, format!("Bearer {token}")).unwrap();
    let keys = format!(
        "url = \"http://127.0.0.1:{port}\"\nheaders = {{ Authorization = \"file:{}\" }}\nnamespace = \"ml\"",
        file.display()
    );
    connector("argo_workflows", Action::Retrain, &keys, with)
}

#[tokio::test]
async fn a_workflow_is_submitted_once_to_the_server_however_it_says_that_it_exists() {
    for taken in TAKEN {
        let (argo, port) = server(taken).await;
        let connector = by_server(port, "right", WITH);
        let order = an_order();
        assert_eq!(wrong(&connector, &order).await, Vec::<String>::new());
        let dry = Order {
            dry_run: true,
            ..order.clone()
        };
        is_done(&connector.send(dry).await, "dry run, nothing was changed");
        assert!(matches!(
            connector.probe(order.clone()).await,
            Some(Probe::Absent(_))
        ));
        assert_eq!(argo.lock().unwrap().made.len(), 0);
        is_done(&connector.send(order.clone()).await, "was created");
        is_done(
            &connector.send(order.clone()).await,
            "from an earlier attempt",
        );
        assert!(matches!(
            connector.probe(order.clone()).await,
            Some(Probe::Found(_))
        ));
        let name = format!("retrain-web-{}", order.action_id);
        // The Workflow of someone else.
        argo.lock().unwrap().made.get_mut(&name).unwrap()["metadata"]["labels"] = json!({});
        is_refused(&connector.send(order).await, "is not of this action");
        let argo = argo.lock().unwrap();
        assert_eq!((argo.made.len(), argo.faults.clone()), (1, Vec::new()));
    }
}

#[tokio::test]
async fn the_server_says_what_is_missing() {
    let (_argo, port) = server(TAKEN[0]).await;
    is_refused(
        &by_server(port, "wrong", WITH).send(an_order()).await,
        "401",
    );
    let found = by_server(port, "wrong", WITH).examine(an_order()).await;
    assert!(
        found
            .iter()
            .all(|finding| matches!(finding, Finding::Wrong { .. })),
        "{found:?}"
    );
    is_refused(
        &by_server(port, "right", "template = \"gone\"")
            .send(an_order())
            .await,
        "404",
    );
    let evil = Order {
        event_type: "{{workflow.name}}".to_owned(),
        ..an_order()
    };
    is_refused(
        &by_server(port, "right", WITH).send(evil).await,
        "which Argo would expand",
    );
}
