//! How a cluster is reached: rights that are taken away, tokens that are replaced, servers that do not answer.

use homeostat_actors::ports::connector::Order;
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::FinishOutcome;
use serde_json::json;

use crate::lab::{Lab, connector, is_done, is_refused, may_succeed_later, order, send, wrong};

const MANIFEST: &str = "manifest = '{spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: b}]}}}}'";

fn an_order() -> Order {
    order(Action::Retrain, json!({}))
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_as_the_rule_to_add_and_its_loss_is_noticed() {
    let Some(lab) = Lab::start("rights").await else {
        return;
    };
    let token = lab.account("bot").await;
    let (keys, _) = lab.with_token(&token);
    let jobs = connector("kubernetes_job", Action::Retrain, &keys, MANIFEST);
    let rule = "{apiGroups: [\"batch\"], resources: [\"jobs\"], verbs: [create]}";
    is_refused(&jobs.send(an_order()).await, rule);
    let found = wrong(&jobs, &an_order()).await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains(rule), "{found:?}");
    let role = json!({"metadata": {"name": "jobs"}, "rules": [
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get"]},
    ]});
    lab.role(&role).await;
    lab.bind("bot", "jobs").await;
    let started = tokio::time::Instant::now();
    while !wrong(&jobs, &an_order()).await.is_empty() {
        assert!(started.elapsed().as_secs() < 30);
    }
    is_done(&jobs.send(an_order()).await, "was created");
    let bindings = lab.path("rbac.authorization.k8s.io/v1", "rolebindings/bot-jobs");
    lab.delete(&bindings).await;
    while wrong(&jobs, &an_order()).await.is_empty() {
        assert!(started.elapsed().as_secs() < 60);
    }
    is_refused(&jobs.send(an_order()).await, rule);
    // To resolve an order needs rights as well: that they are missing is found before the first attempt, and kept.
    lab.deployment(&json!({"replicas": 1})).await;
    let scale = connector("kubernetes_scale", Action::ScaleUp, &keys, "max = 5");
    let more = order(Action::ScaleUp, json!({"change": 1}));
    is_refused(
        &send(&scale, &more).await,
        "resources: [\"deployments/scale\"], verbs: [get]",
    );
}

#[tokio::test]
async fn a_token_that_was_replaced_is_used_for_the_next_attempt() {
    let Some(lab) = Lab::start("token").await else {
        return;
    };
    let admin = std::fs::read_to_string(&lab.kubeconfig).unwrap();
    let token = admin
        .split("token: ")
        .nth(1)
        .unwrap()
        .split('}')
        .next()
        .unwrap();
    let (keys, path) = lab.with_token("expired");
    let jobs = connector("kubernetes_job", Action::Retrain, &keys, MANIFEST);
    let order = an_order();
    let answer = jobs.send(order.clone()).await;
    may_succeed_later(&answer, "does not accept the connection's credentials");
    assert!(!answer.detail.contains("expired"), "{}", answer.detail);
    let new = lab.folder.path().join("new");
    std::fs::write(&new, format!("{token}\n")).unwrap();
    std::fs::rename(&new, &path).unwrap();
    is_done(&jobs.send(order).await, "was created");
}

#[tokio::test]
async fn a_kubeconfig_is_read_again_and_may_run_a_credential_plugin() {
    let Some(lab) = Lab::start("kubeconfig").await else {
        return;
    };
    let admin = std::fs::read_to_string(&lab.kubeconfig).unwrap();
    let token = admin
        .split("token: ")
        .nth(1)
        .unwrap()
        .split('}')
        .next()
        .unwrap();
    let path = lab.folder.path().join("kubeconfig");
    std::fs::write(&path, admin.replace(token, "wrong")).unwrap();
    let keys = format!("kubeconfig = {path:?}\nnamespace = {:?}\n", lab.namespace);
    let jobs = connector("kubernetes_job", Action::Retrain, &keys, MANIFEST);
    let order = an_order();
    may_succeed_later(&jobs.send(order.clone()).await, "401");
    let said = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}});
    let plugin = lab.folder.path().join("plugin");
    std::fs::write(
        &plugin,
        format!(
            "#!/bin/sh\necho run >> {}.runs\ncat <<END\n{said}\nEND\n",
            plugin.display()
        ),
    )
    .unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&plugin, executable).unwrap();
    let exec = format!(
        "exec: {{apiVersion: client.authentication.k8s.io/v1, command: {plugin:?}, interactiveMode: Never}}"
    );
    std::fs::write(&path, admin.replace(&format!("token: {token}"), &exec)).unwrap();
    is_done(&jobs.send(order.clone()).await, "was created");
    let runs = || std::fs::read_to_string(plugin.with_extension("runs")).unwrap();
    let first = runs();
    is_done(&jobs.send(order.clone()).await, "earlier attempt");
    assert_eq!(runs(), first, "its credentials are kept");
    std::fs::write(&plugin, "#!/bin/sh\necho secret-word; exit 3\n").unwrap();
    std::fs::write(
        &path,
        admin.replace(&format!("token: {token}"), &format!("{exec} ")),
    )
    .unwrap();
    let failed = jobs.send(order).await;
    assert_eq!(failed.outcome, FinishOutcome::NotSent, "{}", failed.detail);
    assert!(
        failed.detail.contains("credential plugin failed"),
        "{}",
        failed.detail
    );
    assert!(!failed.detail.contains("secret-word"), "{}", failed.detail);
}

#[tokio::test]
async fn a_server_that_is_not_there_or_not_trusted_gets_nothing_sent() {
    let Some(lab) = Lab::start("server").await else {
        return;
    };
    let (keys, _) = lab.with_token("any");
    let gone: String = keys
        .lines()
        .map(|line| {
            if line.starts_with("server") {
                "server = \"https://127.0.0.1:1\"\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    let strange: String = keys
        .lines()
        .filter(|line| !line.starts_with("ca"))
        .map(|line| format!("{line}\n"))
        .collect();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_keys: String = keys
        .lines()
        .map(|line| {
            if line.starts_with("server") {
                format!("server = \"https://{}\"\n", silent.local_addr().unwrap())
            } else {
                format!("{line}\n")
            }
        })
        .chain(["timeout_ms = 500\n".to_owned()])
        .collect();
    for keys in [gone, strange, silent_keys] {
        let jobs = connector("kubernetes_job", Action::Retrain, &keys, MANIFEST);
        let answer = jobs.send(an_order()).await;
        assert_eq!(answer.outcome, FinishOutcome::NotSent, "{}", answer.detail);
        assert!(!wrong(&jobs, &an_order()).await.is_empty());
    }
}
