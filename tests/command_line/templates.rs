//! `homeostat templates`: what there is, and what would be sent for an event, without a running service.

use serde_json::{Value, json};

use crate::running::{err, file, homeostat, out};

const DRIFT: &str = r#"{"severity":"HIGH","model_version":"churn@7","drift_score":0.71234,"affected_features":["a","b"]}"#;

const SITE: &str = r#"
[connections.jobs]
kind = "webhook"
url = "https://jobs.example.com/v1"
headers = { Authorization = "env:JOBS_AUTHORIZATION" }

[actions.retrain]
connection = "jobs"
[actions.retrain.with]
path = "/models/{{ target.name }}/train"
body = '{"model": {{ target.name | tojson }}, "score": {{ params.metadata.drift_score | default(none) | tojson }}}'
"#;

/// Standard output and error with the exit code; `$SITE` in the arguments is a file with the configuration.
fn run(site: &str, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let (_folder, path) = file(site);
    // The commands read the environment of the tests; a variable of its own would leak into others.
    let site = path.to_str().unwrap();
    let mut all = vec!["templates"];
    all.extend(arguments);
    all.extend(["--config", site]);
    let output = homeostat(&all, input);
    let name = path.file_name().unwrap().to_str().unwrap();
    let plain = |text: String| text.replace(site, "site.toml").replace(name, "site.toml");
    (
        output.status.code(),
        plain(out(&output)),
        plain(err(&output)),
    )
}

fn preview(site: &str, action: &str, more: &[&str], event: &str) -> (Option<i32>, String, String) {
    let arguments = [&["preview", action, "--event", "-"], more].concat();
    run(site, &arguments, event)
}

#[test]
fn an_alert_is_previewed_in_both_languages_and_by_a_template() {
    let topic = ["--topic", "data.drift.detected"];
    let (code, shown, problem) = preview("", "alert", &topic, DRIFT);
    assert_eq!(code, Some(0), "{problem}");
    for line in [
        "event       data_drift_detected about model/churn, severity high (declared by the event)",
        "action      alert over log (log)",
        "title       data drift: churn",
        "message     data of model churn drifted: score 0.712, 2 features affected, severity high",
        "published on system.alerts, key model/churn",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let (code, shown, _) = preview("language = \"ko\"", "alert", &topic, DRIFT);
    assert_eq!(code, Some(0));
    for line in [
        "title       데이터 드리프트 감지: churn",
        "message     모델 churn의 데이터 드리프트 감지: 점수 0.712, 영향받은 특성 2개, 심각도 높음",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let site = "[targets.churn.texts.data_drift_detected]\ntitle = '{{ target }}: {{ drift_score | percent }}'";
    let (code, shown, _) = preview(site, "alert", &topic, DRIFT);
    assert_eq!(code, Some(0));
    assert!(shown.contains("title       churn: 71.2 %"), "{shown}");
}

#[test]
fn a_request_is_previewed_with_method_address_headers_and_body() {
    let site = SITE.replace("env:JOBS_AUTHORIZATION", "env:HOMEOSTAT_OPERATOR_TOKEN");
    let given = ["--type", "data_drift_detected", "--json"];
    let (code, shown, problem) = preview(&site, "retrain", &given, DRIFT);
    assert_eq!(code, Some(0), "{problem}");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let request = &shown["requests"][0];
    assert_eq!(
        request["request"],
        "POST https://jobs.example.com/v1/models/churn/train"
    );
    assert_eq!(request["headers"]["authorization"], "***");
    assert_eq!(request["headers"]["content-type"], "application/json");
    assert!(request["headers"]["idempotency-key"].is_string());
    let body: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, json!({"model": "churn", "score": 0.71234}));
    assert_eq!(
        (&shown["connection"], &shown["kind"]),
        (&json!("jobs"), &json!("webhook"))
    );
    let (code, shown, _) = preview(
        &site,
        "retrain",
        &["--type", "data_drift_detected", "--target", "model/fraud"],
        DRIFT,
    );
    assert_eq!(code, Some(0));
    for line in [
        "about model/fraud",
        "POST https://jobs.example.com/v1/models/fraud/train",
        "authorization: ***",
        r#"{"model": "fraud", "score": 0.71234}"#,
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let (code, shown, _) = preview(&site, "rollback", &["--type", "data_drift_detected"], DRIFT);
    assert_eq!(code, Some(0));
    assert!(
        shown.contains("the rules do not take it for this event"),
        "{shown}"
    );
}

#[test]
fn an_event_is_read_in_every_form_that_publish_takes() {
    let cloud_event = format!(
        r#"{{"specversion":"1.0","id":"1","source":"s","type":"data_drift_detected","data":{DRIFT}}}"#
    );
    let addressed = format!("{{\n\"topic\": \"data.drift.detected\",\n\"value\": {DRIFT}}}\n");
    let own_type = DRIFT.replacen('{', r#"{"event_type":"data_drift_detected","#, 1);
    let typed = r#"{"event_type":"system_overload","model_name":"churn"}"#;
    for (event, title) in [
        (cloud_event.as_str(), "data drift: churn"),
        (&addressed, "data drift: churn"),
        (&own_type, "data drift: churn"),
        (typed, "system overload: mlops-api"),
    ] {
        let (code, shown, problem) = preview("", "alert", &[], event);
        assert_eq!(code, Some(0), "{event}: {problem}");
        assert!(shown.contains(&format!("title       {title}\n")), "{shown}");
    }
    for (event, problem) in [
        (DRIFT, "name its topic (--topic) or its type (--type)"),
        (
            "{\"event_type\":\"a\"}\n{\"event_type\":\"b\"}",
            "holds more than one event",
        ),
        ("{\"event_type\": ", "-: "),
        (
            r#"{"topic":"prediction.request","value":{}}"#,
            "no action is taken on events of prediction.request",
        ),
    ] {
        let (code, _, found) = preview("", "alert", &[], event);
        assert_eq!(code, Some(2), "{event}: {found}");
        assert!(found.contains(problem), "{event}: {found}");
    }
    let (code, _, found) = preview("", "ignore", &[], DRIFT);
    assert_eq!(code, Some(2));
    assert!(
        found.contains("one of retrain, rollback, scale_up, scale_down, alert, monitor"),
        "{found}"
    );
}

#[test]
fn a_template_that_renders_no_json_is_found_by_check_and_by_a_preview() {
    let site = SITE
        .replace(
            "headers = { Authorization = \"env:JOBS_AUTHORIZATION\" }\n",
            "",
        )
        .replace("{{ target.name | tojson }}", "{{ target.name }}");
    let (code, _, problem) = preview(&site, "retrain", &["--type", "data_drift_detected"], DRIFT);
    assert_eq!(code, Some(1));
    assert!(
        problem.contains("retrain cannot be sent: the template `body` did not render to JSON: expected value at line 1 column 11: {\"model\": ⟶churn"),
        "{problem}"
    );
    let (_folder, path) = file(&site);
    let checked = homeostat(&["check", "--config", path.to_str().unwrap()], "");
    assert_eq!(checked.status.code(), Some(2));
    let problem = err(&checked);
    assert!(
        problem.contains(":10: actions.retrain.with.body: renders no JSON for a complete event (type data_drift_detected): expected value at line 1 column 11: {\"model\": ⟶churn")
            && problem.contains("; write values as {{ value | tojson }}, without quotes around them"),
        "{problem}"
    );
}

#[test]
fn the_list_names_source_and_variables() {
    let site = format!(
        "language = \"ko\"\n[texts.disk_full]\ntitle = \"x\"\n[targets.\"model/churn\"]\nlanguage = \"en\"\n[targets.\"model/churn\".texts.default]\nmessage = \"y\"\n{}",
        SITE.replace(
            "headers = { Authorization = \"env:JOBS_AUTHORIZATION\" }\n",
            ""
        )
    );
    let (code, shown, problem) = run(&site, &["list"], "");
    assert_eq!(code, Some(0), "{problem}");
    let row = |name: &str| {
        let line = shown
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        let line = line.unwrap_or_else(|| panic!("{name}: {shown}"));
        line[name.len()..].trim().to_owned()
    };
    assert_eq!(row("data_drift_detected.title"), "built-in, ko");
    assert_eq!(
        row("disk_full.title"),
        "site.toml:3 (texts.disk_full.title)"
    );
    assert_eq!(
        row("model/churn: disk_full.message"),
        "site.toml:7 (targets.model/churn.texts.default.message)"
    );
    assert_eq!(
        row("model/churn: data_drift_detected.title"),
        "built-in, en"
    );
    assert_eq!(row("actions.retrain.with.path"), "site.toml:16");
    assert!(
        shown.contains("of data_drift_detected also: drift_score, affected_features"),
        "{shown}"
    );
    assert!(
        shown.contains("Variables of requests: action_id, attempt, "),
        "{shown}"
    );
}

#[test]
fn the_alert_about_an_action_that_failed_is_previewed_too() {
    let more = ["--topic", "data.drift.detected", "--escalation"];
    // At night the rules would ask for an alert in place of the retraining.
    let always = "working_hours.enabled = false";
    let (code, shown, problem) = preview(always, "alert", &more, DRIFT);
    assert_eq!(code, Some(0), "{problem}");
    for words in [
        "title       action failed: data drift: churn",
        "message     retrain of model/churn ended failed after ",
        "It was about: data of model churn drifted",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let (code, shown, _) = preview("language = \"ko\"", "alert", &more, DRIFT);
    assert_eq!(code, Some(0));
    assert!(shown.contains("조치 실패: "), "{shown}");
    let (code, _, problem) = preview(always, "retrain", &more, DRIFT);
    assert_eq!(code, Some(2), "{problem}");
    assert!(problem.contains("preview alert"), "{problem}");
}
