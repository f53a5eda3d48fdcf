//! Configuration from the outside: defaults, layers, and every fault at once with its place and remedy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "this file is a test: a panic is how it fails, and configured numbers are read, not computed"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use homeostat::configuration::{Configuration, DEFAULT, Fault, Origin, effective, load};
use homeostat_logic::action::Action;
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;

fn with(text: &str, environment: &[(&str, &str)]) -> Result<Configuration, Vec<Fault>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.toml");
    std::fs::write(&path, text).unwrap();
    load(&[path], owned(environment))
}

fn owned(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Faults as printed, without the temporary folder.
fn faults(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let faults = with(text, environment).expect_err("the configuration has a fault");
    faults
        .iter()
        .map(|fault| {
            let text = fault.to_string();
            match text.find("site.toml:") {
                Some(at) => text[at..].to_owned(),
                None => text,
            }
        })
        .collect()
}

fn loaded(text: &str, environment: &[(&str, &str)]) -> Configuration {
    match with(text, environment) {
        Ok(configuration) => configuration,
        Err(faults) => panic!("{faults:#?}"),
    }
}

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
fn every_key_of_the_default_file_stands_below_a_comment() {
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
                block.iter().any(|line| line.starts_with("# ")),
                "line {}: {line}",
                place + 1
            );
        }
    }
    assert!(keys > 100, "{keys}");
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
fn later_layers_win_key_by_key_and_the_origin_of_each_value_is_known() {
    let file = "[cooldown]\nretrain_minutes = 90.5\nalert_minutes = 1\n[rules.my_type]\nlow = \"alert\"\nmedium = \"alert\"\ncritical = \"alert\"\n";
    let environment = [
        ("HOMEOSTAT__COOLDOWN__ALERT_MINUTES", "0.25"),
        ("HOMEOSTAT__WORKING_HOURS__ENABLED", "false"),
        ("HOMEOSTAT__KAFKA__GROUP_ID", "42"),
        ("HOMEOSTAT__MAINTENANCE__DAYS", "[\"sun\"]"),
        ("HOMEOSTAT__RULES__MY_TYPE__HIGH", "rollback"),
        ("HOMEOSTAT__KAFKA__OPTIONS__SECURITY_PROTOCOL", "SSL"),
        ("HOMEOSTAT__TARGETS__FRAUD", "{ responses_per_hour = 2 }"),
        ("HOMEOSTAT_OTHER", "not ours"),
    ];
    let Configuration {
        settings,
        rules,
        provenance,
        ..
    } = loaded(file, &environment);
    let minutes = |action| rules.cooldown.minutes(action).unwrap();
    assert_eq!(minutes(Action::Retrain), 90.5);
    assert_eq!(minutes(Action::Alert), 0.25);
    assert_eq!(minutes(Action::Rollback), 30.0);
    assert!(!rules.working_hours.enabled);
    assert_eq!(settings.kafka.group_id, "42");
    assert_eq!(rules.maintenance.days, [chrono::Weekday::Sun]);
    assert_eq!(rules.targets["fraud"].responses_per_hour, Some(2));
    assert_eq!(rules.rules["my_type"].low, Some(Action::Alert));
    assert_eq!(rules.rules["my_type"].high, Some(Action::Rollback));
    assert_eq!(settings.kafka_options["security.protocol"].expose(), "SSL");
    assert!(matches!(
        &provenance["cooldown.retrain_minutes"],
        Origin::File { line: 2, .. }
    ));
    assert_eq!(
        provenance["cooldown.alert_minutes"].to_string(),
        "HOMEOSTAT__COOLDOWN__ALERT_MINUTES"
    );
    assert!(matches!(
        provenance["cooldown.rollback_minutes"],
        Origin::Default { .. }
    ));
}

#[test]
fn all_faults_of_all_layers_are_told_at_once_with_place_and_remedy() {
    let file = "\
[http]
lisen = \"127.0.0.1:1\"
[cooldown]
retrain_minutes = \"long\"
rollback_minutes = -1
[rules.data_drift_detected]
critical = \"retrian\"
raise.criticl.drift_score = 0.9
[actions.retrain]
max_attempts = 11
[actions.scale_up.parameters]
change = 1001
chnage = 2
";
    let found = faults(
        file,
        &[
            ("HOMEOSTAT__WORKING_HOURS__STAR", "7"),
            ("HOMEOSTAT__BUDGET__RESPONSES_PER_HOUR", "0"),
        ],
    );
    let expected = [
        "site.toml:2: http.lisen: unknown key; did you mean `listen`?",
        "site.toml:4: cooldown.retrain_minutes: is text; write a number from 0 to 11520",
        "site.toml:5: cooldown.rollback_minutes: -1 is out of range; write a number from 0 to 11520",
        "site.toml:7: rules.data_drift_detected.critical: `retrian` is unknown; did you mean `retrain`?",
        "site.toml:8: rules.data_drift_detected.raise.criticl: unknown key; did you mean `critical`?",
        "site.toml:10: actions.retrain.max_attempts: 11 is out of range; write a whole number from 1 to 10",
        "site.toml:12: actions.scale_up.parameters.change: 1001 is out of range; write a whole number from 1 to 1000",
        "site.toml:13: actions.scale_up.parameters.chnage: unknown key; did you mean `change`?",
        "HOMEOSTAT__BUDGET__RESPONSES_PER_HOUR: budget.responses_per_hour: 0 is out of range; write a whole number from 1 to 1000000",
        "HOMEOSTAT__WORKING_HOURS__STAR: working_hours.star: unknown key; did you mean `start`?",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_syntax_fault_hides_neither_another_one_nor_a_fault_elsewhere() {
    let found = faults("[http]\nlisten = \nbody = 3\n[cooldown\nx = = 2\n", &[]);
    let lines: Vec<&str> = found
        .iter()
        .map(|fault| fault.split(": ").next().unwrap())
        .collect();
    assert!(
        lines.contains(&"site.toml:2") && lines.contains(&"site.toml:4"),
        "{found:#?}"
    );
    assert!(
        found
            .iter()
            .any(|fault| fault.contains("http.body: unknown key")),
        "{found:#?}"
    );
}

#[test]
fn a_line_that_is_not_toml_is_told_once_and_not_judged_further() {
    for line in [
        "listen =",
        "listen = = 2",
        "listen = 12x",
        "listen = \"abc",
        "listen = truue",
        "= 3",
        "a.b. = 3",
    ] {
        let found = faults(
            &format!("[http]\n{line}\n[log_output]\nlevel = \"warn\""),
            &[],
        );
        assert_eq!(found.len(), 1, "{line}: {found:#?}");
        assert!(
            found[0].starts_with("site.toml:2: not TOML: "),
            "{line}: {found:#?}"
        );
    }
}

#[test]
fn a_missing_file_is_a_fault_beside_the_others() {
    let found = load(
        &[PathBuf::from("/nowhere/site.toml")],
        owned(&[("HOMEOSTAT__NO", "1")]),
    )
    .unwrap_err();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0]
            .to_string()
            .starts_with("/nowhere/site.toml: cannot be read")
    );
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn each_value_outside_its_range_or_kind_is_refused() {
    // Text of the file, and part of the fault it must yield.
    let table = [
        (
            "cooldown.retrain_minutes = nan",
            "is nan, not a number; write a number from 0",
        ),
        (
            "cooldown.retrain_minutes = inf",
            "is an infinite number; write a number from 0",
        ),
        ("cooldown.retrain_minutes = -inf", "is an infinite number"),
        ("cooldown.retrain_minutes = 1e999", "is an infinite number"),
        (
            "cooldown.retrain_minutes = -99999999999999999999",
            "is a number beyond 64 bits",
        ),
        (
            "cooldown.retrain_minutes = 1979-05-27T07:32:00Z",
            "is a date or time",
        ),
        (
            "cooldown.retrain_minutes = \"\"",
            "is empty text; write a number",
        ),
        ("cooldown.retrain_minutes = 11520.1", "out of range"),
        ("cooldown.retrain_minutes = true", "is a flag"),
        ("budget.max_event_age_minutes = 0", "out of range"),
        ("working_hours.start = 24", "out of range"),
        ("working_hours.end = -1", "out of range"),
        ("working_hours.start = 6.0", "with a fraction"),
        (
            "working_hours.start = 99999999999999999999",
            "working_hours.start: is a number beyond 64 bits; write a whole number from 0 to 23",
        ),
        (
            "working_hours.start = 0xffffffffffffffffffff",
            "is a number beyond 64 bits",
        ),
        ("working_hours.start = inf", "is an infinite number"),
        (
            "data_dir = 99999999999999999999",
            "is a number beyond 64 bits; write text",
        ),
        (
            "maintenance.days = [99999999999999999999]",
            "holds a number beyond 64 bits",
        ),
        ("working_hours.enabled = 1", "is a whole number"),
        (
            "working_hours.timezone = \"Europe/Berln\"",
            "did you mean `Europe/Berlin`",
        ),
        (
            "working_hours.timezone = \"+02:00\"",
            "an IANA time zone such as",
        ),
        ("working_hours = 7", "a table with the keys enabled"),
        ("maintenance.start = \"24:00\"", "not a time of day"),
        ("maintenance.start = \"2:00\"", "not a time of day"),
        ("maintenance.days = [\"mon\", \"mon\"]", "is repeated"),
        ("maintenance.days = [\"monday\"]", "unknown"),
        ("maintenance.days = [1]", "holds a whole number"),
        ("maintenance.start = 02:00:00", "is a date or time"),
        ("data_dir = \" \"", "is empty"),
        ("budget.trust_event_time = 1", "is a whole number"),
        ("data_dir = []", "is a list"),
        ("data_dir.x = 1", "is a table"),
        ("rules.other.raise.high.score = -0.1", "out of range"),
        ("rules.other.scheduled = [\"mild\"]", "unknown"),
        ("rules.other.default_severity = \"HIGH\"", "unknown"),
        ("targets.fraud.rules.x.lo = \"alert\"", "did you mean `low`"),
        ("targets.fraud.working_hours.end = 25", "out of range"),
        ("actions.ignore.connection = \"log\"", "unknown key"),
        (
            "connections.jobs.kind = \"webhok\"",
            "did you mean `webhook`",
        ),
        (
            "actions.retrain.connector = \"log\"",
            "unknown key; write connection = \"NAME\"",
        ),
        (
            "webhook.retrain.url = \"https://e.org\"",
            "unknown key; write [connections.NAME] with kind = \"webhook\"",
        ),
        ("actions.retrain.policy = \"always\"", "unknown"),
        ("actions.retrain.backoff.factor = 0", "out of range"),
        ("ledger.partitions = 0", "out of range"),
        ("log_output.format = \"xml\"", "auto, text, json"),
        (
            "http.allowed_hosts = \"a\"",
            "write a list of host or host:port",
        ),
        ("http.allowed_hosts = [1]", "holds a whole number"),
        (
            "http.allowed_hosts = [\"http://a\"]",
            "`http://a` is neither a host nor host:port",
        ),
        (
            "http.allowed_hosts = [\"*.a\"]",
            "without scheme, path or wildcard",
        ),
        (
            "http.allowed_hosts = [\"a\", \"a:0x1\"]",
            "`a:0x1` is neither",
        ),
        ("unknown.x = 1", "unknown key"),
    ];
    for (text, expected) in table {
        let found = faults(text, &[]);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].starts_with("site.toml:1: "), "{found:#?}");
        assert!(found[0].contains(expected), "{text}: {found:#?}");
    }
}

#[test]
fn hosts_are_allowed_in_a_file_or_by_the_environment() {
    let text = "http.allowed_hosts = [\"Proxy.example\", \"10.1.2.3:8470\", \"[::1]:80\"]";
    assert_eq!(loaded(text, &[]).settings.http.allowed_hosts.len(), 3);
    let variable = [("HOMEOSTAT__HTTP__ALLOWED_HOSTS", "[\"proxy.example\"]")];
    assert_eq!(loaded(text, &variable).settings.http.allowed_hosts.len(), 1);
    assert!(loaded("", &[]).settings.http.allowed_hosts.is_empty());
}

#[test]
fn each_relation_between_keys_is_checked() {
    let table = [
        (
            "http.listen = \"0.0.0.0:80\"",
            "http.listen: 0.0.0.0 can be reached from other machines",
        ),
        (
            "http.listen = \"[::]:80\"",
            "http.listen: :: can be reached",
        ),
        (
            "http.listen = \"127.0.0.1:65536\"",
            "http.listen: `127.0.0.1:65536` is no address with port",
        ),
        (
            "http.event_bytes_max = 9000000",
            "http.event_bytes_max: 9000000 is above http.body_bytes_max (8388608)",
        ),
        (
            "kafka.bootstrap_servers = \"broker\"",
            "`broker` is no broker address",
        ),
        (
            "kafka.bootstrap_servers = \"a:1,b:0\"",
            "`b:0` is no broker address",
        ),
        (
            "kafka.options = { \"enable.auto.commit\" = true }",
            "no option that may be set",
        ),
        (
            "kafka.options = { \"plugin.library.paths\" = \"x.so\" }",
            "no option that may be set",
        ),
        (
            "kafka.options = { \"client.rack\" = [] }",
            "is no single value",
        ),
        (
            "kafka.options = { \"socket.timeout.ms\" = 99999999999999999999 }",
            "is no single value",
        ),
        (
            "kafka.options = { \"security.protocol\" = \"SASL_SSL\", \"sasl.mechanism\" = \"PLAIN\", \"sasl.username\" = \"me\", \"sasl.password\" = \"hunter2\" }",
            "holds a secret in the clear",
        ),
        (
            "kafka.options = { \"security.protocol\" = \"SASL_SSL\", \"sasl.mechanism\" = \"PLAIN\", \"sasl.username\" = \"me\", \"sasl.password\" = \"env:NOWHERE\" }",
            "NOWHERE is not set",
        ),
        ("log_output.level = \"inof\"", "did you mean `info`"),
        ("maintenance.days = []", "names no day"),
        ("consumer.drain_ms = 5000", "write at most 4999"),
        (
            "consumer.drain_ms = 3000\nkafka.session_timeout_ms = 6000",
            "write at most 2999",
        ),
        (
            "http.body_bytes_max = 5000",
            "http.body_bytes_max: 5000 is below http.event_bytes_max (1048576); write at least 1048576",
        ),
        (
            "consumer.batch_events_max = 2000",
            "is above consumer.in_flight_records_max (1024)",
        ),
        (
            "consumer.retry_first_ms = 6000",
            "is above consumer.retry_max_ms (5000)",
        ),
        (
            "supervision.backoff_first_ms = 6000",
            "is above supervision.backoff_max_ms (5000)",
        ),
        (
            "actions.retrain.backoff.first_ms = 300001",
            "is above actions.retrain.backoff.max_ms",
        ),
        (
            "actions.retrain.backoff.max_ms = 36000000",
            "take longer than two days; write at most 34380000",
        ),
        (
            "actions.retrain.connection = \"jobs\"",
            "there is no connection `jobs`; add [connections.jobs] with a kind",
        ),
        (
            "actions.retrain.policy = \"verify\"",
            "the target cannot be asked; use a connection that can be probed",
        ),
        ("ledger.retention_days = 8", "out of range"),
    ];
    for (text, expected) in table {
        let found = faults(text, &[]);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].starts_with("site.toml:1: "), "{found:#?}");
        assert!(found[0].contains(expected), "{text}: {found:#?}");
        assert!(!found[0].contains("hunter2"), "{found:#?}");
    }
}

#[test]
fn further_budgets_are_laid_over_each_other_and_named_in_variables_too() {
    let text = "[budget.training]\nactions = [\"retrain\"]\nwindow_minutes = 1440\ncap = 2\n\
                [targets.fraud.budget.training]\ncap = 1\n";
    let environment = [
        ("HOMEOSTAT__BUDGET__TRAINING__CAP", "3"),
        (
            "HOMEOSTAT__BUDGET__PAGES__ACTIONS",
            "[\"alert\", \"monitor\"]",
        ),
        ("HOMEOSTAT__BUDGET__PAGES__WINDOW_MINUTES", "0.5"),
        ("HOMEOSTAT__BUDGET__PAGES__CAP", "1"),
    ];
    let rules = loaded(text, &environment).rules;
    let training = &rules.budget.further["training"];
    assert_eq!(
        (
            training.actions.as_slice(),
            training.window_minutes,
            training.cap
        ),
        (&[Action::Retrain][..], 1440.0, 3)
    );
    let pages = &rules.budget.further["pages"];
    assert_eq!((pages.actions.len(), pages.window_minutes), (2, 0.5));
    assert_eq!(rules.targets["fraud"].budget["training"].cap, Some(1));
    assert_eq!(rules.budget.responses_per_hour, 4);
    assert!(loaded("", &[]).rules.budget.further.is_empty());
}

#[test]
fn each_fault_of_a_further_budget_stands_at_its_line() {
    let rest = "window_minutes = 60\ncap = 1\n";
    let many: Vec<String> = (0..8)
        .map(|number| format!("[budget.b{number}]\nactions = [\"alert\"]\n{rest}"))
        .collect();
    let many = many.concat();
    let table = [
        (
            "[budget.b]\nactions = [\"retrain\"]\nwindow_minutes = 60".to_owned(),
            "site.toml:1: budget.b.cap: is missing; write a whole number from 1 to 1000000",
        ),
        (
            format!("[budget.b]\n{rest}"),
            "site.toml:1: budget.b.actions: is missing; name the actions that it counts",
        ),
        (
            "[budget.b]\nactions = [\"retrain\"]\ncap = 1".to_owned(),
            "site.toml:1: budget.b.window_minutes: is missing; write a number from 0.1 to 11520",
        ),
        (
            format!("[budget.b]\nactions = []\n{rest}"),
            "site.toml:2: budget.b.actions: names no action",
        ),
        (
            format!("[budget.b]\nactions = [\"retrian\"]\n{rest}"),
            "site.toml:2: budget.b.actions: `retrian` is unknown; did you mean `retrain`?",
        ),
        (
            format!("[budget.b]\nactions = [\"ignore\"]\n{rest}"),
            "`ignore` is unknown",
        ),
        (
            format!("[budget.b]\nactions = [\"alert\", \"alert\"]\n{rest}"),
            "`alert` is repeated",
        ),
        (
            "[budget.b]\nactions = [\"alert\"]\nwindow_minutes = 11521\ncap = 1".to_owned(),
            "site.toml:3: budget.b.window_minutes: 11521 is out of range; write a number from 0.1 to 11520",
        ),
        (
            "[budget.b]\nactions = [\"alert\"]\nwindow_minutes = 60\ncap = 0".to_owned(),
            "site.toml:4: budget.b.cap: 0 is out of range",
        ),
        (
            format!("[budget.b]\nactions = [\"alert\"]\nhours = 1\n{rest}"),
            "site.toml:3: budget.b.hours: unknown key",
        ),
        (
            "budget.response_per_hour = 3".to_owned(),
            "site.toml:1: budget.response_per_hour: unknown key; did you mean `responses_per_hour`?",
        ),
        (
            format!("[budget.\"Two Words\"]\nactions = [\"alert\"]\n{rest}"),
            "site.toml:1: budget.\"Two Words\": unknown key; name it with a-z, 0-9, _ and -, 1 to 64 bytes",
        ),
        (
            "[budget.responses_per_hour]\ncap = 1".to_owned(),
            "site.toml:1: budget.responses_per_hour: is a table; write a whole number",
        ),
        (
            many,
            "site.toml:29: budget.b7: is one of 8 further budgets; keep at most 7",
        ),
        (
            format!(
                "[budget.night]\nactions = [\"alert\"]\n{rest}[targets.m.budget.nigth]\ncap = 1"
            ),
            "site.toml:5: targets.m.budget.nigth: there is no table [budget.nigth]; did you mean `night`?",
        ),
        (
            "[actions.alert]\napproval = true".to_owned(),
            "site.toml:2: actions.alert.approval: is true, but an alert is what asks people; write false",
        ),
        (
            "[actions.retrain]\napproval = \"yes\"".to_owned(),
            "site.toml:2: actions.retrain.approval: is text; write true or false",
        ),
    ];
    for (text, expected) in table {
        let found = faults(&text, &[]);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].contains(expected), "{text}: {found:#?}");
    }
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

#[test]
fn the_pause_named_as_remedy_is_accepted() {
    loaded(
        "actions.retrain.backoff.max_ms = 34380000\nconsumer.drain_ms = 4999\nkafka.session_timeout_ms = 9999",
        &[],
    );
}

#[test]
fn relations_hold_for_what_the_layers_yield_together() {
    // The file alone would be wrong, and the environment mends it.
    let environment = [("HOMEOSTAT__KAFKA__SESSION_TIMEOUT_MS", "30000")];
    let configuration = loaded("consumer.drain_ms = 9000", &environment);
    assert_eq!(configuration.settings.consumer.drain_ms, 9_000);
}

#[test]
fn each_fault_of_a_connection_is_at_its_line() {
    let table = [
        (
            "",
            "site.toml:1: connections.jobs.url: is not a URL, or is missing",
        ),
        (
            "url = \"http://example.com/\"",
            "site.toml:3: connections.jobs.url: is plain http",
        ),
        (
            "url = \"ftp://example.com/\"",
            "connections.jobs.url: has the scheme `ftp`",
        ),
        (
            "url = \"https://u:p@example.com/\"",
            "holds a user name or password",
        ),
        (
            "url = \"https://{{ target.name }}/x\"",
            "template in scheme, host or port",
        ),
        (
            "url = \"https://10.0.0.1/\"",
            "10.0.0.1 is not a public address; write allow_private_addresses",
        ),
        (
            "url = \"https://169.254.169.254/\"\nallow_private_addresses = true",
            "link-local and metadata addresses are never reached",
        ),
        (
            "url = \"https://e.org/{{ target.nam\"",
            "site.toml:3: connections.jobs.url: is not a valid template",
        ),
        (
            "url = \"https://e.org/\"\nsecret = \"hunter2\"",
            "site.toml:4: connections.jobs.secret: holds a secret in the clear",
        ),
        (
            "url = \"https://e.org/\"\nsecret = \"env:SHORT\"",
            "connections.jobs.secret: has 5 bytes; use 24 bytes or more: echo \"whsec_$(openssl rand -base64 32)\"",
        ),
        (
            "url = \"https://e.org/\"\nheaders.Authorization = \"Bearer hunter2\"",
            "site.toml:4: connections.jobs.headers.Authorization: holds a secret",
        ),
        (
            "url = \"https://e.org/\"\nheaders.Webhook-Id = \"x\"",
            "is set by the connector itself",
        ),
        (
            "url = \"https://e.org/\"\nheaders.\"a b\" = \"x\"",
            "is not a header name",
        ),
        (
            "url = \"https://e.org/\"\nheaders.a = \"x\\ny\"",
            "no header value may have",
        ),
        (
            "url = \"https://e.org/\"\nconnect_timeout_ms = 2000\ntimeout_ms = 1000",
            "connect_timeout_ms: 2000 is above timeout_ms (1000)",
        ),
        (
            "url = \"https://e.org/\"\ntimeout_ms = 10001",
            "out of range",
        ),
        ("url = \"env:NOWHERE\"", "NOWHERE is not set"),
        (
            "kin = 3\nurl = \"https://e.org/\"",
            "unknown key; did you mean `kind`?",
        ),
    ];
    for (text, expected) in table {
        let secrets = [("SHORT", "whsec_c2hvcnQ=")];
        let found = faults(
            &format!("[connections.jobs]\nkind = \"webhook\"\n{text}"),
            &secrets,
        );
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].contains(expected), "{text}: {found:#?}");
        assert!(!found[0].contains("hunter2"), "{found:#?}");
    }
}

/// A connection that is right, and an action that uses it.
const USED: &str = "[connections.jobs]\nkind = \"webhook\"\nurl = \"https://e.org\"\n\
                    [actions.retrain]\nconnection = \"jobs\"\n";

#[test]
fn each_fault_of_how_an_action_uses_its_connection_is_at_its_line() {
    let table = [
        (
            "with.body = \"{{ targt }}\"",
            "site.toml:6: actions.retrain.with.body: is not a valid template: unknown template variable `targt`; available: ",
        ),
        (
            "with.body = '''\n{\n{{ x'''",
            "site.toml:6: actions.retrain.with.body: is not a valid template: ",
        ),
        ("with.method = \"GET\"", "use one of POST, PUT, PATCH"),
        ("with.url = \"https://e.org\"", "unknown key"),
        ("with = 3", "actions.retrain.with: is a whole number"),
        (
            "with.probe.headers.x = \"y\"",
            "actions.retrain.with.probe.path: is empty or missing",
        ),
        (
            "with.probe.path = \"/x\"\nwith.probe.headers.Cookie = \"hunter2\"",
            "site.toml:7: actions.retrain.with.probe.headers.Cookie: holds a secret",
        ),
        (
            "with.path = \"/a/{{ target.nam\"",
            "site.toml:6: actions.retrain.with.path: is not a valid template",
        ),
        (
            "[targets.m.actions.retrain]\nconnection = \"job\"",
            "site.toml:7: targets.m.actions.retrain.connection: there is no connection `job`; did you mean `jobs`?",
        ),
        (
            "[targets.m.actions.retrain]\npolicy = \"verify\"",
            "site.toml:7: targets.m.actions.retrain.policy: is \"verify\", and the target cannot be asked; add probe.path to [targets.m.actions.retrain.with]",
        ),
        (
            "[targets.m.actions.retrain]\nconnection = \"log\"\nwith.path = \"/x\"",
            "targets.m.actions.retrain.with: has no effect: the connection is log",
        ),
    ];
    for (text, expected) in table {
        let found = faults(&format!("{USED}{text}"), &[]);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].contains(expected), "{text}: {found:#?}");
        assert!(!found[0].contains("hunter2"), "{found:#?}");
    }
    let query = "[connections.jobs]\nkind = \"webhook\"\nurl = \"https://e.org?a=b\"\n\
                 [actions.retrain]\nconnection = \"jobs\"\nwith.path = \"/x\"";
    let found = faults(query, &[]);
    assert!(
        found[0].contains("the connection's url has a query"),
        "{found:?}"
    );
}

#[test]
fn the_name_log_is_taken_and_connections_are_few() {
    let found = faults(
        "[connections.log]\nkind = \"webhook\"\nurl = \"https://e.org\"",
        &[],
    );
    assert!(
        found[0].contains("connections.log: is the built-in connection"),
        "{found:?}"
    );
    let one =
        |number| format!("[connections.c{number}]\nkind = \"webhook\"\nurl = \"https://e.org\"\n");
    let many = (0..65).map(one).collect::<Vec<_>>().concat();
    let found = faults(&many, &[]);
    assert!(found[0].contains("at most 64 are allowed"), "{found:?}");
}

#[test]
fn an_action_is_verified_where_its_target_can_be_asked() {
    let text = |with| format!("{USED}policy = \"verify\"\n{with}");
    let found = faults(&text(""), &[]);
    assert!(
        found[0].contains("the target cannot be asked; add probe.path to [actions.retrain.with]"),
        "{found:?}"
    );
    loaded(&text("with.probe.path = \"/{{ action_id }}\""), &[]);
}

#[test]
fn what_is_the_same_for_all_actions_is_laid_under_each_and_a_target_over_both() {
    let text = "[connections.a]\nkind = \"webhook\"\nurl = \"https://a.org\"\n\
                [connections.b]\nkind = \"webhook\"\nurl = \"https://b.org\"\n\
                [actions.default]\nconnection = \"a\"\nmax_attempts = 2\nwith.path = \"/all\"\n\
                [actions.scale_up]\nconnection = \"b\"\n\
                [targets.m.actions.retrain]\nconnection = \"b\"\napproval = true\n\
                [targets.\"service/s\".actions.default]\nmax_attempts = 9\n";
    let configuration = loaded(text, &[]);
    let rules = homeostat_logic::rules::Rules::new(&configuration.rules).unwrap();
    let how = |action, target| {
        let how = rules.action(action, &target).unwrap();
        (how.connection.clone(), how.max_attempts, how.approval)
    };
    let other = || Target::model("other");
    assert_eq!(how(Action::Alert, other()), ("a".to_owned(), 2, false));
    assert_eq!(how(Action::ScaleUp, other()), ("b".to_owned(), 2, false));
    assert_eq!(
        how(Action::Retrain, Target::model("m")),
        ("b".to_owned(), 2, true)
    );
    assert_eq!(
        how(Action::Rollback, Target::service("s")),
        ("a".to_owned(), 9, false)
    );
    assert_eq!(
        how(Action::Rollback, Target::model("s")),
        ("a".to_owned(), 2, false)
    );
    let printed = effective(&configuration);
    assert!(
        printed.contains("actions.alert.with.path = \"/all\""),
        "{printed}"
    );
    assert!(!printed.contains("actions.scale_up.with.path"), "{printed}");
    assert!(
        !printed.contains("targets.m.actions.retrain.with.path"),
        "{printed}"
    );
    let connections = &configuration.settings.connections;
    assert!(
        connections
            .find("b", Action::Retrain, &Target::model("m"))
            .is_ok()
    );
    assert!(connections.find("b", Action::Retrain, &other()).is_err());
    assert!(connections.find("a", Action::Retrain, &other()).is_ok());
}

#[test]
fn plain_http_to_this_machine_needs_no_further_key() {
    for host in ["127.0.0.1:9", "localhost:9", "[::1]:9", "LOCALHOST"] {
        let text = format!("[connections.jobs]\nkind = \"webhook\"\nurl = \"http://{host}/hook\"");
        loaded(&text, &[]);
    }
}

#[test]
fn secrets_come_from_variables_and_files_and_are_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "from-the-file\n").unwrap();
    let text = format!(
        "[kafka.options]\n\"sasl.password\" = \"file:{}\"\n\"sasl.username\" = \"env:USERNAME\"\n\
         \"security.protocol\" = \"SASL_SSL\"\n\"sasl.mechanism\" = \"PLAIN\"\n\
         [connections.a]\nkind = \"webhook\"\nurl = \"env:HOOK\"\nheaders.Authorization = \"env:TOKEN\"\n\
         [connections.b]\nkind = \"webhook\"\nurl = \"https://e.org/x?key=in-the-query\"\n\
         [connections.c]\nkind = \"webhook\"\nurl = \"https://e.org\"\n\
         [actions.monitor]\nconnection = \"c\"\nwith.probe.path = \"/x?key=in-the-query\"\n",
        path.display()
    );
    let environment = [
        ("USERNAME", "from-the-variable"),
        ("HOOK", "https://hooks.example.com/very-secret"),
        ("TOKEN", "Bearer very-secret"),
    ];
    let configuration = loaded(&text, &environment);
    let options = &configuration.settings.kafka_options;
    assert_eq!(options["sasl.password"].expose(), "from-the-file");
    assert_eq!(options["sasl.username"].expose(), "from-the-variable");
    let printed = format!("{configuration:?}\n{}", effective(&configuration));
    for secret in ["from-the", "very-secret"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    assert!(!effective(&configuration).contains("in-the-query"));
}

#[test]
fn every_key_of_the_default_can_be_set_from_the_environment() {
    let first = loaded("", &[]);
    let mut environment = BTreeMap::new();
    let parsed: toml::Table = DEFAULT.parse().unwrap();
    collect("HOMEOSTAT", &toml::Value::Table(parsed), &mut environment);
    assert!(environment.len() > 100);
    let second = load(&[], environment.clone()).unwrap();
    assert_eq!(first.rules, second.rules);
    // What is the same for all actions is laid under each.
    let from_variables = second
        .provenance
        .values()
        .filter_map(|origin| match origin {
            Origin::Variable(name) => Some(name.to_string()),
            _ => None,
        });
    let from_variables: BTreeSet<String> = from_variables.collect();
    assert!(from_variables.iter().eq(environment.keys()));
}

fn collect(name: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                collect(&format!("{name}__{}", key.to_uppercase()), value, into);
            }
        }
        other => {
            into.insert(name.to_owned(), other.to_string());
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    /// TOML-like lines, so that more than the first syntax error is reached.
    #[test]
    fn any_text_ends_in_a_configuration_or_in_faults_of_its_own_lines(
        lines in proptest::collection::vec(
            "(\\[{0,2}[a-z_.\"]{0,12}\\]{0,2}|(http|rules|connections|actions|kafka)(\\.[a-z_]{1,9}){0,3} = ([0-9.\"'\\[{}]{0,6}|[a-z]{1,5})|.{0,20})",
            0..8,
        )
    ) {
        let text = lines.join("\n");
        if let Err(faults) = with(&text, &[("HOMEOSTAT__X__Y", &text)]) {
            proptest::prop_assert!(!faults.is_empty());
            for fault in faults {
                proptest::prop_assert!(!fault.problem.is_empty() && !fault.remedy.is_empty());
                if let Origin::File { line, .. } = fault.origin {
                    proptest::prop_assert!((1..=text.split('\n').count()).contains(&line));
                }
            }
        }
    }
}

#[test]
fn production_on_kafka_wants_three_copies() {
    let kafka = "kafka.bootstrap_servers = \"k:9092\"\nledger.durability = \"production\"\n";
    let told = faults(kafka, &[]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("kafka.replication_factor: 1 is below 3"),
        "{told:?}"
    );
    loaded(&format!("{kafka}kafka.replication_factor = 3"), &[]);
    loaded("ledger.durability = \"production\"", &[]);
    loaded("kafka.bootstrap_servers = \"k:9092\"", &[]);
}

/// Issue 13, row 19: the short form says the same as the client's names.
#[test]
fn a_secured_cluster_is_configured_by_the_short_form_or_by_the_names_of_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let ca = file("ca.pem", "-----BEGIN CERTIFICATE-----\n");
    let key = file("key.pem", "-----BEGIN PRIVATE KEY-----\n");
    let env = [
        ("PASSWORD", "hunter2"),
        ("CA", "-----BEGIN CERTIFICATE-----"),
    ];
    let options = |text: &str| {
        let options = loaded(text, &env).settings.kafka_options;
        let exposed = options
            .iter()
            .map(|(name, value)| (name.clone(), value.expose().to_owned()));
        exposed.collect::<BTreeMap<_, _>>()
    };
    let scram = "mechanism = \"SCRAM-SHA-512\"\nusername = \"me\"\npassword = \"env:PASSWORD\"\n";
    let table = [
        (
            format!("[kafka.tls]\nenabled = true\nca = \"{ca}\"\n[kafka.sasl]\n{scram}"),
            format!("[kafka.options]\n\"security.protocol\" = \"SASL_SSL\"\n\"ssl.ca.location\" = \"{ca}\"\n\"sasl.mechanism\" = \"SCRAM-SHA-512\"\n\"sasl.username\" = \"me\"\n\"sasl.password\" = \"env:PASSWORD\""),
        ),
        (
            format!("[kafka.tls]\nenabled = true\nca = \"env:CA\"\ncertificate = \"{ca}\"\nkey = \"{key}\"\nkey_password = \"env:PASSWORD\""),
            format!("[kafka.options]\n\"security.protocol\" = \"SSL\"\n\"ssl.ca.pem\" = \"env:CA\"\n\"ssl.certificate.location\" = \"{ca}\"\n\"ssl.key.location\" = \"{key}\"\n\"ssl.key.password\" = \"env:PASSWORD\""),
        ),
        (
            "[kafka.tls]\nenabled = true\n[kafka.sasl]\nmechanism = \"OAUTHBEARER\"\ntoken_url = \"https://idp/token\"\nclient_id = \"me\"\nclient_secret = \"env:PASSWORD\"\nscope = \"kafka\"".to_owned(),
            "[kafka.options]\n\"security.protocol\" = \"SASL_SSL\"\n\"sasl.mechanism\" = \"OAUTHBEARER\"\n\"sasl.oauthbearer.token.endpoint.url\" = \"https://idp/token\"\n\"sasl.oauthbearer.client.id\" = \"me\"\n\"sasl.oauthbearer.client.secret\" = \"env:PASSWORD\"\n\"sasl.oauthbearer.scope\" = \"kafka\"".to_owned(),
        ),
        (format!("[kafka.sasl]\n{scram}"), "[kafka.options]\n\"security.protocol\" = \"SASL_PLAINTEXT\"\n\"sasl.mechanism\" = \"SCRAM-SHA-512\"\n\"sasl.username\" = \"me\"\n\"sasl.password\" = \"env:PASSWORD\"".to_owned()),
    ];
    for (short, long) in table {
        assert_eq!(options(&short), options(&long), "{short}");
    }
    assert!(options("").is_empty());
}

#[test]
fn what_of_a_secured_cluster_does_not_go_together_is_refused_with_a_remedy() {
    let env = [("PASSWORD", "hunter2")];
    let table = [
        (
            "[kafka.sasl]\nmechanism = \"SCRAM-SHA-256\"\nusername = \"me\"",
            "kafka.sasl.username: SCRAM-SHA-256 needs kafka.sasl.password too",
        ),
        (
            "[kafka.sasl]\nmechanism = \"SCRAM-SHA-256\"\npassword = \"env:PASSWORD\"",
            "needs kafka.sasl.username too",
        ),
        (
            "[kafka.sasl]\nmechanism = \"PLAIN\"\nusername = \"me\"\npassword = \"env:PASSWORD\"",
            "PLAIN without TLS shows the secret",
        ),
        (
            "[kafka.sasl]\nmechanism = \"SCRAM-SHA-256\"\nusername = \"me\"\npassword = \"hunter2\"",
            "kafka.sasl.password: holds a secret in the clear",
        ),
        (
            "[kafka.sasl]\nmechanism = \"GSSAPI\"",
            "kafka.sasl.mechanism: `GSSAPI` is unknown",
        ),
        (
            "[kafka.sasl]\nusername = \"me\"",
            "kafka.sasl.username: has no effect while SASL is off",
        ),
        (
            "[kafka.tls]\nca = \"/etc/ca.pem\"",
            "kafka.tls.ca: has no effect while TLS is off",
        ),
        (
            "[kafka.tls]\nenabled = true\nca = \"/nowhere/ca.pem\"",
            "kafka.tls.ca: the file /nowhere/ca.pem cannot be read",
        ),
        (
            "[kafka.tls]\nenabled = true\ncertificate = \"env:PASSWORD\"",
            "kafka.tls.certificate: is a certificate without its key",
        ),
        (
            "[kafka.tls]\nenabled = true\nkey = \"env:PASSWORD\"",
            "kafka.tls.key: is a key without its certificate",
        ),
        (
            "[kafka.tls]\nenabled = true\nkey = \"-----BEGIN PRIVATE KEY-----\"\ncertificate = \"env:PASSWORD\"",
            "kafka.tls.key: is the content of a PEM file",
        ),
        (
            "[kafka.tls]\nenabled = true\nkey_password = \"env:PASSWORD\"",
            "is the password of no key",
        ),
        (
            "[kafka.tls]\nenabled = true\n[kafka.options]\n\"security.protocol\" = \"SASL_SSL\"\n\"sasl.mechanism\" = \"PLAIN\"\n\"sasl.username\" = \"me\"\n\"sasl.password\" = \"env:PASSWORD\"",
            "kafka.tls.enabled: says something else than kafka.options.security.protocol",
        ),
        (
            "[kafka.tls]\nenabled = true\nca = \"env:PASSWORD\"\n[kafka.options]\n\"ssl.ca.pem\" = \"env:OTHER\"",
            "kafka.tls.ca: says something else than kafka.options.ssl.ca.pem",
        ),
        (
            "[kafka.options]\n\"security.protocol\" = \"SASL_SSL\"",
            "security.protocol\": wants SASL, and no mechanism is set",
        ),
        (
            "[kafka.options]\n\"security.protocol\" = \"TLS\"",
            "`TLS` is no protocol",
        ),
        (
            "[kafka.options]\n\"security.protocol\" = \"SSL\"\n\"ssl.endpoint.identification.algorithm\" = \"none\"",
            "cannot be switched off",
        ),
        (
            "[kafka.tls]\nenabled = true\n[kafka.sasl]\nmechanism = \"OAUTHBEARER\"\nclient_id = \"me\"\nclient_secret = \"env:PASSWORD\"",
            "OAUTHBEARER needs kafka.sasl.token_url too",
        ),
        (
            "[kafka.tls]\nenabled = true\n[kafka.sasl]\nmechanism = \"OAUTHBEARER\"\ntoken_url = \"http://idp/token\"\nclient_id = \"me\"\nclient_secret = \"env:PASSWORD\"",
            "kafka.sasl.token_url: is plain http",
        ),
        (
            "[kafka.tls]\nenabled = true\n[kafka.sasl]\nmechanism = \"OAUTHBEARER\"\nusername = \"u\"\ntoken_url = \"https://idp/token\"\nclient_id = \"me\"\nclient_secret = \"env:PASSWORD\"",
            "kafka.sasl.username: has no effect with OAUTHBEARER",
        ),
    ];
    for (text, expected) in table {
        let found = faults(text, &env);
        let told = found.iter().any(|fault| fault.contains(expected));
        assert!(told, "{text}: {expected}\n{found:#?}");
        assert!(!found.concat().contains("hunter2"), "{found:#?}");
    }
}
