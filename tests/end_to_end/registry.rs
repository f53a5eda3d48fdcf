//! Records of a schema registry on a real Kafka: of a real registry (Apicurio, by `scripts/registry`), and of one that is away.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Once;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use homeostat::log::kafka::{KafkaLog, KafkaSettings};
use homeostat_actors::ports::log::{EventLog, Header, NewRecord, TopicSettings};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::dead_letters::dead_letters;
use crate::support::broker::Broker;
use crate::support::client::{Client, run};
use crate::support::service::{Launch, Service};
use crate::support::{wait_for, wait_until};

const RECORDS: &str = "drift-records";
const OWN: &str = "data.drift.detected";
/// How long an unknown schema is not asked for again, and a moment.
const UNKNOWN_FOR: Duration = Duration::from_secs(11);

fn fixtures() -> Value {
    let text = std::fs::read_to_string("tests/data/inbound/registry/records.json").unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A record that a client's serializer wrote, with its own id or that of another registry.
fn record(topic: &str, name: &str, id: Option<u32>) -> NewRecord {
    let written = &fixtures()["records"][name];
    let bytes = |text: &Value| STANDARD.decode(text.as_str().unwrap()).unwrap();
    let mut value = bytes(&written["value"]);
    if let Some(id) = id {
        value[1..5].copy_from_slice(&id.to_be_bytes());
    }
    let headers = written["headers"].as_object().unwrap().iter();
    let headers = headers.map(|(name, value)| Header::new(name.as_str(), bytes(value)));
    NewRecord {
        topic: topic.to_owned(),
        value: Some(value),
        headers: headers.collect(),
        ..NewRecord::default()
    }
}

fn open(address: &str) -> KafkaLog {
    let log = KafkaLog::open(KafkaSettings::new(address)).unwrap();
    let topic = TopicSettings {
        name: RECORDS.to_owned(),
        partitions: 1,
        replication_factor: 1,
        retention: None,
        append_time: false,
        compacted: false,
    };
    run(log.ensure_topics(vec![topic])).unwrap();
    log
}

fn append(log: &KafkaLog, records: Vec<NewRecord>) {
    for answer in run(log.append(records)) {
        answer.unwrap();
    }
}

fn decided(service: &Service, topic: &str) -> usize {
    let decisions = service.decisions().into_iter();
    decisions.filter(|one| one["topic"] == topic).count()
}

fn letters(service: &Service) -> Vec<Value> {
    let page = service.get("/api/v1/dead-letters").json();
    page["items"].as_array().unwrap().clone()
}

/// Where a real registry is; `None` where there is none: said once, and an error where `CI` is set.
fn registry() -> Option<String> {
    static SAID: Once = Once::new();
    if let Ok(url) = std::env::var("REGISTRY_URL") {
        return Some(url);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "REGISTRY_URL is not set; use scripts/test"
    );
    SAID.call_once(|| {
        eprintln!("not run: a real schema registry (set REGISTRY_URL or use scripts/test)");
    });
    None
}

/// Registers a schema of the fixtures under a subject; its id.
fn register(registry: &Client, subject: &str, path: &str) -> u32 {
    let answer = &fixtures()["answers"][path];
    let mut schema = json!({"schema": answer["schema"]});
    for key in ["schemaType", "references"] {
        if let Some(value) = answer.get(key) {
            schema[key] = value.clone();
        }
    }
    let subject = utf8_percent_encode(subject, NON_ALPHANUMERIC);
    let path = format!("/subjects/{subject}/versions");
    let answer = registry.try_post(&path, schema.to_string()).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["id"].as_u64().unwrap().try_into().unwrap()
}

#[test]
fn records_of_a_real_registry_are_decided() {
    let Some((broker, url)) = Broker::new().zip(registry()) else {
        return;
    };
    let registry = Client::new(&url);
    for (subject, path) in [
        ("model/value", "subjects/model%2Fvalue/versions/1"),
        ("common.proto", "subjects/common%2Eproto/versions/1"),
        (
            "model.schema.json",
            "subjects/model%2Eschema%2Ejson/versions/1",
        ),
    ] {
        register(&registry, subject, path);
    }
    let names = [
        "avro",
        "avro_reference",
        "protobuf_descriptor",
        "protobuf",
        "json",
    ];
    let ids = ["1", "3", "5", "7", "9"].map(|id| {
        register(
            &registry,
            &format!("drift-{id}"),
            &format!("schemas/ids/{id}"),
        )
    });
    let address = broker.start();
    let log = open(&address);
    let launch = Launch::new()
        .with("KAFKA__BOOTSTRAP_SERVERS", &address)
        .overlay(&format!(
            "[registry]\nurl = \"http://127.0.0.1:9, {url}\"\n\
             [ingest.drift]\ntopic = \"{RECORDS}\"\nform = \"registry\"\nto = \"{OWN}\"\n\
             [ingest.own]\ntopic = \"{OWN}\"\nform = \"registry\"\n"
        ));
    let service = launch.start();
    let all = names.iter().zip(ids);
    append(
        &log,
        all.map(|(name, id)| record(RECORDS, name, Some(id)))
            .collect(),
    );
    // A topic of the platform takes both.
    let bare = NewRecord {
        topic: OWN.to_owned(),
        value: Some(b"{\"model_version\": \"plain@1\"}".to_vec()),
        ..NewRecord::default()
    };
    append(&log, vec![record(OWN, "avro", Some(ids[0])), bare]);
    wait_until("every record is decided", || {
        decided(&service, RECORDS) == names.len() && decided(&service, OWN) == 2
    });
    let of_avro = service
        .decisions()
        .into_iter()
        .find(|one| one["topic"] == RECORDS);
    assert_eq!(of_avro.unwrap()["target"], "fraud");
    assert_eq!(letters(&service), Vec::<Value>::new());

    // The registry does not know a schema yet: a dead letter, which is replayed once it does.
    let next = 1 + ids.iter().max().unwrap();
    append(&log, vec![record(RECORDS, "avro", Some(next))]);
    let letter = wait_for("the record without a schema is a dead letter", || {
        letters(&service).into_iter().next()
    });
    let error = letter["error"].as_str().unwrap();
    let expected =
        format!("the record has the schema id {next}: the schema registry does not have it");
    assert!(error.starts_with(&expected), "{error}");
    let other = json!({"schema": fixtures()["answers"]["schemas/ids/1"]["schema"].as_str().unwrap().replace("Loss", "Cost")});
    let answer = registry.try_post("/subjects/late/versions", other.to_string());
    assert_eq!(answer.unwrap().json()["id"], next);
    std::thread::sleep(UNKNOWN_FOR);
    let replayed = dead_letters(
        &launch,
        &service,
        &["replay", letter["id"].as_str().unwrap()],
    );
    assert_eq!(replayed[0]["outcome"], "replayed", "{replayed:?}");
    wait_until("the replayed record is decided", || {
        decided(&service, RECORDS) == names.len() + 1
    });
    service.stop();
}

/// Answers as a registry does, at this address, for good.
fn answer_at(listener: TcpListener) {
    let answers = fixtures()["answers"].clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or_default();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let known = answers.get(path.trim_matches('/'));
            let unknown = json!({"error_code": 40403, "message": "Schema not found"});
            let (status, body) = known.map_or_else(
                || (404, unknown.to_string()),
                |body| (200, body.to_string()),
            );
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            stream
                .write_all(format!("{head}{body}").as_bytes())
                .unwrap_or_default();
        }
    });
}

#[test]
fn records_wait_for_a_registry_that_is_away() {
    let Some(broker) = Broker::new() else {
        return;
    };
    // An address at which nothing answers yet.
    let reserved = TcpListener::bind("127.0.0.1:0").unwrap();
    let registry = reserved.local_addr().unwrap();
    drop(reserved);
    let address = broker.start();
    let log = open(&address);
    let service = Launch::new()
        .with("KAFKA__BOOTSTRAP_SERVERS", &address)
        .overlay(&format!(
            "[ingest.drift]\ntopic = \"{RECORDS}\"\nform = \"registry\"\nto = \"{OWN}\"\n\
             [ingest.drift.registry]\nurl = \"http://{registry}\"\n"
        ))
        .start();
    let names = ["avro", "protobuf", "avro_guid"];
    append(&log, names.map(|name| record(RECORDS, name, None)).to_vec());
    wait_until("the log says why the partition waits", || {
        let said = service.said();
        said.contains("a record cannot be translated yet") && said.contains(&registry.to_string())
    });
    assert_eq!(
        (decided(&service, RECORDS), letters(&service)),
        (0, Vec::new())
    );
    answer_at(TcpListener::bind(registry).unwrap());
    wait_until("every record is decided", || {
        decided(&service, RECORDS) == names.len()
    });
    append(
        &log,
        vec![
            record(RECORDS, "avro", Some(404)),
            record(RECORDS, "avro", None),
        ],
    );
    wait_until(
        "the record behind the one without a schema is decided",
        || decided(&service, RECORDS) == names.len() + 1,
    );
    wait_until("the other one is a dead letter", || {
        !letters(&service).is_empty()
    });
    let letters = letters(&service);
    let of = |key: &str| letters[0][key].clone();
    assert_eq!(
        (letters.len(), of("topic"), of("reason")),
        (1, json!(RECORDS), json!("unreadable_form"))
    );
    service.stop();
}
