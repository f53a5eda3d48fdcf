//! The service on real Apache Kafka: the same answers as on the embedded log, shared between instances, through the
//! broker's absence.

use std::collections::BTreeSet;

use homeostat::log::kafka::{KafkaLog, KafkaSettings};
use homeostat_actors::ports::log::EventLog as _;

use crate::support::broker::Broker;
use crate::support::load::Load;
use crate::support::service::{Launch, Service};
use crate::support::wait_until;
use crate::{census, raw_records};

fn on_kafka(launch: Launch, bootstrap: &str) -> Launch {
    // A member that is gone is noticed as fast as the broker allows.
    launch
        .with("KAFKA__BOOTSTRAP_SERVERS", bootstrap)
        .with("KAFKA__SESSION_TIMEOUT_MS", "6000")
}

/// Partitions that this instance reads.
fn partitions(service: &Service) -> BTreeSet<String> {
    let listing = service.get("/api/v1/actors").json();
    let actors = listing["items"].as_array().unwrap().iter();
    let running =
        actors.filter(|actor| actor["kind"] == "partition" && actor["state"] == "running");
    running
        .map(|actor| actor["path"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn real_events_bad_records_and_two_instances_on_one_broker() {
    let Some(broker) = Broker::new() else { return };
    let bootstrap = broker.start();
    let launch = on_kafka(census::launch(), &bootstrap);
    let first = launch.start();
    census::publish(&launch, ["--bootstrap-servers", &bootstrap]);
    census::check(&first);

    let log = KafkaLog::open(KafkaSettings::new(&bootstrap)).unwrap();
    let bad = raw_records::append(&log);
    raw_records::check_decisions(&first);
    raw_records::check_dead_letters(&log, &bad);
    let drift: Vec<String> = first
        .decisions()
        .iter()
        .filter(|decision| decision["event_type"] == "data_drift_detected")
        .map(|decision| decision["event_id"].as_str().unwrap().to_owned())
        .collect();
    assert!(drift.len() >= 24);
    raw_records::check_drift_alerts(&log, &drift);

    let all = partitions(&first).len();
    let second = on_kafka(census::launch(), &bootstrap).start();
    wait_until("each instance has its share of the partitions", || {
        let (one, other) = (partitions(&first), partitions(&second));
        !one.is_empty()
            && !other.is_empty()
            && one.is_disjoint(&other)
            && one.len() + other.len() == all
    });
    let load = Load::start("two", &[&first, &second]);
    load.more(100);
    // One is gone without a word, another comes, and the eldest goes in good order.
    load.moved(&first);
    second.kill();
    let third = on_kafka(census::launch(), &bootstrap).start();
    load.more(50);
    load.moved(&third);
    first.stop();
    load.more(30);
    let acknowledged = load.end();
    let decisions = third.decided(&acknowledged);
    for id in &acknowledged {
        assert_eq!(decisions[id]["outcome"], "executed", "{:#}", decisions[id]);
    }
    wait_until("the one that is left has them all", || {
        partitions(&third).len() == all
    });
    third.stop();
    log.close();
}

#[test]
fn a_broker_that_comes_late_and_goes_away_under_load_loses_nothing() {
    let Some(broker) = Broker::new() else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let launch = on_kafka(Launch::new(), &format!("127.0.0.1:{port}"));
    let service = launch.spawn();
    assert_eq!(service.get("/livez").status, 200);
    let ready = service.get("/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.json()["reasons"][0].is_string(), "{ready:?}");
    broker.start_at(port);
    service.ready();

    let load = Load::start("restart", &[&service]);
    load.more(60);
    broker.stop();
    wait_until("the absence is told", || {
        service.get("/readyz").status == 503 || service.said().contains("WARN")
    });
    assert_eq!(service.get("/livez").status, 200);
    broker.start();
    load.more(60);
    let acknowledged = load.end();
    let decisions = service.decided(&acknowledged);
    for id in &acknowledged {
        assert_eq!(decisions[id]["outcome"], "executed", "{:#}", decisions[id]);
    }
    service.ready();
    service.stop();
}
