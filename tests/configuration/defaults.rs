//! The defaults are the numbers of the specification, and the examples in their comments load.

use std::path::PathBuf;

use homeostat::configuration::{Configuration, DEFAULT};
use homeostat_logic::actions::Action;
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;

use crate::loading::{faults, loaded};

#[test]
fn every_number_of_the_specification_is_the_default() {
    let Configuration {
        settings, rules, ..
    } = loaded("", &[]);
    let hours = &rules.working_hours;
    assert_eq!((hours.enabled, hours.start, hours.end), (true, 6, 22));
    assert_eq!(hours.timezone, chrono_tz::UTC);
    assert!(hours.gate_critical && hours.gate_scheduled);
    let cooldown = &rules.cooldown;
    assert_eq!(
        Action::ALL.map(|action| cooldown.minutes(action)),
        [
            Some(60.0),
            Some(30.0),
            Some(10.0),
            Some(10.0),
            Some(5.0),
            Some(2.0),
            None
        ]
    );
    assert_eq!(rules.budget.responses_per_hour, 4);
    assert_eq!(rules.maintenance.days.len(), 7);
    assert_eq!(rules.maintenance.start, "02:00");
    assert_eq!(rules.maintenance.end, "05:00");
    assert_eq!(rules.defaults.model, "movie_recommender");
    assert_eq!(rules.defaults.service, "mlops-api");
    assert_eq!(settings.http.listen.to_string(), "127.0.0.1:8470");
    assert_eq!(settings.data_dir, PathBuf::from("data"));
    assert_eq!(settings.kafka.bootstrap_servers, None);
    assert_eq!(settings.ledger.partitions, 4);
    assert_eq!(rules.actions.len(), 6);
    for (action, how) in &rules.actions {
        assert_eq!(
            (how.connection.as_str(), how.max_attempts),
            ("log", 5),
            "{action}"
        );
        let backoff = how.backoff;
        assert_eq!(
            (backoff.first_ms, backoff.factor, backoff.max_ms),
            (5_000, 2, 300_000)
        );
    }
}

#[test]
fn the_matrix_and_thresholds_of_the_specification_are_the_default() {
    use Action::{Alert, Ignore, Monitor, Retrain, Rollback, ScaleUp};
    let rules = loaded("", &[]).rules.rules;
    let mut matrix = vec![
        ("data_drift_detected", [Monitor, Retrain, Retrain, Retrain]),
        (
            "model_performance_degraded",
            [Monitor, Retrain, Rollback, Rollback],
        ),
        ("system_overload", [Monitor, ScaleUp, ScaleUp, ScaleUp]),
        (
            "prediction_latency_high",
            [Monitor, ScaleUp, ScaleUp, ScaleUp],
        ),
        (
            "service_health_check_failed",
            [Alert, Rollback, Rollback, Rollback],
        ),
        ("other", [Alert; 4]),
    ];
    for informational in [
        "data_ingested",
        "data_processed",
        "data_quality_issues",
        "model_training_started",
        "model_training_completed",
        "model_evaluation_completed",
        "model_deployed",
        "system_metrics",
        "system_health",
    ] {
        matrix.push((informational, [Ignore; 4]));
    }
    assert_eq!(rules.len(), matrix.len());
    for (event_type, cells) in matrix {
        let rule = &rules[event_type];
        let found = [rule.low, rule.medium, rule.high, rule.critical];
        let found = found.map(|cell| cell.or(rule.default));
        assert_eq!(found, cells.map(Some), "{event_type}");
    }
    let drift = &rules["data_drift_detected"];
    assert_eq!(drift.scheduled.as_deref(), Some(&[Severity::Medium][..]));
    assert_eq!(drift.default_severity, None, "which is medium");
    assert_eq!(drift.raise[&Severity::Critical]["drift_score"], 0.8);
    assert_eq!(drift.raise[&Severity::Critical]["affected_features"], 5.0);
    assert_eq!(drift.raise[&Severity::High]["drift_score"], 0.6);
    assert_eq!(drift.raise[&Severity::High]["affected_features"], 3.0);
    let performance = &rules["model_performance_degraded"];
    assert_eq!(
        performance.raise[&Severity::Critical]["performance_drop"],
        0.15
    );
    assert_eq!(performance.raise[&Severity::High]["performance_drop"], 0.10);
}

#[test]
fn every_key_of_the_default_file_has_a_comment_behind_or_above_it() {
    let lines: Vec<&str> = DEFAULT.lines().collect();
    let mut keys = 0;
    for (place, line) in lines.iter().enumerate() {
        let is_key = line.contains('=') && !line.starts_with('#');
        if is_key {
            keys += 1;
            // Keys that belong together share one.
            let above = lines[..place].iter().rev();
            let block: Vec<_> = above.take_while(|line| !line.is_empty()).collect();
            assert!(
                line.contains("  # ") || block.iter().any(|line| line.contains("# ")),
                "line {}: {line}",
                place + 1
            );
        }
    }
    assert!(keys > 100, "{keys}");
}

#[test]
fn the_default_file_can_be_read_in_one_go() {
    // Recommendations have a section of their own, whose tables are written as dotted keys.
    let lines = DEFAULT.lines().count();
    assert!(
        lines < 300,
        "{lines} lines; move what is long to docs/configuration.md"
    );
}

#[test]
fn synonyms_of_severities_are_added_and_checked() {
    let rules = loaded(
        "[severity.synonyms]\n\"Code Red\" = \"critical\"\n",
        &[("HOMEOSTAT__SEVERITY__SYNONYMS__PAGE", "high")],
    )
    .rules;
    let rules = homeostat_logic::rules::Rules::new(&rules).unwrap();
    assert_eq!(rules.synonym("code-red"), Some(Severity::Critical));
    assert_eq!(rules.synonym("page"), Some(Severity::High));
    assert_eq!(rules.synonym("warn"), Some(Severity::Medium));
    let faults = faults(
        "[severity.synonyms]\npage = \"hgih\"\n[severity]\nwords = 1\n",
        &[],
    );
    assert!(
        faults
            .iter()
            .any(|fault| fault.contains("severity.synonyms.page") && fault.contains("`high`")),
        "{faults:?}"
    );
    assert!(
        faults
            .iter()
            .any(|fault| fault.contains("severity.words: unknown key")),
        "{faults:?}"
    );
}

#[test]
fn the_connection_of_the_comments_loads_when_the_hashes_are_removed() {
    let start = DEFAULT.find("#   [connections.jobs]").expect("the example");
    let example: String = DEFAULT[start..]
        .lines()
        .take_while(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim_start())
        .flat_map(|line| [line, "\n"])
        .collect();
    let configuration = loaded(&example, &[("JOBS_AUTHORIZATION", "Bearer x")]);
    let action = &configuration.rules.actions[&Action::Retrain];
    assert_eq!(action.connection, "jobs");
    let connections = &configuration.settings.connections;
    let binding = connections.find("jobs", Action::Retrain, &Target::model("m"));
    assert_eq!(binding.unwrap().kind, "webhook");
}

#[test]
fn the_budget_of_the_comments_loads_when_the_hashes_are_removed() {
    let start = DEFAULT.find("#   [budget.training]").expect("the example");
    let example: String = DEFAULT[start..]
        .lines()
        .map_while(|line| line.strip_prefix("#   "))
        .flat_map(|line| [line, "\n"])
        .collect();
    let rules = loaded(&example, &[]).rules;
    assert_eq!(rules.budget.further["training"].cap, 2);
    assert!(rules.actions.values().all(|how| !how.approval));
}

#[test]
fn a_rule_of_its_own_answers_every_severity() {
    assert_eq!(
        faults(
            "[rules.mine]\nlow = \"alert\"\ncritical = \"alert\"\nhigh = \"alret\"",
            &[]
        ),
        [
            "site.toml:1: rules.mine.high: is missing; write one of retrain, rollback, scale_up, scale_down, alert, monitor, ignore",
            "site.toml:1: rules.mine.medium: is missing; write one of retrain, rollback, scale_up, scale_down, alert, monitor, ignore",
            "site.toml:4: rules.mine.high: `alret` is unknown; did you mean `alert`?",
        ]
    );
}
