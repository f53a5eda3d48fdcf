//! Alerts that reach nobody, and failed actions, on the built binary: a warning, never a reason against being ready; ended by
//! a later alert or by a person, and the action is fired again once its target is mended (issue 13, row 14).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use homeostat_logic::ledger::placement::partition_of_target;
use homeostat_logic::target::Target as About;
use serde_json::{Value, json};

use crate::operators::{applied, order, with_token};
use crate::support::service::{Launch, Service};
use crate::support::target::{Reply, Target};
use crate::support::{wait_for, wait_until};

const DRIFT: &str = "data.drift.detected";

/// A target that refuses everything until it is mended.
fn refusing() -> (Target, Arc<AtomicBool>) {
    let mended = Arc::new(AtomicBool::new(false));
    let works = Arc::clone(&mended);
    let target = Target::start(move |_, _| {
        Reply::Say(if works.load(Ordering::SeqCst) {
            "200 OK"
        } else {
            "400 Bad Request"
        })
    });
    (target, mended)
}

fn launch(target: &Target) -> Launch {
    with_token(Launch::new())
        .overlay(&target.overlay("retrain", 1))
        .overlay(&target.overlay("alert", 1))
}

fn drift(model: &str) -> Value {
    json!({"model_version": format!("{model}@1"), "severity": "HIGH"})
}

/// What readiness warns of; it is ready, at the latest a moment after a start.
#[track_caller]
fn warnings(service: &Service) -> Vec<String> {
    let answer = wait_for("it is ready", || {
        Some(service.get("/readyz")).filter(|answer| answer.status == 200)
    });
    serde_json::from_value(answer.json()["warnings"].clone()).unwrap()
}

fn undelivered(service: &Service, count: usize) -> bool {
    let metric = format!("homeostat_ledger_undelivered_alerts {count}\n");
    service.get("/metrics").text.contains(&metric)
}

#[test]
fn a_lost_alert_is_a_warning_through_a_restart_until_a_later_one_is_delivered() {
    let (target, mended) = refusing();
    let launch = launch(&target);
    let service = launch.start();
    let failed = service.decide(DRIFT, &drift("m"));
    assert_eq!(failed["outcome"], "failed", "{failed:#}");
    wait_until("it warns", || !warnings(&service).is_empty());
    let told = warnings(&service).concat();
    assert!(
        told.contains("1 alert of") && told.contains("model/m"),
        "{told}"
    );
    wait_until("it is counted", || undelivered(&service, 1));
    service.stop();
    let service = launch.start();
    assert_eq!(warnings(&service).concat(), told);
    let status = order(&launch, &service, &["ledger", "status"]);
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(
        status.contains("alert about model/m through alert is failed since"),
        "{status}"
    );

    // Once it is mended the action is fired again, at once.
    mended.store(true, Ordering::SeqCst);
    let id = failed["id"].as_str().unwrap();
    applied(&launch, &service, &["override", "refire", id]);
    wait_until("it is done", || {
        service.story(&failed)["outcome"] == "executed"
    });
    assert_eq!(
        warnings(&service).concat(),
        told,
        "people still do not know"
    );
    // About another target, in another partition of the ledger.
    let partition = |target: &str| partition_of_target(&About::model(target), 4);
    let other = (0..).map(|n| format!("n{n}"));
    let mut other = other.filter(|other| partition(other) != partition("m"));
    let other = format!("model/{}", other.next().unwrap());
    let alert = ["override", "force", "--action", "alert", "--target", &other];
    applied(&launch, &service, &alert);
    wait_until("a later alert ends it", || warnings(&service).is_empty());
    wait_until("and the metric", || undelivered(&service, 0));
    let listed = service.get("/api/v1/ledger").json()["partitions"].to_string();
    assert!(
        listed.contains(r#""undelivered":0"#) && !listed.contains(r#""undelivered":1"#),
        "{listed}"
    );
    service.stop();
}

#[test]
fn a_person_ends_the_warning_by_the_command_that_it_names() {
    let (target, _) = refusing();
    let launch = launch(&target);
    let service = launch.start();
    let failed = service.decide(DRIFT, &drift("m"));
    wait_until("it warns", || !warnings(&service).is_empty());
    let told = warnings(&service).concat();
    let command = told
        .split('`')
        .find(|part| part.contains("override acknowledge"));
    let words: Vec<&str> = command.unwrap().split_whitespace().collect();
    let ["homeostat", arguments @ .., "--reason", _] = words.as_slice() else {
        panic!("{told}");
    };
    let answer = applied(&launch, &service, arguments);
    assert_eq!(answer["action"]["phase"], "failed");
    assert_eq!(warnings(&service), Vec::<String>::new());
    // The failed action itself as well; its story says who knows.
    let id = failed["id"].as_str().unwrap();
    applied(&launch, &service, &["override", "acknowledge", id]);
    let story = service.story(&failed);
    assert_eq!(story["acknowledged"], true);
    let reasons = story["reasons"].to_string();
    assert!(
        reasons.contains("acknowledge by operator: a test"),
        "{reasons}"
    );
    service.stop();
    let service = launch.start();
    assert_eq!(warnings(&service), Vec::<String>::new());
    // It fails again: people are told again, and that alert is lost as well.
    applied(&launch, &service, &["override", "refire", id]);
    wait_until("it warns again", || !warnings(&service).is_empty());
    let second = service.story(&failed);
    assert_ne!(
        second["escalation"], story["escalation"],
        "an alert of its own"
    );
    service.stop();
}
