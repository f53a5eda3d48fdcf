//! Records straight in the log, past every check of the API: what nobody can read becomes a dead letter with its original
//! bytes, and its neighbours are answered.

use std::collections::{BTreeMap, BTreeSet};

use homeostat::log::embedded::{EmbeddedLog, EmbeddedSettings};
use homeostat_actors::ports::log::{EventLog, Header, NewRecord, StoredRecord, TopicPartition};
use serde_json::{Value, json};

use crate::support::client::{Client, run};
use crate::support::service::Launch;
use crate::support::wait_until;

const DRIFT: &str = "data.drift.detected";
const TRACE: (&str, &[u8]) = ("trace", b"\x00\xfftrace");

/// Values that are no event, each with a word of the reason.
fn unreadable() -> Vec<(Option<Vec<u8>>, &'static str)> {
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let long_name = json!({"model_version": format!("{}@1", "n".repeat(2_000))}).to_string();
    let huge = format!("\"{}\"", "x".repeat(900_000));
    let text = |text: &str| Some(text.as_bytes().to_vec());
    vec![
        (None, "no value"),
        (text(""), "not a JSON object"),
        (text("{\"severity\": \"HIGH\""), "not a JSON object"),
        (text("[{\"severity\": \"HIGH\"}]"), "not a JSON object"),
        (text("null"), "not a JSON object"),
        (text("{\"drift_score\": NaN}"), "NaN is not a JSON number"),
        (Some(b"\0\0\0\0\x07\x02\x10churn".to_vec()), "Confluent's"),
        (Some(b"Obj\x01\x04".to_vec()), "Avro object container"),
        (Some(b"\x1f\x8b\x08\0".to_vec()), "gzip"),
        (
            text(r#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#),
            "CloudEvent has no data",
        ),
        (
            text(r#"{"schema":{"type":"struct"},"payload":{"op":"d","source":{},"before":{}}}"#),
            "Debezium",
        ),
        (Some(b"{\"severity\": \"\xc3\x28\"}".to_vec()), "not UTF-8"),
        (text(&format!("{{\"a\": {deep}}}")), "deeper"),
        (text(&long_name), "bytes; the limit is"),
        (text(&huge), "not a JSON object"),
    ]
}

fn record(key: Option<&str>, value: Option<Vec<u8>>, headers: &[(&str, &[u8])]) -> NewRecord {
    NewRecord {
        topic: DRIFT.to_owned(),
        partition: Some(0),
        key: key.map(|key| key.as_bytes().to_vec()),
        value,
        headers: headers
            .iter()
            .map(|(name, value)| Header::new(*name, *value))
            .collect(),
    }
}

/// One `CloudEvent` in both modes of Kafka, and other envelopes around events about `raw-enveloped-*`.
fn enveloped() -> Vec<NewRecord> {
    let drift = |name: &str| json!({"model_version": format!("raw-enveloped-{name}@1"), "severity": "HIGH"});
    let text = |value: Value| Some(value.to_string().into_bytes());
    let cloud_event = json!({"specversion": "1.0", "id": "raw", "source": "/raw", "type": "drift", "data": drift("cloud")});
    let attributes: [(&str, &[u8]); 5] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"raw"),
        ("ce_source", b"/raw"),
        ("ce_type", b"drift"),
        ("content-type", b"application/json"),
    ];
    let media: [(&str, &[u8]); 1] = [(
        "Content-Type",
        b"application/cloudevents+json; charset=utf-8",
    )];
    let change = json!({"op": "c", "source": {}, "before": null, "after": drift("debezium")});
    let connect = json!({"schema": {"type": "struct"}, "payload": change});
    let mut prefixed = vec![0, 0, 0, 1, 0xC8];
    prefixed.extend(drift("prefix").to_string().into_bytes());
    vec![
        record(None, text(cloud_event.clone()), &media),
        record(None, text(cloud_event), &[]),
        record(None, text(drift("cloud")), &attributes),
        record(None, text(connect), &[TRACE]),
        record(None, Some(prefixed), &[]),
    ]
}

/// Targets of [`enveloped`].
const ENVELOPED: usize = 3;

/// Good and bad records in turn, then enveloped ones, then one that names a field twice, and one of the service's own.
/// The offsets of the bad ones.
pub(crate) fn append(log: &dyn EventLog) -> Vec<i64> {
    let mut records = Vec::new();
    for (number, (value, _)) in unreadable().into_iter().enumerate() {
        records.push(record(Some("key"), value, &[TRACE]));
        let good = json!({"model_version": format!("raw-{number}@1"), "severity": "HIGH"});
        // Every second one without a key.
        let key = (number % 2 == 0).then_some("key");
        records.push(record(key, Some(good.to_string().into_bytes()), &[TRACE]));
    }
    records.extend(enveloped());
    // The last one counts.
    let twice = br#"{"model_version": "twice@1", "severity": "LOW", "severity": "CRITICAL"}"#;
    records.push(record(None, Some(twice.to_vec()), &[]));
    let own = json!({"model_version": "own@1", "severity": "CRITICAL"}).to_string();
    records.push(record(
        None,
        Some(own.into_bytes()),
        &[("homeostat-origin", b"notice")],
    ));
    let answers = run(log.append(records)).into_iter();
    let offsets: Vec<i64> = answers.map(|answer| answer.unwrap().offset).collect();
    offsets
        .into_iter()
        .step_by(2)
        .take(unreadable().len())
        .collect()
}

/// Every record of a topic.
pub(crate) fn read_all(log: &dyn EventLog, topic: &str) -> Vec<StoredRecord> {
    let described = run(log.describe_topics(vec![topic.to_owned()])).unwrap();
    let mut all = Vec::new();
    for (partition, marks) in (0..).zip(&described[0].partitions) {
        let place = TopicPartition {
            topic: topic.to_owned(),
            partition,
        };
        let mut next = marks.low;
        while next < marks.high {
            let records = run(log.read(place.clone(), next, 1_000)).unwrap();
            let Some(last) = records.last() else { break };
            next = last.offset + 1;
            all.extend(records);
        }
    }
    all
}

fn headers(record: &StoredRecord) -> BTreeMap<&str, &[u8]> {
    record
        .headers
        .iter()
        .map(|header| (header.name_text().unwrap(), header.bytes()))
        .collect()
}

/// Each unreadable record is a dead letter, byte for byte, with where it stood and why.
pub(crate) fn check_dead_letters(log: &dyn EventLog, offsets: &[i64]) {
    let letters = read_all(log, "homeostat.dead-letters");
    let expected = unreadable();
    assert_eq!(letters.len(), expected.len());
    for ((value, reason), offset) in expected.iter().zip(offsets) {
        let offset = offset.to_string();
        let letter = letters
            .iter()
            .find(|letter| headers(letter)["offset"] == offset.as_bytes())
            .unwrap();
        let headers = headers(letter);
        let error = String::from_utf8_lossy(headers["error"]);
        assert_eq!(&letter.value, value, "{error}");
        assert_eq!(letter.key.as_deref(), Some(&b"key"[..]));
        assert_eq!(
            (headers["topic"], headers["partition"]),
            (DRIFT.as_bytes(), &b"0"[..])
        );
        assert_eq!(headers["original.trace"], TRACE.1);
        assert_eq!(headers["attempts"], b"1");
        assert!(error.contains(reason), "{error} does not say {reason}");
    }
}

/// Each readable one is answered, and nothing else.
pub(crate) fn check_decisions(client: &Client) {
    let good = unreadable().len() + ENVELOPED + 1;
    let of_ours = || -> Vec<Value> {
        let ours = |target: &str| target.starts_with("raw-") || target == "twice";
        let decisions = client.decisions().into_iter();
        // A repetition of the one CloudEvent is told, too.
        let duplicate = |one: &Value| one["reasons"].to_string().contains("duplicate");
        decisions
            .filter(|decision| ours(decision["target"].as_str().unwrap()) && !duplicate(decision))
            .collect()
    };
    wait_until("the readable records are answered", || {
        let decisions = of_ours();
        decisions.len() >= good
            && decisions
                .iter()
                .all(|decision| decision["outcome"] == "executed")
    });
    assert_eq!(of_ours().len(), good);
    let twice = of_ours()
        .into_iter()
        .find(|decision| decision["target"] == "twice")
        .unwrap();
    assert_eq!(twice["severity"], "critical");
    assert!(
        client
            .decisions()
            .iter()
            .all(|decision| decision["target"] != "own"),
        "its own event triggered it"
    );
}

/// SPEC §3: in every case a drift alert, which itself triggers nothing.
pub(crate) fn check_drift_alerts(log: &dyn EventLog, event_ids: &[String]) {
    let mut causes = BTreeMap::<String, BTreeSet<String>>::new();
    for record in read_all(log, "system.alerts") {
        let event: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        assert!(headers(&record).contains_key("homeostat-origin"), "{event}");
        if event["event_type"] == "drift_alert" {
            for field in ["severity", "model_version", "message"] {
                assert!(event[field].is_string(), "{field}: {event}");
            }
            let text = |field: &str| event[field].as_str().unwrap().to_owned();
            let alerts = causes.entry(text("caused_by")).or_default();
            alerts.insert(text("event_id"));
        }
    }
    for id in event_ids {
        // A CloudEvent that comes again tells the same alert again.
        let alerts = causes.get(id).map(BTreeSet::len);
        assert_eq!(alerts, Some(1), "drift alerts of event {id}");
    }
}

/// The log of a service that does not run.
pub(crate) fn open(launch: &Launch) -> EmbeddedLog {
    EmbeddedLog::open(EmbeddedSettings::new(launch.folder().join("data/log"))).unwrap()
}

#[test]
fn unreadable_records_become_dead_letters_with_their_bytes_and_their_neighbours_are_answered() {
    let launch = Launch::new();
    launch.start().stop();
    let log = open(&launch);
    let bad = append(&log);
    log.close();
    drop(log);
    let service = launch.start();
    check_decisions(&service);
    service.stop();
    check_dead_letters(&open(&launch), &bad);
}

#[test]
fn the_end_of_an_alert_is_recorded_and_nothing_is_done_about_it() {
    let service = Launch::new().start();
    let notification = |status: &str, name: &str| {
        json!({"version": "4", "status": status, "receiver": "homeostat", "alerts": [{"status": status,
            "labels": {"alertname": name, "severity": "page", "service": "ranker"}, "annotations": {}}]})
    };
    let over = service.decide("system.alerts", &notification("resolved", "SystemOverload"));
    assert_eq!(
        (&over["action"], &over["severity"]),
        (&json!("ignore"), &json!("critical"))
    );
    assert!(over["reasons"].to_string().contains("resolved"), "{over:#}");
    let firing = service.decide("system.alerts", &notification("firing", "SystemOverload"));
    assert_eq!(
        (&firing["action"], &firing["target"]),
        (&json!("scale_up"), &json!("ranker"))
    );
    assert_eq!(firing["event_type"], "system_overload");
}

#[test]
fn every_drift_event_is_told_on_system_alerts_once_whatever_is_done_about_it() {
    let launch = Launch::new();
    let service = launch.start();
    let drift = |model: &str, severity: &str| json!({"model_version": format!("{model}@2"), "severity": severity, "drift_score": 0.5});
    // Monitored, scheduled, retrained, suppressed.
    let events = json!([
        drift("a", "LOW"),
        drift("b", "MEDIUM"),
        drift("c", "HIGH"),
        drift("c", "HIGH")
    ]);
    let ids = service.publish(&format!("{DRIFT}?key=c"), &events);
    let decisions = service.decided(&ids);
    let outcomes: Vec<&Value> = ids.iter().map(|id| &decisions[id]["outcome"]).collect();
    assert_eq!(
        outcomes,
        ["executed", "scheduled", "executed", "suppressed"]
    );
    service.stop();
    // And once more after a start that finds the alerts in a topic it reads.
    let service = launch.start();
    service.decide(DRIFT, &drift("d", "LOW"));
    assert_eq!(service.decisions().len(), ids.len() + 1);
    service.stop();
    check_drift_alerts(&open(&launch), &ids);
}
