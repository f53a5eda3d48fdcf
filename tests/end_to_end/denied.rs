//! What Kafka's access rules deny: a producer refused for good ends the process with a reason, an event log that cannot be
//! read is told by readiness and lag, and a decision that cannot be written waits; each heals when the rule is lifted.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::broker::Broker;
use crate::support::service::{Launch, Service};
use crate::support::wait_until;

const EVENTS: &str = "data.drift.detected";
const LEDGER: &str = "homeostat.ledger";

/// Everything is allowed on these topics except one operation. Without the first rule, one that denies something would leave
/// nothing allowed.
fn deny(broker: &Broker, operation: &str, topic: &str) {
    broker.acls(&["--add", "--allow-principal", "User:*", "--topic", topic]);
    let rule = ["--add", "--deny-principal", "User:*", "--topic", topic];
    broker.acls(&[&rule[..], &["--operation", operation]].concat());
}

fn lift(broker: &Broker, topic: &str) {
    broker.acls(&["--remove", "--force", "--topic", topic]);
}

fn event(number: usize) -> serde_json::Value {
    json!({"model_version": format!("m{number}@1"), "severity": "HIGH"})
}

/// Publishes until the service is not ready for a reason that has all these parts: a rule takes a moment to hold, and until
/// then events pass. Their ids.
#[track_caller]
fn not_ready(service: &Service, parts: &[&str]) -> Vec<String> {
    let (mut published, mut last) = (Vec::new(), None::<Instant>);
    wait_until(&format!("a reason with {parts:?}"), || {
        if last.is_none_or(|last| last.elapsed() > Duration::from_secs(2)) {
            published.extend(service.publish(EVENTS, &event(published.len())));
            last = Some(Instant::now());
        }
        let answer = service.get("/readyz");
        answer.status == 503 && parts.iter().all(|part| answer.text.contains(part))
    });
    published
}

/// Records of a topic that are not settled, as the metrics tell.
fn lag(service: &Service, topic: &str) -> f64 {
    let text = service.get("/metrics").text;
    let values = text
        .lines()
        .filter(|line| line.starts_with("homeostat_consumer_lag_records{") && line.contains(topic))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}

#[test]
fn what_kafka_denies_is_told_and_waits_and_ends_the_process_only_when_it_is_for_good() {
    let Some(broker) = Broker::new() else { return };
    let launch = Launch::new().with("KAFKA__BOOTSTRAP_SERVERS", &broker.start());
    let service = launch.start();

    deny(&broker, "Read", EVENTS);
    let unread = not_ready(&service, &[EVENTS, "nothing has been read for", "uthoriz"]);
    wait_until("the lag counts what cannot be read", || {
        lag(&service, EVENTS) >= 1.0
    });
    lift(&broker, EVENTS);
    service.decided(&unread);
    service.ready();

    deny(&broker, "Write", LEDGER);
    let undecided = not_ready(&service, &[EVENTS, "uthoriz"]);
    assert_eq!(
        service.get("/api/v1/dead-letters").json()["items"],
        json!([])
    );
    lift(&broker, LEDGER);
    service.decided(&undecided);
    service.ready();
    service.stop();

    // Without the right to write anywhere, a producer that numbers its records is refused for good.
    deny(&broker, "Write", "*");
    broker.acls(&["--add", "--allow-principal", "User:*", "--cluster"]);
    let rule = ["--add", "--deny-principal", "User:*", "--cluster"];
    broker.acls(&[&rule[..], &["--operation", "IdempotentWrite"]].concat());
    let limited = launch.within(&["timeout", "--kill-after=5", "120"]);
    let output = limited.command(&["run"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("Cluster authorization failed"), "{said}");
}
