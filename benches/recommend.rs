//! What the recommender costs: learning beside the least that any learner does, and recommendations of small and large models.
//! Learning apart is with all that a shard does to the model: the delta of a batch, its bytes, and merging them.
//!
//! The floor of learning counts the pairs of the same events in one hash map, without damping, trend, bounds or users' memory.
//! A recommendation's figures are quantiles over single calls; the shared machine is in them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a bench ends at the first surprise and prints its result"
)]

mod support;

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use homeostat_logic::recommend::{
    Delta, Interaction, Learned, Model, RecommendSettings, Request, Scratch,
};

use support::{compare, note, timed};

/// As many as `MovieLens` 100k has.
const EVENTS: usize = 100_000;
const USERS: usize = 943;
const ITEMS: usize = 1_682;
/// Events of one delta.
const BATCH: usize = 1_000;
/// What a large model knows.
const LARGE: usize = 1_000_000;
const START_MS: i64 = 1_700_000_000_000;

/// Users and items as ids; items are chosen by a law that a few satisfy often, users in sessions.
struct Events {
    users: Vec<String>,
    items: Vec<String>,
    /// (user, item)
    all: Vec<(usize, usize)>,
}

impl Events {
    fn new(users: usize, items: usize, many: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(7);
        let mut all = Vec::with_capacity(many);
        while all.len() < many {
            let user = random.usize(..users);
            let around = random.usize(..items);
            for _ in 0..random.usize(1..20).min(many - all.len()) {
                let item = if random.bool() {
                    (items as f64 * random.f64().powi(3)) as usize
                } else {
                    (around + random.usize(..40)) % items
                };
                all.push((user, item));
            }
        }
        Self {
            users: (0..users).map(|user| format!("user-{user}")).collect(),
            items: (0..items).map(|item| format!("item-{item}")).collect(),
            all,
        }
    }

    fn teach(&self, model: &mut Model, events: &[(usize, usize)]) {
        self.each(model, 0, events, Model::learn);
    }

    /// As a shard does.
    fn teach_apart(&self, model: &mut Model, events: &[(usize, usize)]) {
        for (place, batch) in events.chunks(BATCH).enumerate() {
            self.each(model, place * BATCH, batch, Model::learn_apart);
            let delta = model.take_delta().unwrap().to_bytes();
            model.merge(&Delta::from_bytes(&delta).unwrap());
        }
    }

    fn each(
        &self,
        model: &mut Model,
        start: usize,
        events: &[(usize, usize)],
        learn: fn(&mut Model, &Interaction<'_>, i64) -> Learned,
    ) {
        for (place, (user, item)) in (start as i64..).zip(events) {
            let time_ms = START_MS + place * 1_000;
            let interaction = Interaction {
                user: &self.users[*user],
                kind: "purchase",
                weight: None,
                items: &[&self.items[*item]],
                time_ms,
            };
            black_box(learn(model, &interaction, time_ms));
        }
    }
}

fn model() -> Model {
    Model::new(RecommendSettings::default(), 1).unwrap()
}

fn learning(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recommend");
    let events = Events::new(USERS, ITEMS, EVENTS);
    let ours = || {
        let mut model = model();
        timed(|| events.teach(&mut model, &events.all))
    };
    let mut floor = || {
        let mut history: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut pairs: HashMap<(usize, usize), f32> = HashMap::new();
        timed(|| {
            for (user, item) in &events.all {
                let past = history.entry(&events.users[*user]).or_default();
                for other in past.iter().rev().take(30) {
                    *pairs.entry((*other, *item)).or_insert(0.0) += 1.0;
                    *pairs.entry((*item, *other)).or_insert(0.0) += 1.0;
                }
                past.push(*item);
            }
            black_box(pairs.len());
        })
    };
    compare(
        &mut group,
        "learn an interaction, MovieLens size",
        EVENTS as u64,
        ours,
        &mut [("counting pairs in a hash map", &mut floor)],
    );
    let apart = || {
        let mut model = model();
        timed(|| events.teach_apart(&mut model, &events.all))
    };
    compare(
        &mut group,
        "learn apart and merge, MovieLens size",
        EVENTS as u64,
        apart,
        &mut [("counting pairs in a hash map", &mut floor)],
    );
    group.finish();
}

/// Times single recommendations, and notes their quantiles and the model's memory.
fn recommendations(name: &str, events: &Events, model: &Model, calls: usize) {
    let mut scratch = Scratch::default();
    let now_ms = START_MS + events.all.len() as i64 * 1_000;
    let mut times: Vec<Duration> = (0..calls)
        .map(|call| {
            let (user, _) = events.all[events.all.len() - 1 - call * 7 % events.all.len()];
            let request = Request {
                user: &events.users[user],
                count: 20,
                now_ms,
                before_ms: None,
                scoring: None,
                allow: &|_| true,
            };
            let began = Instant::now();
            black_box(model.recommend(&request, &mut scratch));
            began.elapsed()
        })
        .skip(calls / 10)
        .collect();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    let rate = 1e6 / at(0.5);
    note(&format!(
        "| recommend 20, {name} | {:.0}/s, p50 {:.0} µs, p99 {:.0} µs | - | - |",
        rate,
        at(0.5),
        at(0.99)
    ));
    let (size, memory) = (model.size(), model.memory());
    let mib = |bytes: usize| bytes >> 20;
    note(&format!(
        "| memory, {name}: {} users, {} items, {} pairs | {} MiB (items {}, pairs {}, users by item {}, users {}) | - | - |",
        size.users,
        size.items,
        size.pairs,
        mib(memory.whole()),
        mib(memory.items),
        mib(memory.neighbours),
        mib(memory.holders),
        mib(memory.users)
    ));
}

fn recommending(_: &mut Criterion) {
    let events = Events::new(USERS, ITEMS, EVENTS);
    let mut small = model();
    events.teach(&mut small, &events.all);
    recommendations("MovieLens size", &events, &small, 20_000);
    drop(small);
    let many = if std::env::var_os("QUICK").is_some() {
        3_000_000
    } else {
        10_000_000
    };
    let events = Events::new(LARGE, LARGE, many);
    let mut large = model();
    // Every item and user is known once, whatever chance leaves out.
    let each: Vec<(usize, usize)> = (0..LARGE).map(|place| (place, place)).collect();
    events.teach(&mut large, &each);
    let half = many / 2;
    for (how, events_of, teach) in [
        (
            "learn an interaction",
            &events.all[..half],
            Events::teach as fn(&Events, &mut Model, &[(usize, usize)]),
        ),
        (
            "learn apart and merge",
            &events.all[half..],
            Events::teach_apart,
        ),
    ] {
        let began = Instant::now();
        teach(&events, &mut large, events_of);
        let rate = events_of.len() as f64 / began.elapsed().as_secs_f64();
        note(&format!(
            "| {how}, a million users and items | {rate:.0}/s | - | - |"
        ));
    }
    recommendations("a million users and items", &events, &large, 5_000);
}

criterion_group!(benches, learning, recommending);
criterion_main!(benches);
