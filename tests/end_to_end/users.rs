//! What users do, by the built binary: streams, profiles and recommendations are as after one run, however often the service is
//! killed, and whichever instance is asked.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::broker::Broker;
use crate::support::service::{Launch, Service};
use crate::support::{wait_for, wait_until};

const INTERACTIONS: &str = "business.user.interaction";
pub(crate) const USERS: u64 = 6;
/// So light that no preference reaches its bound, which would hide what counts twice.
const KINDS: [&str; 5] = ["view", "scroll", "view", "zoom", "search"];

/// Deterministic traffic: the n-th interaction.
fn interaction(number: u64) -> Value {
    // A few multiplications are random enough to mix users, kinds and items.
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 17;
    let user = mixed % USERS;
    // One user as a number and as text.
    let user_id = if number.is_multiple_of(2) {
        json!(user)
    } else {
        json!(user.to_string())
    };
    let kind = KINDS[usize::try_from(mixed / 7 % 5).unwrap()];
    json!({
        "event_id": format!("i{number}"), "user_id": user_id, "interaction_type": kind,
        "item_ids": [mixed / 35 % 40, mixed / 1_400 % 40], "context": {"n": number},
    })
}

pub(crate) fn catalog(launch: Launch) -> Launch {
    let path = launch.folder().join("items.csv");
    let rows = (0..40).map(|item| format!("{item},Item {item},g{}|g{}\n", item % 3, item % 7));
    let text: String = std::iter::once("item_id,title,genres\n".to_owned())
        .chain(rows)
        .collect();
    std::fs::write(&path, text).unwrap();
    launch.overlay(&format!("[catalog]\nfiles = [\"{}\"]\n", path.display()))
}

pub(crate) fn publish(service: &Service, numbers: std::ops::Range<u64>) {
    let events: Vec<Value> = numbers.map(interaction).collect();
    service.publish(INTERACTIONS, &Value::from(events));
}

/// Interactions in all profiles.
pub(crate) fn applied(service: &Service) -> u64 {
    (0..USERS).map(|user| interactions(service, user)).sum()
}

/// Interactions in the profile of a user; 0 if there is none, or no answer.
pub(crate) fn interactions(service: &Service, user: u64) -> u64 {
    let answer = service.try_get(&format!("/api/v1/users/{user}/profile"));
    answer
        .and_then(|answer| answer.json()["interactions"].as_u64())
        .unwrap_or(0)
}

/// Who did the n-th interaction.
pub(crate) fn user_of(number: u64) -> u64 {
    let id = &interaction(number)["user_id"];
    id.as_u64()
        .unwrap_or_else(|| id.as_str().unwrap().parse().unwrap())
}

/// What each user did, in the order in which it counts, and prefers.
pub(crate) fn users(service: &Service) -> BTreeMap<u64, (Vec<u64>, Value)> {
    let user = |user| {
        let get = |part| service.get(&format!("/api/v1/users/{user}/{part}")).json();
        let stream = get("activity");
        let numbers = stream["activities"].as_array().unwrap().iter();
        let numbers = numbers.map(|activity| activity["context"]["n"].as_u64().unwrap());
        (
            user,
            (numbers.collect(), get("profile")["preferences"].clone()),
        )
    };
    (0..USERS).map(user).collect()
}

/// Each interaction once: streams hold the latest hundred of each user, whatever partition they came over.
pub(crate) fn each_once(streams: &BTreeMap<u64, (Vec<u64>, Value)>, count: u64) {
    for (user, (numbers, _)) in streams {
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(
            sorted.len(),
            numbers.len(),
            "user {user} did something twice"
        );
        let own = (0..count).filter(|number| user_of(*number) == *user);
        let all = own.count();
        assert_eq!(numbers.len(), all.min(100), "user {user}");
    }
}

#[test]
fn streams_and_profiles_are_as_after_one_run_however_often_the_service_is_killed() {
    const COUNT: u64 = 320;
    let once = catalog(Launch::new());
    let service = once.start();
    publish(&service, 0..COUNT);
    wait_until("all is applied", || applied(&service) == COUNT);
    let expected = users(&service);
    each_once(&expected, COUNT);
    service.stop();

    let launch = catalog(Launch::new());
    let points = ["before_learned", "after_learned", "after_users"];
    for (point, round) in points.iter().cycle().zip(0..8) {
        let service = launch.start();
        publish(&service, round * 40..(round + 1) * 40);
        // In the middle of it, and then at a named place.
        service.kill();
        let mut service = launch.armed(&format!("activity::{point}=1*off->return"));
        wait_until("it ends, or all is applied", || {
            service.has_ended().is_some() || applied(&service) == (round + 1) * 40
        });
        service.kill();
    }
    let service = launch.start();
    wait_until("all is applied", || applied(&service) == COUNT);
    let found = users(&service);
    each_once(&found, COUNT);
    // Events without a key come over several partitions, so that sums differ in their last bits.
    for (user, (_, preferences)) in &found {
        let expected = expected[user].1.as_object().unwrap();
        assert_eq!(preferences.as_object().unwrap().len(), expected.len());
        for (genre, weight) in expected {
            let (weight, found) = (
                weight.as_f64().unwrap(),
                preferences[genre].as_f64().unwrap(),
            );
            assert!(
                (weight - found).abs() < 1e-4 && weight < 0.99,
                "user {user}, {genre}: {found} instead of {weight}"
            );
        }
    }
    service.stop();
}

fn act_of(service: &Service, user: u64, kind: &str, item: u64) {
    let event = json!({"user_id": user, "interaction_type": kind, "item_ids": [item]});
    service.publish(INTERACTIONS, &event);
}

#[test]
fn a_user_who_acts_gets_a_list_with_reasons_and_one_who_is_erased_is_gone() {
    let launch = catalog(Launch::new());
    let service = launch.start();
    let act = |user: u64, kind: &str, item: u64| act_of(&service, user, kind, item);
    // Three users choose 1, 2, 3 one after the other; the fourth begins with 1.
    for user in 1..=3 {
        for item in 1..=3 {
            act(user, "view", item);
        }
    }
    wait_until("three users are known", || {
        (1..=3).all(|user| {
            service.get(&format!("/api/v1/users/{user}/profile")).json()["interactions"] == 3
        })
    });
    act(4, "like", 1);
    let list = wait_for("the fourth user's list", || {
        let list = service.get("/api/v1/users/4/recommendations?k=2").json();
        let first = &list["recommendations"][0];
        (first["reason"] == json!({"kind": "chose", "item_id": "1"})).then(|| list.clone())
    });
    let items: Vec<&str> = list["recommendations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["item_id"].as_str().unwrap())
        .collect();
    assert_eq!(items, ["2", "3"], "{list:#}");
    // A stranger gets what is trending.
    let stranger = service.get("/api/v1/users/stranger/recommendations").json();
    assert_eq!(
        stranger["recommendations"].as_array().unwrap().len(),
        3,
        "{stranger:#}"
    );

    let answer = service.try_delete("/api/v1/users/4").unwrap();
    assert_eq!(answer.json()["erased"], true, "{answer:?}");
    assert_eq!(service.get("/api/v1/users/4/profile").status, 404);
    let gone = service.get("/api/v1/users/4/activity").json();
    assert_eq!(gone["activities"], json!([]));
    service.stop();
    let service = launch.start();
    assert_eq!(service.get("/api/v1/users/4/profile").status, 404);
    act_of(&service, 4, "view", 9);
    wait_until("the user is a new one", || {
        service.get("/api/v1/users/4/profile").json()["interactions"] == 1
    });
    service.stop();
}

/// Each would know half of the users, and forget the other half's profiles at the next rebalance.
#[test]
fn an_instance_with_a_store_of_its_own_is_refused_where_another_has_the_users() {
    let Some(broker) = Broker::new() else { return };
    let address = broker.start();
    let on_kafka = || Launch::new().with("KAFKA__BOOTSTRAP_SERVERS", &address);
    let first = on_kafka();
    let service = first.start();
    act_of(&service, 1, "view", 1);
    wait_until("the user is known", || {
        service.get("/api/v1/users/1/profile").json()["interactions"] == 1
    });
    let stranger = on_kafka();
    let (status, said) = stranger.spawn().ended();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(
        said.contains("store.redis_url") && said.contains("recommendations.take_over_users"),
        "{said}"
    );
    service.stop();
    // The same store again is no other one.
    first.start().stop();
    let heir = on_kafka().with("RECOMMENDATIONS__TAKE_OVER_USERS", "true");
    heir.start().stop();
}

#[test]
fn a_user_for_whom_nothing_was_known_sees_what_others_chose_since_then() {
    let service = Launch::new().start();
    let likes = |user: u64, item: &str| json!([{ "user_id": user, "interaction_type": "like", "item_ids": [item] }]);
    service.publish(INTERACTIONS, &likes(1, "first"));
    wait_until("it is applied", || interactions(&service, 1) == 1);
    let list = || service.get("/api/v1/users/1/recommendations").json();
    assert_eq!(list()["recommendations"], json!([]));
    service.publish(INTERACTIONS, &likes(2, "second"));
    wait_until("what another user chose is recommended", || {
        list()["recommendations"][0]["item_id"] == "second"
    });
}
