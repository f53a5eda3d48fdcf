//! The identity of an installation (issue 13, row 12): two installations that share a receiver never give two events one
//! idempotency key, and a ledger that an older version wrote is refused.

use std::collections::BTreeSet;

use homeostat_actors::ports::log::{EventLog as _, NewRecord};
use homeostat_logic::topic::LEDGER;
use serde_json::{Value, json};

use crate::raw_records::open;
use crate::support::client::run;
use crate::support::service::{Launch, Service};
use crate::support::target::Target;

const DRIFT: &str = "data.drift.detected";

/// The identities of a service's ledger partitions.
fn installations(service: &Service) -> BTreeSet<String> {
    let ledger = service.get("/api/v1/ledger").json();
    let partitions = ledger["partitions"].as_array().unwrap().clone();
    let one = |partition: &Value| partition["installation"].as_str().unwrap().to_owned();
    partitions.iter().map(one).collect()
}

/// What a receiver does that honours keys: each key once.
fn effects(target: &Target) -> usize {
    let received = target.received();
    let keys = received
        .iter()
        .map(|one| one.header("idempotency-key").to_owned());
    keys.collect::<BTreeSet<_>>().len()
}

#[test]
fn x1_two_fresh_installations_and_one_that_lost_its_folder_each_have_their_effect_at_one_receiver()
{
    let target = Target::willing();
    let launch = || Launch::new().overlay(&target.overlay("retrain", 3));
    let event = json!({"model_version": "m@1", "severity": "HIGH"});
    let decide = |service: &Service| {
        let decision = service.decide(DRIFT, &event);
        assert_eq!(decision["outcome"], "executed", "{decision:#}");
        let position = ["topic", "partition", "offset"].map(|field| decision[field].clone());
        (position, decision["id"].clone())
    };
    let (first, second) = (launch(), launch());
    let (one, other) = (first.start(), second.start());
    let (one_told, other_told) = (decide(&one), decide(&other));
    assert_eq!(one_told.0, other_told.0, "the same source position");
    assert_ne!(one_told.1, other_told.1);
    assert_eq!(effects(&target), 2);
    other.stop();
    // The id is the key that the receiver got, on every way to it.
    let keys = target.received();
    let keys: Vec<_> = keys
        .iter()
        .map(|one| one.header("idempotency-key"))
        .collect();
    assert_eq!(
        keys,
        [one_told.1.as_str().unwrap(), other_told.1.as_str().unwrap()]
    );
    // All partitions of an installation share one identity, and keep it.
    let before = installations(&one);
    assert_eq!(before.len(), 1);
    one.stop();
    let again = first.start();
    assert_eq!(installations(&again), before);
    again.stop();
    // The folder is lost: it is another installation from here on.
    std::fs::remove_dir_all(first.folder().join("data")).unwrap();
    let anew = first.start();
    let told = decide(&anew);
    assert_eq!(told.0, one_told.0);
    assert_eq!(effects(&target), 3);
    assert_ne!(installations(&anew), before);
    anew.stop();
}

#[test]
fn a_ledger_of_an_older_version_is_refused_with_the_remedy() {
    let launch = Launch::new();
    launch.start().stop();
    let log = open(&launch);
    let old = NewRecord {
        topic: LEDGER.to_owned(),
        partition: Some(0),
        value: Some(b"\x01{\"propose\":{\"event_key\":\"00\"}}".to_vec()),
        ..NewRecord::default()
    };
    run(log.append(vec![old])).pop().unwrap().unwrap();
    log.close();
    let output = launch.command(&["run"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    for part in [
        "schema version 1",
        "an older Homeostat wrote this ledger",
        "move its directory away",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
