//! `homeostat decisions` on the built binary: listed, shown with each attempt, followed; and the gauges of what people hold.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::operators::{applied, with_token};
use crate::support::service::{Launch, Service};
use crate::support::target::{Reply, Target};
use crate::support::wait_until;

const DRIFT: &str = "data.drift.detected";

/// What a command prints; it has to succeed.
#[track_caller]
fn printed(launch: &Launch, service: &Service, arguments: &[&str]) -> String {
    let mut all = vec!["decisions"];
    all.extend(arguments);
    all.extend(["--url", &service.url]);
    let output = launch.command(&all).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

fn drift(model: &str) -> Value {
    json!({"model_version": format!("{model}@1"), "severity": "HIGH"})
}

#[test]
fn decisions_are_listed_filtered_and_shown_with_each_attempt_and_the_next_one() {
    let target = Target::start(|_, before| match before {
        0 => Reply::Say("503 Service Unavailable"),
        _ => Reply::Say("200 OK"),
    });
    let slow =
        "actions.retrain.backoff.first_ms = 600000\nactions.retrain.backoff.max_ms = 600000\n";
    let launch = Launch::new()
        .overlay(&target.overlay("retrain", 3))
        .overlay(slow);
    let service = launch.start();
    service.publish(DRIFT, &json!([drift("churn")]));
    let pending = || {
        printed(
            &launch,
            &service,
            &["list", "--outcome", "pending", "--json"],
        )
    };
    wait_until("the first attempt has its answer", || {
        let listed = pending();
        let one: Option<Value> = listed
            .lines()
            .next()
            .map(|line| serde_json::from_str(line).unwrap());
        one.is_some_and(|one| one["phase"] == "ready" && !target.received().is_empty())
    });
    let table = printed(&launch, &service, &["list", "--target", "model/churn"]);
    let row = table.lines().nth(1).unwrap();
    assert!(
        table.starts_with("ID ") && row.contains("model/churn"),
        "{table}"
    );
    let id = row.split_whitespace().next().unwrap();
    assert_eq!(id.len(), 12);
    for none in [
        ["--target", "other"],
        ["--action", "alert"],
        ["--event-type", "x"],
    ] {
        let mut arguments = vec!["list"];
        arguments.extend(none);
        assert_eq!(printed(&launch, &service, &arguments), "no decisions\n");
    }
    let story = printed(&launch, &service, &["show", id]);
    assert!(story.contains("attempt      1 sent "), "{story}");
    assert!(story.contains("503"), "{story}");
    assert!(
        story.contains("next         attempt 2, not before 2"),
        "{story}"
    );
    let whole: Value =
        serde_json::from_str(&printed(&launch, &service, &["show", &id[..4], "--json"])).unwrap();
    assert!(whole["id"].as_str().unwrap().starts_with(id));
    assert!(whole["next_attempt"].is_string(), "{whole:#}");
    for (bad, code, told) in [
        ("00000000000000", 1, "no decision"),
        ("abc", 1, "4 to 32 hex digits"),
    ] {
        let output = launch
            .command(&["decisions", "show", bad, "--url", &service.url])
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{complaint}");
        assert!(complaint.contains(told), "{complaint}");
    }
    service.stop();
}

#[test]
fn decisions_are_followed_as_they_are_made() {
    let launch = Launch::new();
    let service = launch.start();
    service.decide(DRIFT, &drift("before"));
    let mut tail = launch
        .command(&["decisions", "tail", "--json", "--url", &service.url])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut targets = Vec::new();
    // It begins with its first look, whenever that is: events go on until one was seen.
    let told = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !told.load(std::sync::atomic::Ordering::Relaxed) {
                number += 1;
                service.decide(DRIFT, &drift(&format!("after-{number}")));
            }
        });
        let line = lines.next().unwrap().unwrap();
        let decision: Value = serde_json::from_str(&line).unwrap();
        targets.push(decision["target"].as_str().unwrap().to_owned());
        told.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    tail.kill().unwrap();
    tail.wait().unwrap();
    assert!(targets[0].starts_with("after-"), "{targets:?}");
    service.stop();
}

#[test]
fn what_operators_hold_shows_in_the_metrics() {
    let launch = with_token(Launch::new());
    let service = launch.start();
    let shown = |name: &str, value: u8| {
        let line = format!("homeostat_ledger_{name}{{partition=\"0\"}} {value}\n");
        service
            .try_get("/metrics")
            .is_some_and(|answer| answer.text.contains(&line))
    };
    assert!(shown("paused", 0) && shown("silenced", 0));
    applied(&launch, &service, &["silence", "--minutes", "5"]);
    applied(&launch, &service, &["pause"]);
    assert!(shown("paused", 1) && shown("silenced", 1));
    applied(&launch, &service, &["resume"]);
    assert!(shown("paused", 0) && shown("silenced", 0));
    service.stop();
}
