//! `[ingest.NAME]` on a real Kafka: payloads of tools on topics of their own are decided like events of the platform, each
//! record once, and one that is none becomes a dead letter.

use homeostat::log::kafka::{KafkaLog, KafkaSettings};
use homeostat_actors::ports::log::{EventLog, NewRecord, TopicSettings};
use serde_json::json;

use crate::dead_letters::dead_letters;
use crate::support::broker::Broker;
use crate::support::client::run;
use crate::support::service::Launch;
use crate::support::{wait_for, wait_until};

const REPORTS: &str = "evidently-reports";
const ALERTS: &str = "alerts-of-prometheus";

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("tests/data/inbound/{name}.json")).unwrap()
}

fn topic(name: &str) -> TopicSettings {
    TopicSettings {
        name: name.to_owned(),
        partitions: 1,
        replication_factor: 1,
        retention: None,
        append_time: false,
        compacted: false,
    }
}

fn record(topic: &str, value: Vec<u8>) -> NewRecord {
    NewRecord {
        topic: topic.to_owned(),
        value: Some(value),
        ..NewRecord::default()
    }
}

#[test]
fn payloads_of_tools_on_their_own_topics_are_decided() {
    let Some(broker) = Broker::new() else {
        return;
    };
    let address = broker.start();
    let log = KafkaLog::open(KafkaSettings::new(&address)).unwrap();
    run(log.ensure_topics(vec![topic(REPORTS), topic(ALERTS)])).unwrap();
    let launch = Launch::new()
        .with("KAFKA__BOOTSTRAP_SERVERS", &address)
        .overlay(
            "[ingest.reports]\ntopic = \"evidently-reports\"\nform = \"evidently\"\nmodel = \"ingested@3\"\n\
             [ingest.alerts]\ntopic = \"alerts-of-prometheus\"\nform = \"alertmanager\"\n\
             [ingest.missing]\ntopic = \"not-there-yet\"\nform = \"evidently\"\nmodel = \"late@1\"\n",
        );
    let service = launch.start();
    let group = json!({"status": "firing", "alerts": [
        {"labels": {"alertname": "ModelDrift", "model": "ingested-a"}, "fingerprint": "1"},
        {"labels": {"alertname": "ModelDrift", "model": "ingested-b"}, "fingerprint": "2"},
    ]});
    let group = group.to_string().into_bytes();
    let records = vec![
        record(REPORTS, fixture("evidently-drift")),
        record(REPORTS, b"{}".to_vec()),
        record(REPORTS, fixture("evidently-no-drift")),
        record(REPORTS, fixture("evidently-quality-tests")),
        record(ALERTS, group.clone()),
        record(ALERTS, group),
    ];
    for answer in run(log.append(records)) {
        answer.unwrap();
    }
    let of = |target: &str| {
        let decisions = service.decisions().into_iter();
        decisions
            .filter(|one| one["target"] == target)
            .collect::<Vec<_>>()
    };
    // Two events of one record about one model are two decisions.
    wait_until("every record is decided", || {
        of("ingested").len() == 3 && of("ingested-b").len() >= 2
    });
    let drift = of("ingested")
        .into_iter()
        .find(|one| one["event_type"] == "data_drift_detected");
    assert_eq!(drift.unwrap()["topic"], REPORTS);
    let executed = |target: &str| {
        let all = of(target).into_iter();
        all.filter(|one| one["outcome"] != "suppressed").count()
    };
    // The second notification carries the same alerts.
    assert_eq!((executed("ingested-a"), executed("ingested-b")), (1, 1));
    let letter = wait_for("the record that is no report is a dead letter", || {
        let page = service.get("/api/v1/dead-letters").json();
        page["items"].as_array()?.first().cloned()
    });
    assert_eq!(
        (&letter["topic"], &letter["reason"]),
        (&json!(REPORTS), &json!("unreadable_form"))
    );
    let replayed = dead_letters(
        &launch,
        &service,
        &["replay", letter["id"].as_str().unwrap()],
    );
    assert_eq!(replayed[0]["outcome"], "replayed", "{replayed:?}");
    wait_until("the replayed record is a dead letter again", || {
        let page = service.get("/api/v1/dead-letters").json();
        page["items"][0]["replay_of"] == letter["id"]
    });
    // A topic that is not there is named, and read once it is.
    assert!(
        service.said().contains("not-there-yet"),
        "{}",
        service.said()
    );
    run(log.ensure_topics(vec![topic("not-there-yet")])).unwrap();
    let late = vec![record("not-there-yet", fixture("evidently-drift"))];
    run(log.append(late)).pop().unwrap().unwrap();
    wait_until("the record of the late topic is decided", || {
        !of("late").is_empty()
    });
    let metrics = service.get("/metrics").text;
    assert!(metrics.contains("topic=\"evidently-reports\""), "{metrics}");
    service.stop();
}
