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
