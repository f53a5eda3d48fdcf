//! Texts of alerts: language and templates by the layers, and what is found wrong with a template before it is used.

use homeostat_logic::language::Language;
use homeostat_logic::rules::Rules;
use homeostat_logic::target::TargetKind;
use homeostat_logic::texts::Part;

use crate::loading::{faults, loaded};

#[test]
fn language_and_templates_are_laid_over_each_other() {
    let overlay = "language = \"ko\"\n[texts.data_drift_detected]\ntitle = \"T {{ target }}\"\n\
                   [targets.\"model/churn\"]\nlanguage = \"en\"\ntexts.default.message = \"M {{ default_message }}\"\n";
    let rules = Rules::new(&loaded(overlay, &[]).rules).unwrap();
    let general = rules.texts(TargetKind::Model, "other");
    let own = rules.texts(TargetKind::Model, "churn");
    let service = rules.texts(TargetKind::Service, "churn");
    assert_eq!(general.language, Language::Ko);
    assert_eq!(
        (own.language, service.language),
        (Language::En, Language::Ko)
    );
    let source = |part| own.source("data_drift_detected", part);
    assert_eq!(source(Part::Title), Some("texts.data_drift_detected.title"));
    assert_eq!(
        source(Part::Message),
        Some("targets.model/churn.texts.default.message")
    );
    assert_eq!(general.source("data_drift_detected", Part::Message), None);
    let by_variable = loaded("", &[("HOMEOSTAT__LANGUAGE", "ko")]);
    assert_eq!(by_variable.rules.language, Language::Ko);
}

#[test]
fn broken_texts_are_faults_with_place_and_remedy() {
    let table = [
        ("language = \"kr\"", "site.toml:1: language: "),
        (
            "[texts.data_drift_detected]\ntitle = \"{{ trget }}\"",
            "site.toml:2: texts.data_drift_detected.title: unknown template variable `trget`; available: target, ",
        ),
        (
            "[texts.default]\nmessage = \"{{ drift_score * 2 }}\"",
            "site.toml:2: texts.default.message: cannot be rendered for an event without optional fields (type data_drift_detected): ",
        ),
        (
            "[targets.churn.texts.disk_full]\nmessage = \"{{ target | nosuch }}\"",
            "site.toml:2: targets.churn.texts.disk_full.message: ",
        ),
        (
            "[texts.default]\nmessage = \"{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}x\"",
            "it takes more than 200000 steps; shorten its loops",
        ),
        ("[texts.default]\nmesage = \"x\"", "did you mean `message`?"),
        (
            "[texts.default]\ntitle = \"\"",
            "site.toml:2: texts.default.title: ",
        ),
    ];
    for (overlay, expected) in table {
        let found = faults(overlay, &[]);
        assert!(
            found.iter().any(|fault| fault.contains(expected)),
            "{overlay}: {found:#?}"
        );
    }
}

#[test]
fn a_mistyped_event_type_is_a_warning() {
    let warnings = loaded("[texts.data_drift_detectd]\ntitle = \"x\"", &[]).warnings;
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].ends_with(
        "site.toml:1: texts.data_drift_detectd: no topic and no rule has the event type `data_drift_detectd`; did you mean `data_drift_detected`?"
    ));
    assert!(
        loaded("[texts.my_own_type]\ntitle = \"x\"", &[])
            .warnings
            .is_empty()
    );
}

#[test]
fn the_text_of_the_comments_loads_when_the_hashes_are_removed() {
    let default = homeostat::configuration::DEFAULT;
    let start = default
        .find("#   [texts.data_drift_detected]")
        .expect("the example");
    let example: String = default[start..]
        .lines()
        .map_while(|line| line.strip_prefix("#   "))
        .flat_map(|line| [line, "\n"])
        .collect();
    let loaded = loaded(&example, &[]);
    assert!(loaded.warnings.is_empty());
    assert_eq!(loaded.rules.texts.len(), 1);
}

/// A connection that is right, and an action that uses it.
const USED: &str = "[connections.jobs]\nkind = \"webhook\"\nurl = \"https://e.org\"\n\
                    [actions.retrain]\nconnection = \"jobs\"\n";

#[test]
fn templates_of_requests_are_tried_on_orders_of_all_kinds() {
    let nested = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    let table = [
        (
            r#"{"model": {{ target.name }}}"#,
            "site.toml:6: actions.retrain.with.body: renders no JSON for a complete event (type data_drift_detected): expected value at line 1 column 11: {\"model\": ⟶churn}; write values as {{ value | tojson }}",
        ),
        (
            r#"{"model": "{{ target.name | tojson }}"}"#,
            "renders no JSON for a complete event",
        ),
        (r#"{"n": {{ event_id }}}"#, "renders no JSON for"),
        (
            r#"{"a": {{ params.priorty }}}"#,
            "unknown name `params.priorty`; available: params.metadata, params.model_name, params.model_version, params.priority, params.reason",
        ),
        (
            r#"{"a": {{ target.nme }}}"#,
            "unknown name `target.nme`; available: target.kind, target.name",
        ),
        (
            r#"{"a": {{ params.metadata.drift_score * 2 }}}"#,
            "cannot be rendered for an event without optional fields",
        ),
        (r#"{"a": {{ target.name | nosuch }}}"#, "nosuch"),
        (nested, "cannot be rendered for a complete event"),
    ];
    for (body, expected) in table {
        let found = faults(&format!("{USED}with.body = '''{body}'''"), &[]);
        assert_eq!(found.len(), 1, "{body}: {found:#?}");
        assert!(found[0].contains(expected), "{body}: {found:#?}");
    }
    let good = [
        r#"{"model": {{ target.name | tojson }}, "text": "{{ target.name }} {{ event_id }}", "all": {{ params }}}"#,
        r#"{"version": {{ params.model_version | tojson }}, "why": {{ reasons | tojson }}, "event": {{ params.metadata | tojson }}}"#,
    ];
    for body in good {
        let loaded = loaded(&format!("{USED}with.body = '''{body}'''"), &[]);
        assert!(loaded.warnings.is_empty(), "{:#?}", loaded.warnings);
    }
    let doubted = [
        (
            r#"{"region": "{{ params.metadata.region }}"}"#,
            "write `| default(…)` where a value may be missing",
        ),
        (
            r#"{"a": {{ params.priorty | tojson }}}"#,
            "unknown name `params.priorty`",
        ),
    ];
    for (body, expected) in doubted {
        let warnings = loaded(&format!("{USED}with.body = '''{body}'''"), &[]).warnings;
        assert_eq!(warnings.len(), 1, "{warnings:#?}");
        assert!(warnings[0].to_string().contains(expected), "{warnings:#?}");
    }
    let broken_rules =
        format!("{USED}with.body = '{{{{ target.name }}}}'\n[budget]\nresponses_per_hour = 0\n");
    let found = faults(&broken_rules, &[]);
    assert_eq!(found.len(), 2, "every fault at once: {found:#?}");
}
