//! A connection whose service is away, as people see it: its actions wait, others leave, and the service says so.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::service::{Launch, Service};
use crate::support::target::{Reply, Target};
use crate::support::{wait_for, wait_until};

const DRIFT: &str = "data.drift.detected";

fn drift(model: &str) -> Value {
    json!({"model_version": format!("{model}@1"), "severity": "HIGH"})
}

/// The traffic of a connection.
fn traffic(service: &Service, name: &str) -> Value {
    let connections = service.get("/api/v1/connections").json();
    let listed = connections["connections"].as_array().unwrap();
    let one = listed.iter().find(|one| one["name"] == name).unwrap();
    one["traffic"].clone()
}

#[test]
fn a_connection_that_fails_is_left_alone_and_named_until_its_service_answers() {
    // A port that was free a moment ago, and where no server listens.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let overlay = format!(
        "[actions.retrain]\nconnection = \"jobs\"\nbackoff.first_ms = 50\nbackoff.max_ms = 200\n\
         [connections.jobs]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{port}/\"\n\
         concurrency_max = 2\nbreaker.failures = 3\nbreaker.open_ms = 1000\nbreaker.open_max_ms = 2000\n"
    );
    let service = Launch::new().overlay(&overlay).start();
    let models = (0..20).map(|number| drift(&format!("m{number}")));
    let ids = service.publish(DRIFT, &Value::Array(models.collect()));
    let open = wait_for("the connection is open", || {
        let traffic = traffic(&service, "jobs");
        (traffic["state"] == "open" && traffic["waiting_for"] == "breaker").then_some(traffic)
    });
    assert!(open["waiting"].as_u64().unwrap() >= 10, "{open:#}");
    assert!(open["failures_in_a_row"].as_u64().unwrap() >= 3, "{open:#}");
    assert_eq!(open["last"]["outcome"], "not_sent", "{open:#}");
    assert!(open["next_try"].is_string(), "{open:#}");
    // It is a warning: the service does its work, and an alert leaves.
    let ready = wait_for("a warning names it", || {
        let ready = service.get("/readyz").json();
        let warnings = ready["warnings"].as_array()?.clone();
        let named = warnings.iter().any(|warning| {
            let warning = warning.as_str().unwrap_or_default();
            warning.starts_with("connection `jobs` is left alone since")
                && warning.contains("no connection")
        });
        named.then_some(ready)
    });
    assert_eq!(ready["ready"], true, "{ready:#}");
    let alert = json!({"event_type": "disk_full", "service": "s", "severity": "high"});
    let decision = service.decide("system.alerts", &alert);
    assert_eq!(decision["outcome"], "executed", "{decision:#}");
    let metrics = service.get("/metrics").text;
    for line in [
        "homeostat_connection_state{connection=\"log\",state=\"closed\"} 1",
        "homeostat_connection_waiting{connection=\"log\",reason=\"breaker\"} 0",
        "homeostat_connection_opened_total{connection=\"log\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
    let target = Target::at(port, |_, _| Reply::Say("200 OK"));
    let decisions = service.decided(&ids);
    for id in &ids {
        assert_eq!(decisions[id]["outcome"], "executed", "{:#}", decisions[id]);
    }
    wait_until("it is closed", || {
        traffic(&service, "jobs")["state"] == "closed"
    });
    let closed = traffic(&service, "jobs");
    assert_eq!(closed["attempts"]["done"], 20, "{closed:#}");
    assert_eq!(
        (&closed["in_flight"], &closed["waiting"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(target.received().len(), 20);
    service.stop();
}
