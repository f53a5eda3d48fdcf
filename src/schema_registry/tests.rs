//! Records that confluent-kafka's serializers wrote, read by what a registry answers about them (tests/data/inbound/README.md).

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, sync_channel};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use homeostat_actors::ports::log::Header;
use homeostat_logic::topic;
use serde_json::{Value, json};

use super::*;

const RECORDS: &str = include_str!("../../tests/data/inbound/registry/records.json");

fn fixtures() -> Value {
    serde_json::from_str(RECORDS).unwrap()
}

/// A record that was written by a client.
struct Written {
    value: Vec<u8>,
    headers: Vec<Header>,
}

impl Written {
    fn of(name: &str) -> Self {
        let record = &fixtures()["records"][name];
        let bytes = |text: &Value| STANDARD.decode(text.as_str().unwrap()).unwrap();
        let headers = record["headers"].as_object().unwrap();
        Self {
            value: bytes(&record["value"]),
            headers: headers
                .iter()
                .map(|(name, value)| Header::new(name.as_str(), bytes(value)))
                .collect(),
        }
    }

    fn plain(value: &[u8]) -> Self {
        Self {
            value: value.to_vec(),
            headers: Vec::new(),
        }
    }

    fn with_id(id: u32, data: &[u8]) -> Self {
        Self::plain(&[&[0][..], &id.to_be_bytes(), data].concat())
    }

    fn view(&self) -> RecordView<'_> {
        RecordView {
            offset: 0,
            timestamp: 0,
            key: None,
            value: Some(&self.value),
            headers: &self.headers,
        }
    }
}

/// A registry that gives these answers by path, and what it was asked.
fn serve(answers: BTreeMap<String, (u16, String)>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, questions) = sync_channel(1_000);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or_default();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            asked.try_send(request).unwrap_or_default();
            let unknown = (404, "not here".to_owned());
            let (status, body) = answers.get(path.trim_matches('/')).unwrap_or(&unknown);
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            // A client that has read enough hangs up.
            stream
                .write_all(format!("{head}{body}").as_bytes())
                .unwrap_or_default();
        }
    });
    (url, questions)
}

/// The answers of the fixtures, and these.
fn with_fixtures(more: &[(&str, u16, &str)]) -> BTreeMap<String, (u16, String)> {
    let fixtures = fixtures();
    let answers = fixtures["answers"].as_object().unwrap();
    let answers = answers
        .iter()
        .map(|(path, answer)| (path.clone(), (200, answer.to_string())));
    let more = more
        .iter()
        .map(|(path, status, body)| ((*path).to_owned(), (*status, (*body).to_owned())));
    answers.chain(more).collect()
}

fn described(url: &str) -> Described {
    let environment = BTreeMap::from([("PASSWORD".to_owned(), "sesame".to_owned())]);
    let settings = json!({"url": url, "username": "user", "password": "env:PASSWORD"});
    let settings: RegistrySettings = serde_json::from_value(settings).unwrap();
    let mut compile = Compile::new(&environment);
    let registry = Registry::new(&settings, &mut compile);
    assert_eq!(compile.problems, []);
    let to = topic::find("data.drift.detected").unwrap();
    Described::new(Arc::new(registry.unwrap()), to)
}

async fn event(described: &Described, record: &Written) -> Value {
    let event = described.event(record.view()).await.unwrap();
    assert_eq!(event.topic.name, "data.drift.detected");
    serde_json::from_str(&event.text).unwrap()
}

async fn refused(described: &Described, record: &Written) -> Untranslated {
    described.event(record.view()).await.unwrap_err()
}

#[tokio::test]
async fn records_of_a_clients_serializers_become_events() {
    let (url, _questions) = serve(with_fixtures(&[]));
    let described = described(&url);
    let avro = json!({
        "model_version": "fraud@3", "drift_score": 0.7, "severity": "HIGH", "affected_features": ["a", "b"],
        "timestamp": "2026-11-30T10:00:00.000Z", "note": "x", "owner": null, "cost": -12.34, "loss": 0.005,
        "day": "2026-11-30", "at": "01:02:03.000004", "seen": "2026-11-30T11:00:00.000005",
        "run": "00000000-0000-0000-0000-000000000007", "raw": "AP8=", "big": 1_152_921_504_606_846_977_i64,
        "nan": "NaN", "small": 1e-300, "more": {"a": 1, "b": "z", "c": null}, "again": "LOW",
        "parts": {"name": "p", "next": {"name": "q", "next": null}},
    });
    let protobuf = json!({
        "model": {"name": "fraud", "version": 1_152_921_504_606_846_977_i64}, "drift_score": 0.91,
        "affected_features": ["a"], "severity": "HIGH", "timestamp": "2026-11-30T10:00:00Z", "counts": {"a": 3},
        "note": "n", "took": "1.500s", "more": {"a": [1.0, null, "x"]}, "threshold": 0.0, "raw": "AP8=", "rate": 0.1,
        "row": -5,
    });
    let model = json!({"name": "fraud", "version": 3});
    for (name, expected) in [
        ("avro", avro.clone()),
        ("avro_guid", avro),
        (
            "avro_reference",
            json!({"drift_score": 0.91, "model": model, "before": null}),
        ),
        ("protobuf", protobuf.clone()),
        ("protobuf_descriptor", protobuf),
        ("protobuf_inner", json!({"y": "q"})),
        ("protobuf_guid", json!({"y": "q"})),
        ("json", json!({"drift_score": 0.91, "model": model})),
    ] {
        assert_eq!(
            event(&described, &Written::of(name)).await,
            expected,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_schema_is_asked_for_once_with_what_it_refers_to_and_the_login() {
    let (url, questions) = serve(with_fixtures(&[]));
    let described = described(&format!("{url}/"));
    for _ in 0..2 {
        event(&described, &Written::of("avro_reference")).await;
    }
    let questions: Vec<String> = questions.try_iter().collect();
    let paths: Vec<&str> = questions
        .iter()
        .filter_map(|question| question.split(' ').nth(1))
        .collect();
    let id = "/schemas/ids/3";
    let referred = "/subjects/model%2Fvalue/versions/1";
    assert_eq!(paths, [id, "/schemas/ids/3/versions", referred]);
    for question in questions {
        assert!(
            question.contains("authorization: Basic dXNlcjpzZXNhbWU="),
            "{question}"
        );
    }
}

#[tokio::test]
async fn a_registry_that_fails_makes_records_wait_and_a_schema_without_use_makes_them_dead() {
    let unknown = r#"{"error_code": 40403, "message": "Schema not found"}"#;
    let missing =
        r#"{"schema": "\"a.B\"", "references": [{"name": "a.B", "subject": "b", "version": 2}]}"#;
    let large = format!(r#"{{"schema": "{}"}}"#, " ".repeat(5 << 20));
    let wide = format!(r#"{{"schema": "{}"}}"#, " ".repeat((1 << 20) + 1));
    let (url, questions) = serve(with_fixtures(&[
        ("schemas/ids/11", 404, unknown),
        (
            "schemas/ids/12",
            500,
            r#"{"error_code": 50001, "message": "no store"}"#,
        ),
        ("schemas/ids/14", 401, ""),
        ("schemas/ids/15", 200, "<html>"),
        (
            "schemas/ids/16",
            200,
            r#"{"schema": "{}", "schemaType": "XML"}"#,
        ),
        ("schemas/ids/17", 200, missing),
        ("subjects/b/versions/2", 404, unknown),
        ("schemas/ids/18", 200, &large),
        ("schemas/ids/19", 200, &wide),
        (
            "schemas/ids/20",
            422,
            r#"{"error_code": 42201, "message": "broken"}"#,
        ),
        (
            "schemas/ids/21",
            429,
            r#"{"error_code": 42901, "message": "slowly"}"#,
        ),
        (
            "schemas/ids/23",
            404,
            r#"{"error_code": 404, "message": "HTTP 404 Not Found"}"#,
        ),
        ("schemas/ids/24", 302, ""),
        (
            "schemas/ids/22",
            200,
            r#"{"schema": "{\"type\": \"none\"}"}"#,
        ),
    ]));
    let described = described(&url);
    for (id, waits, expected) in [
        (
            11,
            false,
            "the record has the schema id 11: the schema registry does not have it: Schema not found",
        ),
        (12, true, "answers 500 Internal Server Error: no store"),
        (13, true, "check `url`"),
        (14, true, "refuses us (401 Unauthorized)"),
        (15, true, "something else than a schema"),
        (16, false, "schemas of the type XML are not read"),
        (
            17,
            false,
            "it refers to a.B, version 2 of the subject b: the schema registry does not have it",
        ),
        (18, false, "its schema is larger than 1048576 bytes"),
        (
            19,
            false,
            "its schema has 1048577 bytes; the limit is 1048576",
        ),
        (20, false, "answers 422 Unprocessable Entity: broken"),
        (21, true, "answers 429 Too Many Requests: slowly"),
        (22, false, "its Avro schema cannot be read"),
        (
            23,
            true,
            "answers 404 Not Found: HTTP 404 Not Found; check `url`",
        ),
        (24, true, "answers 302 Found"),
        (u32::MAX, false, "no registry gives an id above"),
    ] {
        let answer = refused(&described, &Written::with_id(id, b"x")).await;
        let is_waiting = matches!(answer, Untranslated::Unavailable(_));
        assert_eq!(is_waiting, waits, "{id}: {answer}");
        assert!(answer.to_string().contains(expected), "{id}: {answer}");
        assert!(!answer.to_string().contains("sesame"), "{id}: {answer}");
    }
    // An answer is kept for a while; no answer is none.
    drop(questions.try_iter().collect::<Vec<String>>());
    for id in [11, 12] {
        refused(&described, &Written::with_id(id, b"x")).await;
    }
    let again: Vec<String> = questions.try_iter().collect();
    assert!(
        again.len() == 1 && again[0].contains("/schemas/ids/12"),
        "{again:?}"
    );
    // Nothing listens there.
    let gone = self::described("http://127.0.0.1:9");
    let answer = refused(&gone, &Written::of("avro")).await;
    assert!(matches!(answer, Untranslated::Unavailable(_)), "{answer}");
}

#[tokio::test]
async fn of_several_instances_the_next_one_answers() {
    let down = r#"{"error_code": 50003, "message": "no leader"}"#;
    let (first, asked) = serve(BTreeMap::from([(
        "schemas/ids/1".to_owned(),
        (500, down.to_owned()),
    )]));
    let (second, _questions) = serve(with_fixtures(&[]));
    let described = described(&format!("{first}, http://127.0.0.1:9, {second}"));
    event(&described, &Written::of("avro")).await;
    event(&described, &Written::of("avro_reference")).await;
    assert_eq!(
        asked.try_iter().count(),
        1,
        "the one that answered is asked first"
    );
}

#[tokio::test]
async fn a_record_that_does_not_fit_says_which_schema_it_has() {
    let (url, _questions) = serve(with_fixtures(&[]));
    let described = described(&url);
    let whole = Written::of("avro").value;
    let subject = "the record has the schema id 1, subject drift-avro-value version 1: the record does not fit it: ";
    for (record, expected) in [
        (&whole[..whole.len() - 1], "it ends 1 bytes too early"),
        (&[&whole, &b"x"[..]].concat(), "1 bytes are left behind it"),
        (&whole[..5], "it ends 1 bytes too early"),
    ] {
        let answer = refused(&described, &Written::plain(record))
            .await
            .to_string();
        assert_eq!(answer, format!("{subject}{expected}"));
    }
    for bare in [&b"{\"a\": 1}"[..], b"", &[0, 0, 0]] {
        let answer = refused(&described, &Written::plain(bare)).await.to_string();
        assert!(answer.contains("names no schema"), "{answer}");
    }
    let large = Written::with_id(1, &vec![0; EVENT_BYTES_MAX]);
    let answer = refused(&described, &large).await.to_string();
    assert!(answer.contains("the limit is"), "{answer}");
    let gone = RecordView {
        value: None,
        ..large.view()
    };
    let answer = described.event(gone).await.unwrap_err().to_string();
    assert_eq!(answer, "the record has no value");
}

#[tokio::test]
async fn on_a_topic_of_the_platform_json_is_left_alone() {
    let (url, _questions) = serve(with_fixtures(&[]));
    let described = described(&url);
    for (record, expected) in [
        (Written::of("avro"), true),
        (Written::of("protobuf_guid"), true),
        (Written::of("json"), false),
        (Written::plain(b"{}"), false),
        // A record may begin like JSON and be none.
        (Written::with_id(1, b"{\x02"), true),
    ] {
        assert_eq!(described.takes(record.view()), expected);
    }
}
