//! The user store in Redis, stopped, started again and emptied while the service runs: nothing is lost that is in memory, nothing
//! counts twice, and what is lost is said.

use serde_json::Value;

use crate::redis::Server;
use crate::support::service::{Launch, Service};
use crate::support::wait_until;
use crate::users::{USERS, applied, catalog, each_once, interactions, publish, user_of, users};

fn ready(service: &Service) -> Value {
    service.get("/readyz").json()
}

/// The value of a metric without labels.
fn metric(service: &Service, name: &str) -> u64 {
    let text = service.get("/metrics").text;
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    found.unwrap().parse().unwrap()
}

#[test]
fn a_store_that_is_stopped_or_emptied_loses_nothing_that_is_in_memory() {
    let Some(mut redis) = Server::start(&[]) else {
        return;
    };
    let launch = catalog(Launch::new()).with("STORE__REDIS_URL", &redis.url());
    let service = launch.start();
    publish(&service, 0..60);
    wait_until("all is applied", || applied(&service) == 60);

    // Stopped: events wait, and readiness says why.
    redis.kill();
    publish(&service, 60..120);
    wait_until("readiness says why", || {
        let ready = service.get("/readyz");
        ready.status == 503
            && ready.text.contains("the user store")
            && ready.text.contains("start Redis")
    });
    assert_eq!(service.get("/api/v1/users/1/profile").status, 503);
    redis.restart(&[]);
    service.ready();
    wait_until("all is applied", || applied(&service) == 120);
    let kept = users(&service);
    each_once(&kept, 120);
    assert_eq!(metric(&service, "homeostat_user_store_losses_total"), 0);

    // Emptied while it runs.
    redis.cli(&["FLUSHALL"]);
    wait_until("every user is written again", || {
        applied(&service) == 120 && metric(&service, "homeostat_user_store_restored_total") == USERS
    });
    assert_eq!(users(&service), kept);
    let said = ready(&service)["warnings"].to_string();
    assert!(
        said.contains("the user store lost what was written"),
        "{said}"
    );
    assert!(
        service
            .said()
            .contains("the user store lost what was written")
    );

    // Started again without its data, while events come.
    publish(&service, 120..150);
    redis.kill();
    publish(&service, 150..180);
    redis.forget();
    redis.restart(&[]);
    wait_until("all is applied, and every user is written again", || {
        applied(&service) == 180
            && metric(&service, "homeostat_user_store_restored_total") >= 2 * USERS
    });
    each_once(&users(&service), 180);
    let kept = users(&service);

    // What was written again is whole: streams, profiles, and which records came already.
    service.kill();
    let service = launch.start();
    publish(&service, 180..200);
    wait_until("all is applied", || applied(&service) == 200);
    let found = users(&service);
    each_once(&found, 200);
    for (user, (numbers, _)) in &kept {
        let known = &found[user].0;
        assert!(
            known.len() == 100 || known.starts_with(numbers),
            "user {user}"
        );
    }
    service.stop();

    // Emptied while none runs: it is said, and users begin again with nothing.
    redis.cli(&["FLUSHALL"]);
    let service = launch.start();
    publish(&service, 200..230);
    wait_until("what is new counts", || applied(&service) == 30);
    let said = ready(&service)["warnings"].to_string();
    assert!(
        said.contains("the others begin again with nothing"),
        "{said}"
    );
    let said = service.said();
    assert!(said.contains("it was emptied or replaced"), "{said}");
    service.stop();
}

/// One key that is none of ours concerns one user, and not the partition.
#[test]
fn a_key_of_another_program_costs_one_user_and_holds_up_none() {
    let Some(redis) = Server::start(&[]) else {
        return;
    };
    let launch = catalog(Launch::new())
        .with("STORE__REDIS_URL", &redis.url())
        .with("RECOMMENDATIONS__PARTITIONS", "1");
    let service = launch.start();
    publish(&service, 0..30);
    wait_until("all is applied", || applied(&service) == 30);
    redis.cli(&["DEL", "user_profile:2"]);
    redis.cli(&["LPUSH", "user_profile:2", "foreign"]);
    publish(&service, 30..60);
    let of =
        |user: u64, count: u64| (0..count).filter(|number| user_of(*number) == user).count() as u64;
    wait_until("the events of the others are applied", || {
        let mut others = (0..USERS).filter(|user| *user != 2);
        others.all(|user| interactions(&service, user) == of(user, 60))
    });
    wait_until("it is said which key it is", || {
        let said = service.said();
        said.contains("what a user did is not kept")
            && said.contains("the key user_profile:2 holds another program's data")
    });
    redis.cli(&["DEL", "user_profile:2"]);
    publish(&service, 60..90);
    wait_until("nothing of the user is missing", || applied(&service) == 90);
    each_once(&users(&service), 90);
    service.ready();
    service.stop();
}
