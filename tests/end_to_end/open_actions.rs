//! What is open is listed and can be ordered about, however many decisions follow it (issue 13, row 15).

use serde_json::{Value, json};

use crate::operators::{applied, with_token};
use crate::support::service::{Launch, Service};
use crate::support::target::Target;
use crate::support::wait_until;

const DRIFT: &str = "data.drift.detected";

fn drift(model: &str) -> Value {
    json!({"model_version": format!("{model}@1"), "severity": "HIGH"})
}

fn listed(service: &Service, query: &str) -> Vec<Value> {
    let answer = service.get(&format!("/api/v1/decisions?{query}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["items"].as_array().unwrap().clone()
}

#[test]
fn an_action_that_waits_for_approval_is_listed_and_approved_behind_a_thousand_later_decisions() {
    let target = Target::willing();
    let launch = with_token(Launch::new())
        .overlay(&target.overlay("retrain", 1))
        .overlay("actions.retrain.approval = true\n");
    let service = launch.start();
    let first = service.publish(DRIFT, &json!([drift("m"), drift("n")]));
    let pending = |service: &Service| listed(service, "outcome=pending");
    wait_until("both wait", || pending(&service).len() == 2);
    let waiting = pending(&service);
    // Each of them finds its key taken.
    for _ in 0..11 {
        service.publish(DRIFT, &json!(vec![drift("m"); 100]));
    }
    wait_until("they are decided", || {
        listed(&service, "outcome=suppressed&limit=1000").len() == 1_000
    });
    assert_eq!(pending(&service), waiting);
    assert_eq!(
        service.decisions().len(),
        1_002,
        "the closed ones are bounded"
    );
    service.stop();
    let service = launch.start();
    wait_until("they still wait", || pending(&service) == waiting);
    let id = |event: &String| {
        let ours = waiting.iter().find(|one| one["event_id"] == event.as_str());
        ours.unwrap()["id"].as_str().unwrap()
    };
    applied(&launch, &service, &["approve", id(&first[0])]);
    wait_until("it is sent", || target.received().len() == 1);
    let cancelled = applied(&launch, &service, &["override", "cancel", id(&first[1])]);
    assert_eq!(cancelled["action"]["phase"], "cancelled");
    // What ends is among those that ended last, however old its decision is.
    wait_until("both have ended", || pending(&service).is_empty());
    assert_eq!(listed(&service, "outcome=executed").len(), 1);
    service.stop();
}
