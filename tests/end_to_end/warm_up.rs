//! After a start, users who were active last are in memory again before anybody acts.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::service::{Launch, Service};
use crate::support::wait_until;

fn similar(service: &Service, user: &str) -> BTreeSet<String> {
    let answer = service.get(&format!("/api/v1/users/{user}/similar?k=50"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let similar = answer["similar"].as_array().unwrap().iter();
    similar
        .map(|one| one["user_id"].as_str().unwrap().to_owned())
        .collect()
}

fn names(users: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    users.into_iter().map(|user| format!("u{user}")).collect()
}

#[test]
fn the_users_who_were_active_last_are_similar_right_after_a_start() {
    let launch = Launch::new().with("RECOMMENDATIONS__WARM_USERS_MAX", "5");
    let service = launch.start();
    // One after the other, so that it is known who came last.
    for user in 0..9 {
        let events = (0..10).map(|item| {
            json!({"user_id": format!("u{user}"), "interaction_type": "like", "item_ids": [format!("i{item}")]})
        });
        service.publish("business.user.interaction", &Value::Array(events.collect()));
        wait_until("the user is known", || {
            let profile = service.get(&format!("/api/v1/users/u{user}/profile"));
            profile.status == 200 && profile.json()["interactions"] == 10
        });
    }
    assert_eq!(similar(&service, "u0"), names(1..9));
    let erased = service.try_delete("/api/v1/users/u8").unwrap();
    assert_eq!(erased.json()["erased"], true, "{erased:?}");
    service.kill();

    let service = launch.start();
    wait_until("as many as may be are in memory", || {
        similar(&service, "u0").len() >= 5
    });
    // The newest five of those who are not erased and no user acted.
    assert_eq!(similar(&service, "u0"), names(3..8));
    // Who acts is there with all that is known of him, and is not brought in again.
    let event = json!([{"user_id": "u1", "interaction_type": "view", "item_ids": ["i10"]}]);
    service.publish("business.user.interaction", &event);
    wait_until("u1 is in memory", || {
        similar(&service, "u0") == names([1, 3, 4, 5, 6, 7])
    });
    service.stop();
}
