//! What `check` says of keys that have no effect, of files that are no TOML, and of names written in two ways.

use homeostat::configuration::{Configuration, DEFAULT, load};
use homeostat_logic::actions::Action;
use homeostat_logic::rules::Rules;
use homeostat_logic::target::TargetKind;

fn read(bytes: &[u8], environment: &[(&str, &str)]) -> Result<Configuration, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.toml");
    std::fs::write(&path, bytes).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let prefix = format!("{}/", folder.path().display());
    load(&[path], environment).map_err(|faults| {
        faults
            .iter()
            .map(|one| one.to_string().replace(&prefix, ""))
            .collect()
    })
}

fn warnings(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let configuration = read(text.as_bytes(), environment).unwrap();
    let told = configuration.warnings.iter().map(ToString::to_string);
    told.map(|line| match line.find("site.toml:") {
        Some(at) => line[at..].to_owned(),
        None => line,
    })
    .collect()
}

const CELLS: &str = "low = \"alert\"\nmedium = \"alert\"\nhigh = \"alert\"\ncritical = \"alert\"\n";

#[test]
fn keys_that_can_never_match_are_warned_of_with_what_was_probably_meant() {
    let table = [
        (
            "[targets.m.rules.data_drift_detcted]\nlow = \"alert\"".to_owned(),
            "site.toml:1: targets.m.rules.data_drift_detcted: no topic and no table [rules] has the event type `data_drift_detcted`; did you mean `data_drift_detected`?",
        ),
        (
            "[targets.m.rules.my_own]\nlow = \"alert\"".to_owned(),
            "has the event type `my_own`; correct the name, or add a rule",
        ),
        (
            format!("[rules.data_drift_detcted]\n{CELLS}"),
            "site.toml:1: rules.data_drift_detcted: no topic has the event type `data_drift_detcted`; did you mean `data_drift_detected`?",
        ),
        (
            format!("[rules.\"data.drift.detected\"]\n{CELLS}"),
            "did you mean `data_drift_detected`?",
        ),
        (
            "rules.data_drift_detected.raise.high.drift_scre = 0.5".to_owned(),
            "site.toml:1: rules.data_drift_detected.raise.high.drift_scre: no known event has a field `drift_scre`; did you mean `drift_score`?",
        ),
        (
            "targets.m.rules.data_drift_detected.raise.high.affected_feature = 1".to_owned(),
            "did you mean `affected_features`?",
        ),
        (
            "rules.model_performance_degraded.raise.high.\"p value\" = 1".to_owned(),
            "raise.high.\"p value\": no known event has a field `p value`; keep it only if",
        ),
        (
            "rules.system_overload.raise.high.performance_drp = 1".to_owned(),
            "did you mean `performance_drop`?",
        ),
        (
            "rules.data_drift_detected.raise.low.drift_score = 0.1".to_owned(),
            "raises to low, and no severity is below that",
        ),
        (
            "[targets.\"churn@7\"]\nresponses_per_hour = 2".to_owned(),
            "site.toml:1: targets.\"churn@7\": no event has the target `churn@7`: the version of a model is not part of its target; write [targets.churn]",
        ),
        (
            "[targets.\"model/churn:7\"]\nresponses_per_hour = 2".to_owned(),
            "write [targets.\"model/churn\"]",
        ),
        (
            "[targets.\"models:/org-churn/7\"]\nresponses_per_hour = 2".to_owned(),
            "write [targets.org-churn]",
        ),
        (
            "[targets.\"model/runs:/1/x\"]\nresponses_per_hour = 2".to_owned(),
            "it is not a valid model name; write the name of a model or a service",
        ),
        (
            "[connections.jobs]\nkind = \"webhook\"\nurl = \"https://e.org/\"".to_owned(),
            "site.toml:1: connections.jobs: is used by no action; write connection = \"jobs\" in [actions.ACTION], or remove this table",
        ),
        (
            "kafka.options = { \"security.protocol\" = \"SASL_SSL\", \"sasl.mechanism\" = \"PLAIN\", \"sasl.username\" = \"me\", \"sasl.password\" = \"env:QUOTED\" }".to_owned(),
            "kafka.options.\"sasl.password\": has quotes or spaces around its value",
        ),
        (
            "kafka.tls.enabled = true\nkafka.sasl = { mechanism = \"PLAIN\", username = \"me\", password = \"env:QUOTED\" }".to_owned(),
            "kafka.sasl.password: has quotes or spaces around its value",
        ),
        (
            "actions.retrain.connection = \"jobs\"\n[connections.jobs]\nkind = \"webhook\"\nurl = \"https://e.org/\"\nsecret = \"env:URL_SAFE\"".to_owned(),
            "site.toml:5: connections.jobs.secret: is base64 of the URL-safe alphabet",
        ),
    ];
    let environment = [
        ("QUOTED", "'hunter2'"),
        ("URL_SAFE", "whsec_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_"),
    ];
    for (text, expected) in table {
        let found = warnings(&text, &environment);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].contains(expected), "{text}: {found:#?}");
        assert!(!found[0].contains("hunter2") && !found[0].contains("-_-_"));
    }
}

#[test]
fn names_of_the_operators_own_are_not_warned_of() {
    let own = format!(
        "[rules.feature_store_stale]\n{CELLS}raise.high.lag_minutes = 5\n\
         [rules.system_overload]\nraise.high.cpu_percent = 95\n\
         [targets.m.rules.feature_store_stale]\nlow = \"monitor\"\n\
         [targets.m.rules.prediction_latency_high]\nlow = \"alert\"\n\
         [targets.\"api:8080\"]\nresponses_per_hour = 2\n[targets.\"service/a@b\"]\nresponses_per_hour = 2\n\
         [actions.retrain]\nconnection = \"jobs\"\n[connections.jobs]\nkind = \"webhook\"\nurl = \"https://e.org/\"\n"
    );
    for text in ["", DEFAULT, &own] {
        assert_eq!(warnings(text, &[]), Vec::<String>::new(), "{text}");
    }
    let example = include_str!("../../config/examples/census-ma.toml");
    assert_eq!(warnings(example, &[]), Vec::<String>::new());
}

#[test]
fn a_target_may_be_written_as_the_command_line_writes_it() {
    let text = "[targets.\"model/churn\"]\nresponses_per_hour = 2\n[targets.\"service/churn\"]\nresponses_per_hour = 3\n\
                [targets.both]\nresponses_per_hour = 5\n[targets.\"org/name\"]\nresponses_per_hour = 6\n";
    let rules = Rules::new(&read(text.as_bytes(), &[]).unwrap().rules).unwrap();
    let limit = |kind, name| {
        rules
            .find("data_drift_detected", kind, name)
            .responses_per_hour
    };
    assert_eq!(limit(TargetKind::Model, "churn"), 2);
    assert_eq!(limit(TargetKind::Service, "churn"), 3);
    assert_eq!(limit(TargetKind::Model, "both"), 5);
    assert_eq!(limit(TargetKind::Service, "both"), 5);
    assert_eq!(limit(TargetKind::Model, "org/name"), 6);
    assert_eq!(limit(TargetKind::Model, "other"), 4);
}

#[test]
fn a_target_written_in_both_ways_is_a_fault() {
    for (text, expected) in [
        (
            "[targets.churn]\n[targets.\"model/churn\"]\n",
            "site.toml:2: targets.\"model/churn\": is written twice: [targets.churn] is about the same model; move the keys of one table into the other",
        ),
        (
            "[targets.\"service/api\"]\n[targets.api]\n",
            "site.toml:1: targets.\"service/api\": is written twice: [targets.api] is about the same service",
        ),
        (
            "[targets.\"model/\"]\n",
            "site.toml:1: targets.\"model/\": names no model; write \"model/NAME\"",
        ),
    ] {
        let found = read(text.as_bytes(), &[]).unwrap_err();
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].starts_with(expected), "{text}: {found:#?}");
    }
}

#[test]
fn a_syntax_fault_is_told_once_and_brings_no_other_with_it() {
    let table = [
        ("[cooldown\nretrain_minutes = 3\nx = 1\n", 1),
        ("[cooldown\nretrain_minutes = 3", 1),
        (
            "[[cooldown]\nretrain_minutes = 3\n[log_output]\nlevel = \"warn\"",
            1,
        ),
        ("[cooldown.]\nretrain_minutes = 3\n", 1),
        ("[cooldown]]\nretrain_minutes = 3\n", 1),
        ("[cooldown] retrain_minutes = 3\n", 1),
        ("[log_output]\nlevel = \"warn\"\n[cooldown\n", 3),
        ("maintenance.days = [\"mon\",\nlog.retention_hours = 3\n", 2),
        ("working_hours = { start = 3\nend = 4\n", 2),
        ("data_dir = \"\"\"\nfoo\n[http]\n", 4),
        // What is missing because of the fault is not missed.
        (
            "[rules.mine]\nlow = \nmedium = \"alert\"\nhigh = \"alert\"\ncritical = \"alert\"",
            2,
        ),
        (
            "actions.retrain.connection = \"jobs\"\n[connections.jobs\nkind = \"webhook\"",
            2,
        ),
    ];
    for (text, line) in table {
        let found = read(text.as_bytes(), &[]).unwrap_err();
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        let start = format!("site.toml:{line}: not TOML: ");
        assert!(found[0].starts_with(&start), "{text}: {found:#?}");
    }
    let found = read(b"[http\nx = 1\n[cooldown]\ny = 2\n", &[]).unwrap_err();
    assert!(
        found.len() == 2 && found[1].starts_with("site.toml:4: cooldown.y: unknown key"),
        "{found:#?}"
    );
}

#[test]
fn a_file_that_is_no_text_is_called_what_it_is() {
    let utf16: Vec<u8> = "\u{feff}[http]\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let large = vec![b'#'; (1 << 20) + 1];
    let table: [(&[u8], &str); 4] = [
        (&utf16, "site.toml: is UTF-16; save it as UTF-8"),
        (
            b"# one\n# caf\xe9\n",
            "site.toml:2: the file is not UTF-8 from this line on; save it as UTF-8",
        ),
        (
            &large,
            "site.toml: is larger than 1 MiB; name a configuration file",
        ),
        (
            b"[cooldown]\rretrain_minutes = 3\r",
            "site.toml:1: not TOML: carriage return must be followed by newline",
        ),
    ];
    for (bytes, expected) in table {
        let found = read(bytes, &[]).unwrap_err();
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].starts_with(expected), "{found:#?}");
    }
    for text in [
        "\u{feff}[cooldown]\nretrain_minutes = 3\n",
        "[cooldown]\r\nretrain_minutes = 3\r\n",
    ] {
        let rules = read(text.as_bytes(), &[]).unwrap().rules;
        assert!(
            (rules.cooldown.minutes(Action::Retrain).unwrap() - 3.0).abs() < f64::EPSILON,
            "{text:?}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let none: [(String, String); 0] = [];
    let found = load(&[folder.path().to_owned()], none).unwrap_err();
    assert!(
        found[0]
            .to_string()
            .ends_with(": is a folder; name the files in it, each with --config")
    );
}

#[test]
fn a_variable_is_read_by_the_same_rules_as_a_file() {
    let table = [
        (
            "HOMEOSTAT__WORKING_HOURS__START",
            "99999999999999999999",
            "working_hours.start: is a number beyond 64 bits",
        ),
        (
            "HOMEOSTAT__WORKING_HOURS__START",
            "",
            "working_hours.start: is empty text",
        ),
        (
            "HOMEOSTAT__WORKING_HOURS__START",
            "6 # six\nend = 7",
            "is text",
        ),
        (
            "HOMEOSTAT__HTTP__LISTEN",
            "127.0.0.1\u{fffd}",
            "HOMEOSTAT__HTTP__LISTEN: the value is not UTF-8",
        ),
    ];
    for (name, value, expected) in table {
        let found = read(b"", &[(name, value)]).unwrap_err();
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains(expected), "{value}: {found:#?}");
    }
}

#[test]
fn a_secret_that_the_other_side_would_read_differently_is_refused_with_a_remedy() {
    let table = [
        (
            "secret",
            "RAW",
            "does not begin with `whsec_`; write `whsec_` before it if it is base64",
        ),
        (
            "secret",
            "VERSIONED",
            "begins with the version `v1,`; remove `v1,`",
        ),
        ("secret", "SEVERAL", "holds more than one secret; write one"),
        (
            "secret",
            "QUOTED",
            "env:QUOTED is in quotes, which would be a part of the secret; remove the quotes",
        ),
        (
            "secret",
            "PADDED",
            "env:PADDED begins or ends with a space; remove the spaces",
        ),
        ("headers.Authorization", "QUOTED", "env:QUOTED is in quotes"),
        (
            "headers.X-Other",
            "PADDED",
            "env:PADDED begins or ends with a space",
        ),
    ];
    let environment = [
        ("RAW", "hunter2-is-a-passphrase-that-nobody-guesses"),
        ("VERSIONED", "v1,whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVy"),
        (
            "SEVERAL",
            "whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVy whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVy",
        ),
        ("QUOTED", "\"whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVy\""),
        ("PADDED", " whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVy"),
    ];
    for (key, variable, expected) in table {
        let text = format!(
            "actions.retrain.connection = \"jobs\"\n[connections.jobs]\nkind = \"webhook\"\nurl = \"https://e.org/\"\n{key} = \"env:{variable}\""
        );
        let found = read(text.as_bytes(), &environment).unwrap_err();
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        let expected = format!("site.toml:5: connections.jobs.{key}: {expected}");
        assert!(found[0].starts_with(&expected), "{text}: {found:#?}");
        assert!(
            !found[0].contains("hunter2") && !found[0].contains("aHVudGVyM"),
            "{found:#?}"
        );
    }
    let token = [("T", "\"quoted\"")];
    let found = read(b"http.operator_token = \"env:T\"", &token).unwrap_err();
    assert!(
        found[0].contains("http.operator_token: env:T is in quotes"),
        "{found:#?}"
    );
    let url = [("U", "https://e.org/ ")];
    let found = read(
        b"[connections.jobs]\nkind = \"webhook\"\nurl = \"env:U\"",
        &url,
    )
    .unwrap_err();
    assert!(
        found[0].contains("connections.jobs.url: env:U begins or ends with a space"),
        "{found:#?}"
    );
    let whole = [("S", "whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVy\r\n")];
    assert!(
        read(
            b"[connections.jobs]\nkind = \"webhook\"\nurl = \"https://e.org/\"\nsecret = \"env:S\"",
            &whole
        )
        .is_ok()
    );
}
