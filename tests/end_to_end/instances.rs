//! Three instances on one Kafka and one Redis: whichever of them are killed, streams, profiles and the model are as after one run of
//! one instance; and a user is pushed to wherever he is connected.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use homeostat::log::embedded::{EmbeddedLog, EmbeddedSettings};
use homeostat::log::kafka::{KafkaLog, KafkaSettings};
use homeostat_actors::ports::log::EventLog;
use homeostat_logic::activity::event::partition_of_user;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::push;
use crate::redis::Server;
use crate::sample::Sample;
use crate::support::broker::Broker;
use crate::support::client::run;
use crate::support::service::{Launch, Service};
use crate::support::{PATIENCE, wait_for, wait_until};

/// Partitions of `homeostat.users`.
const SHARDS: usize = 6;
/// Recommendations that are compared, more than are cached: they are computed when they are asked for.
const COMPARED: usize = 60;

/// What boosts depends on who else is in the memory of an instance, and what leaves at a bound on the order in which records of
/// different shards meet (docs/recommendations.md), so that nothing is boosted here and no bound is reached. What is believed depends a
/// little on when deltas meet, so that both priors are fixed.
const MODEL: &str = "[recommendations.model]\nclick_boost = 1.0\nsimilar_user_boost = 1.0\nneighbours_max = 4000\nprior = 100\ntrend_prior = 1000\n";

fn launch() -> Launch {
    let launch = Launch::new();
    let path = launch.folder().join("items.csv");
    std::fs::write(&path, Sample::catalog()).unwrap();
    launch
        .overlay(&format!(
            "[catalog]\nfiles = [\"{}\"]\n{MODEL}",
            path.display()
        ))
        .with("RECOMMENDATIONS__PARTITIONS", &SHARDS.to_string())
}

fn on_both(launch: Launch, bootstrap: &str, redis: &Server) -> Launch {
    launch
        .with("KAFKA__BOOTSTRAP_SERVERS", bootstrap)
        .with("KAFKA__SESSION_TIMEOUT_MS", "6000")
        .with("STORE__REDIS_URL", &redis.url())
}

fn append(log: &dyn EventLog, sample: &Sample, range: std::ops::Range<usize>) {
    for answer in run(log.append(sample.records(range))) {
        answer.unwrap();
    }
}

/// What is known of a user.
#[derive(Debug, PartialEq)]
struct Known {
    activities: Value,
    preferences: Value,
    interactions: u64,
}

fn known(service: &Service, user: &str) -> Option<Known> {
    let get = |part: &str| {
        Some(
            service
                .try_get(&format!("/api/v1/users/{user}/{part}"))?
                .json(),
        )
    };
    let (stream, profile) = (get("activity")?, get("profile")?);
    Some(Known {
        activities: stream["activities"].clone(),
        preferences: profile["preferences"].clone(),
        interactions: profile["interactions"].as_u64()?,
    })
}

/// Scores by item.
fn recommended(service: &Service, user: &str) -> BTreeMap<String, f64> {
    let path = format!("/api/v1/users/{user}/recommendations?k=500");
    let list = service.get(&path).json();
    let items = list["recommendations"].as_array().unwrap().iter();
    let scored = items.map(|one| {
        let item = one["item_id"].as_str().unwrap().to_owned();
        (item, one["score"].as_f64().unwrap())
    });
    scored.collect()
}

/// The best of them.
fn best(all: &BTreeMap<String, f64>) -> Vec<(&String, f64)> {
    let mut best: Vec<(&String, f64)> = all.iter().map(|(item, score)| (item, *score)).collect();
    best.sort_by(|one, other| other.1.total_cmp(&one.1));
    best.truncate(COMPARED);
    best
}

/// What is wrong with the recommendations of an instance, if anything.
fn difference(expected: &BTreeMap<String, f64>, found: &BTreeMap<String, f64>) -> Option<String> {
    let differs = best(expected).into_iter().find(|(item, score)| {
        let found = found.get(*item);
        found.is_none_or(|found| (found - score).abs() > 1e-3)
    });
    differs.map(|(item, score)| format!("{item}: {score} became {:?}", found.get(item)))
}

/// What one instance knows after all events, without any interruption.
struct Reference {
    users: BTreeMap<String, Known>,
    lists: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Reference {
    fn of(sample: &Sample) -> Self {
        let launch = launch();
        launch.start().stop();
        let folder = launch.folder().join("data/log");
        let log = EmbeddedLog::open(EmbeddedSettings::new(folder)).unwrap();
        append(&log, sample, 0..sample.events.len());
        log.close();
        drop(log);
        let service = launch.start();
        let counts = sample.counts();
        all_applied(&service, sample);
        let users = counts.keys();
        let users = users.map(|user| (user.clone(), known(&service, user).unwrap()));
        let users = users.collect();
        let lists = counts.keys();
        let lists = lists.map(|user| (user.clone(), recommended(&service, user)));
        let lists = lists.collect();
        service.stop();
        Self { users, lists }
    }

    /// Each instance answers as the reference, about every user.
    fn is_reached(&self, instances: &[&Service]) {
        for service in instances {
            for (user, expected) in &self.users {
                let found = known(service, user).unwrap();
                assert_eq!(&found, expected, "user {user}");
            }
            for (user, expected) in &self.lists {
                let mut last = None;
                // The model of an instance follows the topic: a moment later.
                for _ in 0..200 {
                    last = difference(expected, &recommended(service, user));
                    if last.is_none() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
                assert_eq!(last, None, "user {user}");
            }
        }
    }
}

/// Waits until every event counts, once.
#[track_caller]
fn all_applied(service: &Service, sample: &Sample) {
    let counts = sample.counts();
    wait_until("all is applied", || {
        counts.iter().all(|(user, count)| {
            let found = known(service, user).map_or(0, |known| known.interactions);
            assert!(found <= *count, "user {user}: {found} of {count}");
            found == *count
        })
    });
}

#[test]
fn three_instances_that_are_killed_at_random_know_what_one_does_that_never_was() {
    let (Some(broker), Some(redis)) = (Broker::new(), Server::start(&[])) else {
        return;
    };
    let bootstrap = broker.start();
    let sample = Sample::new(1_500);
    let reference = Reference::of(&sample);
    let mut dice = fastrand::Rng::with_seed(sample.seed);
    let launches: Vec<Launch> = (0..3)
        .map(|_| on_both(launch(), &bootstrap, &redis))
        .collect();
    let mut instances: Vec<Option<Service>> = vec![Some(launches[0].start()), None, None];
    instances[1] = Some(launches[1].spawn());
    instances[2] = Some(launches[2].spawn());
    let log = KafkaLog::open(KafkaSettings::new(&bootstrap)).unwrap();
    // Each once alone and once with another one, in an order of chance; in between events come.
    let mut order = vec![
        vec![0],
        vec![1],
        vec![2],
        vec![0, 1],
        vec![1, 2],
        vec![2, 0],
    ];
    dice.shuffle(&mut order);
    let mut sent = 0;
    for (round, killed) in order.iter().enumerate() {
        let until = sample.events.len() * (round + 1) / (order.len() + 1);
        append(&log, &sample, sent..until);
        sent = until;
        std::thread::sleep(Duration::from_millis(dice.u64(100..1_500)));
        for instance in killed {
            instances[*instance].take().unwrap().kill();
        }
        std::thread::sleep(Duration::from_millis(dice.u64(0..800)));
        for instance in killed {
            instances[*instance] = Some(launches[*instance].spawn());
        }
    }
    append(&log, &sample, sent..sample.events.len());
    // One leaves in an orderly way, and its partitions go to the others.
    let left = instances[dice.usize(0..3)].take().unwrap();
    left.ready();
    left.stop();
    let living: Vec<&Service> = instances.iter().flatten().collect();
    for service in &living {
        service.ready();
    }
    all_applied(living[0], &sample);
    reference.is_reached(&living);

    // The whole store is lost while none runs: what the topics hold is read again (docs/store.md).
    for service in instances.into_iter().flatten() {
        service.stop();
    }
    redis.cli(&["FLUSHALL"]);
    read_again(&bootstrap);
    let service = launches[0].start();
    all_applied(&service, &sample);
    for (user, expected) in &reference.users {
        assert_eq!(&known(&service, user).unwrap(), expected, "user {user}");
    }
    service.stop();
    log.close();
}

/// As `kafka-consumer-groups.sh --reset-offsets --to-earliest --topic homeostat.users` does it.
fn read_again(bootstrap: &str) {
    let group: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "homeostat")
        .create()
        .unwrap();
    let mut offsets = TopicPartitionList::new();
    for partition in 0..i32::try_from(SHARDS).unwrap() {
        let first = Offset::Offset(0);
        offsets
            .add_partition_offset("homeostat.users", partition, first)
            .unwrap();
    }
    wait_until("the group is empty and takes the offsets", || {
        group.commit(&offsets, CommitMode::Sync).is_ok()
    });
    drop(offsets);
}

/// Whether this instance is the one that looked after the user last.
fn has(service: &Service, user: &str) -> bool {
    let shard = partition_of_user(user, SHARDS);
    service.said().contains(&format!(
        "users of a partition are looked after here shard={shard} "
    ))
}

fn like(service: &Service, user: &str, item: u64) {
    let event = json!({"user_id": user, "interaction_type": "like", "item_ids": [item]});
    service.publish("business.user.interaction", &event);
}

#[test]
fn a_user_is_pushed_to_where_he_is_connected_and_goes_on_when_the_owner_is_killed() {
    let (Some(broker), Some(redis)) = (Broker::new(), Server::start(&[])) else {
        return;
    };
    let bootstrap = broker.start();
    let (here, there) = (
        on_both(launch(), &bootstrap, &redis),
        on_both(launch(), &bootstrap, &redis),
    );
    let (first, second) = (here.start(), there.start());
    let user = wait_for("a user whom the second instance looks after", || {
        // An instance takes a shard over with its first event.
        (0..24).map(|user| user.to_string()).find(|user| {
            like(&first, user, 1);
            has(&second, user)
        })
    });
    wait_until("the user is known", || {
        known(&first, &user).is_some_and(|known| known.interactions > 0)
    });
    let mut lines = push::Client::open(&first, &user, &[]);
    lines.until(Some(": connected"));
    let url = first.url.replacen("http", "ws", 1);
    let url = format!("{url}/api/v1/users/{user}/ws");
    let (mut socket, _) = run(tokio_tungstenite::connect_async(url)).unwrap();
    // The update that follows the liking of an item: it recommends the next one, and that one no longer.
    let mut frame = |liked: u64| {
        let next = async {
            loop {
                let Message::Text(text) = socket.next().await.unwrap().unwrap() else {
                    continue;
                };
                let update: Value = serde_json::from_str(&text).unwrap();
                if !mentions(&update, liked) && mentions(&update, liked + 1) {
                    return update["id"].as_str().unwrap().to_owned();
                }
            }
        };
        run(async { tokio::time::timeout(PATIENCE, next).await }).unwrap()
    };
    // Others choose items, so that there is something to recommend.
    for other in ["100", "101", "102"] {
        (1..6).for_each(|item| like(&second, other, item));
    }
    wait_until("the others are known", || {
        ["100", "101", "102"]
            .iter()
            .all(|other| known(&first, other).is_some_and(|known| known.interactions == 5))
    });
    wait_until("both know what to recommend", || {
        [&first, &second].iter().all(|service| {
            let list = recommended(service, &user);
            (2..6).all(|item: u64| list.contains_key(&item.to_string()))
        })
    });
    like(&first, &user, 2);
    let pushed = frame(2);
    lines.until(Some(&format!("id: {pushed}")));

    second.kill();
    like(&first, &user, 3);
    let pushed = frame(3);
    lines.until(Some(&format!("id: {pushed}")));
    drop(lines);
    // While the client is away the user acts elsewhere; the client comes back to another instance.
    like(&first, &user, 4);
    let missed = frame(4);
    assert_ne!(pushed, missed);
    let again = there.start();
    for service in [&first, &again] {
        let header = format!("Last-Event-ID: {pushed}");
        let mut back = push::Client::open(service, &user, &[&header]);
        back.until(Some(&format!("id: {missed}")));
    }
    first.stop();
    again.stop();
}

/// Whether an update recommends the item.
fn mentions(update: &Value, item: u64) -> bool {
    let items = update["recommendations"].as_array().unwrap();
    let item = item.to_string();
    items.iter().any(|one| one["item_id"] == *item)
}
