//! Texts: exactly what is built in, and what templates may do and may not.

use proptest::prelude::*;

use super::*;
use crate::actions::Action;
use crate::events::{KINDS, Subject, kind_of};
use crate::severity::Severity;
use crate::target::TargetKind;
use crate::view::EventView;

fn written(texts: &Texts, event_type: &str, kind: TargetKind, event: &str) -> Written {
    let view = EventView::new(event);
    let parts = Parts {
        subject: Subject {
            event_type,
            target_kind: kind,
            target: "churn",
            severity: Severity::High,
            language: texts.language,
        },
        view: &view,
        model: Some("churn"),
        model_version: Some("7"),
        service: None,
        event_id: "e-1",
        proposed: Action::Retrain,
        now: "2026-03-02T12:00:00.000Z",
    };
    texts.alert(kind_of(event_type), &parts)
}

fn of(tables: &str, language: Language) -> Texts {
    let tables: TextTables = toml::from_str(tables).unwrap();
    let layer = Layer {
        path: "texts",
        tables: &tables,
    };
    Texts::new(language, &[layer]).unwrap()
}

/// Event type, kind of the target, event; title and message in English and in Korean.
type Row = (
    &'static str,
    TargetKind,
    &'static str,
    [&'static str; 2],
    [&'static str; 2],
);

const BUILT_IN: [Row; 10] = [
    (
        "data_drift_detected",
        TargetKind::Model,
        r#"{"drift_score":0.91249,"affected_features":["a","b"]}"#,
        [
            "data drift: churn",
            "data of model churn drifted: score 0.912, 2 features affected, severity high",
        ],
        [
            "데이터 드리프트 감지: churn",
            "모델 churn의 데이터 드리프트 감지: 점수 0.912, 영향받은 특성 2개, 심각도 높음",
        ],
    ),
    (
        "data_drift_detected",
        TargetKind::Model,
        r#"{"affected_features":["a"]}"#,
        [
            "data drift: churn",
            "data of model churn drifted: score unknown, 1 feature affected, severity high",
        ],
        [
            "데이터 드리프트 감지: churn",
            "모델 churn의 데이터 드리프트 감지: 점수 알 수 없음, 영향받은 특성 1개, 심각도 높음",
        ],
    ),
    (
        "data_drift_detected",
        TargetKind::Model,
        r#"{"drift_score":"high"}"#,
        [
            "data drift: churn",
            "data of model churn drifted: score unknown, an unknown number of features affected, severity high",
        ],
        [
            "데이터 드리프트 감지: churn",
            "모델 churn의 데이터 드리프트 감지: 점수 알 수 없음, 영향받은 특성 수 알 수 없음, 심각도 높음",
        ],
    ),
    (
        "model_performance_degraded",
        TargetKind::Model,
        r#"{"performance_drop":0.1234,"current_performance":0.8,"baseline_performance":0.9234}"#,
        [
            "model performance degraded: churn",
            "model churn lost 12.3 %: now 0.800, baseline 0.923, severity high",
        ],
        [
            "모델 성능 저하: churn",
            "모델 churn의 성능 저하: 하락폭 12.3%, 현재 0.800, 기준 0.923, 심각도 높음",
        ],
    ),
    (
        "model_performance_degraded",
        TargetKind::Model,
        "{}",
        [
            "model performance degraded: churn",
            "model churn lost an unknown share: now unknown, baseline unknown, severity high",
        ],
        [
            "모델 성능 저하: churn",
            "모델 churn의 성능 저하: 하락폭 알 수 없음, 현재 알 수 없음, 기준 알 수 없음, 심각도 높음",
        ],
    ),
    (
        "system_overload",
        TargetKind::Service,
        r#"{"message":"97 %"}"#,
        [
            "system overload: churn",
            "system overload on service churn, severity high: 97 %",
        ],
        [
            "시스템 과부하: churn",
            "서비스 churn에서 시스템 과부하 발생, 심각도 높음: 97 %",
        ],
    ),
    (
        "prediction_latency_high",
        TargetKind::Service,
        "{}",
        [
            "prediction latency high: churn",
            "prediction latency high on service churn, severity high",
        ],
        [
            "예측 지연 시간 증가: churn",
            "서비스 churn에서 예측 지연 시간 증가 발생, 심각도 높음",
        ],
    ),
    (
        "service_health_check_failed",
        TargetKind::Service,
        "{}",
        [
            "service health check failed: churn",
            "service health check failed on service churn, severity high",
        ],
        [
            "서비스 상태 점검 실패: churn",
            "서비스 churn에서 서비스 상태 점검 실패 발생, 심각도 높음",
        ],
    ),
    (
        "data_quality_issues",
        TargetKind::Model,
        "{}",
        [
            "data quality issues: churn",
            "data quality issues on model churn, severity high",
        ],
        [
            "데이터 품질 문제: churn",
            "모델 churn에서 데이터 품질 문제 발생, 심각도 높음",
        ],
    ),
    (
        "disk_full",
        TargetKind::Service,
        "{}",
        [
            "disk full: churn",
            "disk full on service churn, severity high",
        ],
        [
            "disk full: churn",
            "서비스 churn에서 disk full 발생, 심각도 높음",
        ],
    ),
];

#[test]
fn the_built_in_texts_are_these() {
    for (event_type, kind, event, english, korean) in BUILT_IN {
        for (language, expected) in [(Language::En, english), (Language::Ko, korean)] {
            let Written { text, failures } = written(&of("", language), event_type, kind, event);
            assert_eq!([text.title, text.message], expected);
            assert!(failures.is_empty());
        }
    }
}

#[test]
fn every_kind_of_event_and_every_action_has_korean_words() {
    for kind in KINDS {
        let view = EventView::new("{}");
        let subject = |language| Subject {
            event_type: kind.name(),
            target_kind: TargetKind::Model,
            target: "m",
            severity: Severity::Low,
            language,
        };
        let english = kind.alert(&view, &subject(Language::En));
        let korean = kind.alert(&view, &subject(Language::Ko));
        assert!(
            korean.title != english.title && korean.message != english.message,
            "{}",
            kind.name()
        );
    }
    for action in Action::ALL {
        assert_ne!(action.in_words(Language::Ko), action.name());
        assert_eq!(action.in_words(Language::En), action.name());
    }
}

#[test]
fn a_template_sees_facts_and_the_whole_event() {
    let event =
        r#"{"drift_score":0.91249,"affected_features":["a","b"],"region":{"name":"kr"},"n":1}"#;
    let table = [
        ("{{ target }}/{{ model_version }}", "churn/7"),
        (
            "{{ drift_score | decimals }} {{ drift_score | percent }}",
            "0.912 91.2 %",
        ),
        (
            "{{ affected_features | join('+') }} {{ affected_features | length }}",
            "a+b 2",
        ),
        (
            "{{ event.region.name }} {{ event.none.at.all }}",
            "kr unknown",
        ),
        ("{{ service }} {{ service | decimals }}", "unknown unknown"),
        (
            "{{ severity }} {{ severity_in_words }} {{ target_kind }} {{ language }}",
            "high high model en",
        ),
        ("{% if event.region %}yes{% else %}no{% endif %}", "yes"),
        ("{{ default_title }}!", "data drift: churn!"),
        (
            "{{ proposed_action }} {{ event_type }} {{ event_id }} {{ timestamp }}",
            "retrain data_drift_detected e-1 2026-03-02T12:00:00.000Z",
        ),
        ("{{ event.n }} {{ event.region }}", "1 {'name': 'kr'}"),
        ("  one \n two\t ", "one two"),
        ("{{ event.region | percent }}", "{'name': 'kr'}"),
    ];
    for (source, expected) in table {
        let tables = toml::Table::from_iter([("title".to_owned(), source.into())]);
        let tables = toml::Table::from_iter([("data_drift_detected".to_owned(), tables.into())]);
        let texts = of(&tables.to_string(), Language::En);
        let found = written(&texts, "data_drift_detected", TargetKind::Model, event);
        assert_eq!(found.failures, [""; 0], "{source}");
        assert_eq!(found.text.title, expected, "{source}");
        assert!(
            found
                .text
                .message
                .starts_with("data of model churn drifted")
        );
    }
    let texts = of(
        "[default]\nmessage = '{{ severity_in_words }} {{ target_kind }} {{ drift_score | percent }} {{ event.x }}'",
        Language::Ko,
    );
    let found = written(&texts, "data_drift_detected", TargetKind::Model, event);
    assert_eq!(found.text.message, "높음 모델 91.2% 알 수 없음");
}

#[test]
fn the_more_specific_template_wins_for_each_part_by_itself() {
    let tables = |text: &str| toml::from_str::<TextTables>(text).unwrap();
    let general = tables(
        "[default]\ntitle = 'general default'\nmessage = 'general default'\n[a]\ntitle = 'general a'\n[b]\nmessage = 'general b'",
    );
    let own = tables("[default]\ntitle = 'own default'\n[a]\nmessage = 'own a'");
    let layers = [
        Layer {
            path: "texts",
            tables: &general,
        },
        Layer {
            path: "targets.churn.texts",
            tables: &own,
        },
    ];
    let texts = Texts::new(Language::En, &layers).unwrap();
    let table = [
        ("a", "own default", "own a"),
        ("b", "own default", "general b"),
        ("c", "own default", "general default"),
    ];
    for (event_type, title, message) in table {
        let found = written(&texts, event_type, TargetKind::Model, "{}").text;
        assert_eq!(
            (found.title.as_str(), found.message.as_str()),
            (title, message)
        );
    }
    assert_eq!(
        texts.source("a", Part::Message),
        Some("targets.churn.texts.a.message")
    );
    assert_eq!(texts.source("b", Part::Message), Some("texts.b.message"));
    assert_eq!(Texts::default().source("b", Part::Title), None);
}

#[test]
fn a_template_that_fails_gives_way_to_the_built_in_text_and_is_named() {
    let texts = of(
        "[disk_full]\ntitle = '{{ event.size - 2 }}'\nmessage = '{% if event.size %}{{ event.size }}{% endif %}'",
        Language::En,
    );
    let found = written(
        &texts,
        "disk_full",
        TargetKind::Service,
        r#"{"size":"ten"}"#,
    );
    assert_eq!(found.text.title, "disk full: churn");
    assert_eq!(found.text.message, "ten");
    assert!(
        found.failures[0].starts_with("texts.disk_full.title cannot be rendered for this event: ")
            && found.failures[0].ends_with("; the built-in text is sent"),
        "{:?}",
        found.failures
    );
    let found = written(&texts, "disk_full", TargetKind::Service, r#"{"size":0}"#);
    assert_eq!(found.text.title, "-2");
    assert_eq!(
        found.text.message,
        "disk full on service churn, severity high"
    );
    assert!(found.failures[0].contains("it renders to nothing"));
}

#[test]
fn broken_templates_are_found_by_an_examination() {
    let nested = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    let table = [
        (
            "data_drift_detected",
            "{{ target",
            "is not a valid template",
        ),
        (
            "data_drift_detected",
            "a\n{% for %}",
            "(line 2 of the template)",
        ),
        (
            "data_drift_detected",
            "{{ trget }}",
            "unknown template variable `trget`",
        ),
        (
            "system_overload",
            "{{ drift_score }}",
            "unknown template variable `drift_score`",
        ),
        (
            "data_drift_detected",
            "{{ drift_score * 100 }}",
            "an event without optional fields",
        ),
        (
            "default",
            "{{ performance_drop * 2 }}",
            "cannot be rendered for",
        ),
        ("data_drift_detected", "{{ target | nosuch }}", "nosuch"),
        (
            "data_drift_detected",
            "{% if false %}x{% endif %}",
            "it renders to nothing",
        ),
        (
            "data_drift_detected",
            "{{ event.message * 3000000 }}",
            "cannot be rendered for",
        ),
        ("other", nested, "it takes more than 200000 steps"),
    ];
    for (table, source, expected) in table {
        let fault = examine(table, Part::Message, source, Language::En)
            .unwrap_or_else(|| panic!("{source} passed"));
        assert!(fault.to_string().contains(expected), "{source}: {fault}");
    }
    let good = [
        (
            "data_drift_detected",
            "{{ target }} {{ drift_score | decimals }} {{ affected_features | default([]) | length }}",
        ),
        (
            "default",
            "{{ default_message }} {{ event }} {{ performance_drop | percent }}",
        ),
        ("my_type", "{{ event.what.ever }}"),
    ];
    for (table, source) in good {
        assert_eq!(
            examine(table, Part::Title, source, Language::Ko),
            None,
            "{source}"
        );
    }
}

fn tricky_source() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("{{ event }}".to_owned()),
        Just("{{ target }}".to_owned()),
        Just("{{ drift_score | percent }}".to_owned()),
        Just("{% for x in event %}{{ x }}{% endfor %}".to_owned()),
        Just("{{ affected_features | join }}".to_owned()),
        Just("{{ event.message | upper }}\n".to_owned()),
        "[^{}]{0,20}",
    ];
    proptest::collection::vec(part, 1..6).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_event_is_written_within_the_bounds(
        source in tricky_source(),
        event in prop_oneof![any::<String>(), r#"\{"message":"[^"\\\p{C}]{0,40}","drift_score":[0-9]{1,30},"affected_features":\[1,\[2\]\]\}"#],
        kind in 0..KINDS.len(),
    ) {
        let tables = TextTables::from([(DEFAULT.to_owned(), TextTemplates {
            title: Some(source.clone()),
            message: Some(source),
        })]);
        for language in Language::ALL {
            let texts = Texts::new(language, &[Layer { path: "texts", tables: &tables }]).unwrap();
            let found = written(&texts, KINDS[kind].name(), TargetKind::Model, &event).text;
            prop_assert!(!found.title.is_empty() && !found.message.is_empty());
            prop_assert!(found.title.chars().count() <= TITLE_CHARS_MAX);
            prop_assert!(!found.title.contains(['\n', '\r']));
            prop_assert!(found.message.chars().count() <= MESSAGE_CHARS_MAX);
        }
    }
}

#[test]
fn what_is_too_long_is_cut_at_a_character() {
    let texts = of(
        "[default]\ntitle = '{{ event.message }}'\nmessage = '{{ event.message }}'",
        Language::Ko,
    );
    let event = serde_json::json!({ "message": "가".repeat(9_000) }).to_string();
    let found = written(&texts, "disk_full", TargetKind::Model, &event).text;
    assert_eq!(found.title.chars().count(), TITLE_CHARS_MAX);
    assert_eq!(found.message.chars().count(), MESSAGE_CHARS_MAX);
    assert!(found.message.ends_with("가…"));
}
