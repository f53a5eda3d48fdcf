//! A user who was erased: nothing of him is left in the store, nor in any topic but those that the answer names.

use std::collections::BTreeSet;
use std::path::Path;

use homeostat::log::embedded::{EmbeddedLog, EmbeddedSettings};
use homeostat_actors::ports::log::{EventLog as _, NewRecord};
use homeostat_logic::topic::{DEAD_LETTERS, LEDGER, MODEL, TOPICS, USERS};
use serde_json::{Value, json};

use crate::raw_records::read_all;
use crate::redis::Server;
use crate::support::client::run;
use crate::support::service::{Launch, Service};
use crate::support::wait_until;

const USER: &str = "erased-user-4f1d";
const ITEM: &str = "secret-item-9c2e";
const CONTEXT: &str = "secret-context-77ab";

fn profile(service: &Service, user: &str) -> Value {
    let answer = service.get(&format!("/api/v1/users/{user}/profile"));
    answer.json()["interactions"].clone()
}

/// The user acts on every topic, is recommended something, is served it and clicks; others know the item too.
fn act(service: &Service) {
    for other in 0..3 {
        for item in ["a", "b", ITEM] {
            let event = json!({"user_id": other, "interaction_type": "view", "item_ids": [item]});
            service.publish("business.user.interaction", &event);
        }
    }
    wait_until("the others are known", || {
        (0..3).all(|other| profile(service, &other.to_string()) == 3)
    });
    let context = json!({"note": CONTEXT});
    let event = json!({"user_id": USER, "interaction_type": "like", "item_ids": [ITEM], "context": context});
    service.publish("business.user.interaction", &event);
    let event = json!({"user_id": USER, "item_id": ITEM, "recommendation_context": context});
    service.publish("business.recommendation.clicked", &event);
    let event = json!({"user_id": USER, "item_id": "a", "rating": 5});
    service.publish("business.feedback.received", &event);
    wait_until("all is applied", || profile(service, USER) == 3);
    for count in [5, 50] {
        let list = service.get(&format!("/api/v1/users/{USER}/recommendations?k={count}"));
        assert_eq!(list.status, 200, "{list:?}");
    }
}

/// Erases the user; the topics that the answer names.
fn erase(service: &Service) -> BTreeSet<String> {
    let answer = service
        .try_delete(&format!("/api/v1/users/{USER}"))
        .unwrap()
        .json();
    assert_eq!(answer["erased"], true, "{answer:#}");
    let named = answer["until_retention"].as_array().unwrap().iter();
    named
        .map(|topic| topic.as_str().unwrap().to_owned())
        .collect()
}

/// A record of the user that cannot be read, and is kept as it came.
fn bury(launch: &Launch) {
    let log = log_of(launch);
    let poison = NewRecord {
        topic: "business.user.interaction".to_owned(),
        value: Some(format!("{{\"user_id\": \"{USER}\", ").into_bytes()),
        ..NewRecord::default()
    };
    run(log.append(vec![poison]))[0].clone().unwrap();
    log.close();
}

fn log_of(launch: &Launch) -> EmbeddedLog {
    let folder = launch.folder().join("data/log");
    EmbeddedLog::open(EmbeddedSettings::new(folder)).unwrap()
}

/// The topics in which the user is named, and those in which the item is.
fn topics_with(launch: &Launch, trace: &str) -> BTreeSet<String> {
    let log = log_of(launch);
    let names = TOPICS.iter().map(|topic| topic.name);
    let all = names.chain([LEDGER, DEAD_LETTERS, USERS, MODEL]);
    let found = all.filter(|topic| {
        read_all(&log, topic).iter().any(|record| {
            let headers = record.headers.iter().map(|header| header.value.clone());
            let parts = headers.chain([record.key.clone(), record.value.clone()]);
            parts.flatten().any(|part: Vec<u8>| contains(&part, trace))
        })
    });
    let found = found.map(str::to_owned).collect();
    log.close();
    found
}

fn contains(bytes: &[u8], trace: &str) -> bool {
    bytes
        .windows(trace.len())
        .any(|window| window == trace.as_bytes())
}

/// Files below a folder in which this is.
fn files_with(folder: &Path, trace: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, trace));
        } else if contains(&std::fs::read(&path).unwrap(), trace) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn nothing_of_an_erased_user_is_left_in_redis_but_the_key_of_the_tombstone() {
    let Some(redis) = Server::start(&[]) else {
        return;
    };
    let launch = Launch::new().with("STORE__REDIS_URL", &redis.url());
    let service = launch.start();
    act(&service);
    let entries = || -> Vec<(String, String)> {
        let keys = redis.cli(&["--scan"]);
        let read = |key: &str| (key.to_owned(), redis.cli(&["GET", key]));
        keys.lines().map(read).collect()
    };
    let traces = |trace: &str| -> Vec<String> {
        let entries = entries().into_iter();
        let found = entries.filter(|(key, value)| key.contains(trace) || value.contains(trace));
        found.map(|(key, _)| key).collect()
    };
    assert!(traces(USER).len() >= 3, "{:?}", traces(USER));
    assert!(!traces(CONTEXT).is_empty());
    erase(&service);
    let tombstone = format!("user_profile:{USER}");
    wait_until("the caches are gone as well", || {
        traces(USER) == [tombstone.clone()]
    });
    let value = redis.cli(&["GET", &tombstone]);
    let value: Value = serde_json::from_str(&value).unwrap();
    let members: Vec<&String> = value.as_object().unwrap().keys().collect();
    assert_eq!(members, ["erased", "position"]);
    assert_eq!(traces(CONTEXT), [""; 0]);
    // Others chose the item as well; of the user's own entries none is left that could name it.
    for key in traces(ITEM) {
        assert!(!key.contains(USER), "{key}");
    }
    // Asked again, and started again, nothing comes back.
    assert_eq!(
        service
            .get(&format!("/api/v1/users/{USER}/activity"))
            .json()["activities"],
        json!([])
    );
    service.stop();
    let service = launch.start();
    assert_eq!(
        service.get(&format!("/api/v1/users/{USER}/profile")).status,
        404
    );
    assert_eq!(traces(CONTEXT), [""; 0]);
    service.stop();
}

#[test]
fn nothing_of_an_erased_user_is_left_in_files_and_topics_but_those_that_are_named() {
    let launch = Launch::new();
    launch.start().stop();
    bury(&launch);
    let service = launch.start();
    act(&service);
    let named = erase(&service);
    service.stop();
    // Exactly those: none is named for nothing, and none is left out.
    assert_eq!(topics_with(&launch, USER), named);
    // A context is wherever the events are.
    assert!(topics_with(&launch, CONTEXT).is_subset(&named));
    // Items of users are items of the catalog: the model counts them, and names no user.
    let mut of_items = named;
    of_items.insert("homeostat.model".to_owned());
    assert!(topics_with(&launch, ITEM).is_subset(&of_items));

    let users = launch.folder().join("data/users");
    let output = launch.command(&["users", "rewrite"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("4 profiles"), "{said}");
    assert!(files_with(&users, CONTEXT).is_empty());
    let with_user = files_with(&users, USER);
    assert!(with_user.len() <= 1, "the tombstone alone: {with_user:?}");
    for file in &with_user {
        let bytes = std::fs::read(file).unwrap();
        let times = bytes
            .windows(USER.len())
            .filter(|window| *window == USER.as_bytes())
            .count();
        assert_eq!(times, 1, "{file}");
    }
    // Everybody else is still there.
    let service = launch.start();
    assert_eq!(
        service.get(&format!("/api/v1/users/{USER}/profile")).status,
        404
    );
    for other in 0..3 {
        assert_eq!(profile(&service, &other.to_string()), 3);
    }
    let output = launch.command(&["users", "rewrite"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    service.stop();
}
