//! People's orders on the built binary, given from the command line as an operator gives them: pause and resume, a scheduled
//! action cancelled, an action forced.

use std::process::Output;

use serde_json::{Value, json};

use crate::support::service::{Launch, Service};
use crate::support::target::{Reply, Target};
use crate::support::wait_until;

const DRIFT: &str = "data.drift.detected";
pub(crate) const TOKEN: &str = "open sesame";

fn launch(target: &Target) -> Launch {
    with_token(Launch::new()).overlay(&target.overlay("retrain", 3))
}

/// With the token that orders need.
pub(crate) fn with_token(launch: Launch) -> Launch {
    let token = launch.folder().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    launch.with("HTTP__OPERATOR_TOKEN", &format!("file:{}", token.display()))
}

/// An order, with the token in the environment.
pub(crate) fn order(launch: &Launch, service: &Service, arguments: &[&str]) -> Output {
    let mut all = arguments.to_vec();
    if arguments[0] != "ledger" {
        all.extend(["--reason", "a test"]);
    }
    all.extend(["--url", &service.url]);
    let mut command = launch.command(&all);
    command
        .env("HOMEOSTAT_OPERATOR_TOKEN", TOKEN)
        .output()
        .unwrap()
}

#[track_caller]
pub(crate) fn applied(launch: &Launch, service: &Service, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.push("--json");
    let output = order(launch, service, &all);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn drift(model: &str, severity: &str) -> Value {
    json!({"model_version": format!("{model}@1"), "severity": severity})
}

#[test]
fn a_pause_holds_actions_back_through_a_restart_until_it_is_ended() {
    let target = Target::start(|_, _| Reply::Say("200 OK"));
    let launch = launch(&target);
    let service = launch.start();
    applied(&launch, &service, &["pause"]);
    let held = service.decide(DRIFT, &drift("m", "HIGH"));
    assert_eq!(held["outcome"], "suppressed", "{held:#}");
    assert!(
        held["reasons"]
            .to_string()
            .contains("held back by an operator"),
        "{held:#}"
    );
    service.stop();
    let service = launch.start();
    assert_eq!(
        service.decide(DRIFT, &drift("n", "HIGH"))["outcome"],
        "suppressed"
    );
    assert!(target.received().is_empty());
    applied(&launch, &service, &["resume"]);
    assert_eq!(
        service.decide(DRIFT, &drift("m", "HIGH"))["outcome"],
        "executed"
    );
    assert_eq!(target.received().len(), 1);
    service.stop();
}

#[test]
fn a_scheduled_action_is_cancelled_once_and_never_sent() {
    let target = Target::start(|_, _| Reply::Say("200 OK"));
    let launch = launch(&target);
    let service = launch.start();
    let scheduled = service.decide(DRIFT, &drift("m", "MEDIUM"));
    assert_eq!(scheduled["outcome"], "scheduled", "{scheduled:#}");
    let id = scheduled["id"].as_str().unwrap();
    // The first digits of an id name the action, as in `homeostat decisions show`.
    let told = applied(&launch, &service, &["override", "cancel", &id[..8]]);
    assert_eq!(told["action"]["phase"], "cancelled");
    // Seen as it was: refused, with the state it is in.
    let changed = scheduled["changed"].to_string();
    let again = order(
        &launch,
        &service,
        &["override", "cancel", id, "--expect", &changed],
    );
    let complaint = String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(1), "{complaint}");
    assert!(
        complaint.contains("409") && complaint.contains("was cancelled"),
        "{complaint}"
    );
    assert_eq!(service.story(&scheduled)["phase"], "cancelled");
    assert!(target.received().is_empty());
}

#[test]
fn a_forced_action_is_sent_once_however_often_it_is_ordered_and_past_its_cooldown() {
    let target = Target::start(|_, _| Reply::Say("200 OK"));
    let launch = launch(&target);
    let service = launch.start();
    assert_eq!(
        service.decide(DRIFT, &drift("m", "HIGH"))["outcome"],
        "executed"
    );
    let force = [
        "override", "force", "--action", "retrain", "--target", "model/m", "--key", "once",
    ];
    let first = applied(&launch, &service, &force);
    let id = first["action"]["id"].as_str().unwrap();
    wait_until("it is done", || {
        service.story(&first["action"])["outcome"] == "executed"
    });
    assert_eq!(applied(&launch, &service, &force)["action"]["id"], id);
    let requests = target.received();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].attempt(), (id.to_owned(), "1".to_owned()));
    // Without the token nobody orders anything.
    let mut command = launch.command(&["pause", "--reason", "x", "--url", &service.url]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("HOMEOSTAT_OPERATOR_TOKEN"));
}

#[test]
fn an_action_that_needs_an_approval_is_sent_once_it_has_it_also_after_a_restart() {
    let target = Target::willing();
    let launch = launch(&target).overlay("actions.retrain.approval = true\n");
    let service = launch.start();
    let ids = service.publish(DRIFT, &serde_json::json!([drift("m", "HIGH")]));
    let waiting = |service: &Service| {
        let decisions = service.decisions();
        let ours = decisions
            .into_iter()
            .find(|one| one["event_id"] == ids[0].as_str());
        ours.filter(|one| one["phase"] == "approval")
    };
    wait_until("it waits for an approval", || waiting(&service).is_some());
    let told = waiting(&service).unwrap();
    let id = told["id"].as_str().unwrap();
    wait_until("the log names it, and what to do", || {
        let line = "of model/m waits for an approval until ";
        let command = format!("`homeostat approve {id} --reason WHY`");
        service.said().contains(line) && service.said().contains(&command)
    });
    assert!(
        told["reasons"]
            .to_string()
            .contains("waits for an approval"),
        "{told:#}"
    );
    service.stop();
    let service = launch.start();
    wait_until("it still waits", || waiting(&service).is_some());
    assert!(target.received().is_empty());
    applied(
        &launch,
        &service,
        &["approve", told["id"].as_str().unwrap()],
    );
    assert_eq!(service.decided(&ids)[&ids[0]]["outcome"], "executed");
    assert_eq!(target.received().len(), 1);
    service.stop();
}
