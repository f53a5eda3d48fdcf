//! Transactions of other producers in the topics that the service reads: what they leave behind is no lag, an open one is told
//! while it lasts (issue 13, row 3).

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Value, json};

use crate::dead_letters::dead_letters;
use crate::kafka::on_kafka;
use crate::support::broker::Broker;
use crate::support::producers::{end_transaction, open_transaction_of};
use crate::support::service::{Launch, Service};
use crate::support::{PATIENCE, wait_until};
use crate::unreadable::metric;

const DRIFT: &str = "data.drift.detected";
const LEDGER: &str = "homeostat.ledger";
const LETTERS: &str = "homeostat.dead-letters";

/// What each partition holds and where it ends for a reader of committed records and for one of all, by clients that the service
/// has no part in: it tells whether the broker holds something, or the service does not read it.
fn records(bootstrap: &str) -> String {
    let mut told = String::new();
    for (topic, partitions) in [(DRIFT, 2), (LEDGER, 4)] {
        for partition in 0..partitions {
            for isolation in ["read_committed", "read_uncommitted"] {
                let read = read(bootstrap, topic, partition, isolation);
                write!(told, "\n{topic}/{partition} {isolation}: {read}").unwrap();
            }
        }
    }
    told
}

fn read(bootstrap: &str, topic: &str, partition: i32, isolation: &str) -> String {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("isolation.level", isolation)
        .set("group.id", "another-reader")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let patience = Duration::from_secs(10);
    let end = client.fetch_watermarks(topic, partition, patience);
    let mut told = format!("ends {end:?}");
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, partition, Offset::Beginning)
        .unwrap();
    client.assign(&from).unwrap();
    // Until its end, which comes as an error.
    while let Some(Ok(record)) = client.poll(patience) {
        let value = String::from_utf8_lossy(record.payload().unwrap_or_default());
        let start: String = value.chars().take(120).collect();
        write!(told, "\n  {} {start}", record.offset()).unwrap();
    }
    told
}

/// Looks until it holds; else tells who held it up.
#[track_caller]
fn wait_on(bootstrap: &str, service: &Service, what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        if Instant::now() > until {
            let metrics = service.get("/metrics").text;
            // Idle partitions and codes have nothing to say.
            let telling = metrics.lines().filter(|line| {
                let named = [
                    "settled",
                    "consumed",
                    "ledger",
                    "void",
                    "in_flight",
                    "letters",
                ];
                named.iter().any(|name| line.contains(name))
                    && !line.starts_with('#')
                    && !line.ends_with(" 0")
            });
            panic!(
                "never happened: {what}\nthe broker:{}\nthe service:\n{}\n{:#?}\n{}",
                records(bootstrap),
                telling.collect::<Vec<_>>().join("\n"),
                service.decisions(),
                service.get("/readyz").text
            );
        }
        std::thread::sleep(Duration::from_millis(25));
    }
}

fn event(model: &str) -> String {
    json!({"model_version": format!("{model}@1"), "severity": "HIGH"}).to_string()
}

fn executed(service: &Service, model: &str) -> bool {
    let decisions = service.decisions();
    let of = |one: &Value| one["target"] == model && one["outcome"] == "executed";
    decisions.iter().any(of)
}

fn no_step_of_the_watchdog(service: &Service) {
    let steps = metric(service, "homeostat_watchdog_steps_total");
    assert!(steps.iter().all(|(_, taken)| *taken == 0.0), "{steps:?}");
}

#[test]
fn transactions_leave_no_lag_no_reason_and_nothing_to_the_watchdog() {
    let Some(broker) = Broker::new() else { return };
    let bootstrap = broker.start();
    let launch = on_kafka(Launch::new(), &bootstrap).with("SUPERVISION__STALL_MAX_MS", "15000");
    let service = launch.start();
    let transaction = |topic: &str, partition, commit, value: &str| {
        let open = open_transaction_of(&bootstrap, topic, partition, &[value]);
        end_transaction(&open, commit);
    };
    transaction(DRIFT, 0, true, &event("m"));
    transaction(DRIFT, 1, false, &event("m"));
    transaction("system.alerts", 0, false, "{}");
    transaction(LETTERS, 0, false, "x");
    for partition in 0..4 {
        transaction(LEDGER, partition, false, "x");
    }
    let check = |service: &Service| {
        // The broker writes the marker of a transaction a while after the commit is answered.
        wait_on(
            &bootstrap,
            service,
            "the committed event is answered",
            || executed(service, "m"),
        );
        wait_on(&bootstrap, service, "nothing is left to read", || {
            let lags = metric(service, "homeostat_consumer_lag_records");
            let folds = metric(service, "homeostat_ledger_lag");
            !lags.is_empty()
                && folds.len() == 4
                && lags.iter().chain(&folds).all(|(_, lag)| *lag == 0.0)
        });
        // For longer than the watchdog lets anything stand, and than a reason takes to be told.
        let begun = Instant::now();
        wait_until("it stays ready", || {
            let ready = service.get("/readyz");
            assert_eq!(ready.status, 200, "{ready:?}");
            std::thread::sleep(Duration::from_millis(500));
            begun.elapsed() > Duration::from_secs(35)
        });
        no_step_of_the_watchdog(service);
    };
    check(&service);
    assert!(dead_letters(&launch, &service, &["list"]).is_empty());
    service.stop();
    // A ledger that ends in markers is folded to its end.
    let service = launch.start();
    check(&service);
    assert_eq!(service.decisions().len(), 1);
    // And executed by whoever takes it over: of so many targets each partition has some.
    let models: Vec<String> = (0..12).map(|number| format!("m{number}")).collect();
    for model in &models {
        let event = serde_json::from_str(&event(model)).unwrap();
        service.publish(DRIFT, &event);
    }
    wait_on(&bootstrap, &service, "every partition is executed", || {
        models.iter().all(|model| executed(&service, model))
    });
    service.stop();
}

#[test]
fn an_open_transaction_on_a_topic_of_events_is_named_while_it_lasts_and_forgotten_after() {
    let Some(broker) = Broker::new() else { return };
    let bootstrap = broker.start();
    let launch = on_kafka(Launch::new(), &bootstrap).with("SUPERVISION__STALL_MAX_MS", "6000");
    let service = launch.start();
    let open = open_transaction_of(&bootstrap, DRIFT, 1, &[&event("foreign")]);
    let warnings = || service.get("/readyz").json()["warnings"].to_string();
    let held = || {
        let held = metric(&service, "homeostat_partition_open_transaction_seconds");
        let of = |labels: &str| labels.contains(DRIFT) && labels.contains("\"1\"");
        held.iter().find(|(labels, _)| of(labels)).unwrap().1
    };
    wait_on(&bootstrap, &service, "it is named", || {
        warnings().contains("data.drift.detected/1: an open transaction")
    });
    let told = warnings();
    for part in ["from offset 0 on", "the log ends at 1)", "--start-offset 0"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(held() >= 6.0);
    wait_on(&bootstrap, &service, "it is logged", || {
        service
            .said()
            .contains("data.drift.detected/1: an open transaction")
    });
    // Another partition goes on, and the service is ready: it could not mend this.
    let ready = service.get("/readyz");
    assert_eq!(ready.status, 200, "{ready:?}");
    let elsewhere = json!({"model_name": "other", "action_required": "RETRAIN"});
    service.decide("model.performance.degraded", &elsewhere);
    assert!(!executed(&service, "foreign"));

    end_transaction(&open, true);
    wait_on(&bootstrap, &service, "it is answered", || {
        executed(&service, "foreign")
    });
    wait_on(&bootstrap, &service, "it is forgotten", || {
        warnings() == "[]" && held() == 0.0
    });
    no_step_of_the_watchdog(&service);
    let said = service.said();
    let lines = said.matches("an open transaction of another producer");
    assert_eq!(lines.count(), 1, "{said}");
    service.stop();
}

#[test]
fn an_open_transaction_on_the_ledger_is_a_reason_while_it_lasts_and_loses_no_decision() {
    let Some(broker) = Broker::new() else { return };
    let bootstrap = broker.start();
    let launch = on_kafka(Launch::new(), &bootstrap).with("SUPERVISION__STALL_MAX_MS", "6000");
    let service = launch.start();
    let open: Vec<_> = (0..4)
        .map(|partition| open_transaction_of(&bootstrap, LEDGER, partition, &["{}"]))
        .collect();
    service.publish(DRIFT, &serde_json::from_str(&event("waits")).unwrap());
    wait_on(&bootstrap, &service, "it is a reason", || {
        let ready = service.get("/readyz");
        let reason = "ledger partition 3: an open transaction of another producer";
        ready.status == 503 && ready.text.contains(reason)
    });
    let told = service.get("/readyz").text;
    assert!(
        told.contains("--topic homeostat.ledger --partition 3"),
        "{told}"
    );
    assert!(!executed(&service, "waits"));
    for open in &open {
        end_transaction(open, false);
    }
    wait_on(&bootstrap, &service, "it is answered", || {
        executed(&service, "waits")
    });
    service.ready();
    no_step_of_the_watchdog(&service);
    service.stop();
}
