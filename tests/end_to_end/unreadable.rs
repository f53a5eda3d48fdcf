//! What Kafka can hold and a service must live with: every codec, and batches that no client reads
//! (issue 13, row 2).

use std::time::{Duration, Instant};

use homeostat::log::kafka::{KafkaLog, KafkaSettings};
use homeostat_actors::ports::log::{EventLog as _, TopicPartition};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::json;

use crate::dead_letters::dead_letters;
use crate::kafka::on_kafka;
use crate::raw_records::read_all;
use crate::support::broker::Broker;
use crate::support::client::run;
use crate::support::segments::{Damage, damage};
use crate::support::service::{Launch, Service};
use crate::support::wait_until;

const DRIFT: &str = "data.drift.detected";
const LEDGER: &str = "homeostat.ledger";
const LETTERS: &str = "homeostat.dead-letters";

/// The values of a metric by their labels.
pub(crate) fn metric(service: &Service, name: &str) -> Vec<(String, f64)> {
    let metrics = service.get("/metrics").text;
    let lines = metrics.lines().filter_map(|line| {
        let (labels, value) = line.strip_prefix(name)?.rsplit_once(' ')?;
        Some((labels.to_owned(), value.parse().ok()?))
    });
    lines.collect()
}

fn create_topic(bootstrap: &str, name: &str, partitions: i32, settings: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()
        .unwrap();
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let topic = settings
        .iter()
        .fold(topic, |topic, (name, value)| topic.set(name, value));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let created = runtime.block_on(admin.create_topics([&topic], &AdminOptions::new()));
    created.unwrap()[0].as_ref().unwrap();
}

fn produce(bootstrap: &str, codec: &str, value: &str) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("compression.codec", codec)
        .create()
        .unwrap();
    let record = BaseRecord::<(), str>::to(DRIFT).partition(1).payload(value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(30)).unwrap();
}

#[test]
fn all_five_codecs_are_read_in_events_ledger_and_dead_letters() {
    let Some(broker) = Broker::new() else { return };
    let bootstrap = broker.start();
    // What brokers of a cluster with this setting do to every batch.
    let zstd = ("compression.type", "zstd");
    let ledger = [
        zstd,
        ("message.timestamp.type", "LogAppendTime"),
        ("retention.ms", "-1"),
        ("max.message.bytes", "1310720"),
    ];
    create_topic(&bootstrap, LEDGER, 4, &ledger);
    create_topic(
        &bootstrap,
        LETTERS,
        1,
        &[zstd, ("max.message.bytes", "1310720")],
    );
    let launch = on_kafka(Launch::new(), &bootstrap);
    let service = launch.start();
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    let padding = "x".repeat(5_000);
    for codec in codecs {
        let event =
            json!({"model_version": format!("{codec}@1"), "severity": "HIGH", "padding": padding});
        produce(&bootstrap, codec, &event.to_string());
        produce(&bootstrap, codec, &format!("no event {codec} {padding}"));
    }
    let answered = |service: &Service| {
        let decisions = service.decisions();
        codecs.iter().all(|codec| {
            let of =
                |one: &serde_json::Value| one["target"] == *codec && one["outcome"] == "executed";
            decisions.iter().any(of)
        })
    };
    wait_until("events of every codec are answered", || answered(&service));
    let letters = || dead_letters(&launch, &service, &["list"]);
    wait_until("what is no event is listed", || {
        letters().len() == codecs.len()
    });
    service.stop();
    // The whole ledger is read again.
    let service = launch.start();
    assert!(answered(&service));
    service.stop();
}

#[test]
fn what_cannot_be_read_is_told_as_long_as_it_lasts_and_its_neighbours_go_on() {
    let Some(broker) = Broker::new() else { return };
    let bootstrap = broker.start();
    let launch = on_kafka(Launch::new(), &bootstrap).with("SUPERVISION__STALL_MAX_MS", "6000");
    launch.start().stop();
    let Some(data) = broker.data() else {
        eprintln!("not run: damaged batches (the broker's files are in a container)");
        return;
    };
    let event = |model: &str| {
        json!({"model_version": format!("{model}@1"), "severity": "HIGH"}).to_string()
    };
    for model in ["before", "damaged", "behind"] {
        produce(&bootstrap, "none", &event(model));
    }
    broker.stop();
    damage(&data, DRIFT, 1, 1, Damage::Codec(7));
    broker.start();

    let service = launch.spawn();
    let reason = || service.get("/readyz").text;
    wait_until("the reason is told", || {
        reason().contains("data.drift.detected/1: nothing has been read")
    });
    assert!(reason().contains("offset 1"), "{}", reason());
    let elsewhere = json!({"model_name": "other", "action_required": "RETRAIN"});
    service.decide("model.performance.degraded", &elsewhere);
    let begun = Instant::now();
    wait_until("it is told all the time", || {
        let ready = service.get("/readyz");
        assert_eq!(ready.status, 503, "{ready:?}");
        assert!(ready.text.contains("offset 1"), "{ready:?}");
        std::thread::sleep(Duration::from_millis(200));
        begun.elapsed() > Duration::from_secs(30)
    });
    let standing = metric(&service, "homeostat_partition_standstill_seconds");
    let standing = standing
        .iter()
        .find(|(labels, _)| labels.contains(DRIFT) && labels.contains("\"1\""));
    assert!(standing.unwrap().1 > 25.0, "{standing:?}");
    let steps = metric(&service, "homeostat_watchdog_steps_total");
    assert!(steps.iter().all(|(_, taken)| *taken == 0.0), "{steps:?}");
    let said = service.said();
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("cannot be read") || line.contains("librdkafka"))
        .collect();
    let about = lines
        .iter()
        .filter(|line| line.contains("cannot be read"))
        .count();
    assert_eq!(about, 1, "{lines:#?}");
    assert!(lines.len() < 10, "{lines:#?}");

    // As the reason says: what cannot be read is removed.
    let log = KafkaLog::open(KafkaSettings::new(&bootstrap)).unwrap();
    let place = TopicPartition {
        topic: DRIFT.to_owned(),
        partition: 1,
    };
    run(log.delete_before(place, 2)).unwrap();
    service.ready();
    wait_until("what is behind it is answered", || {
        let decisions = service.decisions();
        decisions.iter().any(|one| one["target"] == "behind")
    });
    assert!(
        service
            .decisions()
            .iter()
            .all(|one| one["target"] != "damaged")
    );
    service.stop();
    log.close();
}

#[test]
fn a_ledger_that_cannot_be_read_is_told_and_nothing_is_executed() {
    let Some(broker) = Broker::new() else { return };
    let bootstrap = broker.start();
    let launch = on_kafka(Launch::new(), &bootstrap);
    let service = launch.start();
    let event = json!({"model_version": "m@1", "severity": "HIGH"});
    service.decide(DRIFT, &event);
    service.stop();
    let Some(data) = broker.data() else {
        eprintln!("not run: damaged batches (the broker's files are in a container)");
        return;
    };
    let log = KafkaLog::open(KafkaSettings::new(&bootstrap)).unwrap();
    let described = run(log.describe_topics(vec![LEDGER.to_owned()])).unwrap();
    let used = described[0]
        .partitions
        .iter()
        .position(|marks| marks.high > 0);
    assert!(!read_all(&log, LEDGER).is_empty());
    log.close();
    drop(log);
    broker.stop();
    damage(&data, LEDGER, used.unwrap(), 0, Damage::Codec(7));
    broker.start();
    let service = launch.spawn();
    let expected = format!("ledger partition {}: the record at offset 0", used.unwrap());
    let begun = Instant::now();
    wait_until("the reason is told", || {
        service.get("/readyz").text.contains(&expected)
    });
    wait_until("it stays", || {
        let ready = service.get("/readyz");
        assert_eq!(ready.status, 503);
        assert!(ready.text.contains(&expected), "{ready:?}");
        std::thread::sleep(Duration::from_millis(200));
        begun.elapsed() > Duration::from_secs(15)
    });
    drop(service);
}
