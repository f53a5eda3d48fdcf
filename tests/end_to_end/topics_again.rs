//! Topics that are deleted and created again under a running service: their offsets repeat, and what users do from then on counts
//! all the same, once.

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use serde_json::json;

use crate::support::broker::Broker;
use crate::support::client::run;
use crate::support::service::{Launch, Service};
use crate::support::wait_until;
use crate::users::{applied, catalog, each_once, publish, users};

const INTERACTIONS: &str = "business.user.interaction";

/// `meanwhile` is while there is none.
fn create_again(bootstrap: &str, launch: &Launch, topic: &str, meanwhile: impl FnOnce()) {
    let admin: AdminClient<DefaultClientContext> = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()
        .unwrap();
    let deleted = run(admin.delete_topics(&[topic], &AdminOptions::new()));
    deleted.unwrap()[0].as_ref().unwrap();
    meanwhile();
    wait_until("the topic is there again", || {
        let created = launch.command(&["topics", "create"]).output().unwrap();
        let metadata = admin
            .inner()
            .fetch_metadata(Some(topic), std::time::Duration::from_secs(5));
        let is_there = metadata.is_ok_and(|metadata| {
            let found = &metadata.topics()[0];
            found.error().is_none() && !found.partitions().is_empty()
        });
        created.status.success() && is_there
    });
}

/// Until events are taken again: of a user of no further interest.
fn takes_events(service: &Service) {
    wait_until("events are taken", || {
        let event = json!({"user_id": "other", "interaction_type": "view", "item_ids": [1]});
        let path = format!("/api/v1/events/{INTERACTIONS}");
        let answer = service.try_post(&path, event.to_string());
        answer.is_some_and(|answer| answer.status == 202)
    });
}

#[test]
fn what_users_do_counts_once_also_when_a_topic_is_deleted_and_created_again() {
    let Some(broker) = Broker::new() else { return };
    let bootstrap = broker.start();
    let launch = catalog(Launch::new())
        .with("KAFKA__BOOTSTRAP_SERVERS", &bootstrap)
        .with("KAFKA__SESSION_TIMEOUT_MS", "6000")
        .with("RECOMMENDATIONS__PARTITIONS", "3");
    let mut service = launch.start();
    publish(&service, 0..60);
    wait_until("all is applied", || applied(&service) == 60);
    let topics = [INTERACTIONS, "homeostat.users", "homeostat.model"];
    for (topic, count) in topics.iter().zip([60, 120, 180]) {
        eprintln!("{topic} is deleted and created again");
        create_again(&bootstrap, &launch, topic, || {
            if *topic == "homeostat.users" {
                takes_events(&service);
                wait_until("readiness says what is missing", || {
                    let ready = service.get("/readyz");
                    ready.status == 503 && ready.text.contains("there is no topic homeostat.users")
                });
            }
        });
        takes_events(&service);
        // A topic that is longer than the old one before it is first read looks like the old one (docs/recommendations.md).
        for number in count..count + 6 {
            publish(&service, number..number + 1);
            wait_until("it is applied", || applied(&service) == number + 1);
        }
        publish(&service, count + 6..count + 60);
        wait_until("all is applied", || applied(&service) == count + 60);
        each_once(&users(&service), count + 60);
    }
    wait_until("the service is ready", || {
        service.get("/readyz").status == 200
    });
    let answer = service.try_delete("/api/v1/users/3").unwrap();
    assert_eq!(answer.json()["erased"], true, "{answer:?}");
    assert_eq!(service.get("/api/v1/users/3/profile").status, 404);
    // What was learned is still known, also after a start: the topic no longer has all of it, so that it was kept at once.
    let kept = launch.folder().join("data/users/blobs/model");
    wait_until("the model is kept", || kept.exists());
    for _ in 0..2 {
        wait_until("there is something to recommend", || {
            let list = service
                .get("/api/v1/users/stranger/recommendations?k=100")
                .json();
            list["recommendations"]
                .as_array()
                .is_some_and(|items| items.len() == 40)
        });
        service.kill();
        service = launch.start();
    }
    let known = users_but_erased(&service);
    assert_eq!(known, 5);
    service.stop();
}

fn users_but_erased(service: &Service) -> usize {
    let known =
        (0..6).filter(|user| service.get(&format!("/api/v1/users/{user}/profile")).status == 200);
    known.count()
}
