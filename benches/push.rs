//! How long after an interaction was acknowledged its user's new list arrives, at 5,000 interactions a second, by the built binary:
//! HTTP in, server-sent events out. On the embedded log, and on Kafka where `KAFKA_BOOTSTRAP` names a broker without topics.
//!
//! The floor takes the last hop alone, by turns in the same run: lists that are posted to `push.recommendations` themselves. Driver
//! and service share the cores.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::panic,
    clippy::expect_used,
    reason = "a bench ends at the first surprise and prints its result"
)]

#[path = "../tests/end_to_end/support/mod.rs"]
mod support;
#[path = "support/mod.rs"]
mod table;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use support::service::{Launch, Service};
use table::{median, note};

/// Users who listen; each acts once a second.
const LISTENING: usize = 500;
/// Users who do not.
const OTHERS: usize = 20_000;
const ITEMS: usize = 2_000;
/// Requests a second, and events in each.
const REQUESTS: usize = 100;
const EVENTS: usize = 50;
/// Rounds of each side.
const ROUNDS: usize = 3;

/// What became of a listening user's latest act.
#[derive(Clone, Copy, Default)]
struct Act {
    acknowledged: Option<Instant>,
    arrived: Option<Instant>,
}

type Acts = Arc<Vec<Mutex<Act>>>;

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Interactions,
    Lists,
}

impl Side {
    const fn topic(self) -> &'static str {
        match self {
            Self::Interactions => "business.user.interaction",
            Self::Lists => "push.recommendations",
        }
    }

    /// A third of the interactions has a list computed at once, those of listening users always.
    fn record(self, user: &str, number: usize, listens: bool) -> Value {
        let item = format!("item-{}", number * number % 7_919 % ITEMS);
        match self {
            Self::Interactions => {
                let acts = listens || number.is_multiple_of(3);
                json!({"user_id": user, "interaction_type": if acts { "like" } else { "view" }, "item_ids": [item]})
            }
            Self::Lists => {
                json!({"type": "recommendations_update", "user_id": user, "recommendations": [{"item_id": item}]})
            }
        }
    }
}

/// Reads a user's stream until the service ends it.
async fn listen(http: reqwest::Client, url: String, acts: Acts, user: usize) {
    let url = format!("{url}/api/v1/users/listening-{user}/stream");
    let mut stream = http.get(url).send().await.unwrap();
    assert!(stream.status().is_success(), "{stream:?}");
    while let Ok(Some(chunk)) = stream.chunk().await {
        if chunk.windows(6).any(|part| part == b"\ndata:") {
            acts[user]
                .lock()
                .unwrap()
                .arrived
                .get_or_insert_with(Instant::now);
        }
    }
}

/// One second: so many requests at equal distances. Latencies of the listening users' acts, in seconds.
async fn second(
    http: &reqwest::Client,
    url: &str,
    acts: &Acts,
    side: Side,
    first: usize,
) -> Vec<f64> {
    for act in acts.iter() {
        *act.lock().unwrap() = Act::default();
    }
    let began = tokio::time::Instant::now();
    let mut sent = Vec::new();
    for request in 0..REQUESTS {
        let due = Duration::from_secs(1) * u32::try_from(request).unwrap() / 100;
        tokio::time::sleep_until(began + due).await;
        let share = LISTENING / REQUESTS;
        let listening: Vec<usize> = (request * share..(request + 1) * share).collect();
        let mut records = Vec::new();
        for number in 0..EVENTS {
            let count = first + request * EVENTS + number;
            let (user, listens) = match listening.get(number) {
                Some(user) => (format!("listening-{user}"), true),
                None => (format!("other-{}", count * 31 % OTHERS), false),
            };
            records.push(side.record(&user, count, listens));
        }
        let url = format!("{url}/api/v1/events/{}", side.topic());
        let post = http.post(url).header("content-type", "application/json");
        let post = post.body(Value::from(records).to_string());
        let acts = Arc::clone(acts);
        sent.push(tokio::spawn(async move {
            let answer = post.send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 202);
            let now = Instant::now();
            for user in listening {
                acts[user].lock().unwrap().acknowledged = Some(now);
            }
        }));
    }
    for sent in sent {
        sent.await.unwrap();
    }
    let arrived = || acts.iter().all(|act| act.lock().unwrap().arrived.is_some());
    let limit = Instant::now() + Duration::from_secs(30);
    while !arrived() {
        assert!(Instant::now() < limit, "a list never arrived");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let latency = |act: &Mutex<Act>| {
        let act = *act.lock().unwrap();
        let (acknowledged, arrived) = (act.acknowledged.unwrap(), act.arrived.unwrap());
        arrived
            .saturating_duration_since(acknowledged)
            .as_secs_f64()
    };
    acts.iter().map(latency).collect()
}

/// A percentile in milliseconds.
fn percentile(latencies: &mut [f64], percent: usize) -> f64 {
    latencies.sort_by(f64::total_cmp);
    latencies[(latencies.len() - 1) * percent / 100] * 1e3
}

fn measure(name: &str, service: &Service) {
    let seconds: usize = if std::env::args().any(|argument| argument == "--sample-size") {
        4
    } else {
        10
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let acts: Acts = Arc::new((0..LISTENING).map(|_| Mutex::default()).collect());
        for user in 0..LISTENING {
            tokio::spawn(listen(http.clone(), service.url.clone(), Arc::clone(&acts), user));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut number = 0;
        let (mut ours, mut floor) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            for (side, all) in [(Side::Lists, &mut floor), (Side::Interactions, &mut ours)] {
                let mut latencies = Vec::new();
                for _ in 0..seconds {
                    number += REQUESTS * EVENTS;
                    latencies.extend(second(&http, &service.url, &acts, side, number).await);
                }
                // The first warms up.
                if round > 0 {
                    all.push((percentile(&mut latencies, 50), percentile(&mut latencies, 99)));
                }
            }
        }
        let figures = |all: &[(f64, f64)]| {
            let (p50, p99) = (median(all.iter().map(|one| one.0)), median(all.iter().map(|one| one.1)));
            (format!("p50 {p50:.1} ms, p99 {p99:.1} ms"), p99)
        };
        let ((ours, own), (floor, other)) = (figures(&ours), figures(&floor));
        note(&format!(
            "| acknowledged → pushed, {} interactions/s, {name} | {ours} | a list posted to push.recommendations: {floor} | p99 {:.1} × |",
            REQUESTS * EVENTS,
            own / other
        ));
    });
}

fn main() {
    let launch = Launch::new();
    let service = launch.start();
    measure("embedded log", &service);
    service.stop();
    let Ok(address) = std::env::var("KAFKA_BOOTSTRAP") else {
        eprintln!("push: not measured on Kafka; KAFKA_BOOTSTRAP names no broker");
        return;
    };
    let launch = Launch::new().with("KAFKA__BOOTSTRAP_SERVERS", &address);
    let service = launch.start();
    measure("Kafka", &service);
    service.stop();
}
