//! Alerts that last, on the built binary: posted again after a crash, ended by an acknowledgement; and orders for executors of
//! one's own.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::operators::{applied, with_token};
use crate::support::service::Launch;
use crate::support::target::Target;
use crate::support::wait_until;

const DRIFT: &str = "data.drift.detected";

fn drift() -> Value {
    json!({"model_version": "m@1", "severity": "HIGH"})
}

/// The alert that was posted last.
fn last(target: &Target) -> Value {
    let received = target.received();
    let alerts: Value = serde_json::from_str(&received.last().unwrap().body).unwrap();
    alerts[0].clone()
}

fn has_ended(alert: &Value) -> bool {
    let end = DateTime::parse_from_rfc3339(alert["endsAt"].as_str().unwrap()).unwrap();
    end <= Utc::now()
}

#[test]
fn an_alert_is_posted_again_after_a_crash_and_ended_by_an_acknowledgement() {
    let target = Target::willing();
    let overlay = format!(
        "[rules.data_drift_detected]\nhigh = \"alert\"\n[actions.alert]\nconnection = \"oncall\"\n\
         [connections.oncall]\nkind = \"alertmanager\"\nurl = \"http://127.0.0.1:{}\"\n",
        target.port
    );
    let launch = with_token(Launch::new()).overlay(&overlay);
    let service = launch.start();
    let decision = service.decide(DRIFT, &drift());
    assert_eq!(decision["outcome"], "executed", "{decision:#}");
    let first = last(&target);
    assert_eq!(first["annotations"]["action_id"], decision["id"]);
    assert!(!has_ended(&first));
    service.kill();
    let before = target.received().len();
    let service = launch.start();
    wait_until("the alert is posted again", || {
        target.received().len() > before
    });
    let again = last(&target);
    assert_eq!(again["labels"], first["labels"]);
    assert!(!has_ended(&again));
    let id = decision["id"].as_str().unwrap();
    applied(&launch, &service, &["override", "acknowledge", id]);
    wait_until("the alert is ended", || has_ended(&last(&target)));
    assert_eq!(last(&target)["labels"], first["labels"]);
}

#[test]
fn an_order_goes_to_executors_of_ones_own_by_a_topic() {
    let overlay = "[actions.retrain]\nconnection = \"executors\"\nwith.topic = \"push.recommendations\"\n\
                   [connections.executors]\nkind = \"kafka\"\n";
    let service = Launch::new().overlay(overlay).start();
    let decision = service.decide(DRIFT, &drift());
    assert_eq!(decision["outcome"], "executed", "{decision:#}");
    let story = service.story(&decision);
    let detail = story["attempts"][0]["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("published on push.recommendations/"),
        "{story:#}"
    );
}
