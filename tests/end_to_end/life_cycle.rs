//! Start, end, and what the running service shows of itself.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::load::Load;
use crate::support::service::Launch;
use crate::support::wait_until;
use crate::webhook_actions::with_a_hanging_request;

#[test]
fn a_service_that_is_told_to_end_under_load_ends_cleanly_and_has_lost_nothing() {
    let launch = Launch::new();
    let service = launch.start();
    let load = Load::start("end", &[&service]);
    load.more(100);
    // It ends itself with another code when the end takes more than 10 s.
    service.stop();
    let service = launch.start();
    load.moved(&service);
    load.more(20);
    let acknowledged = load.end();
    let decisions = service.decided(&acknowledged);
    for id in &acknowledged {
        assert_eq!(decisions[id]["outcome"], "executed", "{:#}", decisions[id]);
    }
}

#[test]
fn a_second_signal_ends_the_service_at_once() {
    let (mut service, _target) = with_a_hanging_request();
    service.signal("TERM");
    wait_until("it drains", || service.said().contains("draining"));
    service.signal("INT");
    let (status, said) = service.ended();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("second signal"), "{said}");
}

#[test]
fn neither_a_full_disk_for_its_log_nor_a_hangup_ends_the_service() {
    let service = Launch::new().errors_to("/dev/full").start();
    for model in ["before", "after"] {
        let event = json!({"model_version": format!("{model}@1"), "severity": "HIGH"});
        let decision = service.decide("data.drift.detected", &event);
        assert_eq!(decision["outcome"], "executed", "{decision:#}");
        service.signal("HUP");
    }
    service.stop();
}

#[test]
fn a_request_that_hangs_does_not_keep_the_service_from_ending() {
    let (service, _target) = with_a_hanging_request();
    service.stop();
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn a_second_service_on_the_same_folder_is_refused_and_the_first_is_unharmed() {
    let launch = Launch::new();
    let service = launch.start();
    let output = launch.command(&["run"]).output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("another process") || said.contains("in use"),
        "{said}"
    );
    assert!(
        said.contains(&launch.folder().display().to_string()),
        "{said}"
    );
    service.decide("data.drift.detected", &json!({"severity": "LOW"}));
}

#[test]
fn a_taken_port_is_named() {
    let first = Launch::new().start();
    let address = first.url.strip_prefix("http://").unwrap();
    let output = Launch::new()
        .with("HTTP__LISTEN", address)
        .command(&["run"])
        .output()
        .unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(address), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn faults_of_the_configuration_are_told_all_at_once() {
    let launch = Launch::new()
        .overlay("[cooldown]\nretrain_minuts = 5\nrollback_minutes = \"long\"\n[working_hours]\ntimezone = \"Mars/Olympus\"\n")
        .with("BUDGET__RESPONSES_PER_HOUR", "-1")
        .with("HTTP__LISTEN", "0.0.0.0:80");
    for command in ["check", "run"] {
        let output = launch.command(&[command]).output().unwrap();
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let places = [
            "retrain_minuts",
            "rollback_minutes",
            "Mars/Olympus",
            "RESPONSES_PER_HOUR",
            "0.0.0.0",
            "overlay-0.toml:2",
            "retrain_minutes",
        ];
        for place in places {
            assert!(
                said.contains(place),
                "{place} is not told by {command}: {said}"
            );
        }
    }
    let output = Launch::new().command(&["check"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn the_running_service_shows_its_health_its_actors_and_its_contract() {
    let service = Launch::new().start();
    service.decide("data.drift.detected", &json!({"severity": "HIGH"}));
    assert_eq!(service.get("/livez").status, 200);
    let ready = service.get("/readyz");
    assert_eq!(
        (ready.status, ready.json()["ready"].as_bool()),
        (200, Some(true))
    );
    let openapi = service.get("/api/v1/openapi.json").json();
    assert!(openapi["openapi"].as_str().unwrap().starts_with("3.1"));
    let listing = service.get("/api/v1/actors").json();
    let actors = listing["items"].as_array().unwrap();
    let kinds = [
        "partition",
        "drift",
        "performance",
        "scaling",
        "lifecycle",
        "cooldown",
        "executor",
        "keeper",
    ];
    for kind in kinds {
        let actor = actors
            .iter()
            .find(|actor| actor["kind"] == kind)
            .unwrap_or_else(|| panic!("no {kind}: {listing:#}"));
        assert_eq!(
            (&actor["state"], &actor["restarts"]),
            (&json!("running"), &json!(0)),
            "{actor:#}"
        );
        assert!(
            actor["path"].as_str().unwrap().starts_with("homeostat/"),
            "{actor:#}"
        );
        let mailbox = actor["mailbox"].as_object().unwrap();
        for figure in [
            "depth",
            "high_water",
            "capacity",
            "enqueued",
            "handled",
            "rejected",
            "wait_p50_us",
            "wait_p99_us",
            "handling_p50_us",
            "handling_p99_us",
        ] {
            assert!(mailbox[figure].is_u64(), "{figure}: {actor:#}");
        }
    }
    // One consumer for each partition of each topic that is read: 48 of the platform, 12 of users.
    assert_eq!(
        actors
            .iter()
            .filter(|actor| actor["kind"] == "partition")
            .count(),
        60
    );
    let drift = actors
        .iter()
        .find(|actor| actor["kind"] == "drift")
        .unwrap();
    assert!(drift["mailbox"]["handled"].as_u64() >= Some(1), "{drift:#}");
    let decision = service.decisions().pop().unwrap();
    let fields = [
        "id",
        "time",
        "event_id",
        "event_type",
        "topic",
        "partition",
        "offset",
        "target",
        "severity",
        "severity_reason",
        "rule",
        "proposed_action",
        "action",
        "outcome",
        "reasons",
    ];
    let story = service.story(&decision);
    for field in fields {
        assert!(!decision[field].is_null(), "{field}: {decision:#}");
        assert_eq!(decision[field], story[field], "{field}");
    }
    let missing = service.get("/api/v1/decisions/00000000000000000000000000000000");
    assert_eq!(
        (missing.status, missing.json()["status"].as_u64()),
        (404, Some(404))
    );
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics() {
    let service = Launch::new().start();
    service.decide("data.drift.detected", &json!({"severity": "HIGH"}));
    service.decide(
        "system.alerts",
        &json!({"event_type": "never \"seen\"\nbefore"}),
    );
    let metrics = service.get("/metrics");
    assert_eq!(metrics.status, 200);
    let samples: Vec<&str> = metrics
        .text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert!(
        samples
            .iter()
            .all(|line| line.starts_with("homeostat_") || line.starts_with("process_")),
        "{}",
        metrics.text
    );
    assert!(
        !metrics.text.contains("never"),
        "label values come from closed sets"
    );
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = spawned else {
        assert!(
            std::env::var_os("CI").is_none(),
            "promtool is not installed; use scripts/test"
        );
        eprintln!("not run: promtool (Debian: prometheus)");
        return;
    };
    std::io::Write::write_all(&mut promtool.stdin.take().unwrap(), metrics.text.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(
        output.status.success() && text(&output).is_empty(),
        "{}",
        text(&output)
    );
}

/// Events of several kinds at once do not change the shape of what is listed.
#[test]
fn a_listing_is_filtered_and_paged() {
    let service = Launch::new().start();
    for number in 0..5 {
        service.decide(
            "data.drift.detected",
            &json!({"model_version": format!("m{number}@1"), "severity": "LOW"}),
        );
    }
    service.decide(
        "model.performance.degraded",
        &json!({"model_name": "m0", "action_required": "ROLLBACK"}),
    );
    let count = |query: &str| -> usize {
        let page: Value = service.get(&format!("/api/v1/decisions?{query}")).json();
        page["items"].as_array().unwrap().len()
    };
    let table = [
        ("limit=1000", 6),
        ("event_type=data_drift_detected", 5),
        ("target=m0", 2),
        ("target=m0&action=rollback", 1),
        ("outcome=executed", 6),
        ("outcome=failed", 0),
        ("limit=4", 4),
        ("hours=1", 6),
    ];
    for (query, expected) in table {
        assert_eq!(count(query), expected, "{query}");
    }
    let first = service.get("/api/v1/decisions?limit=4").json();
    let next = first["next"].as_str().unwrap();
    assert_eq!(count(&format!("limit=4&cursor={next}")), 2);
}
