//! Tests of the metrics: the inventory is what is printed, labels stay closed, promtool is content.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::inventory::{INVENTORY, Kind, PROCESS};
use super::*;
use crate::connectors;
use homeostat_actors::dead_letters;
use homeostat_logic::ledger::reason::VoidReason;
use homeostat_logic::topic::Use;
use strum::VariantNames as _;

/// Metrics of which every family has been used.
fn used() -> Metrics {
    let metrics = Metrics::new(["fraud_suspected".to_owned()], 1_767_225_600_123).unwrap();
    metrics.events_consumed("data.ingested", Consumed::Settled, 3);
    metrics.decode_rejects.add(["not_json"], 1);
    metrics.dead_lettered("data.ingested", "attempts");
    let place = ["data.ingested", "1"];
    metrics.partition_stopped.set(place, 1);
    metrics.partition_standstill.set(place, 0);
    metrics.partition_open_transaction.set(place, 0);
    metrics.records_in_flight.set(place, 2);
    metrics.consumer_lag.set(place, 2);
    metrics.settled_offset.set(place, 7);
    metrics.decided("data_drift_detected", Action::Retrain, Outcome::Executed);
    metrics
        .decision_latency
        .observe([], Duration::from_millis(4));
    metrics.suppressed.add(["cooldown"], 1);
    metrics.actions.add(["retrain", "log", "done"], 1);
    let took = Duration::from_millis(20);
    metrics.action_duration.observe(["retrain"], took);
    metrics.response_latency.observe(["retrain"], took);
    metrics.actions_in_flight.set([], 1);
    metrics.connection_state.set(["jobs", "open"], 1);
    metrics.connection_in_flight.set(["jobs"], 2);
    metrics.connection_waiting.set(["jobs", "breaker"], 7);
    metrics.connection_opened.raise_to(["jobs"], 1);
    metrics.connection_paused.raise_to(["jobs"], 0);
    metrics.connection_attempts.raise_to(["jobs", "unknown"], 5);
    metrics.ledger_position.set(["0"], 12);
    metrics.ledger_owned.set(["0"], 1);
    metrics.ledger_lag.set(["0"], 3);
    metrics.ledger_boundary_covers.set(["0"], 11);
    metrics
        .ledger_boundary_hash
        .set(["0"], 4_503_599_627_370_495_i64);
    metrics.ledger_open_actions.set(["ready"], 1);
    metrics.ledger_time_ahead.set([], 5);
    metrics.ledger_undelivered.set([], 0);
    metrics.ledger_paused.set(["0"], 1);
    metrics.ledger_silenced.set(["0"], 0);
    metrics.ledger_fold_entries.set(["actions"], 5);
    metrics.ledger_voids.add(["duplicate"], 1);
    metrics.published("data.ingested", Published::Accepted, 1);
    metrics.user_token_refusals.add(["expired"], 1);
    metrics.watchdog_steps.raise_to(["actor"], 1);
    metrics.http_request("/livez", 200, Duration::from_millis(3));
    metrics.catalog_items.set(["known"], 1);
    metrics.catalog_bytes.set([], 60);
    metrics.catalog_records.raise_to(["taken"], 1);
    metrics.catalog_left_out.raise_to(["genres"], 1);
    metrics.user_store_losses.raise_to([], 1);
    metrics.user_store_restored.raise_to([], 1);
    metrics.external_lists.raise_to(["ranker", "used"], 1);
    metrics.actors(&[ActorSample {
        path: "root/drift".to_owned(),
        depth: 3,
        handled: 9,
        ..ActorSample::default()
    }]);
    metrics
}

#[test]
fn the_inventory_is_exactly_what_is_printed() {
    let text = used().render().unwrap();
    let mut printed: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let families = INVENTORY.iter().chain(&PROCESS);
    let mut listed: Vec<(&str, &str)> = families
        .clone()
        .map(|family| (family.name, family.kind.name()))
        .collect();
    printed.sort_unstable();
    listed.sort_unstable();
    assert_eq!(printed, listed);
    for family in families {
        assert!(text.contains(&format!("# HELP {} {}\n", family.name, family.help)));
        assert_eq!(
            family.kind == Kind::Counter,
            family.name.ends_with("_total"),
            "{}",
            family.name
        );
    }
}

#[test]
fn label_values_stay_within_closed_sets() {
    let metrics = used();
    for name in ["fraud_suspected", "fraud-4711", "fraud-4712"] {
        metrics.decided(name, Action::Alert, Outcome::Executed);
        metrics.events_consumed(name, Consumed::Settled, 1);
    }
    let text = metrics.render().unwrap();
    assert!(text.contains(r#"action="alert",event_type="fraud_suspected",outcome="executed"} 1"#));
    assert!(text.contains(r#"action="alert",event_type="other",outcome="executed"} 2"#));
    assert!(text.contains(r#"{outcome="settled",topic="other"} 3"#));
    assert!(!text.contains("fraud-"));
}

#[test]
fn actors_beyond_the_bound_are_summed_up() {
    let metrics = Metrics::new([], 0).unwrap();
    let actors = (0..ACTORS_MAX + 3).map(|index| ActorSample {
        path: format!("a{index}"),
        depth: 2,
        ..ActorSample::default()
    });
    metrics.actors(&actors.collect::<Vec<_>>());
    let text = metrics.render().unwrap();
    assert!(text.contains(r#"homeostat_mailbox_depth{actor="other"} 6"#));
    let series = text
        .lines()
        .filter(|line| line.starts_with("homeostat_mailbox_depth{"));
    assert_eq!(series.count(), ACTORS_MAX + 1);
    metrics.actors(&[]);
    assert!(!metrics.render().unwrap().contains("mailbox_depth{"));
}

#[test]
fn promtool_finds_nothing_to_object_to() {
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = spawned else {
        assert!(
            std::env::var_os("CI").is_none(),
            "promtool is missing: install Debian's prometheus"
        );
        eprintln!("promtool was not run: it is not installed (Debian package prometheus)");
        return;
    };
    let text = used().render().unwrap();
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{text}");
}

/// A counter that appears with its first error is missed by a rate over it: each has its series from the start.
#[test]
fn every_counter_of_closed_labels_starts_at_zero_for_every_value() {
    let metrics = Metrics::new([], 0).unwrap();
    metrics.http_route("/livez");
    let text = metrics.render().unwrap();
    let series = |start: &str| {
        let found = text.lines().filter(|line| line.starts_with(start));
        found
            .inspect(|line| assert!(line.ends_with(" 0"), "{line}"))
            .count()
    };
    let read = topic::TOPICS
        .iter()
        .filter(|topic| !matches!(topic.usage, Use::Produce | Use::Hold))
        .count();
    let reasons = dead_letters::reasons().count();
    for (name, expected) in [
        ("dead_letters_total", read * reasons),
        ("decode_rejects_total", reasons - 2),
        ("suppressed_total", 6),
        ("ledger_voids_total", VoidReason::VARIANTS.len()),
        (
            "actions_total",
            Action::ALL.len() * connectors::names().count() * 4,
        ),
        ("http_requests_total", 4),
        ("published_events_total", topic::TOPICS.len()),
        ("publish_requests_total", 3),
    ] {
        assert_eq!(series(&format!("homeostat_{name}{{")), expected, "{name}");
    }
    for example in [
        r#"dead_letters_total{reason="handler",topic="data.drift.detected"} 0"#,
        r#"decode_rejects_total{reason="not_an_object"} 0"#,
        r#"suppressed_total{reason="cooldown"} 0"#,
        r#"actions_total{action="retrain",connector="webhook",outcome="not_sent"} 0"#,
    ] {
        assert!(text.contains(example), "{example}");
    }
}
