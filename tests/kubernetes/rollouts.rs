//! `kubernetes_rollout`.

use std::sync::Arc;

use futures_util::FutureExt as _;
use homeostat_actors::ports::connector::{Connector, Order, Probe};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::FinishOutcome;
use serde_json::{Value, json};

use crate::between::{Before, Next, between};
use crate::lab::{Lab, connector, is_done, is_refused, order, resolved, send, template, wrong};

fn an_order() -> Order {
    order(Action::Rollback, json!({"to": "previous_stable"}))
}

fn rollback(lab: &Lab, with: &str) -> Arc<dyn Connector> {
    connector("kubernetes_rollout", Action::Rollback, &lab.admin(), with)
}

/// Rolls an image out, and waits until its controller has made a revision of it.
async fn roll_out(lab: &Lab, path: &str, image: &str) {
    lab.patch(path, &json!({"spec": {"template": template(image)}}))
        .await;
    observed(lab, path).await;
}

/// Argo Rollouts misses a change that falls into one of its own; another one wakes it.
async fn observed(lab: &Lab, path: &str) {
    for look in 1..600 {
        let object = lab.get(path).await;
        let seen = &object["status"]["observedGeneration"];
        let generation = &object["metadata"]["generation"];
        if seen == generation || seen.as_str() == Some(&generation.to_string()) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        if look % 20 == 0 {
            let touched = json!({"metadata": {"annotations": {"touched": look.to_string()}}});
            lab.patch(path, &touched).await;
        }
    }
    panic!("{path} was not observed");
}

/// A Deployment at the third of three images.
async fn three(lab: &Lab) -> String {
    let path = lab.deployment(&json!({"replicas": 1})).await;
    observed(lab, &path).await;
    roll_out(lab, &path, "web:2").await;
    roll_out(lab, &path, "web:3").await;
    path
}

async fn image(lab: &Lab, path: &str) -> String {
    let object = lab.get(path).await;
    let image = object["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    image
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn the_same_order_never_walks_back_twice_and_the_next_one_never_walks_forward() {
    let Some(lab) = Lab::start("rollout").await else {
        return;
    };
    let path = three(&lab).await;
    let connector = rollback(&lab, "");
    assert_eq!(wrong(&connector, &an_order()).await, Vec::<String>::new());
    let order = resolved(&connector, &an_order()).await;
    let plan = order.params.value()["resolved"]["plan"].clone();
    assert_eq!(
        (&plan["from"]["revision"], &plan["to"]["revision"]),
        (&json!(3), &json!(2))
    );
    assert!(matches!(
        connector.probe(order.clone()).await,
        Some(Probe::Absent(_))
    ));
    let dry = Order {
        dry_run: true,
        ..order.clone()
    };
    is_done(&connector.send(dry).await, "dry run, nothing was changed");
    assert_eq!(image(&lab, &path).await, "web:3");
    is_done(&connector.send(order.clone()).await, "goes from revision 3");
    observed(&lab, &path).await;
    assert_eq!(image(&lab, &path).await, "web:2");
    // Its revision is 4 by now; the order is delivered again.
    for _ in 0..2 {
        is_done(&connector.send(order.clone()).await, "already");
        assert_eq!(image(&lab, &path).await, "web:2");
    }
    assert!(matches!(
        connector.probe(order.clone()).await,
        Some(Probe::Found(_))
    ));
    // An event of the same id, as another action: perhaps the same event.
    let again = Order {
        event_id: order.event_id.clone(),
        ..an_order()
    };
    let repeated = "is repeated takes nothing one version further back";
    is_refused(&send(&connector, &again).await, repeated);
    assert_eq!(image(&lab, &path).await, "web:2");
    // Somebody rolled the bad version out again, and the id is used again: it does not run on.
    roll_out(&lab, &path, "web:3").await;
    is_done(&send(&connector, &again).await, "to revision 4");
    observed(&lab, &path).await;
    assert_eq!(image(&lab, &path).await, "web:2");
    // Another event: on to 1, not back to 3.
    is_done(&send(&connector, &an_order()).await, "to revision 1");
    observed(&lab, &path).await;
    assert_eq!(image(&lab, &path).await, "web:1");
    is_refused(&send(&connector, &an_order()).await, "no earlier revision");
    // The first order, very late: others have moved on.
    is_refused(
        &connector.send(order).await,
        "another version was rolled out in between",
    );
    assert_eq!(image(&lab, &path).await, "web:1");
}

#[tokio::test]
async fn a_version_that_was_rolled_out_in_between_is_left_alone() {
    let Some(lab) = Lab::start("rollout").await else {
        return;
    };
    let path = three(&lab).await;
    let connector = rollback(&lab, "");
    let order = resolved(&connector, &an_order()).await;
    roll_out(&lab, &path, "web:4").await;
    is_refused(&connector.send(order).await, "is at revision 4");
    assert_eq!(image(&lab, &path).await, "web:4");
}

#[tokio::test]
async fn a_stale_version_is_refused_by_the_cluster_and_read_again() {
    let Some(lab) = Lab::start("rollout").await else {
        return;
    };
    let path = three(&lab).await;
    for (change, expected) in [
        (
            json!({"metadata": {"annotations": {"note": "changed"}}}),
            "web:2",
        ),
        (json!({"spec": {"template": template("web:5")}}), "web:5"),
    ] {
        let to_patch = path.clone();
        let before: Before = Arc::new(move |client| {
            let (path, body) = (to_patch.clone(), change.to_string().into_bytes());
            async move {
                let request = http::Request::patch(path)
                    .header("content-type", "application/merge-patch+json");
                client
                    .request::<Value>(request.body(body).unwrap())
                    .await
                    .unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
            .boxed()
        });
        let keys = between(&lab, Next::Before(before)).await;
        let connector = connector("kubernetes_rollout", Action::Rollback, &keys, "");
        let answer = send(&connector, &an_order()).await;
        assert_eq!(
            answer.outcome == FinishOutcome::Done,
            expected == "web:2",
            "{}",
            answer.detail
        );
        assert_eq!(image(&lab, &path).await, expected);
        observed(&lab, &path).await;
    }
}

#[tokio::test]
async fn a_paused_workload_and_one_that_a_repository_keeps_are_named_and_left_alone() {
    let Some(lab) = Lab::start("rollout").await else {
        return;
    };
    let path = three(&lab).await;
    lab.patch(&path, &json!({"spec": {"paused": true}})).await;
    is_refused(&send(&rollback(&lab, ""), &an_order()).await, "is paused");
    lab.patch(&path, &json!({"spec": {"paused": false}})).await;
    let tracked = json!({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "web:apps/Deployment:ml/web"}}});
    lab.patch(&path, &tracked).await;
    observed(&lab, &path).await;
    is_refused(
        &send(&rollback(&lab, ""), &an_order()).await,
        "is kept by Argo CD",
    );
    assert_eq!(image(&lab, &path).await, "web:3");
    let allowed = rollback(&lab, "gitops = \"allow\"");
    is_done(
        &send(&allowed, &an_order()).await,
        "Argo CD keeps this object",
    );
    assert_eq!(image(&lab, &path).await, "web:2");
}

#[tokio::test]
async fn what_a_person_mended_is_looked_at_again_when_the_action_is_fired_again() {
    let Some(lab) = Lab::start("rollout").await else {
        return;
    };
    let path = three(&lab).await;
    let connector = rollback(&lab, "");
    lab.patch(&path, &json!({"spec": {"paused": true}})).await;
    let first = resolved(&connector, &an_order()).await;
    is_refused(&connector.send(first.clone()).await, "is paused");
    lab.patch(&path, &json!({"spec": {"paused": false}})).await;
    observed(&lab, &path).await;
    // The second attempt of the same action.
    let second = Order {
        attempt: 2,
        ..first
    };
    let second = resolved(&connector, &second).await;
    is_done(&connector.send(second).await, "to revision 2");
    assert_eq!(image(&lab, &path).await, "web:2");
}

/// Times of a cluster have seconds.
async fn next_second() {
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
}

#[tokio::test]
async fn a_rollback_that_waited_does_not_undo_what_a_person_did_meanwhile() {
    let Some(lab) = Lab::start("rollout").await else {
        return;
    };
    let path = lab.deployment(&json!({"replicas": 1})).await;
    observed(&lab, &path).await;
    for image in ["web:2", "web:3"] {
        next_second().await;
        roll_out(&lab, &path, image).await;
    }
    next_second().await;
    let event = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let order = Order {
        as_of: event.try_into().unwrap(),
        ..an_order()
    };
    let connector = rollback(&lab, "");
    let early = resolved(&connector, &order).await;
    let to = early.params.value()["resolved"]["plan"]["to"].clone();
    assert_eq!(to["revision"], 2);
    next_second().await;
    // A person's own rollback, to where the order would have gone: nothing is left to do.
    roll_out(&lab, &path, "web:2").await;
    is_done(&connector.send(early).await, "already");
    assert_eq!(image(&lab, &path).await, "web:2");
    is_refused(
        &send(&connector, &order).await,
        "as of which the rollback was wanted",
    );
    assert_eq!(image(&lab, &path).await, "web:2");
    // An event that comes after it goes further back, never to what the person left.
    is_done(&send(&connector, &an_order()).await, "to revision 1");
    assert_eq!(image(&lab, &path).await, "web:1");
}

#[tokio::test]
async fn an_explicit_revision_is_gone_to_and_one_that_is_not_there_is_refused() {
    let Some(lab) = Lab::start("rollout").await else {
        return;
    };
    let path = three(&lab).await;
    is_refused(
        &send(&rollback(&lab, "revision = \"9\""), &an_order()).await,
        "has no revision 9; it has revision 3",
    );
    is_done(
        &send(
            &rollback(&lab, "revision = \"{{ params.to }}\""),
            &order(Action::Rollback, json!({"to": 1})),
        )
        .await,
        "to revision 1",
    );
    assert_eq!(image(&lab, &path).await, "web:1");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_by_asking() {
    let Some(lab) = Lab::start("rollout").await else {
        return;
    };
    let path = three(&lab).await;
    let keys = between(&lab, Next::Lose).await;
    let connector = connector("kubernetes_rollout", Action::Rollback, &keys, "");
    let order = resolved(&connector, &an_order()).await;
    assert_eq!(
        connector.send(order.clone()).await.outcome,
        FinishOutcome::Unknown
    );
    observed(&lab, &path).await;
    assert!(matches!(
        connector.probe(order.clone()).await,
        Some(Probe::Found(_))
    ));
    is_done(&connector.send(order).await, "already");
    assert_eq!(image(&lab, &path).await, "web:2");
}

#[tokio::test]
async fn a_stateful_set_goes_back_by_its_controller_revisions() {
    let Some(lab) = Lab::start("rollout").await else {
        return;
    };
    let all = lab.path("apps/v1", "statefulsets");
    let set = json!({"metadata": {"name": "web"}, "spec": {
        "replicas": 1, "serviceName": "web", "selector": {"matchLabels": {"app": "web"}}, "template": template("web:1"),
    }});
    lab.post(&all, &set).await;
    let path = format!("{all}/web");
    observed(&lab, &path).await;
    roll_out(&lab, &path, "web:2").await;
    roll_out(&lab, &path, "web:3").await;
    let connector = rollback(&lab, "kind = \"StatefulSet\"");
    let order = resolved(&connector, &an_order()).await;
    is_done(&connector.send(order.clone()).await, "goes from revision 3");
    observed(&lab, &path).await;
    assert_eq!(image(&lab, &path).await, "web:2");
    is_done(&connector.send(order).await, "already");
    is_done(&send(&connector, &an_order()).await, "to revision 1");
    assert_eq!(image(&lab, &path).await, "web:1");
}

#[tokio::test]
async fn a_rollout_whose_update_is_under_way_goes_back_to_what_is_stable() {
    let Some(lab) = Lab::start("rollout").await else {
        return;
    };
    let all = lab.path("argoproj.io/v1alpha1", "rollouts");
    let rollout = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"}, "spec": {
        "replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template("web:1"),
        "strategy": {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}},
    }});
    lab.post(&all, &rollout).await;
    let path = format!("{all}/web");
    lab.until(&path, |object| object["status"]["phase"] == "Healthy")
        .await;
    roll_out(&lab, &path, "web:2").await;
    lab.until(&path, |object| object["status"]["phase"] == "Paused")
        .await;
    roll_out(&lab, &path, "web:3").await;
    lab.until(&path, |object| object["status"]["phase"] == "Paused")
        .await;
    let connector = rollback(&lab, "kind = \"Rollout\"");
    let order = resolved(&connector, &an_order()).await;
    // Not 2, which never became stable.
    is_done(&connector.send(order.clone()).await, "to revision 1");
    lab.until(&path, |object| object["status"]["phase"] == "Healthy")
        .await;
    assert_eq!(image(&lab, &path).await, "web:1");
    is_done(&connector.send(order).await, "already");
    lab.patch(&path, &json!({"spec": {"paused": true}})).await;
    is_refused(&send(&connector, &an_order()).await, "is paused");
}
