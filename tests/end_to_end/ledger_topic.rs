//! A ledger that cannot be used ends the start, with a code of its own and all that is wrong with it.

use homeostat::log::embedded::{EmbeddedLog, EmbeddedSettings};
use homeostat_actors::ports::log::{EventLog as _, TopicPartition};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use serde_json::json;

use crate::support::broker::Broker;
use crate::support::service::Launch;

#[track_caller]
fn refused(launch: &Launch, parts: &[&str]) {
    // It may end before its address could be read.
    let output = launch.command(&["run"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn another_number_of_partitions_is_refused_and_the_number_told() {
    let launch = Launch::new();
    launch.start().stop();
    let other = launch.clone().with("LEDGER__PARTITIONS", "5");
    refused(
        &other,
        &["it has 4 partitions", "set ledger.partitions = 4"],
    );
    launch.start().stop();
}

#[test]
fn a_ledger_whose_beginning_is_gone_is_refused() {
    let launch = Launch::new();
    let service = launch.start();
    let event = json!({"model_version": "m@1", "severity": "HIGH"});
    service.decide("data.drift.detected", &event);
    service.stop();
    let folder = launch.folder().join("data").join("log");
    let log = EmbeddedLog::open(EmbeddedSettings::new(folder)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let name = "homeostat.ledger".to_owned();
    let ledger = runtime
        .block_on(log.describe_topics(vec![name.clone()]))
        .unwrap();
    let used = (0..)
        .zip(&ledger[0].partitions)
        .find(|(_, marks)| marks.high > 1);
    let partition = TopicPartition {
        topic: name,
        partition: used.unwrap().0,
    };
    runtime.block_on(log.delete_before(partition, 1)).unwrap();
    log.close();
    drop(log);
    refused(&launch, &["ledger truncated", "begins at offset 1"]);
}

#[test]
fn a_topic_on_kafka_is_refused_for_what_breaks_it_and_warned_of_for_what_may() {
    let Some(broker) = Broker::new() else { return };
    let bootstrap = broker.start();
    let launch = Launch::new().with("KAFKA__BOOTSTRAP_SERVERS", &bootstrap);
    let admin: AdminClient<DefaultClientContext> = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .create()
        .unwrap();
    let topic = NewTopic::new("homeostat.ledger", 4, TopicReplication::Fixed(1))
        .set("cleanup.policy", "compact")
        .set("retention.ms", "86400000");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let created = runtime.block_on(admin.create_topics([&topic], &AdminOptions::new()));
    created.unwrap()[0].as_ref().unwrap();
    let command = format!(
        "kafka-configs.sh --bootstrap-server {bootstrap} --alter --entity-type topics --entity-name homeostat.ledger \
         --add-config message.timestamp.type=LogAppendTime,cleanup.policy=delete,retention.ms=-1`"
    );
    refused(
        &launch,
        &[&command, "1 of the 3 copies", "min.insync.replicas=2"],
    );

    let production = launch
        .with("LEDGER__DURABILITY", "production")
        .with("KAFKA__REPLICATION_FACTOR", "3");
    // The other topics cannot be created with three copies on one broker, so these are there before.
    let service = production
        .clone()
        .with("LEDGER__DURABILITY", "development")
        .with("KAFKA__REPLICATION_FACTOR", "1");
    refused(&service, &["cleanup.policy=delete"]);
    refused(
        &production,
        &["cleanup.policy=delete", "raise the copies to 3"],
    );
}
