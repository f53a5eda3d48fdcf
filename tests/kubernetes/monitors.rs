//! `kubernetes_monitor`.

use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::connector::{Connector, Order, Probe, Tended, Tending};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::FinishOutcome;
use serde_json::{Value, json};

use crate::between::{Next, between};
use crate::lab::{Lab, connector, is_done, is_refused, order, resolved, send, tend, wrong};

const MINUTE: i64 = 60_000;
const LASTS: Tending = Tending {
    done_at: 0,
    acknowledged: false,
};

fn an_order(seconds: u64) -> Order {
    order(
        Action::Monitor,
        json!({"interval_seconds": seconds, "duration_minutes": 120}),
    )
}

fn monitor(lab: &Lab, with: &str) -> Arc<dyn Connector> {
    connector("kubernetes_monitor", Action::Monitor, &lab.admin(), with)
}

/// The same order, minutes later.
fn later(order: &Order, minutes: i64) -> Order {
    Order {
        now: order.now + minutes * MINUTE,
        ..order.clone()
    }
}

async fn cronjob(lab: &Lab, schedule: &str) -> String {
    let path = lab.path("batch/v1", "cronjobs");
    let cronjob = json!({"metadata": {"name": "web"}, "spec": {"schedule": schedule, "jobTemplate": {"spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}},
    }}}});
    lab.post(&path, &cronjob).await;
    format!("{path}/web")
}

async fn schedule(lab: &Lab, path: &str) -> Value {
    lab.get(path).await["spec"]["schedule"].clone()
}

async fn annotation(lab: &Lab, path: &str) -> Value {
    lab.get(path).await["metadata"]["annotations"]["homeostat.dev/monitor"].clone()
}

#[tokio::test]
async fn a_cronjob_runs_more_often_for_a_while_and_then_as_before() {
    let Some(lab) = Lab::start("monitor").await else {
        return;
    };
    let path = cronjob(&lab, "17 3 * * *").await;
    let connector = monitor(&lab, "");
    assert_eq!(
        wrong(&connector, &an_order(300)).await,
        Vec::<String>::new()
    );
    let order = resolved(&connector, &an_order(300)).await;
    assert_eq!(
        order.params.value()["resolved"]["plan"]["was"],
        "17 3 * * *"
    );
    let dry = Order {
        dry_run: true,
        ..order.clone()
    };
    is_done(&connector.send(dry).await, "dry run, nothing was changed");
    assert_eq!(schedule(&lab, &path).await, "17 3 * * *");
    assert!(matches!(
        connector.probe(order.clone()).await,
        Some(Probe::Absent(_))
    ));
    is_done(
        &connector.send(order.clone()).await,
        "was set from 17 3 * * * to */5 * * * *",
    );
    is_done(
        &connector.send(order.clone()).await,
        "by an earlier attempt",
    );
    assert!(matches!(
        connector.probe(order.clone()).await,
        Some(Probe::Found(_))
    ));
    assert!(connector.is_tended());
    let soon = tend(&*connector, later(&order, 90), LASTS).await;
    assert_eq!(soon, Tended::Again(Duration::from_mins(30)));
    assert_eq!(schedule(&lab, &path).await, "*/5 * * * *");
    // Another instance, after a crash: it knows the order and no more.
    let other = monitor(&lab, "");
    assert_eq!(tend(&*other, later(&order, 120), LASTS).await, Tended::Over);
    assert_eq!(schedule(&lab, &path).await, "17 3 * * *");
    assert_eq!(annotation(&lab, &path).await, Value::Null);
    assert_eq!(tend(&*other, later(&order, 121), LASTS).await, Tended::Over);
    // An attempt that comes after its time raises nothing any more.
    let late = Order {
        attempt: 2,
        ..later(&order, 121)
    };
    is_done(&connector.send(late).await, "is over");
    assert_eq!(schedule(&lab, &path).await, "17 3 * * *");
}

#[tokio::test]
async fn a_second_order_extends_the_first_and_keeps_what_was_before_it() {
    let Some(lab) = Lab::start("monitor").await else {
        return;
    };
    let path = cronjob(&lab, "0 * * * *").await;
    let connector = monitor(&lab, "");
    let first = resolved(&connector, &an_order(300)).await;
    is_done(&connector.send(first.clone()).await, "to */5 * * * *");
    let second = resolved(&connector, &later(&an_order(60), 60)).await;
    assert_eq!(
        second.params.value()["resolved"]["plan"]["was"],
        "0 * * * *"
    );
    is_done(
        &connector.send(second.clone()).await,
        "from */5 * * * * to * * * * *",
    );
    // The first one's time is over, the second one's is not.
    let tended = tend(&*connector, later(&first, 120), LASTS).await;
    assert_eq!(tended, Tended::Again(Duration::from_hours(1)));
    assert_eq!(schedule(&lab, &path).await, "* * * * *");
    // A third one that asks for less keeps the closer watch, for longer.
    let third = resolved(&connector, &later(&an_order(600), 90)).await;
    is_done(&connector.send(third.clone()).await, "stays at * * * * *");
    assert_eq!(
        tend(&*connector, later(&third, 120), LASTS).await,
        Tended::Over
    );
    assert_eq!(schedule(&lab, &path).await, "0 * * * *");
}

#[tokio::test]
async fn what_a_person_changes_meanwhile_is_never_overwritten() {
    let Some(lab) = Lab::start("monitor").await else {
        return;
    };
    let path = cronjob(&lab, "0 * * * *").await;
    let connector = monitor(&lab, "");
    let order = resolved(&connector, &an_order(300)).await;
    let changed = json!({"spec": {"schedule": "30 * * * *"}});
    lab.patch(&path, &changed).await;
    is_refused(
        &connector.send(order).await,
        "was changed from 0 * * * * to 30 * * * *",
    );
    let order = resolved(&connector, &an_order(300)).await;
    is_done(&connector.send(order.clone()).await, "to */5 * * * *");
    lab.patch(&path, &json!({"spec": {"schedule": "*/10 * * * *"}}))
        .await;
    assert_eq!(
        tend(&*connector, later(&order, 120), LASTS).await,
        Tended::Over
    );
    assert_eq!(schedule(&lab, &path).await, "*/10 * * * *");
    assert_eq!(annotation(&lab, &path).await, Value::Null);
    // What they set is what is gone back to the next time.
    let order = resolved(&connector, &an_order(300)).await;
    is_done(&connector.send(order.clone()).await, "from */10 * * * *");
    let acknowledged = Tending {
        acknowledged: true,
        ..LASTS
    };
    assert_eq!(
        tend(&*connector, later(&order, 1), acknowledged).await,
        Tended::Over
    );
    assert_eq!(schedule(&lab, &path).await, "*/10 * * * *");
}

#[tokio::test]
async fn what_is_as_frequent_already_is_left_and_what_is_suspended_is_refused() {
    let Some(lab) = Lab::start("monitor").await else {
        return;
    };
    let path = cronjob(&lab, "*/2 * * * *").await;
    let connector = monitor(&lab, "");
    let order = resolved(&connector, &an_order(300)).await;
    is_done(
        &connector.send(order.clone()).await,
        "is as frequent already",
    );
    assert_eq!(tend(&*connector, order, LASTS).await, Tended::Over);
    lab.patch(&path, &json!({"spec": {"suspend": true}})).await;
    is_refused(&send(&connector, &an_order(60)).await, "is suspended");
    lab.delete(&path).await;
    is_refused(
        &send(&connector, &an_order(60)).await,
        "there is no such object",
    );
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_by_asking() {
    let Some(lab) = Lab::start("monitor").await else {
        return;
    };
    let path = cronjob(&lab, "0 * * * *").await;
    let keys = between(&lab, Next::Lose).await;
    let connector = connector("kubernetes_monitor", Action::Monitor, &keys, "");
    let order = resolved(&connector, &an_order(300)).await;
    assert_eq!(
        connector.send(order.clone()).await.outcome,
        FinishOutcome::Unknown
    );
    assert!(matches!(
        connector.probe(order.clone()).await,
        Some(Probe::Found(_))
    ));
    is_done(
        &connector.send(order.clone()).await,
        "by an earlier attempt",
    );
    assert_eq!(
        tend(&*connector, later(&order, 120), LASTS).await,
        Tended::Over
    );
    assert_eq!(schedule(&lab, &path).await, "0 * * * *");
}

#[tokio::test]
async fn the_scraping_of_each_endpoint_is_shortened_and_given_back() {
    let Some(lab) = Lab::start("monitor").await else {
        return;
    };
    let group = "monitoring.coreos.com";
    for (plural, kind, list) in [
        ("servicemonitors", "ServiceMonitor", "endpoints"),
        ("podmonitors", "PodMonitor", "podMetricsEndpoints"),
    ] {
        lab.definition(group, "v1", plural, kind).await;
        let all = lab.path(&format!("{group}/v1"), plural);
        let endpoints = json!([{"port": "a", "interval": "2m", "scrapeTimeout": "20s"}, {"port": "b"}, {"port": "c", "interval": "5s"}]);
        let object = json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"name": "web"},
            "spec": {"selector": {}, list: endpoints}});
        lab.post(&all, &object).await;
        let path = format!("{all}/web");
        let connector = monitor(&lab, &format!("kind = {kind:?}"));
        let order = resolved(&connector, &an_order(15)).await;
        is_done(&connector.send(order.clone()).await, kind);
        let spec = lab.get(&path).await["spec"].clone();
        let intervals: Vec<&Value> = spec[list]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["interval"])
            .collect();
        assert_eq!(intervals, ["20s", "15s", "5s"]);
        assert_eq!(
            tend(&*connector, later(&order, 120), LASTS).await,
            Tended::Over
        );
        assert_eq!(lab.get(&path).await["spec"], object["spec"]);
    }
}
