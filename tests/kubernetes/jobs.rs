//! `kubernetes_job`.

use std::sync::Arc;

use homeostat_actors::ports::connector::{Connector, Order, Probe};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::FinishOutcome;
use serde_json::{Value, json};

use crate::between::{Next, between};
use crate::lab::{Lab, connector, is_done, is_refused, may_succeed_later, order, wrong};

const MANIFEST: &str = r#"manifest = '''
apiVersion: batch/v1
kind: Job
metadata:
  annotations: {reason: "{{ reasons[0] }}", event: "{{ event_type }}"}
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: 5
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: "registry.example/train:{{ params.version | default(1) }}"
          args: ["--model", "{{ target.name }}"]
'''"#;

async fn cronjob(lab: &Lab, spec: Value) {
    let mut cronjob = json!({"metadata": {"name": "train-web"}, "spec": {
        "schedule": "0 3 1 1 *", "suspend": true,
        "jobTemplate": {
            "metadata": {"labels": {"team": "ml"}, "annotations": {"note": "nightly"}},
            "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [
                {"name": "main", "image": "registry.example/train:1", "env": [{"name": "REASON", "value": "nightly"}, {"name": "KEPT", "value": "1"}]},
            ]}}},
        },
    }});
    for (name, value) in spec.as_object().unwrap() {
        cronjob["spec"][name] = value.clone();
    }
    lab.post(&lab.path("batch/v1", "cronjobs"), &cronjob).await;
}

const CRONJOB: &str = r#"cronjob = "train-{{ target.name }}"
env = { REASON = "{{ event_type }}", ACTION = "{{ action_id }}" }"#;

async fn jobs(lab: &Lab) -> Vec<Value> {
    let list = lab.get(&lab.path("batch/v1", "jobs")).await;
    list["items"].as_array().unwrap().clone()
}

fn retrain(lab: &Lab, with: &str) -> Arc<dyn Connector> {
    connector("kubernetes_job", Action::Retrain, &lab.admin(), with)
}

fn an_order() -> Order {
    order(Action::Retrain, json!({"priority": "high"}))
}

#[tokio::test]
async fn a_job_of_a_cronjob_is_made_once_however_often_the_order_is_sent() {
    let Some(lab) = Lab::start("job").await else {
        return;
    };
    cronjob(&lab, json!({})).await;
    let connector = retrain(&lab, CRONJOB);
    let order = an_order();
    assert_eq!(wrong(&connector, &order).await, Vec::<String>::new());
    assert!(matches!(
        connector.probe(order.clone()).await,
        Some(Probe::Absent(_))
    ));
    is_done(&connector.send(order.clone()).await, "was created");
    is_done(
        &connector.send(order.clone()).await,
        "from an earlier attempt",
    );
    let made = jobs(&lab).await;
    assert_eq!(made.len(), 1);
    let (job, id) = (&made[0], order.action_id.to_string());
    let metadata = &job["metadata"];
    assert_eq!(metadata["name"], format!("retrain-web-{id}"));
    assert_eq!(metadata["labels"]["homeostat.dev/action-id"], id);
    assert_eq!(metadata["labels"]["team"], "ml");
    assert_eq!(
        metadata["annotations"]["homeostat.dev/event-id"],
        order.event_id
    );
    assert_eq!(metadata["annotations"]["note"], "nightly");
    assert_eq!(metadata["ownerReferences"][0]["name"], "train-web");
    let env = &job["spec"]["template"]["spec"]["containers"][0]["env"];
    let env: Vec<(&str, &str)> = (env.as_array().unwrap().iter())
        .map(|one| {
            (
                one["name"].as_str().unwrap(),
                one["value"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        env,
        [
            ("KEPT", "1"),
            ("ACTION", &id),
            ("REASON", "data_drift_detected")
        ]
    );
    assert!(matches!(
        connector.probe(order).await,
        Some(Probe::Found(_))
    ));
    is_done(&connector.send(an_order()).await, "was created");
    assert_eq!(jobs(&lab).await.len(), 2);
}

#[tokio::test]
async fn a_cronjob_that_keeps_no_finished_jobs_does_not_own_the_job() {
    let Some(lab) = Lab::start("job").await else {
        return;
    };
    cronjob(&lab, json!({"successfulJobsHistoryLimit": 0})).await;
    is_done(
        &retrain(&lab, CRONJOB).send(an_order()).await,
        "was created",
    );
    assert_eq!(
        jobs(&lab).await[0]["metadata"]["ownerReferences"],
        Value::Null
    );
}

#[tokio::test]
async fn a_manifest_is_filled_in_without_letting_a_value_change_anything_around_it() {
    let Some(lab) = Lab::start("job").await else {
        return;
    };
    let connector = retrain(&lab, MANIFEST);
    let evil = "x\"}\nkind: Pod\nspec: {evil: \"";
    let order = Order {
        event_type: evil.to_owned(),
        ..an_order()
    };
    is_done(&connector.send(order).await, "was created");
    let job = &jobs(&lab).await[0];
    assert_eq!(job["metadata"]["annotations"]["event"], evil);
    // It can be looked up for an hour.
    assert_eq!(job["spec"]["ttlSecondsAfterFinished"], 3_600);
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example/train:1");
    assert_eq!(container["args"][1], "web");
    let unknown = MANIFEST.replace("backoffLimit", "backoffLimits");
    is_refused(
        &retrain(&lab, &unknown).send(an_order()).await,
        "backoffLimits",
    );
}

#[tokio::test]
async fn a_job_of_the_same_name_that_is_not_of_the_action_is_not_taken_for_it() {
    let Some(lab) = Lab::start("job").await else {
        return;
    };
    let connector = retrain(&lab, MANIFEST);
    let order = an_order();
    let job = json!({"metadata": {"name": format!("retrain-web-{}", order.action_id)}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}],
    }}}});
    lab.post(&lab.path("batch/v1", "jobs"), &job).await;
    is_refused(
        &connector.send(order.clone()).await,
        "is not of this action",
    );
    assert!(matches!(
        connector.probe(order).await,
        Some(Probe::NoAnswer(_))
    ));
}

#[tokio::test]
async fn a_dry_run_is_checked_by_the_cluster_and_changes_nothing() {
    let Some(lab) = Lab::start("job").await else {
        return;
    };
    let dry = Order {
        dry_run: true,
        ..an_order()
    };
    is_done(
        &retrain(&lab, MANIFEST).send(dry.clone()).await,
        "dry run, nothing was changed",
    );
    assert_eq!(jobs(&lab).await.len(), 0);
    let broken = MANIFEST.replace("restartPolicy: Never", "restartPolicy: Sometimes");
    is_refused(&retrain(&lab, &broken).send(dry).await, "restartPolicy");
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_tried_again_and_a_namespace_that_ends_is_not() {
    let Some(lab) = Lab::start("job").await else {
        return;
    };
    let quotas = lab.path("v1", "resourcequotas");
    let quota = json!({"metadata": {"name": "none"}, "spec": {"hard": {"count/jobs.batch": "0"}}});
    lab.post(&quotas, &quota).await;
    lab.until(&format!("{quotas}/none"), |quota| {
        quota["status"]["hard"].is_object()
    })
    .await;
    let connector = retrain(&lab, MANIFEST);
    let order = an_order();
    may_succeed_later(&connector.send(order.clone()).await, "quota is used up");
    lab.delete(&format!("{quotas}/none")).await;
    let started = tokio::time::Instant::now();
    // Admission forgets a quota after a moment.
    while connector.send(order.clone()).await.outcome != FinishOutcome::Done {
        assert!(started.elapsed().as_secs() < 30);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let stays = json!({"metadata": {"name": "stays", "finalizers": ["example.com/stays"]}});
    let stay = lab.post(&lab.path("v1", "configmaps"), &stays).await;
    let namespace = format!("/api/v1/namespaces/{}", lab.namespace);
    lab.delete(&namespace).await;
    is_refused(
        &connector.send(an_order()).await,
        "the namespace is being deleted",
    );
    assert_eq!(stay["metadata"]["name"], "stays");
    let free = json!({"metadata": {"finalizers": null}});
    lab.patch(&lab.path("v1", "configmaps/stays"), &free).await;
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_by_asking_and_by_sending_again() {
    let Some(lab) = Lab::start("job").await else {
        return;
    };
    let keys = between(&lab, Next::Lose).await;
    let connector = connector("kubernetes_job", Action::Retrain, &keys, MANIFEST);
    let order = an_order();
    let lost = connector.send(order.clone()).await;
    assert_eq!(lost.outcome, FinishOutcome::Unknown, "{}", lost.detail);
    assert!(matches!(
        connector.probe(order.clone()).await,
        Some(Probe::Found(_))
    ));
    is_done(&connector.send(order).await, "from an earlier attempt");
    assert_eq!(jobs(&lab).await.len(), 1);
}

#[tokio::test]
async fn what_is_not_there_is_refused_with_what_to_do() {
    let Some(lab) = Lab::start("job").await else {
        return;
    };
    let connector = retrain(&lab, CRONJOB);
    is_refused(
        &connector.send(an_order()).await,
        "check name and namespace",
    );
    let found = wrong(&connector, &an_order()).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("train-web"), "{found:?}");
    let odd = Order {
        target: homeostat_logic::target::Target::model("Fraud Detector"),
        ..an_order()
    };
    is_refused(&connector.send(odd).await, "rendered to no usable name");
}
