//! Somebody changes the ledger's topic under instances that run: none folds on across what it missed, none decides anew
//! what the ledger knew.

use homeostat::log::kafka::{KafkaLog, KafkaSettings};
use homeostat_actors::ports::log::{EventLog as _, TopicPartition};
use homeostat_logic::topic::LEDGER;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};

use crate::support::broker::Broker;
use crate::support::client::{Client, run};
use crate::support::service::Launch;
use crate::support::{wait_for, wait_until};

fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    let mut settings = rdkafka::ClientConfig::new();
    settings
        .set("bootstrap.servers", bootstrap)
        .create()
        .unwrap()
}

fn drifts(names: std::ops::Range<u32>) -> Value {
    let event = |number| json!({"model_version": format!("m{number}@1"), "severity": "HIGH"});
    names.map(event).collect()
}

/// Publishes a drift of each model and waits for the decisions.
fn decide(client: &Client, names: std::ops::Range<u32>) {
    let ids = client.publish("data.drift.detected", &drifts(names));
    client.decided(&ids);
}

fn partitions(client: &Client) -> Vec<Value> {
    let ledger = client.get("/api/v1/ledger").json();
    ledger["partitions"].as_array().unwrap().clone()
}

#[test]
fn g8_partitions_added_to_the_ledger_are_neither_used_nor_taken_for_the_ledgers() {
    let Some(broker) = Broker::new() else { return };
    let bootstrap = broker.start();
    let launch = Launch::new().with("KAFKA__BOOTSTRAP_SERVERS", &bootstrap);
    let service = launch.start();
    service.ready();
    decide(&service, 0..12);
    let admin = admin(&bootstrap);
    let more = NewPartitions::new(LEDGER, 8);
    let added = run(admin.create_partitions([&more], &AdminOptions::new()));
    added.unwrap()[0].as_ref().unwrap();
    decide(&service, 12..40);
    service.stop();
    let refused = |launch: &Launch, part: &str| {
        let output = launch.command(&["run"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(part), "{part}: {said}");
    };
    refused(
        &launch,
        "if partitions were added later, stop every instance",
    );
    let followed = launch.with("LEDGER__PARTITIONS", "8");
    refused(&followed, "had another number of partitions before");
}

#[test]
fn g6_an_instance_that_a_removal_overtook_ends_and_another_goes_on() {
    let Some(broker) = Broker::new() else { return };
    let bootstrap = broker.start();
    let launch = || {
        Launch::new()
            .with("KAFKA__BOOTSTRAP_SERVERS", &bootstrap)
            .with("KAFKA__SESSION_TIMEOUT_MS", "6000")
    };
    let (whole, mut overtaken) = (launch().start(), launch().start());
    whole.ready();
    overtaken.ready();
    decide(&whole, 0..12);
    wait_until("both have folded it", || {
        let offsets = |client| {
            partitions(client)
                .into_iter()
                .map(|one| one["offset"].clone())
        };
        offsets(&whole).eq(offsets(&overtaken))
    });
    overtaken.signal("STOP");
    decide(&whole, 12..40);
    let log = KafkaLog::open(KafkaSettings::new(&bootstrap)).unwrap();
    let described = run(log.describe_topics(vec![LEDGER.to_owned()])).unwrap();
    for (partition, marks) in (0..).zip(&described[0].partitions) {
        let place = TopicPartition {
            topic: LEDGER.to_owned(),
            partition,
        };
        run(log.delete_before(place, marks.high)).unwrap();
    }
    overtaken.signal("CONT");
    decide(&whole, 40..60);
    let (status, said) = overtaken.ended();
    assert_eq!(status.code(), Some(3), "{said}");
    assert!(
        said.contains("were removed before they were folded"),
        "{said}"
    );
    assert!(said.contains("ledger truncated"), "{said}");
    wait_for("the other one executes all of the ledger", || {
        let all = partitions(&whole);
        let live = |one: &Value| one["owned"] == json!(true) && one["progress"] == json!("live");
        all.iter().all(live).then_some(())
    });
    decide(&whole, 60..80);
    whole.stop();
}

#[test]
fn an_instance_whose_ledger_topic_was_made_anew_ends_and_says_so() {
    let Some(broker) = Broker::new() else { return };
    let bootstrap = broker.start();
    let launch = Launch::new().with("KAFKA__BOOTSTRAP_SERVERS", &bootstrap);
    let mut service = launch.start();
    service.ready();
    decide(&service, 0..12);
    let admin = admin(&bootstrap);
    let deleted = run(admin.delete_topics(&[LEDGER], &AdminOptions::new()));
    deleted.unwrap()[0].as_ref().unwrap();
    wait_until("the topic is made anew", || {
        let made = launch.command(&["topics", "create"]).output().unwrap();
        made.status.success()
    });
    let (status, said) = service.ended();
    assert_eq!(status.code(), Some(3), "{said}");
    assert!(said.contains("or its topic was deleted"), "{said}");
    let again = launch.start();
    again.ready();
    decide(&again, 20..32);
    again.stop();
}
