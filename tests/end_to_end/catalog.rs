//! The catalog, end to end: from files and from the topic, what is newer wins, and all of it is there after a restart.

use homeostat::log::kafka::{KafkaLog, KafkaSettings};
use homeostat_actors::ports::log::{EventLog, NewRecord};
use serde_json::{Value, json};

use crate::support::broker::Broker;
use crate::support::client::run;
use crate::support::service::{Launch, Service};
use crate::support::wait_until;

const TOPIC: &str = "catalog.items";

fn item(service: &Service, id: &str) -> Option<Value> {
    let answer = service.get(&format!("/api/v1/catalog/{id}"));
    match answer.status {
        200 => Some(answer.json()),
        404 => None,
        status => panic!("{status}: {}", answer.text),
    }
}

fn written(launch: &Launch, name: &str, text: &str) -> String {
    let path = launch.folder().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// With items in two files, of which the second replaces one of the first.
fn with_files(launch: Launch) -> Launch {
    let movies = written(
        &launch,
        "movies.csv",
        "movieId,title,genres,year\n1,Toy Story,Animation|Comedy,1995\n2,\"Heat, again\",\"Crime, Drama\",1995\n3,,,\n",
    );
    let more = written(
        &launch,
        "more.jsonl",
        "{\"item_id\": 2.0, \"title\": \"Heat\", \"genres\": [\"Crime\"], \"price\": 1.50}\n\n{\"title\": \"none\"}\n",
    );
    launch.overlay(&format!("[catalog]\nfiles = [{movies:?}, {more:?}]\n"))
}

#[test]
fn items_come_from_files_and_from_the_topic_and_what_is_newer_wins() {
    let launch = with_files(Launch::new());
    let service = launch.start();
    let toy_story = json!({
        "item_id": "1", "title": "Toy Story", "genres": ["Animation", "Comedy"], "available": true,
        "fields": {"year": "1995"},
    });
    assert_eq!(item(&service, "1"), Some(toy_story));
    let heat = service.get("/api/v1/catalog/2.0").text;
    assert!(heat.contains("\"price\":1.50"), "as it was written: {heat}");
    assert_eq!(item(&service, "3").unwrap()["genres"], json!([]));
    assert_eq!(item(&service, "4"), None);
    let said = service.said();
    assert!(said.contains("line 3: it has no item_id"), "{said}");

    let ids = service.publish(
        TOPIC,
        &json!([
            {"item_id": 1, "title": "Toy Story 2", "available": "no"},
            {"item_id": "2", "deleted": true},
            {"item_id": 4, "genres": "War|Drama", "stock": 3},
        ]),
    );
    assert_eq!(ids.len(), 3);
    let is_changed = |service: &Service| {
        item(service, "1").is_some_and(|one| one["title"] == "Toy Story 2")
            && item(service, "2").is_none()
            && item(service, "4").is_some()
    };
    wait_until("the topic is read", || is_changed(&service));
    assert_eq!(item(&service, "1").unwrap()["available"], false);
    assert_eq!(
        item(&service, "4"),
        Some(
            json!({"item_id": "4", "genres": ["War", "Drama"], "available": true, "fields": {"stock": 3}})
        )
    );
    let metrics = service.get("/metrics").text;
    for line in [
        "homeostat_catalog_items{state=\"known\"} 3",
        "homeostat_catalog_items{state=\"removed\"} 1",
        "homeostat_catalog_records_total{outcome=\"taken\"} 2",
        "homeostat_catalog_records_total{outcome=\"removed\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    service.kill();
    let service = launch.start();
    assert!(
        is_changed(&service),
        "all of it is read before the service is ready"
    );
    service.stop();
}

#[test]
fn what_is_no_item_is_refused_when_it_is_published() {
    let service = Launch::new().start();
    for (event, problem) in [
        ("{}", "it has no item_id"),
        (r#"{"item_id":[1]}"#, "the id of the item is [1]"),
        (r#"{"item_id":1,"available":"maybe"}"#, "use true or false"),
    ] {
        let answer = service
            .try_post(&format!("/api/v1/events/{TOPIC}"), event)
            .unwrap();
        assert!(
            answer.status >= 400 && answer.text.contains(problem),
            "{event}: {answer:?}"
        );
    }
    service.stop();
}

#[test]
fn a_file_that_cannot_be_read_refuses_the_start_and_the_check() {
    for (name, text, problem) in [
        (
            "no-id.csv",
            "film,genre\n1,War\n",
            "no column is the item's id",
        ),
        ("array.json", "[{\"item_id\":1}]", "jq -c"),
        ("empty.csv", "", "it is empty"),
        ("broken.parquet", "PAR1 and nothing more", "broken.parquet"),
    ] {
        let launch = Launch::new();
        let file = written(&launch, name, text);
        let launch = launch.overlay(&format!("[catalog]\nfiles = [{file:?}]\n"));
        let check = launch.command(&["check"]).output().unwrap();
        let said = String::from_utf8_lossy(&check.stderr).into_owned();
        assert!(
            !check.status.success() && said.contains(problem),
            "{name}: {said}"
        );
        let (status, said) = launch.spawn().ended();
        assert_eq!(status.code(), Some(2), "{name}: {said}");
        assert!(
            said.contains(problem) && said.contains("take it out of catalog.files"),
            "{name}: {said}"
        );
    }
}

#[test]
fn on_kafka_every_instance_holds_what_is_in_the_compacted_topic() {
    let Some(broker) = Broker::new() else {
        return;
    };
    let address = broker.start();
    let start = || {
        Launch::new()
            .with("KAFKA__BOOTSTRAP_SERVERS", &address)
            .start()
    };
    let (one, other) = (start(), start());
    let log = KafkaLog::open(KafkaSettings::new(&address)).unwrap();
    let described = run(log.describe_topics(vec![TOPIC.to_owned()])).unwrap();
    assert_eq!(described[0].cleanup_policy.as_deref(), Some("compact"));
    one.publish(
        TOPIC,
        &json!([{"item_id": 7, "title": "Seven"}, {"item_id": 8}]),
    );
    for service in [&one, &other] {
        wait_until("both know it", || {
            item(service, "7").is_some() && item(service, "8").is_some()
        });
    }
    let record = |key: &str, value: Option<&str>| NewRecord {
        topic: TOPIC.to_owned(),
        key: Some(key.as_bytes().to_vec()),
        value: value.map(|value| value.as_bytes().to_vec()),
        ..NewRecord::default()
    };
    let records = vec![
        record("7", None),
        record("x", Some("no item")),
        record("9", Some("{}")),
    ];
    for answer in run(log.append(records)) {
        answer.unwrap();
    }
    for service in [&one, &other] {
        wait_until("a record without value removes", || {
            item(service, "7").is_none() && item(service, "9").is_some()
        });
        let metrics = service.get("/metrics").text;
        let line = "homeostat_catalog_records_total{outcome=\"unreadable\"} 1";
        assert!(metrics.contains(line), "{metrics}");
    }
    let third = start();
    assert!(item(&third, "8").is_some() && item(&third, "7").is_none());
}
