//! Tests of templates: what they may show, and what they refuse.

use homeostat_actors::ports::connector::Order;
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::Id;
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn order(name: &str) -> Order {
    Order {
        action_id: Id([7; 16]),
        attempt: 2,
        action: Action::Retrain,
        target: Target::model(name),
        severity: Severity::High,
        event_type: "data_drift_detected".to_owned(),
        event_id: "e1".to_owned(),
        params: json!({"priority": "high", "replicas": 4}).into(),
        reasons: vec!["drift".to_owned()],
        now: 1_700_000_000_000,
        as_of: 1_700_000_000_000,
        dry_run: false,
    }
}

fn render(source: &str, purpose: Purpose, name: &str) -> Result<String, String> {
    let order = order(name);
    Template::compile(source, purpose)?.render(&Plain::plain(&order))
}

#[test]
fn values_are_made_safe_for_their_place() {
    let name = "a/b?c=d&e \"f\" ü";
    let table = [
        (
            Purpose::Url,
            "/m/{{ target.name }}",
            "/m/a%2Fb%3Fc%3Dd%26e%20%22f%22%20%C3%BC",
        ),
        (
            Purpose::Json,
            r#"{"t": "model {{ target.name }}"}"#,
            r#"{"t": "model a/b?c=d&e \"f\" ü"}"#,
        ),
        (Purpose::Json, "{{ params.replicas }}", "4"),
        (
            Purpose::Json,
            "{{ params }}",
            r#"{"priority":"high","replicas":4}"#,
        ),
        (Purpose::Json, "{{ target.kind | tojson }}", r#""model""#),
        (Purpose::Plain, "{{ target.name }}", name),
        (
            Purpose::Plain,
            "{{ timestamp }} {{ severity }} {{ attempt }}",
            "2023-11-14T22:13:20.000+00:00 high 2",
        ),
    ];
    for (purpose, source, expected) in table {
        assert_eq!(render(source, purpose, name).unwrap(), expected, "{source}");
    }
}

#[test]
fn what_is_wrong_with_a_template_is_known_when_it_is_compiled() {
    let table = [
        ("{{ target.name", "unexpected end"),
        ("a\n\n{{ targt.name }}", "unknown template variable `targt`"),
        ("a\n{% for %}", "line 2"),
    ];
    for (source, expected) in table {
        let error = Template::compile(source, Purpose::Plain).unwrap_err();
        assert!(error.contains(expected), "{source}: {error}");
    }
}

#[test]
fn a_missing_parameter_and_an_endless_loop_end_in_an_error() {
    assert!(render("{{ params.missing }}", Purpose::Plain, "m").is_err());
    assert!(
        render(
            "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}",
            Purpose::Plain,
            "m"
        )
        .is_err()
    );
}

proptest! {
    #[test]
    fn no_name_escapes_from_its_json_string_or_its_path_segment(name in any::<String>()) {
        let body = render(r#"{"name": "{{ target.name }}"}"#, Purpose::Json, &name).unwrap();
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        prop_assert_eq!(value, json!({"name": name}));
        let path = render("{{ target.name }}", Purpose::Url, &name).unwrap();
        prop_assert!(path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
    }
}
