//! Every form on what its tool really sends (tests/data/inbound/README.md says where each file comes from).

use serde_json::{Value, json};

use super::*;
use crate::envelope::decode_record;
use crate::event::Names;
use crate::naming::Naming;
use crate::topic;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/data/inbound/", $name, ".json"))
    };
}

fn said(model: &str) -> Said {
    Said {
        model: (!model.is_empty()).then(|| model.to_owned()),
        ..Said::default()
    }
}

fn read_as(form: &str, text: &str, said: &Said) -> Result<Read, PayloadFault> {
    let payload = Payload::of(text, said).unwrap();
    read(find(form).unwrap(), &payload)
}

/// The events of a payload about `fraud@3`, as JSON; each must be one that its topic takes.
fn events(form: &str, text: &str) -> Vec<(&'static str, Value)> {
    let read = read_as(form, text, &said("fraud@3")).unwrap();
    assert_eq!(read.nothing.is_some(), read.events.is_empty(), "{read:?}");
    let events = read.events.into_iter().map(|event| {
        let topic = topic::find(event.topic).unwrap();
        let text = Some(event.text.as_bytes());
        let decoded = decode_record(text, &[], topic, &mut Names::default()).unwrap();
        let value: Value = serde_json::from_str(&event.text).unwrap();
        assert_eq!(value["event_type"], *decoded.event.event_type);
        assert!(value["cloudevents"].is_object() && value["source"] == form);
        (event.topic, value)
    });
    events.collect()
}

#[test]
fn evidently_decides_by_the_direction_of_each_method() {
    let drift = events("evidently", fixture!("evidently-drift"));
    let [(topic, event)] = drift.as_slice() else {
        panic!("{drift:?}")
    };
    assert_eq!(*topic, "data.drift.detected");
    // Small p-values are drift: 0.007 is below 0.05.
    assert_eq!(
        event["affected_features"],
        json!(["age", "income", "region", "score"])
    );
    assert_eq!(
        (&event["drift_score"], &event["severity"]),
        (&json!(1.0), &json!("high"))
    );
    assert_eq!(event["model_name"], "fraud@3");
    assert_eq!(
        event["evidently"]["metrics"][1]["id"],
        "1cf7e5c2a8eb2a62a2667e70ee06d259"
    );
    assert_eq!(event["features"][0]["comparison"], "lt");
    // Large distances are drift: 0.87 is above 0.1.
    let distances = events("evidently", fixture!("evidently-distance"));
    assert_eq!(distances[0].1["features"][0]["comparison"], "gt");
    assert_eq!(
        distances[0].1["affected_features"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    // Large p-values and no share are none.
    assert!(events("evidently", fixture!("evidently-no-drift")).is_empty());
    // Without a dataset's share the largest distance is the score.
    let one = events("evidently", fixture!("evidently-one-column"));
    assert_eq!(one[0].1["drift_score"], json!(2.278_873_206_955_986));
    assert_eq!(one[0].1["severity"], "medium");
    let tested = events("evidently", fixture!("evidently-one-column-tests"));
    assert_eq!(tested[0].1["affected_features"], json!(["income"]));
}

#[test]
fn failed_tests_of_evidently_are_about_the_model_or_about_the_data() {
    let found = events("evidently", fixture!("evidently-quality-tests"));
    let topics: Vec<_> = found.iter().map(|(topic, _)| *topic).collect();
    assert_eq!(
        topics,
        ["model.performance.degraded", "data.quality.issues"]
    );
    let model = &found[0].1;
    assert_eq!(
        model["message"],
        "Accuracy metric: Actual value 0.608 < 0.800"
    );
    assert_eq!(model["current_performance"], json!(0.608_333_333_333_333_3));
    assert_eq!(model["baseline_performance"], json!(0.8));
    let issues = json!(["Column 'x' missing values: Less or Equal 0.000"]);
    assert_eq!(found[1].1["failed_tests"], issues);
    let tested = events("evidently", fixture!("evidently-drift-tests"));
    assert_eq!(tested.len(), 1, "tests of drift are no others: {tested:?}");
}

#[test]
fn nannyml_reads_each_way_in_which_pandas_writes_a_table() {
    let dated = events("nannyml", fixture!("nannyml-dated-records"));
    assert_eq!(dated.len(), 2, "the two quarters with alerts");
    let last = &dated[1].1;
    let features = json!(["car_value", "repaid_loan_on_prev_car", "salary_range"]);
    assert_eq!(last["affected_features"], features);
    assert_eq!(last["timestamp"], "2019-09-30T23:59:59.999");
    let epoch = events("nannyml", fixture!("nannyml-dated-epoch"));
    assert!(epoch[1].1["timestamp"].is_i64());
    // The last chunk of each of these has no alert; the ones before are no news.
    for table in [
        fixture!("nannyml-drift-records"),
        fixture!("nannyml-drift-split"),
        fixture!("nannyml-drift-columns"),
        fixture!("nannyml-realized-records"),
        // Its last chunk is better than expected, which is no degradation.
        fixture!("nannyml-cbpe-above-records"),
    ] {
        assert!(events("nannyml", table).is_empty());
    }
}

/// The rows of a table without the last one.
fn without_last(table: &str) -> String {
    let mut rows: Vec<Value> = serde_json::from_str(table).unwrap();
    rows.pop();
    json!(rows).to_string()
}

#[test]
fn nannyml_distinguishes_features_from_performance() {
    let drift = events("nannyml", &without_last(fixture!("nannyml-drift-records")));
    assert_eq!(drift[0].1["affected_features"], json!(["RELP"]));
    // The statistic of chi2 has no upper end, so it is no score that rules could compare.
    assert_eq!(drift[0].1.get("drift_score"), None);
    let performance = events("nannyml", fixture!("nannyml-cbpe-records"));
    let (topic, event) = &performance[0];
    assert_eq!(*topic, "model.performance.degraded");
    assert_eq!(event["performance"][0]["estimated"], true);
    assert_eq!(event["current_performance"], json!(0.911_578_955_1));
    assert_eq!(event["baseline_performance"], json!(0.939_457_081_3));
    let together = events("nannyml", fixture!("nannyml-multivariate-records"));
    assert_eq!(together[0].0, "data.drift.detected");
    assert_eq!(together[0].1.get("affected_features"), None);
}

#[test]
fn the_same_payload_is_the_same_event_and_another_one_is_another() {
    let id = |model: &str, text: &str, position: Option<&'static str>| {
        let said = said(model);
        let mut payload = Payload::of(text, &said).unwrap();
        payload.position = position;
        let read = read(&evidently::Evidently, &payload).unwrap();
        let value: Value = serde_json::from_str(&read.events[0].text).unwrap();
        value["event_id"].as_str().unwrap().to_owned()
    };
    let drift = fixture!("evidently-drift");
    let compact = serde_json::from_str::<Value>(drift).unwrap().to_string();
    assert_eq!(id("a", drift, None), id("a", &compact, None));
    assert_ne!(id("a", drift, None), id("b", drift, None));
    assert_ne!(
        id("a", drift, None),
        id("a", fixture!("evidently-distance"), None)
    );
    // From a topic the place counts: an equal report tomorrow is another one.
    assert_ne!(id("a", drift, Some("t/0/1")), id("a", drift, Some("t/0/2")));
}

#[test]
fn no_model_is_guessed() {
    for form in ["evidently", "nannyml", "seldon", "sagemaker"] {
        let example = find(form).unwrap().example().to_string();
        let fault = read_as(form, &example, &Said::default())
            .unwrap_err()
            .to_string();
        assert!(fault.contains("add ?model=NAME@VERSION"), "{form}: {fault}");
        let fault = read_as(form, &example, &said("s3://bucket/model")).unwrap_err();
        assert!(
            matches!(fault, PayloadFault::ModelReference { .. }),
            "{form}: {fault}"
        );
    }
}

#[test]
fn each_form_reads_its_example_and_refuses_what_is_not_its_own() {
    for form in FORMS {
        let example = form.example().to_string();
        let found = events(form.name(), &example);
        assert!(!found.is_empty(), "{}", form.name());
        for other in [
            "{}",
            "[]",
            "[{\"a\":1}]",
            "7",
            "null",
            "\"x\"",
            "{\"metrics\":[1],\"alerts\":3,\"data\":[]}",
        ] {
            let fault = read_as(form.name(), other, &said("fraud")).unwrap_err();
            let is_unlike = matches!(fault, PayloadFault::Unlike { .. });
            assert!(is_unlike, "{} {other}: {fault}", form.name());
        }
    }
}

#[test]
fn an_alert_is_one_event_and_its_end_another() {
    let alert = |status: &str, ends: &str, model: &str| {
        json!({"status": status, "labels": {"alertname": "ModelDrift", "model": model, "severity": "page"},
               "startsAt": "2026-11-30T10:00:00Z", "endsAt": ends, "fingerprint": "f1", "unknown": {"a": [1]}})
    };
    let group = |alerts: Vec<Value>| {
        json!({"version": "4", "status": "firing", "groupKey": "{}:{}", "alerts": alerts})
            .to_string()
    };
    let firing = alert("firing", "0001-01-01T00:00:00Z", "a");
    let over = alert("resolved", "2026-11-30T11:00:00Z", "a");
    let both = events("alertmanager", &group(vec![firing.clone(), over]));
    let ids: Vec<&Value> = both.iter().map(|(_, event)| &event["event_id"]).collect();
    assert_ne!(ids[0], ids[1]);
    // A notification that repeats the alert beside another one is the same event.
    let later = events(
        "alertmanager",
        &group(vec![alert("firing", "", "b"), firing]),
    );
    assert_eq!(later[1].1["event_id"], *ids[0]);
    let event = &both[0].1;
    assert_eq!(
        (&event["event_type"], &event["severity"]),
        (&json!("model_drift"), &json!("page"))
    );
    assert_eq!(
        event["notification"]["alerts"][0]["unknown"],
        json!({"a": [1]})
    );
    assert_eq!(event["notification"]["groupKey"], "{}:{}");
    let resolved = decode_record(
        Some(both[1].1.to_string().as_bytes()),
        &[],
        topic::find("system.alerts").unwrap(),
        &mut Names::default(),
    );
    assert!(resolved.unwrap().event.resolved);
    // About a model that nothing names nothing is decided; any other alert may name no target.
    let of = |name: &str| {
        json!({"status": "firing", "alerts": [{"labels": {"alertname": name}}]}).to_string()
    };
    assert!(read_as("alertmanager", &of("ModelDrift"), &Said::default()).is_err());
    let other = read_as("alertmanager", &of("HighLatency"), &Said::default()).unwrap();
    assert_eq!(other.events.len(), 1);
}

#[test]
fn a_change_of_the_registry_names_model_version_and_alias() {
    let change = |entity: &str, action: &str, data: Value| {
        json!({"entity": entity, "action": action, "timestamp": "2026-11-30T10:00:00+00:00", "data": data}).to_string()
    };
    let data = json!({"name": "fraud", "version": "7", "alias": "champion", "source": "s3://x"});
    let deployed = change("model_version_alias", "created", data);
    let read = read_as("mlflow", &deployed, &Said::default()).unwrap();
    let topic = topic::find("model.deployed").unwrap();
    let text = read.events[0].text.as_bytes();
    let event = decode_record(Some(text), &[], topic, &mut Names::default())
        .unwrap()
        .event;
    let expected = Naming::Is {
        name: "fraud".into(),
        version: Some("7".into()),
    };
    assert_eq!(event.model, expected);
    let value: Value = serde_json::from_slice(text).unwrap();
    assert_eq!(value["mlflow"]["data"]["source"], "s3://x");
    assert_eq!(
        (&value["alias"], &value["message"]),
        (&json!("champion"), &json!("fraud@champion is version 7"))
    );
    let removed = change(
        "model_version_alias",
        "deleted",
        json!({"name": "fraud", "alias": "champion"}),
    );
    let removed = read_as("mlflow", &removed, &Said::default()).unwrap();
    assert!(removed.events[0].text.contains("model_alias_deleted"));
    let prompt = change("prompt", "created", json!({"name": "p"}));
    assert!(
        read_as("mlflow", &prompt, &Said::default())
            .unwrap()
            .nothing
            .is_some()
    );
}

#[test]
fn a_cloud_event_says_what_its_payload_does_not() {
    let headers: [(&str, &[u8]); 8] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"2d5a"),
        ("ce_source", b"io.seldon.serving.cifar10cd"),
        ("ce_type", b"io.seldon.serving.inference.drift"),
        ("ce_inferenceservicename", b"cifar10"),
        ("ce_namespace", b"seldon"),
        ("ce_requestid", b"r-1"),
        ("content-type", b"application/json"),
    ];
    let text = opening::text(Some(fixture!("alibi-ks-drift").as_bytes()), &headers).unwrap();
    let read = read_as("seldon", &text, &Said::default()).unwrap();
    let event: Value = serde_json::from_str(&read.events[0].text).unwrap();
    assert_eq!(
        (&event["model_name"], &event["service"]),
        (&json!("cifar10"), &json!("seldon/cifar10"))
    );
    assert_eq!(event["cloudevents"]["requestid"], "r-1");
    assert_eq!(event["affected_features"], json!(["age", "income"]));
    let structured = json!({"specversion": "1.0", "id": "2d5a", "source": "io.seldon.serving.cifar10cd",
        "type": "io.seldon.serving.inference.drift", "inferenceservicename": "cifar10", "namespace": "seldon",
        "requestid": "r-1", "datacontenttype": "application/json",
        "data": serde_json::from_str::<Value>(fixture!("alibi-ks-drift")).unwrap()})
    .to_string();
    let text = opening::text(Some(structured.as_bytes()), &[]).unwrap();
    let other = read_as("seldon", &text, &Said::default()).unwrap();
    let other: Value = serde_json::from_str(&other.events[0].text).unwrap();
    assert_eq!(other["event_id"], event["event_id"]);
}

#[test]
fn violations_of_sagemaker_are_one_event_of_drift_and_one_of_quality() {
    let found = events("sagemaker", fixture!("sagemaker-violations"));
    let topics: Vec<_> = found.iter().map(|(topic, _)| *topic).collect();
    assert_eq!(topics, ["data.drift.detected", "data.quality.issues"]);
    assert_eq!(found[0].1["drift_score"], json!(0.36));
    assert_eq!(found[1].1["affected"], json!(["age", "region"]));
    assert!(events("sagemaker", r#"{"violations": []}"#).is_empty());
}

#[test]
fn a_payload_of_too_many_events_is_refused_whole() {
    let alert = json!({"labels": {"alertname": "A"}});
    let group = |count: usize| {
        json!({"status": "firing", "alerts": vec![alert.clone(); count]}).to_string()
    };
    let most = read_as("grafana", &group(EVENTS_MAX), &Said::default()).unwrap();
    assert_eq!(most.events.len(), EVENTS_MAX);
    let fault = read_as("grafana", &group(EVENTS_MAX + 1), &Said::default()).unwrap_err();
    assert!(matches!(fault, PayloadFault::TooMany { events: 257, .. }));
}

proptest::proptest! {
    #[test]
    fn no_json_makes_a_form_panic(text in "\\{?\\[?(\"(metrics|alerts|status|labels|data|columns|violations|value|config|is_drift|entity|action|x_alert)\"[:,]?|[\\[\\]{},:]|null|true|1|\"a\"){0,24}") {
        let said = said("fraud");
        if let Ok(payload) = Payload::of(&text, &said) {
            for form in FORMS {
                drop(read(form, &payload));
            }
        }
    }
}
