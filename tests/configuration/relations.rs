//! Relations between keys, and further budgets.

use homeostat_logic::actions::Action;

use crate::loading::{faults, loaded};

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
            "http.listen: `127.0.0.1:65536` is not an address with a port",
        ),
        (
            "http.event_bytes_max = 9000000",
            "http.event_bytes_max: 9000000 is above http.body_bytes_max (8388608)",
        ),
        (
            "kafka.bootstrap_servers = \"broker\"",
            "`broker` is not a broker address",
        ),
        (
            "kafka.bootstrap_servers = \"a:1,b:0\"",
            "`b:0` is not a broker address",
        ),
        (
            "kafka.options = { \"enable.auto.commit\" = true }",
            "not an option that may be set",
        ),
        (
            "kafka.options = { \"plugin.library.paths\" = \"x.so\" }",
            "not an option that may be set",
        ),
        (
            "kafka.options = { \"client.rack\" = [] }",
            "is not a single value",
        ),
        (
            "kafka.options = { \"socket.timeout.ms\" = 99999999999999999999 }",
            "is not a single value",
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
            "unknown connection `jobs`; add [connections.jobs] with a kind",
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
