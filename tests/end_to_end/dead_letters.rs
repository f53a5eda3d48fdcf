//! Dead letters on the built binary: poison, listed, shown, replayed once; and a topic that is poison throughout.

use std::time::Duration;

use homeostat_actors::ports::log::{EventLog, Header, NewRecord};
use serde_json::{Value, json};

use crate::support::client::run;
use crate::support::service::{Launch, Service};
use crate::support::{wait_for, wait_until};

const DRIFT: &str = "data.drift.detected";

fn append(launch: &Launch, records: Vec<NewRecord>) {
    let log = crate::raw_records::open(launch);
    for answer in run(log.append(records)) {
        answer.unwrap();
    }
    log.close();
}

pub(crate) fn poison(value: &str) -> NewRecord {
    NewRecord {
        topic: DRIFT.to_owned(),
        partition: Some(0),
        key: Some(b"k".to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers: vec![Header::new("trace", "t-1")],
    }
}

/// The letter of an event that an earlier program could not handle and this one can.
pub(crate) fn letter(event: &Value) -> NewRecord {
    let header = |name: &str, value: &str| Header::new(name, value);
    NewRecord {
        topic: "homeostat.dead-letters".to_owned(),
        partition: Some(0),
        key: Some(b"k".to_vec()),
        value: Some(event.to_string().into_bytes()),
        headers: vec![
            header("topic", DRIFT),
            header("partition", "1"),
            header("offset", "3"),
            header("reason", "handler"),
            header("error", "it panicked"),
            header("attempts", "3"),
            header("homeostat-origin", "dead-letter"),
        ],
    }
}

/// What `homeostat dead-letters …` prints, as documents.
#[track_caller]
pub(crate) fn dead_letters(launch: &Launch, service: &Service, arguments: &[&str]) -> Vec<Value> {
    let mut all = vec!["dead-letters", "--json", "--url", &service.url];
    all.extend(arguments);
    // Wanted by services that have one, and ignored by others.
    let mut command = launch.command(&all);
    command.env("HOMEOSTAT_OPERATOR_TOKEN", crate::operators::TOKEN);
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {told}");
    let printed = String::from_utf8(output.stdout).unwrap();
    printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn poison_is_listed_and_shown_and_an_event_that_is_replayed_twice_is_decided_once() {
    let launch = Launch::new();
    launch.start().stop();
    let event = json!({"severity": "HIGH", "model_version": "late@1", "event_id": "late-1"});
    // Two letters of one record, as a crash between the letter and the offset leaves them.
    append(
        &launch,
        vec![letter(&event), letter(&event), poison("{ broken")],
    );
    let service = launch.start();
    wait_until("the poison is a letter", || {
        dead_letters(&launch, &service, &["list"]).len() == 3
    });
    let broken = dead_letters(&launch, &service, &["list", "--reason", "not_an_object"]);
    assert_eq!(broken.len(), 1, "{broken:?}");
    let id = broken[0]["id"].as_str().unwrap();
    let whole = &dead_letters(&launch, &service, &["show", id])[0];
    assert_eq!(whole["value"], json!({"text": "{ broken"}));
    assert_eq!(whole["headers"][0]["value"], json!({"text": "t-1"}));
    assert_eq!(
        (&whole["topic"], &whole["offset"]),
        (&json!(DRIFT), &json!(0))
    );
    // Replayed by filter, the two letters; once more, and once more after a restart.
    let first = dead_letters(&launch, &service, &["replay", "--reason", "handler"]);
    let outcomes = |results: &[Value]| -> Vec<String> {
        let outcome = |one: &Value| one["outcome"].as_str().unwrap().to_owned();
        results.iter().map(outcome).collect()
    };
    assert_eq!(outcomes(&first), ["replayed"; 2]);
    let again = ["replay", "0-0", "0-1"];
    assert_eq!(
        outcomes(&dead_letters(&launch, &service, &again)),
        ["already_replayed"; 2]
    );
    let decisions = || {
        wait_for("both replays are decided", || {
            let decisions: Vec<Value> = service.decisions();
            let ours = decisions
                .into_iter()
                .filter(|one| one["event_id"] == "late-1");
            let ours: Vec<Value> = ours.filter(|one| one["outcome"] != "pending").collect();
            (ours.len() == 2).then_some(ours)
        })
    };
    let mut told: Vec<String> = decisions()
        .iter()
        .map(|one| one["outcome"].as_str().unwrap().to_owned())
        .collect();
    told.sort();
    assert_eq!(told, ["executed", "suppressed"]);
    // Poison stays poison: its replay is a new letter that names it.
    assert_eq!(
        outcomes(&dead_letters(&launch, &service, &["replay", id])),
        ["replayed"]
    );
    wait_until("the replay is a letter", || {
        let letters = dead_letters(&launch, &service, &["list", "--reason", "not_an_object"]);
        letters.len() == 2 && letters[0]["replay_of"] == id && letters[1]["replayed"] == true
    });
    service.stop();
    let service = launch.start();
    assert_eq!(
        outcomes(&dead_letters(&launch, &service, &again)),
        ["already_replayed"; 2]
    );
    service.stop();
}

#[test]
fn a_topic_of_nothing_but_poison_stops_and_says_so_until_it_is_resumed() {
    let launch = Launch::new()
        .with("DEAD_LETTERS__STOP_AFTER", "10")
        .with("SUPERVISION__STALL_MAX_MS", "1000");
    launch.start().stop();
    append(
        &launch,
        (0..30).map(|_| poison("of another schema")).collect(),
    );
    let service = launch.spawn();
    let reasons = wait_for("the service says that the partition has stopped", || {
        let answer = service.try_get("/readyz")?;
        answer.text.contains("has stopped").then_some(answer)
    });
    assert_eq!(reasons.status, 503);
    assert!(
        reasons.text.contains("homeostat dead-letters resume"),
        "{reasons:?}"
    );
    // Longer than the watchdog would let a stalled partition stand; it is told to leave this one alone.
    std::thread::sleep(Duration::from_secs(5));
    let letters = dead_letters(&launch, &service, &["list"]).len();
    assert!((5..30).contains(&letters), "{letters}");
    let metrics = service.get("/metrics").text;
    let stopped = format!("homeostat_partition_stopped{{partition=\"0\",topic=\"{DRIFT}\"}} 1");
    assert!(metrics.contains(&stopped), "{metrics}");
    assert!(!metrics.contains("homeostat_watchdog_steps_total{step=\"restart_consumer\"} 1"));
    assert_eq!(service.said().matches("too many dead letters").count(), 1);
    wait_until("every letter is written, and the service is ready", || {
        dead_letters(&launch, &service, &["resume", "--topic", DRIFT]);
        let ready = service.get("/readyz").status == 200;
        ready && dead_letters(&launch, &service, &["list"]).len() == 30
    });
    service.stop();
    assert!(service_letters(&launch) == 30);
}

/// Letters in the log itself.
fn service_letters(launch: &Launch) -> usize {
    let log = crate::raw_records::open(launch);
    let count = crate::raw_records::read_all(&log, "homeostat.dead-letters").len();
    log.close();
    count
}
