//! The service on real Apache Kafka: the same answers as on the embedded log, shared between instances, through the
//! broker's absence.

use std::collections::BTreeSet;

use homeostat::log::kafka::{KafkaLog, KafkaSettings};
use homeostat_actors::ports::log::EventLog as _;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};

use crate::support::broker::Broker;
use crate::support::client::run;
use crate::support::load::Load;
use crate::support::service::{Launch, Service};
use crate::support::target::Target;
use crate::support::{wait_for, wait_until};
use crate::{census, dead_letters, operators, raw_records};

pub(crate) fn on_kafka(launch: Launch, bootstrap: &str) -> Launch {
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

#[test]
fn a_partition_whose_dead_letter_has_no_topic_waits_and_says_so_and_others_go_on() {
    const TOPIC: &str = "homeostat.dead-letters";
    let Some(broker) = Broker::new() else { return };
    let bootstrap = broker.start();
    let launch = on_kafka(Launch::new(), &bootstrap).with("SUPERVISION__STALL_MAX_MS", "15000");
    let service = launch.start();
    let log = KafkaLog::open(KafkaSettings::new(&bootstrap)).unwrap();
    let letters = || dead_letters::dead_letters(&launch, &service, &["list"]).len();
    let bury = |value: &str| run(log.append(vec![dead_letters::poison(value)]))[0].clone();
    bury("poison").unwrap();
    wait_until("the letter is written", || letters() == 1);

    let admin: AdminClient<DefaultClientContext> = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .create()
        .unwrap();
    let deleted = admin.delete_topics(&[TOPIC], &AdminOptions::new());
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(deleted).unwrap()[0]
        .as_ref()
        .unwrap();
    bury("more poison").unwrap();
    // An append to a topic that has just vanished takes the client ten seconds.
    let told = wait_for("the service says what the partition waits for", || {
        let text = service.get("/readyz").text;
        text.contains(TOPIC).then_some(text)
    });
    let begins = "data.drift.detected/0: nothing has been settled for";
    assert!(told.contains(begins), "{told}");
    let standing = || {
        let labels = "{partition=\"0\",topic=\"data.drift.detected\"} ";
        let line = format!("homeostat_partition_standstill_seconds{labels}");
        let metrics = service.get("/metrics").text;
        let found = metrics
            .lines()
            .find_map(|other| other.strip_prefix(&line)?.parse::<u64>().ok());
        found.unwrap()
    };
    wait_until(
        "it stands for longer than the watchdog lets stand what it can heal",
        || standing() > 18,
    );
    let metrics = service.get("/metrics").text;
    let mut steps = metrics
        .lines()
        .filter(|line| line.starts_with("homeostat_watchdog_steps_total{"));
    assert!(steps.all(|line| line.ends_with(" 0")), "{metrics}");
    let elsewhere = json!({"model_name": "other", "action_required": "RETRAIN"});
    service.decide("model.performance.degraded", &elsewhere);

    let created = launch.command(&["topics", "create"]).output().unwrap();
    assert!(created.status.success(), "{created:?}");
    wait_until("the letter is written and the service is ready", || {
        service.get("/readyz").status == 200 && letters() == 1
    });
    log.close();
    service.stop();
}

#[test]
fn orders_dead_letters_and_the_state_of_the_ledger_are_the_same_on_every_instance() {
    const DRIFT: &str = "data.drift.detected";
    let Some(broker) = Broker::new() else { return };
    let bootstrap = broker.start();
    let target = Target::willing();
    let launch = || {
        let launch = operators::with_token(on_kafka(Launch::new(), &bootstrap));
        launch.overlay(&target.overlay("retrain", 3))
    };
    let (first_launch, second_launch) = (launch(), launch());
    let (first, second) = (first_launch.start(), second_launch.start());
    let ledger = |service: &Service| service.get("/api/v1/ledger").json()["partitions"].clone();
    let owned = |service: &Service| -> Vec<bool> {
        let partitions = ledger(service);
        let partitions = partitions.as_array().unwrap().iter();
        partitions.map(|one| one["owned"] == true).collect()
    };
    wait_until(
        "each executes a part of the ledger, and no part twice",
        || {
            let (one, other) = (owned(&first), owned(&second));
            one.contains(&true)
                && other.contains(&true)
                && one.iter().zip(&other).all(|(one, other)| one != other)
        },
    );

    let drift = |model: &str| json!({"severity": "HIGH", "model_version": format!("{model}@1")});
    operators::applied(&first_launch, &first, &["pause"]);
    for (number, service) in [&first, &second, &first, &second].into_iter().enumerate() {
        let held = service.decide(DRIFT, &drift(&format!("held-{number}")));
        assert_eq!(held["outcome"], "suppressed", "{held:#}");
    }
    assert!(target.received().is_empty());
    operators::applied(&second_launch, &second, &["resume"]);
    for (number, service) in [&first, &second, &first, &second].into_iter().enumerate() {
        let done = service.decide(DRIFT, &drift(&format!("free-{number}")));
        assert_eq!(done["outcome"], "executed", "{done:#}");
    }
    assert_eq!(target.received().len(), 4);

    let log = KafkaLog::open(KafkaSettings::new(&bootstrap)).unwrap();
    let late = json!({"severity": "HIGH", "model_version": "late@1", "event_id": "late-1"});
    for answer in run(log.append(vec![
        dead_letters::poison("{ broken"),
        dead_letters::letter(&late),
    ])) {
        answer.unwrap();
    }
    let on_first =
        |arguments: &[&str]| dead_letters::dead_letters(&first_launch, &first, arguments);
    let on_second =
        |arguments: &[&str]| dead_letters::dead_letters(&second_launch, &second, arguments);
    wait_until("both see both letters", || {
        on_first(&["list"]).len() == 2 && on_second(&["list"]) == on_first(&["list"])
    });
    let replay = ["replay", "--reason", "handler"];
    assert_eq!(on_second(&replay)[0]["outcome"], "replayed");
    wait_until("the other one knows that it was replayed", || {
        on_first(&["list", "--reason", "handler"])[0]["replayed"] == true
    });
    assert_eq!(on_first(&replay)[0]["outcome"], "already_replayed");
    wait_until("the replayed event is answered, once", || {
        let decisions: Vec<Value> = first.decisions();
        let late = decisions.iter().filter(|one| one["event_id"] == "late-1");
        late.map(|one| one["outcome"].clone()).collect::<Vec<_>>() == ["executed"]
    });
    assert_eq!(target.received().len(), 5);
    wait_until("both have folded the same", || {
        let states = |service: &Service| -> Vec<(Value, Value)> {
            let partitions = ledger(service);
            let partitions = partitions.as_array().unwrap().iter();
            partitions
                .map(|one| (one["offset"].clone(), one["hash"].clone()))
                .collect()
        };
        states(&first) == states(&second)
    });
    log.close();
    first.stop();
    second.stop();
}
