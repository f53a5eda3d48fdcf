//! Orders on a topic of the event log, embedded and Kafka, read by the CloudEvents SDK.

use std::sync::Arc;

use homeostat_actors::ports::connector::{Connector, Finding, Order};
use homeostat_actors::ports::log::EventLog;
use homeostat_logic::ledger::record::FinishOutcome;
use homeostat_logic::topic::ORIGIN_HEADER;
use serde_json::{Value, json};

use crate::bench::{connector, faults, order};
use crate::python::{client, python};
use crate::support::world::{World, place, topic, unique};

fn worlds() -> Vec<World> {
    [Some(World::embedded()), World::kafka()]
        .into_iter()
        .flatten()
        .collect()
}

fn over(log: &Arc<dyn EventLog>, name: &str, mode: &str) -> Arc<dyn Connector> {
    let with = format!("topic = \"{name}\"\nmode = \"{mode}\"");
    let unbound = connector("kind = \"kafka\"", &with, &[]);
    unbound.over(log).unwrap()
}

#[tokio::test]
async fn an_order_is_a_cloud_event_that_the_sdk_reads_in_both_modes() {
    let python = python("orders by the CloudEvents SDK");
    for world in worlds() {
        let log = world.open();
        for mode in ["structured", "binary"] {
            let name = unique("orders");
            log.ensure_topics(vec![topic(&name, 1)]).await.unwrap();
            let orders = over(&log, &name, mode);
            let exact =
                serde_json::from_str::<Value>(r#"{"size": 12345678901234567890, "replicas": 3}"#)
                    .unwrap();
            for attempt in [1, 2] {
                let order = Order {
                    attempt,
                    params: exact.clone().into(),
                    ..order()
                };
                let answer = orders.send(order).await;
                assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
                assert!(answer.detail.contains(&name), "{}", answer.detail);
            }
            let records = log.read(place(&name, 0), 0, 10).await.unwrap();
            assert_eq!(records.len(), 2);
            for (record, attempt) in records.iter().zip(1..) {
                assert_eq!(record.key.as_deref(), Some(&b"model/fraud/eu"[..]));
                let headers = record.headers.iter();
                let headers: serde_json::Map<String, Value> = headers
                    .map(|header| {
                        let value = String::from_utf8(header.bytes().to_vec()).unwrap();
                        (header.name_text().unwrap().to_owned(), value.into())
                    })
                    .collect();
                assert!(
                    headers.contains_key(ORIGIN_HEADER),
                    "Homeostat would take it for an event"
                );
                let value = String::from_utf8(record.value.clone().unwrap()).unwrap();
                assert!(value.contains("12345678901234567890"), "{value}");
                let Some(python) = &python else { continue };
                let given = json!({"headers": headers, "key": "model/fraud/eu", "value": value});
                let read: Value =
                    serde_json::from_str(&client(python, &["cloudevent"], &given).await).unwrap();
                let attributes = &read["attributes"];
                let expected = [
                    ("id", "abababababababababababababababab"),
                    ("source", "mlops_system"),
                    ("type", "io.homeostat.action.alert"),
                    ("subject", "model/fraud/eu"),
                    ("partitionkey", "model/fraud/eu"),
                    ("severity", "high"),
                    ("datacontenttype", "application/json"),
                ];
                for (name, value) in expected {
                    assert_eq!(attributes[name], value, "{mode} {name}");
                }
                assert_eq!(
                    attributes["attempt"].to_string().trim_matches('"'),
                    i32::to_string(&attempt)
                );
                assert_eq!(read["data"]["params"]["replicas"], 3);
                assert_eq!(read["data"]["event_id"], "event-1");
            }
        }
        log.close();
    }
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_not_created_and_named_with_what_to_do() {
    for world in worlds() {
        let log = world.open();
        let name = unique("missing");
        let orders = over(&log, &name, "structured");
        let answer = orders.send(order()).await;
        assert_eq!(
            (answer.outcome, answer.permanent),
            (FinishOutcome::Failed, false)
        );
        assert!(
            answer
                .detail
                .contains(&format!("topic {name} does not exist; ")),
            "{}",
            answer.detail
        );
        assert!(matches!(
            &orders.examine(order()).await[..],
            [Finding::Wrong { .. }]
        ));
        assert!(
            log.describe_topics(vec![name.clone()])
                .await
                .unwrap()
                .is_empty()
        );
        log.ensure_topics(vec![topic(&name, 3)]).await.unwrap();
        let found = orders.examine(order()).await;
        assert_eq!(
            found,
            [Finding::Fine(format!("topic {name}, 3 partitions"))]
        );
        let dry = orders
            .send(Order {
                dry_run: true,
                ..order()
            })
            .await;
        assert!(
            dry.detail.starts_with("dry run: would publish on"),
            "{}",
            dry.detail
        );
        for partition in 0..3 {
            assert!(
                log.read(place(&name, partition), 0, 10)
                    .await
                    .unwrap()
                    .is_empty()
            );
        }
        log.close();
    }
}

#[tokio::test]
async fn without_an_event_log_nothing_is_sent_and_topics_are_checked_at_the_start() {
    let unbound = connector("kind = \"kafka\"", "topic = \"orders\"", &[]);
    assert_eq!(unbound.send(order()).await.outcome, FinishOutcome::NotSent);
    let table = [
        ("", "with.topic: is missing"),
        ("topic = \"homeostat.ledger\"", "is one of Homeostat's own"),
        ("topic = \"a b\"", "is not a topic's name"),
        ("topic = \"a\"\nmode = \"other\"", "with.mode"),
    ];
    for (with, expected) in table {
        let found = faults("kind = \"kafka\"", with, &[]);
        assert!(found.contains(expected), "{with}: {found}");
    }
}
