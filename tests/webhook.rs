//! The webhook connector against a real server on this machine: what is sent, and what each kind of answer means.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "this file is a test: a panic is how it fails, and configured numbers are read, not computed"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use homeostat::configuration::load;
use homeostat_actors::ports::connector::{
    Answer, Binding, Connections, Connector, NotBound, Order, Probe,
};
use homeostat_logic::action::Action;
use homeostat_logic::ledger::record::{FinishOutcome, Id};
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What the server does after it has read a request.
#[derive(Clone)]
enum Behaviour {
    /// Writes these bytes and closes.
    Respond(Vec<u8>),
    /// Closes without a word.
    Close,
    /// Holds the connection.
    Hang,
    /// Writes these bytes and holds the connection.
    RespondAndHang(Vec<u8>),
    /// Closes after the first bytes of the request, unread ones pending, which resets the connection.
    Reset,
}

/// A request as it came over the wire.
#[derive(Debug)]
struct Received {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

struct Server {
    port: u16,
    received: mpsc::Receiver<Received>,
}

impl Server {
    async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, received) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, behaviour.clone(), sender.clone()));
            }
        });
        Self { port, received }
    }

    async fn responding(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        let text = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
        Self::start(Behaviour::Respond(text.into_bytes())).await
    }

    /// Requests received so far and no more.
    fn count(&mut self) -> usize {
        std::iter::from_fn(|| self.received.try_recv().ok()).count()
    }
}

async fn serve(mut stream: TcpStream, behaviour: Behaviour, sender: mpsc::Sender<Received>) {
    if matches!(behaviour, Behaviour::Reset) {
        stream.read_exact(&mut [0; 8]).await.unwrap();
        return;
    }
    let Some(received) = receive(&mut stream).await else {
        return;
    };
    sender.send(received).await.unwrap();
    match behaviour {
        Behaviour::Respond(bytes) => {
            // The client may stop reading: that is part of what is tested.
            if stream.write_all(&bytes).await.is_ok() {
                stream.shutdown().await.ok();
            }
        }
        Behaviour::RespondAndHang(bytes) => {
            stream.write_all(&bytes).await.unwrap();
            std::future::pending::<()>().await;
        }
        Behaviour::Hang => std::future::pending::<()>().await,
        Behaviour::Close | Behaviour::Reset => {}
    }
}

async fn receive(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let mut lines = head.split("\r\n");
            let line = lines.next().unwrap().to_owned();
            let headers: BTreeMap<String, String> = lines
                .map(|line| line.split_once(": ").unwrap())
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let length = headers.get("content-length");
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            let mut body = bytes[end + 4..].to_vec();
            while body.len() < length {
                stream.read_buf(&mut body).await.ok()?;
            }
            return Some(Received {
                line,
                headers,
                body: String::from_utf8(body).unwrap(),
            });
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn order() -> Order {
    Order {
        action_id: Id([0xab; 16]),
        attempt: 3,
        action: Action::Retrain,
        target: Target::model("fraud/eu"),
        severity: Severity::High,
        event_type: "data_drift_detected".to_owned(),
        event_id: "event-1".to_owned(),
        params: json!({"priority": "high"}).into(),
        reasons: vec!["drift score 0.7 is above 0.6".to_owned()],
        now: 1_700_000_000_123,
    }
}

/// The retraining over a connection. Keys of a table that belong to the action are the action's.
fn connector(table: &str, environment: &[(&str, &str)]) -> Arc<dyn Connector> {
    let mut table: toml::Table = table.parse().unwrap();
    let mut with = toml::Table::new();
    for key in ["path", "method", "body", "probe"] {
        with.extend(table.remove(key).map(|value| (key.to_owned(), value)));
    }
    table.insert("kind".to_owned(), "webhook".into());
    let text = toml::toml! {
        [actions.retrain]
        connection = "jobs"
    };
    let mut text = text;
    text["actions"]["retrain"]
        .as_table_mut()
        .unwrap()
        .insert("with".to_owned(), with.into());
    text.insert(
        "connections".to_owned(),
        toml::Table::from_iter([("jobs".to_owned(), table.into())]).into(),
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jobs.toml");
    std::fs::write(&file, toml::to_string(&text).unwrap()).unwrap();
    let environment = environment.iter();
    let environment = environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let configuration = load(&[file], environment).unwrap();
    let target = Target::model("fraud/eu");
    let binding = configuration
        .settings
        .connections
        .find("jobs", Action::Retrain, &target);
    Arc::clone(&binding.unwrap().connector)
}

async fn send(table: &str, environment: &[(&str, &str)]) -> Answer {
    connector(table, environment).send(order()).await
}

async fn send_to(server: &Server, keys: &str) -> Answer {
    send(
        &format!("url = \"http://127.0.0.1:{}/hook\"\n{keys}", server.port),
        &[],
    )
    .await
}

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
async fn each_status_of_a_server_has_its_outcome_and_pause() {
    use FinishOutcome::{Done, Failed, Unknown};
    // Status, header, outcome, pause, permanent.
    let table = [
        ("200 OK", "retry-after: 5\r\n", Done, None, false),
        ("202 Accepted", "", Done, None, false),
        ("302 Found", "location: /elsewhere\r\n", Failed, None, true),
        ("400 Bad Request", "retry-after: 5\r\n", Failed, None, true),
        ("401 Unauthorized", "", Failed, None, true),
        ("404 Not Found", "", Failed, None, true),
        ("408 Request Timeout", "", Unknown, None, false),
        ("409 Conflict", "", Unknown, None, false),
        ("410 Gone", "", Failed, None, true),
        ("425 Too Early", "", Unknown, None, false),
        (
            "429 Too Many Requests",
            "retry-after: 7\r\n",
            Failed,
            Some(7_000),
            false,
        ),
        ("429 Too Many Requests", "", Failed, None, false),
        (
            "429 Too Many Requests",
            "retry-after: Tue, 14 Nov 2023 22:13:30 GMT\r\n",
            Failed,
            Some(9_877),
            false,
        ),
        ("500 Internal Server Error", "", Unknown, None, false),
        (
            "503 Service Unavailable",
            "retry-after: 30\r\n",
            Unknown,
            Some(30_000),
            false,
        ),
    ];
    for (status, headers, outcome, retry_after_ms, permanent) in table {
        let mut server = Server::responding(status, headers, "why").await;
        let answer = send_to(&server, "").await;
        assert_eq!(answer.outcome, outcome, "{status}");
        assert_eq!(answer.retry_after_ms, retry_after_ms, "{status}");
        assert_eq!(answer.permanent, permanent, "{status}");
        assert!(
            answer.detail.contains(status) && answer.detail.ends_with(": why"),
            "{}",
            answer.detail
        );
        assert_eq!(
            server.count(),
            1,
            "{status}: never again, and never elsewhere"
        );
    }
}

#[tokio::test]
async fn without_an_answer_the_outcome_is_unknown_once_bytes_have_left() {
    for (behaviour, detail) in [
        (Behaviour::Close, "the connection broke"),
        (Behaviour::Reset, "the connection broke"),
        (Behaviour::Hang, "no answer in time"),
        (
            Behaviour::RespondAndHang(b"HTTP/1.1 20".to_vec()),
            "no answer in time",
        ),
        (
            Behaviour::Respond(b"no HTTP at all\r\n\r\n".to_vec()),
            "the connection broke",
        ),
    ] {
        let server = Server::start(behaviour).await;
        let answer = send_to(&server, "timeout_ms = 300").await;
        assert_eq!(answer.outcome, FinishOutcome::Unknown, "{}", answer.detail);
        assert!(answer.detail.contains(detail), "{}", answer.detail);
        assert!(!answer.permanent);
    }
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for url in [
        format!("http://127.0.0.1:{port}/"),
        // A name that cannot exist (RFC 6761).
        "https://nowhere.invalid/".to_owned(),
    ] {
        let answer = send(&format!("url = \"{url}\""), &[]).await;
        assert_eq!(answer.outcome, FinishOutcome::NotSent, "{}", answer.detail);
        assert!(answer.detail.contains("no connection"), "{}", answer.detail);
    }
}

#[tokio::test]
async fn a_handshake_that_fails_or_never_ends_sent_nothing() {
    let deaf = Server::start(Behaviour::Hang).await;
    let plain = Server::start(Behaviour::Reset).await;
    for port in [deaf.port, plain.port] {
        let table = format!("url = \"https://127.0.0.1:{port}/\"\nconnect_timeout_ms = 200");
        let answer = send(&table, &[]).await;
        assert_eq!(answer.outcome, FinishOutcome::NotSent, "{}", answer.detail);
    }
}

#[tokio::test]
async fn an_endless_or_broken_body_changes_nothing_about_the_status_and_is_cut() {
    let mut endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..64 {
        endless.extend_from_slice(b"10000\r\n");
        endless.extend(std::iter::repeat_n(b'x', 0x1_0000));
        endless.extend_from_slice(b"\r\n");
    }
    let hanging = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\nstart".to_vec();
    for behaviour in [
        Behaviour::Respond(endless),
        Behaviour::RespondAndHang(hanging),
    ] {
        let server = Server::start(behaviour).await;
        let answer = send_to(&server, "timeout_ms = 300").await;
        assert_eq!(answer.outcome, FinishOutcome::Done);
        assert!(
            answer.detail.len() <= Answer::DETAIL_BYTES_MAX,
            "{}",
            answer.detail.len()
        );
    }
}

#[tokio::test]
async fn secrets_echoed_by_a_server_do_not_reach_the_record() {
    let server = Server::responding("500 Oops", "", "you sent s3cret-token\u{7} and more").await;
    let table = format!(
        "url = \"env:HOOK\"\nheaders = {{ Authorization = \"env:TOKEN\" }}\n# {}",
        server.port
    );
    let hook = format!("http://127.0.0.1:{}/services/T0/hidden", server.port);
    let answer = send(&table, &[("TOKEN", "s3cret-token"), ("HOOK", &hook)]).await;
    assert_eq!(
        answer.detail,
        format!(
            "POST http://127.0.0.1:{}/***: 500 Internal Server Error: you sent ***  and more",
            server.port
        )
    );
}

#[tokio::test]
async fn a_secret_across_the_end_of_what_is_kept_is_masked_as_a_whole() {
    let body = format!("{}s3cret-token", "x".repeat(1_018));
    let server = Server::responding("500 Oops", "", &body).await;
    let table = format!(
        "url = \"http://127.0.0.1:{}/\"\nheaders = {{ Authorization = \"env:TOKEN\" }}",
        server.port
    );
    let answer = send(&table, &[("TOKEN", "s3cret-token")]).await;
    assert!(answer.detail.ends_with("xxx***"), "{}", answer.detail);
}

#[tokio::test]
async fn an_order_that_a_template_cannot_take_is_refused_without_a_request() {
    let mut server = Server::responding("200 OK", "", "").await;
    for keys in [
        "body = '{{ params.replicas }}'",
        "body = 'no JSON'",
        "body = '{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}'",
    ] {
        let answer = send_to(&server, keys).await;
        assert_eq!(
            (answer.outcome, answer.permanent),
            (FinishOutcome::Failed, true),
            "{keys}"
        );
        assert!(
            answer.detail.contains("template `body`"),
            "{}",
            answer.detail
        );
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_target_named_like_a_parent_folder_never_changes_the_path() {
    let mut server = Server::responding("200 OK", "", "").await;
    let table = format!(
        "url = \"http://127.0.0.1:{}/models/{{{{ target.name }}}}/x\"",
        server.port
    );
    let connector = connector(&table, &[]);
    for name in ["..", "."] {
        let answer = connector
            .send(Order {
                target: Target::model(name),
                ..order()
            })
            .await;
        assert_eq!(
            (answer.outcome, answer.permanent),
            (FinishOutcome::Failed, true),
            "{name}"
        );
    }
    assert_eq!(server.count(), 0);
    let tricky = Target::model("../../admin?x=#@evil.org:1");
    connector
        .send(Order {
            target: tricky,
            ..order()
        })
        .await;
    let request = server.received.recv().await.unwrap();
    assert_eq!(
        request.line,
        "POST /models/..%2F..%2Fadmin%3Fx%3D%23%40evil.org%3A1/x HTTP/1.1"
    );
}

#[test]
fn an_action_of_a_connection_that_the_configuration_does_not_have_is_named() {
    let target = Target::model("m");
    let mut connections = Connections::default();
    let found = connections.find("jobs", Action::Retrain, &target);
    assert_eq!(
        found.unwrap_err(),
        NotBound::NoConnection("jobs".to_owned())
    );
    let connector = connector("url = \"http://127.0.0.1:1/\"", &[]);
    let kind = "webhook";
    connections.bind("jobs", Action::Alert, None, Binding { kind, connector });
    let error = connections
        .find("jobs", Action::Retrain, &target)
        .unwrap_err();
    assert!(
        error.to_string().contains("name it in [actions.retrain]"),
        "{error}"
    );
    assert!(connections.find("jobs", Action::Alert, &target).is_ok());
}

#[tokio::test]
async fn the_answer_comes_within_the_timeout_of_the_table() {
    let server = Server::start(Behaviour::Hang).await;
    let sent = send_to(&server, "timeout_ms = 200");
    // Far below the default of ten seconds: it is the table's limit that ended it.
    let answer = tokio::time::timeout(Duration::from_secs(5), sent)
        .await
        .unwrap();
    assert_eq!(answer.outcome, FinishOutcome::Unknown);
}

async fn ask(port: u16, path: &str, keys: &str) -> Option<Probe> {
    let table = format!("url = \"http://127.0.0.1:{port}/\"\n{keys}[probe]\npath = \"{path}\"");
    let connector = connector(&table, &[]);
    assert!(connector.can_be_probed());
    connector.probe(order()).await
}

#[tokio::test]
async fn a_probe_gets_the_one_thing_that_the_action_makes_and_reads_yes_or_no_from_the_status() {
    for (status, said) in [
        ("200 OK", "found"),
        ("404 Not Found", "absent"),
        ("410 Gone", "absent"),
        ("302 Found", "nothing"),
        ("401 Unauthorized", "nothing"),
        ("503 Service Unavailable", "nothing"),
    ] {
        let mut server = Server::responding(status, "", "run 7").await;
        let answer = ask(server.port, "/runs/{{ action_id }}", "").await.unwrap();
        let (kind, evidence) = match answer {
            Probe::Found(evidence) => ("found", evidence),
            Probe::Absent(evidence) => ("absent", evidence),
            Probe::NoAnswer(reason) => ("nothing", reason),
        };
        assert_eq!(kind, said, "{status}");
        assert!(evidence.contains("/runs/abab") && evidence.ends_with(&format!("{status}: run 7")));
        let request = server.received.recv().await.unwrap();
        let line = format!("GET /runs/{} HTTP/1.1", "ab".repeat(16));
        assert_eq!((request.line, request.body.as_str()), (line, ""));
    }
}

#[tokio::test]
async fn a_target_that_gives_no_answer_says_nothing_and_one_without_a_probe_cannot_be_asked() {
    for behaviour in [Behaviour::Close, Behaviour::Hang, Behaviour::Reset] {
        let server = Server::start(behaviour).await;
        let keys = "timeout_ms = 300\nconnect_timeout_ms = 300\n";
        let answer = ask(server.port, "/", keys).await;
        assert!(matches!(answer, Some(Probe::NoAnswer(_))), "{answer:?}");
    }
    let nobody = ask(1, "/", "").await;
    assert!(matches!(nobody, Some(Probe::NoAnswer(_))), "{nobody:?}");
    let plain = connector("url = \"http://127.0.0.1:1/\"", &[]);
    assert!(!plain.can_be_probed());
    assert_eq!(plain.probe(order()).await, None);
}
