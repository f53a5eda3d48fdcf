//! The manifests of least privilege that the page on connections prints: each is enough for its kind.

use homeostat_actors::ports::connector::{Tended, Tending};
use homeostat_logic::actions::Action;
use serde_json::{Value, json};

use crate::lab::{Lab, connector, is_done, order, resolved, send, template, tend, wrong};

/// The manifest of a kind, as it is printed.
fn manifest(kind: &str) -> Value {
    let page = include_str!("../../docs/connections.md");
    let section = page
        .split("\n## ")
        .find(|section| section.starts_with(kind))
        .unwrap();
    let yaml = section
        .split("```yaml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    serde_saphyr::from_str(yaml).unwrap()
}

/// Keys of a connection whose account has the rights of the page, and no others.
async fn least(lab: &Lab, kind: &str) -> String {
    let role = manifest(kind);
    lab.role(&role).await;
    let token = lab.account("least").await;
    lab.bind("least", role["metadata"]["name"].as_str().unwrap())
        .await;
    lab.with_token(&token).0
}

#[tokio::test]
async fn the_rights_on_the_page_are_enough_for_jobs() {
    let Some(lab) = Lab::start("least-job").await else {
        return;
    };
    let cronjob = json!({"metadata": {"name": "train"}, "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}},
    }}}});
    lab.post(&lab.path("batch/v1", "cronjobs"), &cronjob).await;
    let keys = least(&lab, "kubernetes_job").await;
    let jobs = connector(
        "kubernetes_job",
        Action::Retrain,
        &keys,
        "cronjob = \"train\"",
    );
    let order = order(Action::Retrain, json!({}));
    settled(async || wrong(&jobs, &order).await).await;
    is_done(&jobs.send(order.clone()).await, "was created");
    is_done(&jobs.send(order.clone()).await, "earlier attempt");
}

#[tokio::test]
async fn the_rights_on_the_page_are_enough_for_scaling() {
    let Some(lab) = Lab::start("least-scale").await else {
        return;
    };
    lab.deployment(&json!({"replicas": 1})).await;
    let keys = least(&lab, "kubernetes_scale").await;
    let scale = connector("kubernetes_scale", Action::ScaleUp, &keys, "max = 5");
    let order = order(Action::ScaleUp, json!({"change": 2}));
    settled(async || wrong(&scale, &order).await).await;
    is_done(&send(&scale, &order).await, "from 1 to 3");
    let autoscaler = json!({"metadata": {"name": "web"}, "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 1, "maxReplicas": 9,
    }});
    lab.post(
        &lab.path("autoscaling/v2", "horizontalpodautoscalers"),
        &autoscaler,
    )
    .await;
    is_done(
        &send(&scale, &order).await,
        "minReplicas of HorizontalPodAutoscaler web",
    );
}

#[tokio::test]
async fn the_rights_on_the_page_are_enough_for_rollbacks() {
    let Some(lab) = Lab::start("least-rollout").await else {
        return;
    };
    let path = lab.deployment(&json!({"replicas": 1})).await;
    let second = json!({"spec": {"template": template("web:2")}});
    lab.until(&path, |object| {
        object["status"]["observedGeneration"] == object["metadata"]["generation"]
    })
    .await;
    lab.patch(&path, &second).await;
    lab.until(&path, |object| {
        object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    })
    .await;
    let keys = least(&lab, "kubernetes_rollout").await;
    let rollback = connector("kubernetes_rollout", Action::Rollback, &keys, "");
    let order = order(Action::Rollback, json!({}));
    settled(async || wrong(&rollback, &order).await).await;
    is_done(&send(&rollback, &order).await, "goes from revision 2");
}

#[tokio::test]
async fn the_rights_on_the_page_are_enough_for_a_closer_watch() {
    let Some(lab) = Lab::start("least-monitor").await else {
        return;
    };
    let cronjob = json!({"metadata": {"name": "web"}, "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}},
    }}}});
    lab.post(&lab.path("batch/v1", "cronjobs"), &cronjob).await;
    let keys = least(&lab, "kubernetes_monitor").await;
    let monitor = connector("kubernetes_monitor", Action::Monitor, &keys, "");
    let params = json!({"interval_seconds": 300, "duration_minutes": 0});
    let order = order(Action::Monitor, params);
    settled(async || wrong(&monitor, &order).await).await;
    let order = resolved(&monitor, &order).await;
    is_done(&monitor.send(order.clone()).await, "to */5 * * * *");
    let state = Tending {
        done_at: 0,
        acknowledged: false,
    };
    assert_eq!(tend(&*monitor, order, state).await, Tended::Over);
    let path = lab.path("batch/v1", "cronjobs/web");
    assert_eq!(lab.get(&path).await["spec"]["schedule"], "0 3 * * *");
}

#[tokio::test]
async fn the_rights_on_the_page_are_enough_for_workflows() {
    let Some(lab) = Lab::start("least-workflow").await else {
        return;
    };
    for (plural, kind) in [
        ("workflows", "Workflow"),
        ("workflowtemplates", "WorkflowTemplate"),
    ] {
        lab.definition("argoproj.io", "v1alpha1", plural, kind)
            .await;
    }
    let api = "argoproj.io/v1alpha1";
    let template = json!({"apiVersion": api, "kind": "WorkflowTemplate", "metadata": {"name": "train"}, "spec": {}});
    lab.post(&lab.path(api, "workflowtemplates"), &template)
        .await;
    let token = least(&lab, "argo_workflows").await;
    let token = token
        .split("file:")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let admin = std::fs::read_to_string(&lab.kubeconfig).unwrap();
    let old = admin
        .split("token: ")
        .nth(1)
        .unwrap()
        .split('}')
        .next()
        .unwrap();
    let path = lab.folder.path().join("least");
    std::fs::write(
        &path,
        admin.replace(old, &std::fs::read_to_string(token).unwrap()),
    )
    .unwrap();
    let keys = format!("kubeconfig = {path:?}\nnamespace = {:?}\n", lab.namespace);
    let workflows = connector(
        "argo_workflows",
        Action::Retrain,
        &keys,
        "template = \"train\"",
    );
    let order = order(Action::Retrain, json!({}));
    settled(async || wrong(&workflows, &order).await).await;
    is_done(&workflows.send(order.clone()).await, "was created");
    is_done(&workflows.send(order).await, "earlier attempt");
}

/// Rights are read from a cache that follows the roles.
async fn settled(wrong: impl AsyncFn() -> Vec<String>) {
    let started = tokio::time::Instant::now();
    loop {
        let found = wrong().await;
        if found.is_empty() {
            return;
        }
        assert!(started.elapsed().as_secs() < 30, "{found:?}");
    }
}
