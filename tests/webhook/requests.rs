//! What is sent: the order, its identity, headers, signature.

use homeostat_logic::ledger::record::FinishOutcome;
use serde_json::{Value, json};

use crate::server::{Server, connector, order, send, send_to};

#[tokio::test]
async fn the_default_request_carries_the_whole_order_and_the_keys_of_its_identity() {
    let mut server = Server::responding("200 OK", "", "{\"job\": 7}").await;
    let answer = send_to(&server, "").await;
    assert_eq!(answer.outcome, FinishOutcome::Done);
    let url = format!("http://127.0.0.1:{}/hook", server.port);
    assert_eq!(answer.detail, format!("POST {url}: 200 OK: {{\"job\": 7}}"));
    let request = server.received.recv().await.unwrap();
    assert_eq!(request.line, "POST /hook HTTP/1.1");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["idempotency-key"], "ab".repeat(16));
    assert_eq!(request.headers["homeostat-attempt"], "3");
    assert!(request.headers["user-agent"].starts_with("homeostat/"));
    assert!(!request.headers.contains_key("webhook-signature"));
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(
        body,
        json!({
            "action_id": "ab".repeat(16), "attempt": 3, "action": "retrain",
            "target": {"kind": "model", "name": "fraud/eu"}, "severity": "high",
            "event_type": "data_drift_detected", "event_id": "event-1",
            "params": {"priority": "high"}, "reasons": ["drift score 0.7 is above 0.6"],
            "timestamp": "2023-11-14T22:13:20.123+00:00"
        })
    );
}

#[tokio::test]
async fn parameters_arrive_byte_for_byte_and_templates_are_told_what_they_cannot_hold() {
    let event =
        r#"{"z": 1.0, "a": 1e999, "half": "\ud800", "id": 12345678901234567890123, "z": 2}"#;
    let send = async |keys: &str| {
        let mut server = Server::responding("200 OK", "", "").await;
        let table = format!("url = \"http://127.0.0.1:{}/hook\"\n{keys}", server.port);
        let mut order = order();
        let text = format!(r#"{{"metadata": {event}, "model_name": "m"}}"#);
        order.params = serde_json::from_str(&text).unwrap();
        let answer = connector(&table, &[]).send(order).await;
        assert_eq!(answer.outcome, FinishOutcome::Done);
        server.received.recv().await.unwrap().body
    };
    let body = send("").await;
    assert!(body.contains(&format!(r#""metadata":{event}"#)), "{body}");
    let body = send(
        "body = '{\"event\": {{ params.metadata | tojson }}, \"why\": {{ reasons | tojson }}}'\n",
    )
    .await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body["event"],
        json!({"z": 2, "a": "1e999", "half": "\\ud800", "id": "12345678901234567890123"})
    );
    let told = body["why"][1].as_str().unwrap();
    for path in ["metadata.a", "metadata.half", "metadata.id", "metadata.z"] {
        assert!(told.contains(path), "{told}");
    }
}

#[tokio::test]
async fn method_headers_path_and_body_come_from_the_configuration() {
    let mut server = Server::responding("204 No Content", "", "").await;
    let table = format!(
        "url = \"http://localhost:{}/models/{{{{ target.name }}}}/train?key=k1&why={{{{ event_type }}}}\"\n\
         method = \"PUT\"\n\
         headers = {{ Authorization = \"env:TOKEN\", X-Team = \"ml\" }}\n\
         body = '{{\"text\": \"retrain {{{{ target.name }}}}\", \"params\": {{{{ params }}}}}}'\n",
        server.port
    );
    let answer = send(&table, &[("TOKEN", "Bearer s3cret")]).await;
    assert_eq!(answer.outcome, FinishOutcome::Done);
    assert!(
        !answer.detail.contains("k1") && !answer.detail.contains("drift"),
        "{}",
        answer.detail
    );
    assert!(
        answer
            .detail
            .contains("/models/fraud%2Feu/train?key=…&why=…"),
        "{}",
        answer.detail
    );
    let request = server.received.recv().await.unwrap();
    assert_eq!(
        request.line,
        "PUT /models/fraud%2Feu/train?key=k1&why=data_drift_detected HTTP/1.1"
    );
    assert_eq!(request.headers["authorization"], "Bearer s3cret");
    assert_eq!(request.headers["x-team"], "ml");
    assert_eq!(
        request.body,
        "{\"text\": \"retrain fraud/eu\", \"params\": {\"priority\":\"high\"}}"
    );
}

#[tokio::test]
async fn the_signature_is_the_one_a_receiver_computes_from_the_specification() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    for (secret, key) in [
        (
            "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
            b"012345678901234567890123".to_vec(),
        ),
        (
            "whsec_YSBrZXkgbG9uZ2VyIHRoYW4gYSBibG9jayBvZiB0aGUgaGFzaCBmdW5jdGlvbiwgd2hpY2ggaXMgaGFzaGVkIGJlZm9yZSBpdCBpcyB1c2Vk",
            {
                b"a key longer than a block of the hash function, which is hashed before it is used"
                    .to_vec()
            },
        ),
    ] {
        let mut server = Server::responding("200 OK", "", "").await;
        let table = format!(
            "url = \"http://127.0.0.1:{}/\"\nsecret = \"env:KEY\"",
            server.port
        );
        send(&table, &[("KEY", secret)]).await;
        let request = server.received.recv().await.unwrap();
        let (id, time) = (
            &request.headers["webhook-id"],
            &request.headers["webhook-timestamp"],
        );
        assert_eq!(
            (id.as_str(), time.as_str()),
            ("ab".repeat(16).as_str(), "1700000000")
        );
        let signed = format!("{id}.{time}.{}", request.body);
        let expected = format!(
            "v1,{}",
            STANDARD.encode(hmac_sha256(&key, signed.as_bytes()))
        );
        assert_eq!(request.headers["webhook-signature"], expected);
    }
}

/// HMAC as RFC 2104 writes it, independent of the crate that the connector uses.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let mut block = [0_u8; 64];
    let key = if key.len() > 64 {
        Sha256::digest(key).to_vec()
    } else {
        key.to_vec()
    };
    block[..key.len()].copy_from_slice(&key);
    let inner: Vec<u8> = block.iter().map(|byte| byte ^ 0x36).collect();
    let outer: Vec<u8> = block.iter().map(|byte| byte ^ 0x5c).collect();
    let digest = Sha256::digest([&inner, message].concat());
    Sha256::digest([outer, digest.to_vec()].concat()).to_vec()
}

#[tokio::test]
async fn a_header_of_the_action_takes_the_place_of_the_connections_and_its_type_rules_the_body() {
    let mut server = Server::responding("200 OK", "", "").await;
    // Of this target alone, because a body that is never JSON is found when the configuration is read.
    let body = "'{% if target.name == \"fraud/eu\" %}not json{% else %}{}{% endif %}'";
    let keys = format!("headers.Content-Type = \"text/plain\"\nbody = {body}\n");
    let answer = send_to(&server, &keys).await;
    assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
    let sent = server.received.recv().await.unwrap();
    assert_eq!(sent.headers["content-type"], "text/plain");
    let json = format!("{keys}with.headers.Content-Type = \"application/json\"\n");
    let answer = send_to(&server, &json).await;
    assert!(
        answer.permanent && answer.detail.contains("did not render to JSON"),
        "{}",
        answer.detail
    );
    assert_eq!(server.count(), 0);
}
