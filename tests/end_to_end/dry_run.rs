//! A service that only shows what it would do, and parameters that are one target's own.

use serde_json::json;

use crate::support::service::Launch;
use crate::support::target::Target;

const DRIFT: &str = "data.drift.detected";

#[test]
fn in_a_dry_run_everything_is_decided_and_shown_and_nothing_is_sent() {
    let target = Target::willing();
    let launch = Launch::new()
        .overlay(&target.overlay("retrain", 5))
        .option("--dry-run");
    let service = launch.start();
    let event = json!({"model_version": "m@1", "severity": "HIGH"});
    let decision = service.decide(DRIFT, &event);
    assert_eq!(decision["outcome"], "executed", "{decision:#}");
    let story = service.story(&decision);
    let detail = story["attempts"][0]["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("dry run: would send POST http://127.0.0.1:")
            && detail.contains("/retrain/m with {\"action_id\":"),
        "{detail}"
    );
    // The cooldown holds as if it had been done.
    assert_eq!(service.decide(DRIFT, &event)["outcome"], "suppressed");
    let connections = service.get("/api/v1/connections").json();
    let listed = connections["connections"].as_array().unwrap();
    let of = |name: &str| listed.iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(of("retrain")["dry_run"], true, "{connections:#}");
    assert_eq!(of("retrain")["kind"], "webhook");
    assert_eq!(of("log")["dry_run"], false);
    service.stop();
    assert!(target.received().is_empty());
}

#[test]
fn one_connection_alone_can_be_dry() {
    let (dry, real) = (Target::willing(), Target::willing());
    let overlay = [dry.overlay("retrain", 5), "dry_run = true\n".to_owned()].concat();
    let launch = Launch::new()
        .overlay(&overlay)
        .overlay(&real.overlay("alert", 5));
    let service = launch.start();
    let event = json!({"model_version": "m@1", "severity": "HIGH"});
    assert_eq!(service.decide(DRIFT, &event)["outcome"], "executed");
    let alert = json!({"event_type": "disk_full", "service": "s", "severity": "high"});
    assert_eq!(
        service.decide("system.alerts", &alert)["outcome"],
        "executed"
    );
    service.stop();
    assert!(dry.received().is_empty());
    assert_eq!(real.received().len(), 1);
}

#[test]
fn parameters_of_an_action_may_be_one_targets_own() {
    let target = Target::willing();
    let own = "[targets.urgent.actions.retrain.parameters]\npriority = \"immediate\"\n";
    let launch = Launch::new()
        .overlay(&target.overlay("retrain", 5))
        .overlay(own);
    let service = launch.start();
    for model in ["usual", "urgent"] {
        let event = json!({"model_version": format!("{model}@1"), "severity": "HIGH"});
        assert_eq!(service.decide(DRIFT, &event)["outcome"], "executed");
    }
    let priorities = target.received().into_iter().map(|request| {
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        (request.line, body["params"]["priority"].clone())
    });
    let priorities: Vec<_> = priorities.collect();
    assert_eq!(
        priorities,
        [
            ("POST /retrain/usual HTTP/1.1".to_owned(), json!("high")),
            (
                "POST /retrain/urgent HTTP/1.1".to_owned(),
                json!("immediate")
            ),
        ]
    );
}
