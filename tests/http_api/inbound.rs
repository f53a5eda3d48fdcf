//! Payloads of other tools: what is published of them, who may send them, and what is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use homeostat::secrets::{InboundSecrets, Secret};
use homeostat_actors::ports::log::LogError;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::asking::{answer, post};
use crate::outside::{NOW, NextAppend, Outside};

const EVIDENTLY: &str = "/api/v1/events/evidently";
const MLFLOW: &str = "/api/v1/events/mlflow";

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("tests/data/inbound/{name}.json")).unwrap()
}

#[tokio::test]
async fn a_payload_is_published_as_events_of_the_platforms_topics() {
    let outside = Outside::start();
    let path = format!("{EVIDENTLY}?model=fraud%403");
    let (status, first) = post(&outside, &path, fixture("evidently-drift")).await;
    assert_eq!(status, 202, "{first}");
    let placed = &first["events"][0];
    assert_eq!(
        (&placed["topic"], &placed["offset"]),
        (&json!("data.drift.detected"), &json!(0))
    );
    let value: Value = serde_json::from_str(&outside.log.values("data.drift.detected")[0]).unwrap();
    assert_eq!(
        (&value["event_id"], &value["source"]),
        (&placed["event_id"], &json!("evidently"))
    );
    assert_eq!(value["timestamp"], "2026-01-01T00:00:00.000+00:00");
    {
        let records = outside.log.records.lock().unwrap();
        let key = records["data.drift.detected"][0].key.clone();
        assert_eq!(key.as_deref(), Some(b"fraud@3".as_slice()));
    }
    // Sent again it is the same event, which the ledger decides once.
    let (_, second) = post(&outside, &path, fixture("evidently-drift")).await;
    assert_eq!(second["events"][0]["event_id"], placed["event_id"]);
    let several = fixture("evidently-quality-tests");
    let (_, several) = post(&outside, &path, several).await;
    let topics: Vec<&Value> = several["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["topic"])
        .collect();
    assert_eq!(
        topics,
        ["model.performance.degraded", "data.quality.issues"]
    );
    let (status, none) = post(&outside, &path, fixture("evidently-no-drift")).await;
    let nothing = "no drifted column and no failed test in 5 metrics";
    assert_eq!(
        (status, none),
        (202, json!({"events": [], "nothing": nothing}))
    );
    let metrics = outside.metrics.render().unwrap();
    assert!(
        metrics.contains(r#"published_events_total{topic="data.drift.detected"} 2"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn what_is_missing_is_named_and_nothing_is_published() {
    let outside = Outside::start();
    let drift = fixture("evidently-drift");
    for (path, body, status, expected) in [
        (
            EVIDENTLY,
            drift.as_str(),
            422,
            "add ?model=NAME@VERSION to the address",
        ),
        (
            "/api/v1/events/evidently?model=runs%3A%2Fa%2Fb",
            &drift,
            422,
            "is no reference to a model",
        ),
        (
            "/api/v1/events/evidently?modle=x",
            &drift,
            400,
            "`modle`: is not known",
        ),
        (
            "/api/v1/events/evidently?model=x",
            "{\"metrics\": [",
            400,
            "byte 12",
        ),
        (
            "/api/v1/events/evidently?model=x",
            "{}",
            422,
            "it has no `metrics`",
        ),
        (
            "/api/v1/events/nannyml?model=x",
            "[{\"a\": 1}]",
            422,
            "no chunks with columns",
        ),
        (
            "/api/v1/events/sagemaker?model=x",
            "[]",
            422,
            "it has no list `violations`",
        ),
        (
            "/api/v1/events/alertmanager",
            "{\"alerts\": []}",
            422,
            "no `status` with a list",
        ),
    ] {
        let (got, problem) = post(&outside, path, body.to_owned()).await;
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(got, status, "{path}: {detail}");
        assert!(
            detail.contains(expected) || problem.to_string().contains(expected),
            "{path}: {problem}"
        );
    }
    assert_eq!(outside.log.total(), 0);
}

#[tokio::test]
async fn events_that_the_log_did_not_take_are_named() {
    let outside = Outside::start();
    outside
        .log
        .order(NextAppend::Fail(1, LogError::Unavailable("no".to_owned())));
    let several = fixture("evidently-quality-tests");
    let (status, problem) = post(&outside, &format!("{EVIDENTLY}?model=m"), several).await;
    assert_eq!(status, 503, "{problem}");
    assert_eq!(problem["events"].as_array().unwrap().len(), 1);
    assert_eq!(problem["unacknowledged"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn where_a_token_is_configured_senders_show_it() {
    let outside = Outside::receiving(InboundSecrets {
        token: Some(Secret::new("open sesame")),
        ..InboundSecrets::default()
    });
    let send = |authorization: Option<&str>| {
        let request = outside
            .client
            .post(outside.url(&format!("{EVIDENTLY}?model=m")));
        let request = request.body(fixture("evidently-drift"));
        match authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        }
    };
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    for (authorization, status) in [
        (None, 401),
        (Some("Bearer open sesame".to_owned()), 202),
        (Some("bearer wrong".to_owned()), 401),
        (Some(basic("anyone:open sesame")), 202),
        (Some(basic("open sesame")), 401),
        (Some("Basic ***".to_owned()), 401),
        (Some("Digest x".to_owned()), 401),
    ] {
        let (got, document) = answer(send(authorization.as_deref())).await;
        assert_eq!(got, status, "{authorization:?}: {document}");
        assert!(!document.to_string().contains("sesame"));
    }
}

/// As MLflow signs (`mlflow/webhooks/delivery.py`).
fn signature(secret: &str, id: &str, timestamp: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn a_webhook_of_mlflow_is_taken_with_a_fresh_signature_of_a_known_secret() {
    let secrets = ["new", "old"].map(Secret::new);
    let outside = Outside::receiving(InboundSecrets {
        token: Some(Secret::new("not asked for here")),
        mlflow: secrets.to_vec(),
    });
    let body = fixture("mlflow-alias");
    let now = NOW / 1_000;
    let good = |secret: &str, timestamp: i64| signature(secret, "d-1", timestamp, &body);
    for (timestamp, signed, status) in [
        (now, good("new", now), 202),
        (now, good("old", now), 202),
        (now, format!("v1a,xx {} v1,AAAA", good("new", now)), 202),
        (now - 299, good("new", now - 299), 202),
        (now - 301, good("new", now - 301), 401),
        (now + 301, good("new", now + 301), 401),
        (now, good("other", now), 401),
        (now, good("new", now - 1), 401),
        (now, String::new(), 401),
        (now, signature("new", "d-2", now, &body), 401),
        (now, signature("new", "d-1", now, "{}"), 401),
    ] {
        let request = outside.client.post(outside.url(MLFLOW)).body(body.clone());
        let request = request
            .header("x-mlflow-delivery-id", "d-1")
            .header("x-mlflow-timestamp", timestamp.to_string())
            .header("x-mlflow-signature", &signed);
        let (got, document) = answer(request).await;
        assert_eq!(got, status, "{timestamp} {signed}: {document}");
    }
    assert_eq!(outside.log.values("model.deployed").len(), 4);
    let (status, problem) = post(&outside, MLFLOW, body).await;
    assert_eq!(status, 401);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("create the webhook with a secret")
    );
}

#[tokio::test]
async fn without_a_secret_no_webhook_of_mlflow_is_taken() {
    let outside = Outside::start();
    let (status, problem) = post(&outside, MLFLOW, fixture("mlflow-alias")).await;
    assert_eq!(
        (status, &problem["title"]),
        (403, &json!("no webhook secret is configured"))
    );
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("set inbound.mlflow_secret")
    );
}

#[tokio::test]
async fn a_cloud_event_of_a_detector_names_its_model_in_a_header() {
    let outside = Outside::start();
    // Knative's brokers send each attribute as a header; some loggers leave the required ones out.
    for required in [true, false] {
        let mut request = outside
            .client
            .post(outside.url("/api/v1/events/seldon"))
            .header("content-type", "application/json")
            .header("ce-inferenceservicename", "cifar10")
            .header("ce-requestid", "3z1")
            .body(fixture("alibi-ks-drift"));
        if required {
            for (name, value) in [
                ("ce-specversion", "1.0"),
                ("ce-id", "3z1"),
                ("ce-source", "io.seldon.serving.cifar10cd"),
                ("ce-type", "io.seldon.serving.inference.drift"),
            ] {
                request = request.header(name, value);
            }
        }
        let (status, document) = answer(request).await;
        assert_eq!(status, 202, "{document}");
    }
    let values = outside.log.values("data.drift.detected");
    assert!(
        values
            .iter()
            .all(|value| value.contains(r#""model_name": "cifar10""#)),
        "{values:?}"
    );
}
