//! Records with any header that Kafka takes: names that are no text, nulls, hundreds, the service's own names with rubbish.
//! None ends a thread, each is answered or becomes a dead letter with its bytes (issue 13, row 1).

use homeostat::log::kafka::{KafkaLog, KafkaSettings};
use homeostat_actors::dead_letters::original_name;
use homeostat_actors::ports::log::{EventLog, Header, NewRecord, StoredRecord};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::dead_letters::dead_letters;
use crate::kafka::on_kafka;
use crate::raw_records::{open, read_all};
use crate::support::broker::Broker;
use crate::support::client::run;
use crate::support::service::{Launch, Service};
use crate::support::wait_until;

const DRIFT: &str = "data.drift.detected";
const LETTERS: &str = "homeostat.dead-letters";

fn header(name: &[u8], value: Option<&[u8]>) -> Header {
    Header {
        name: name.to_vec(),
        value: value.map(<[u8]>::to_vec),
    }
}

/// Headers with which an event is dead.
fn unreadable() -> Vec<Vec<Header>> {
    vec![
        vec![header(b"\xff\xfe", Some(b"x"))],
        vec![
            header(b"ok", None),
            header(b"\xc3\x28", None),
            header(b"ok", Some(b"")),
        ],
        vec![header(b"a\0b", Some(b"1"))],
        vec![header(b"a\0b", None)],
        vec![header(&[0x80; 5_000], Some(&[0x81; 200_000]))],
    ]
}

/// Headers that are no fault of an event.
fn readable() -> Vec<Vec<Header>> {
    let many =
        (0..200_u32).map(|one| header(format!("h{one}").as_bytes(), Some(&one.to_be_bytes())));
    vec![
        vec![header(b"", None), header(b"", Some(b""))],
        vec![
            header(b"a", Some(b"1")),
            header(b"a", None),
            header(b"a", Some(b"\xff")),
        ],
        many.collect(),
        vec![header("\u{202e}ä\u{1b}[2J".as_bytes(), Some(b"\x1b"))],
        vec![header(b"big", Some(&[7; 600_000]))],
        vec![header(b"homeostat-replay-position", Some(b"\xff/1/2"))],
        vec![header(b"homeostat-replay-of", None)],
        vec![
            header(b"homeostat-replay-of", Some(b"\xff")),
            header(b"homeostat-replay-position", Some(b"x/y/z")),
        ],
        vec![header(b"homeostat-replayed", Some(b"\xfe"))],
    ]
}

fn event(model: &str) -> Vec<u8> {
    json!({"model_version": format!("{model}@1"), "severity": "HIGH"})
        .to_string()
        .into_bytes()
}

fn record(value: Option<Vec<u8>>, headers: Vec<Header>) -> NewRecord {
    NewRecord {
        topic: DRIFT.to_owned(),
        partition: Some(0),
        key: Some(b"\xff\0key".to_vec()),
        value,
        headers,
    }
}

/// Appends good events with bad headers, good ones with odd ones, and bytes by chance on all topics that are read.
fn append(log: &dyn EventLog) {
    let mut records = Vec::new();
    for (number, headers) in unreadable().into_iter().enumerate() {
        records.push(record(Some(event(&format!("bad-{number}"))), headers));
    }
    for (number, headers) in readable().into_iter().enumerate() {
        records.push(record(Some(event(&format!("odd-{number}"))), headers));
    }
    // One of the service's own never triggers it, whatever its name's value is.
    let own = vec![header(b"homeostat-origin", Some(b"\xff\xff"))];
    records.push(record(Some(event("own")), own));
    for (topic, partition) in [(LETTERS, 0), ("homeostat.ledger", 1)] {
        for headers in unreadable() {
            records.push(NewRecord {
                topic: topic.to_owned(),
                partition: Some(partition),
                ..record(Some(b"\x01{}".to_vec()), headers)
            });
        }
    }
    records.extend(by_chance());
    for answer in run(log.append(records)) {
        answer.unwrap();
    }
}

/// Bytes by chance in every part of a record, on a topic whose partitions stop for no number of dead letters.
fn by_chance() -> Vec<NewRecord> {
    let bytes = |most| proptest::collection::vec(any::<u8>(), 0..most);
    let header = (bytes(6), proptest::option::of(bytes(20)));
    let header = header.prop_map(|(name, value)| Header { name, value });
    let whole = (
        proptest::option::of(bytes(10)),
        proptest::option::of(bytes(30)),
        proptest::collection::vec(header, 0..5),
    );
    let mut runner = TestRunner::deterministic();
    (0..15)
        .map(|_| {
            let (key, value, headers) = whole.new_tree(&mut runner).unwrap().current();
            NewRecord {
                topic: "model.performance.degraded".to_owned(),
                partition: Some(0),
                key,
                value,
                headers,
            }
        })
        .collect()
}

fn letters_of_drift(log: &dyn EventLog) -> Vec<StoredRecord> {
    let letters = read_all(log, LETTERS).into_iter();
    letters
        .filter(|letter| letter.headers.contains(&Header::new("topic", DRIFT)))
        .collect()
}

fn check(service: &Service, launch: &Launch) {
    let targets = |outcome: &str| -> Vec<String> {
        let decisions = service.decisions().into_iter();
        let mut targets: Vec<String> = decisions
            .filter(|decision| decision["outcome"] == outcome)
            .map(|decision| decision["target"].as_str().unwrap().to_owned())
            .collect();
        targets.sort();
        targets
    };
    let expected: Vec<String> = (0..readable().len())
        .map(|one| format!("odd-{one}"))
        .collect();
    wait_until(
        "the events with odd headers are answered, and those alone",
        || {
            let done = targets("executed");
            expected.iter().all(|one| done.contains(one))
        },
    );
    assert!(service.decisions().iter().all(|decision| {
        let target = decision["target"].as_str().unwrap();
        !target.starts_with("bad-") && target != "own"
    }));
    let listed = |reason: &str| {
        dead_letters(
            launch,
            service,
            &["list", "--topic", DRIFT, "--reason", reason],
        )
    };
    wait_until("the others are dead letters", || {
        listed("header_name").len() == unreadable().len()
    });
    assert_eq!(service.get("/readyz").status, 200);

    // Newest first: the last of them is the first one appended.
    let first = listed("header_name").pop().unwrap();
    let id = first["id"].as_str().unwrap();
    let error = first["error"].as_str().unwrap();
    assert!(error.contains(r"\xff\xfe"), "{error}");
    let whole = dead_letters(launch, service, &["show", id]).remove(0);
    let shown = json!({"name": r"\xff\xfe", "name_base64": "//4=", "value": {"text": "x"}});
    assert_eq!(whole["headers"], json!([shown]));
    let dry = dead_letters(launch, service, &["replay", id, "--dry-run"]).remove(0);
    assert!(
        dry["detail"].as_str().unwrap().contains(r"\xff\xfe"),
        "{dry}"
    );
    let replayed = dead_letters(launch, service, &["replay", id]).remove(0);
    assert_eq!(replayed["outcome"], "replayed");
    assert!(
        replayed["detail"]
            .as_str()
            .unwrap()
            .contains("without 1 of its headers"),
        "{replayed}"
    );
    wait_until("the event is answered without the header", || {
        targets("executed").contains(&"bad-0".to_owned())
    });
}

/// Every letter holds its record byte for byte.
fn check_letters(log: &dyn EventLog) {
    let letters = letters_of_drift(log);
    for (number, headers) in unreadable().into_iter().enumerate() {
        let value = event(&format!("bad-{number}"));
        let letter = letters
            .iter()
            .find(|one| one.value.as_deref() == Some(&value[..]));
        let letter = letter.unwrap();
        assert_eq!(letter.key.as_deref(), Some(&b"\xff\0key"[..]));
        let original = letter.headers.iter().filter_map(|header| {
            let name = original_name(&header.name)?;
            Some(Header {
                name,
                value: header.value.clone(),
            })
        });
        assert_eq!(original.collect::<Vec<_>>(), headers);
        assert!(
            letter
                .headers
                .iter()
                .all(|header| header.name_text().is_some())
        );
    }
}

#[test]
fn no_header_of_a_record_ends_anything_on_the_embedded_log() {
    let launch = Launch::new();
    launch.start().stop();
    let log = open(&launch);
    append(&log);
    log.close();
    drop(log);
    let service = launch.start();
    check(&service, &launch);
    service.stop();
    check_letters(&open(&launch));
}

#[test]
fn no_header_of_a_record_ends_anything_on_kafka() {
    let Some(broker) = Broker::new() else { return };
    let bootstrap = broker.start();
    let launch = on_kafka(Launch::new(), &bootstrap);
    let service = launch.start();
    let log = KafkaLog::open(KafkaSettings::new(&bootstrap)).unwrap();
    append(&log);
    check(&service, &launch);
    // A record of the ledger with such a header is void.
    let metrics = service.get("/metrics").text;
    let voids = metrics.lines().filter_map(|line| {
        line.strip_prefix("homeostat_ledger_voids_total")?
            .rsplit(' ')
            .next()
    });
    let voids = voids.filter_map(|count| count.parse::<usize>().ok());
    assert!(voids.max() >= Some(unreadable().len()), "{metrics}");
    let ids: Vec<Value> = service.decisions();
    service.stop();
    check_letters(&log);
    // Another instance folds the same ledger and reads the same topics.
    let again = launch.start();
    assert_eq!(again.decisions().len(), ids.len());
    again.stop();
    log.close();
}
