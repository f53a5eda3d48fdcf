//! What `check --effective` prints is the same configuration when it is read again, whatever its values hold.

use homeostat::configuration::{Configuration, Origin, effective, load};
use proptest::strategy::Strategy;

fn read(texts: &[&str], environment: &[(&str, &str)]) -> Result<Configuration, String> {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..)
        .zip(texts)
        .map(|(number, text)| {
            let path = folder.path().join(format!("{number}.toml"));
            std::fs::write(&path, text).unwrap();
            path
        })
        .collect();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(&files, environment).map_err(|faults| format!("{faults:#?}"))
}

/// Without the comments, which name other places.
fn values(text: &str) -> toml::Table {
    text.parse().unwrap()
}

#[track_caller]
fn survives(text: &str, environment: &[(&str, &str)]) -> String {
    let first = read(&[text], environment).unwrap();
    let printed = effective(&first);
    let secrets: Vec<_> = environment
        .iter()
        .filter(|(name, _)| !name.starts_with("HOMEOSTAT__"))
        .copied()
        .collect();
    let second = read(&[&printed], &secrets).unwrap();
    assert_eq!(first.rules, second.rules);
    assert_eq!(values(&printed), values(&effective(&second)));
    assert_eq!(
        format!("{:?}", first.settings),
        format!("{:?}", second.settings)
    );
    printed
}

#[test]
fn the_defaults_survive_and_each_line_names_its_origin() {
    let printed = survives("", &[]);
    for line in printed.lines() {
        assert!(line.contains("  # default.toml:"), "{line}");
    }
    assert!(
        printed.contains("\nkafka.options = {}  # default.toml:"),
        "{printed}"
    );
}

#[test]
fn values_of_every_layer_survive_with_file_and_line_or_variable() {
    let text = "[cooldown]\nretrain_minutes = 7.5\n[targets.\"a b\"]\nresponses_per_hour = 2\n[targets.empty]\n\
                [targets.\"model/churn\".rules.data_drift_detected]\nraise.high.\"x.y\" = 3\n\
                [kafka.options]\n\"client.rack\" = \"r1\"\n\"security.protocol\" = \"SASL_SSL\"\n\"sasl.mechanism\" = \"PLAIN\"\n\"sasl.username\" = \"me\"\n\"sasl.password\" = \"env:PASSWORD\"\n\
                [connections.jobs]\nkind = \"webhook\"\nurl = \"https://e.org/{{ target.name }}?m={{ target.name }}\"\nsecret = \"env:SECRET\"\nheaders.\"X-A\" = \"a # b\"\n\
                [actions.retrain]\nconnection = \"jobs\"\nwith.body = '''\n{\"model\": {{ target.name | tojson }},\n\t\"why\": \"\\\\\"}\n'''\n";
    let environment = [
        ("HOMEOSTAT__WORKING_HOURS__ENABLED", "false"),
        ("HOMEOSTAT__MAINTENANCE__DAYS", "[\"sun\"]"),
        ("PASSWORD", "very-secret"),
        (
            "SECRET",
            "whsec_dmVyeS1zZWNyZXQtdmVyeS1zZWNyZXQtdmVyeS1zZWNyZXQ=",
        ),
    ];
    let printed = survives(text, &environment);
    let line = |key: &str| {
        let mut lines = printed.lines();
        lines
            .find(|line| line.starts_with(key))
            .unwrap_or_else(|| panic!("{key} in {printed}"))
            .to_owned()
    };
    assert!(line("cooldown.retrain_minutes = 7.5  # ").ends_with("0.toml:2"));
    assert!(line("targets.empty = {}  # ").ends_with("0.toml:5"));
    assert!(line("connections.jobs.secret = \"env:SECRET\"  # ").contains("0.toml:"));
    assert!(line("connections.jobs.url = ").contains("?m={{ target.name }}\""));
    assert!(
        line("working_hours.enabled = false").ends_with("  # HOMEOSTAT__WORKING_HOURS__ENABLED")
    );
    assert!(
        !printed.contains("very-secret") && !printed.contains("dmVye"),
        "{printed}"
    );
}

#[test]
fn what_a_query_may_hold_is_hidden_and_refused_where_it_comes_back() {
    let text = "[connections.a]\nkind = \"webhook\"\nurl = \"https://e.org/x?key=hunter2&m={{ target.name }}&n={{ 'hunter2' }}&hunter2\"\n\
                [connections.b]\nkind = \"webhook\"\nurl = \"https://e.org\"\n\
                [actions.retrain]\nconnection = \"b\"\nwith.probe.path = \"/x?sig=hunter2\"\n";
    let printed = effective(&read(&[text], &[]).unwrap());
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(
        printed.contains("?key=***&m={{ target.name }}&n=***&***\""),
        "{printed}"
    );
    let refused = read(&[&printed], &[]).unwrap_err();
    for key in ["connections.a.url", "actions.retrain.with.probe.path"] {
        assert!(refused.contains(key), "{refused}");
    }
    assert!(
        refused.contains("`check --effective` hid a value"),
        "{refused}"
    );
}

#[test]
fn a_path_with_a_line_break_stays_in_its_comment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a\nhttp.listen = 'b'\u{7f}.toml");
    std::fs::write(&path, "cooldown.retrain_minutes = 1").unwrap();
    let none: [(String, String); 0] = [];
    let first = load(&[path], none).unwrap();
    assert!(matches!(
        first.provenance["cooldown.retrain_minutes"],
        Origin::File { line: 1, .. }
    ));
    let second = read(&[&effective(&first)], &[]).unwrap();
    assert_eq!(first.rules, second.rules);
}

/// Letters that mean something to TOML, control characters, and the rest of Unicode.
fn odd_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        proptest::prop_oneof![
            proptest::char::any(),
            proptest::sample::select(vec![
                '"', '\'', '\\', '\n', '\r', '\t', '#', '.', '=', ' ', '\0', '\u{7f}', '\u{85}',
                '\u{2028}'
            ]),
        ],
        1..12,
    )
    .prop_map(String::from_iter)
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(24))]

    #[test]
    fn odd_names_and_texts_survive(
        target in odd_text(),
        field in odd_text(),
        value in odd_text().prop_filter("not empty", |text| !text.trim().is_empty()),
        threshold in 0.0..1e15_f64,
    ) {
        let mut root = toml::Table::new();
        let text = |text: &str| toml::Value::String(text.to_owned());
        let table = |name: &str, value| toml::Value::Table(toml::Table::from_iter([(name.to_owned(), value)]));
        root.insert("data_dir".to_owned(), text(&value));
        root.insert("kafka".to_owned(), table("options", table("client.rack", text(&value))));
        let raise = table("raise", table("high", table(&field, toml::Value::Float(threshold))));
        let target = if target.ends_with('/') { format!("{target}x") } else { target };
        root.insert("targets".to_owned(), table(&target, table("rules", table("other", raise))));
        survives(&toml::to_string(&root).unwrap(), &[]);
    }
}
