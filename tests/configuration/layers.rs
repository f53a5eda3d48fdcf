//! Layers over each other, and every fault of all of them at once with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use homeostat::configuration::{Configuration, DEFAULT, Origin, load};
use homeostat_logic::actions::Action;

use crate::loading::{collect, faults, loaded, owned, with};

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
