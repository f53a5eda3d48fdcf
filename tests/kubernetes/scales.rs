//! `kubernetes_scale`.

use std::sync::Arc;

use futures_util::FutureExt as _;
use homeostat_actors::ports::connector::{Connector, Order, Probe};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::FinishOutcome;
use serde_json::{Value, json};

use crate::between::{Next, between};
use crate::lab::{Lab, connector, is_done, is_refused, order, resolved, send, template, wrong};

fn up(change: i64) -> Order {
    order(Action::ScaleUp, json!({ "change": change }))
}

fn down(change: i64) -> Order {
    order(Action::ScaleDown, json!({ "change": change }))
}

fn more(lab: &Lab, with: &str) -> Arc<dyn Connector> {
    connector("kubernetes_scale", Action::ScaleUp, &lab.admin(), with)
}

fn fewer(lab: &Lab, with: &str) -> Arc<dyn Connector> {
    connector("kubernetes_scale", Action::ScaleDown, &lab.admin(), with)
}

async fn replicas(lab: &Lab, path: &str) -> Value {
    lab.get(path).await["spec"]["replicas"].clone()
}

async fn autoscaler(lab: &Lab, spec: &Value, owner: &Value) -> String {
    let path = lab.path("autoscaling/v2", "horizontalpodautoscalers");
    let mut object = json!({"metadata": {"name": "hpa", "ownerReferences": owner}, "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 2, "maxReplicas": 6,
    }});
    for (name, value) in spec.as_object().unwrap() {
        object["spec"][name] = value.clone();
    }
    lab.post(&path, &object).await;
    format!("{path}/hpa")
}

#[tokio::test]
async fn a_number_is_decided_once_and_means_the_same_in_every_attempt() {
    let Some(lab) = Lab::start("scale").await else {
        return;
    };
    let path = lab.deployment(&json!({"replicas": 3})).await;
    let connector = more(&lab, "max = 9");
    assert_eq!(wrong(&connector, &up(2)).await, Vec::<String>::new());
    let order = resolved(&connector, &up(2)).await;
    assert_eq!(order.params.value()["resolved"]["plan"]["to"], 5);
    assert!(matches!(
        connector.probe(order.clone()).await,
        Some(Probe::Absent(_))
    ));
    let dry = Order {
        dry_run: true,
        ..order.clone()
    };
    is_done(&connector.send(dry).await, "dry run, nothing was changed");
    assert_eq!(replicas(&lab, &path).await, 3);
    is_done(&connector.send(order.clone()).await, "was set from 3 to 5");
    assert!(matches!(
        connector.probe(order.clone()).await,
        Some(Probe::Found(_))
    ));
    is_done(&connector.send(order.clone()).await, "is 5 already");
    assert_eq!(replicas(&lab, &path).await, 5);
    // A person went further; the order is not repeated against it.
    lab.patch(&path, &json!({"spec": {"replicas": 8}})).await;
    is_done(&connector.send(order).await, "is 8 already");
    assert_eq!(replicas(&lab, &path).await, 8);
    let connector = fewer(&lab, "min = 7\nmax = 9");
    is_done(&send(&connector, &down(-3)).await, "was set from 8 to 7");
    is_done(&send(&connector, &down(-3)).await, "at least 7 is kept");
}

#[tokio::test]
async fn bounds_hold_and_a_service_that_is_at_its_most_is_refused() {
    let Some(lab) = Lab::start("scale").await else {
        return;
    };
    let path = lab.deployment(&json!({"replicas": 4})).await;
    let connector = more(&lab, "max = 5");
    is_done(&send(&connector, &up(4)).await, "was set from 4 to 5");
    is_refused(&send(&connector, &up(1)).await, "at most 5 is allowed");
    assert_eq!(replicas(&lab, &path).await, 5);
}

#[tokio::test]
async fn a_scale_without_replicas_is_zero() {
    let Some(lab) = Lab::start("scale").await else {
        return;
    };
    let path = lab.deployment(&json!({"replicas": 0})).await;
    is_done(
        &send(&more(&lab, "max = 5"), &up(2)).await,
        "was set from 0 to 2",
    );
    assert_eq!(replicas(&lab, &path).await, 2);
}

#[tokio::test]
async fn a_change_by_others_between_reading_and_writing_is_read_again() {
    let Some(lab) = Lab::start("scale").await else {
        return;
    };
    let path = lab.deployment(&json!({"replicas": 3})).await;
    let to_patch = path.clone();
    let before: crate::between::Before = Arc::new(move |client| {
        let path = to_patch.clone();
        async move {
            let body = json!({"spec": {"replicas": 4}}).to_string().into_bytes();
            let request =
                http::Request::patch(path).header("content-type", "application/merge-patch+json");
            client
                .request::<Value>(request.body(body).unwrap())
                .await
                .unwrap();
        }
        .boxed()
    });
    let keys = between(&lab, Next::Before(before)).await;
    let connector = connector("kubernetes_scale", Action::ScaleUp, &keys, "max = 9");
    is_done(
        &send(&connector, &up(2)).await,
        "was set from 4 to 5; it was 3 when the action was decided",
    );
    assert_eq!(replicas(&lab, &path).await, 5);
}

#[tokio::test]
async fn an_answer_that_was_lost_leaves_one_change() {
    let Some(lab) = Lab::start("scale").await else {
        return;
    };
    let path = lab.deployment(&json!({"replicas": 1})).await;
    let keys = between(&lab, Next::Lose).await;
    let connector = connector("kubernetes_scale", Action::ScaleUp, &keys, "max = 9");
    let order = resolved(&connector, &up(2)).await;
    assert_eq!(
        connector.send(order.clone()).await.outcome,
        FinishOutcome::Unknown
    );
    assert!(matches!(
        connector.probe(order.clone()).await,
        Some(Probe::Found(_))
    ));
    is_done(&connector.send(order).await, "is 3 already");
    assert_eq!(replicas(&lab, &path).await, 3);
}

#[tokio::test]
async fn of_an_autoscaled_service_the_autoscaler_is_moved() {
    let Some(lab) = Lab::start("scale").await else {
        return;
    };
    let path = lab.deployment(&json!({"replicas": 3})).await;
    let hpa = autoscaler(&lab, &json!({}), &json!([])).await;
    let connector = more(&lab, "max = 40");
    let order = resolved(&connector, &up(2)).await;
    is_done(
        &connector.send(order.clone()).await,
        "minReplicas of HorizontalPodAutoscaler hpa of Deployment",
    );
    assert_eq!(lab.get(&hpa).await["spec"]["minReplicas"], 5);
    is_done(&connector.send(order.clone()).await, "is 5 already");
    // Within its own limit.
    is_done(&send(&connector, &up(9)).await, "to 6");
    is_refused(
        &send(&connector, &up(9)).await,
        "the autoscaler's own limit",
    );
    is_done(
        &send(&fewer(&lab, "max = 40"), &down(-1)).await,
        "from 6 to 5",
    );
    is_refused(
        &send(&more(&lab, "max = 40\nautoscaler = \"refuse\""), &up(1)).await,
        "is scaled by",
    );
    // What scales it is no longer what it was when the number was decided.
    lab.delete(&hpa).await;
    is_refused(&connector.send(order).await, "is scaled by replicas now");
    autoscaler(&lab, &json!({}), &json!([])).await;
    lab.patch(&path, &json!({"spec": {"replicas": 0}})).await;
    is_refused(
        &send(&connector, &up(1)).await,
        "switches its autoscaler off",
    );
    is_done(
        &send(&more(&lab, "max = 40\nautoscaler = \"ignore\""), &up(1)).await,
        "replicas of",
    );
}

#[tokio::test]
async fn behind_keda_its_scaled_object_is_moved() {
    let Some(lab) = Lab::start("scale").await else {
        return;
    };
    lab.definition("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject")
        .await;
    lab.deployment(&json!({"replicas": 3})).await;
    let objects = lab.path("keda.sh/v1alpha1", "scaledobjects");
    let object = json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "web-keda"}, "spec": {
        "scaleTargetRef": {"name": "web"}, "minReplicaCount": 1, "maxReplicaCount": 20,
    }});
    let made = lab.post(&objects, &object).await;
    let owner = json!([{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "web-keda",
        "uid": made["metadata"]["uid"], "controller": true}]);
    let hpa = autoscaler(&lab, &json!({"minReplicas": 1}), &owner).await;
    is_done(
        &send(&more(&lab, "max = 40"), &up(2)).await,
        "minReplicaCount of ScaledObject web-keda",
    );
    let spec = &lab.get(&format!("{objects}/web-keda")).await["spec"];
    assert_eq!(
        (&spec["minReplicaCount"], &spec["maxReplicaCount"]),
        (&json!(5), &json!(20))
    );
    assert_eq!(lab.get(&hpa).await["spec"]["minReplicas"], 1);
}

#[tokio::test]
async fn stateful_sets_and_rollouts_are_scaled_alike() {
    let Some(lab) = Lab::start("scale").await else {
        return;
    };
    let spec = json!({"replicas": 1, "serviceName": "web", "selector": {"matchLabels": {"app": "web"}}, "template": template("web:1")});
    let set = json!({"metadata": {"name": "web"}, "spec": spec});
    lab.post(&lab.path("apps/v1", "statefulsets"), &set).await;
    is_done(
        &send(&more(&lab, "max = 5\nkind = \"StatefulSet\""), &up(2)).await,
        "StatefulSet",
    );
    let rollout = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template("web:1"), "strategy": {"canary": {}},
    }});
    lab.post(&lab.path("argoproj.io/v1alpha1", "rollouts"), &rollout)
        .await;
    is_done(
        &send(&more(&lab, "max = 5\nkind = \"Rollout\""), &up(2)).await,
        "from 1 to 3",
    );
    let by_name = "max = 9\nkind = \"rollouts.v1alpha1.argoproj.io\"";
    is_done(&send(&more(&lab, by_name), &up(2)).await, "from 3 to 5");
    let unknown = "max = 9\nkind = \"widgets.v1.example.com\"";
    is_refused(
        &send(&more(&lab, unknown), &up(2)).await,
        "is its operator installed?",
    );
}
