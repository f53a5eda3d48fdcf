//! A registry that takes three seconds for each answer: the order is made absolute and carried out all the same.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::kinds::started;
use crate::stub::Fate;
use crate::support::service::Launch;

const SLOW: Duration = Duration::from_secs(3);

#[test]
fn a_rollback_over_a_registry_that_answers_after_three_seconds_is_fixed_and_done() {
    let champion = Arc::new(Mutex::new("3".to_owned()));
    let stub = started(move |request| {
        let path = request.line.split(' ').nth(1).unwrap();
        let version = |number: &str| json!({"name": "m", "version": number, "status": "READY", "tags": [{"key": "validation_status", "value": "stable"}]});
        if request.line.starts_with("GET") && path.contains("registered-models/alias") {
            // The slow one: before the first attempt all depends on it.
            std::thread::sleep(SLOW);
            let now = champion.lock().unwrap().clone();
            return Fate::json(200, &json!({"model_version": version(&now)}));
        }
        if path.contains("model-versions/search") {
            return Fate::json(200, &json!({"model_versions": [version("2")]}));
        }
        if path.contains("model-versions/get") {
            let number = path.rsplit('=').next().unwrap();
            return Fate::json(200, &json!({"model_version": version(number)}));
        }
        if path.contains("registered-models/get") {
            return Fate::json(200, &json!({"registered_model": {"name": "m"}}));
        }
        if path.contains("registered-models/alias") {
            let body: Value = serde_json::from_str(&request.body).unwrap();
            body["version"]
                .as_str()
                .unwrap()
                .clone_into(&mut champion.lock().unwrap());
        }
        Fate::json(200, &json!({}))
    });
    let launch = Launch::new().overlay(&format!(
        "[rules.data_drift_detected]\nhigh = \"rollback\"\n[actions.rollback]\nconnection = \"registry\"\n\
         [connections.registry]\nkind = \"mlflow\"\nurl = \"{}\"\n",
        stub.url()
    ));
    let service = launch.start();
    let event = json!({"model_version": "m@3", "severity": "HIGH"});
    let decision = service.decide("data.drift.detected", &event);
    assert_eq!(decision["outcome"], "executed", "{decision:#}");
    let story = service.story(&decision);
    assert_eq!(story["attempts"].as_array().unwrap().len(), 1, "{story:#}");
    assert_eq!(
        stub.count("POST /api/2.0/mlflow/registered-models/alias"),
        1
    );
    service.stop();
}
