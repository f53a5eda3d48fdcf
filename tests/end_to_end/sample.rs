//! Interactions in order of time, as ratings of films are: generated from a seed, or `MovieLens` 100k where it was fetched.
//!
//! `HOMEOSTAT_SEED` repeats a run, `HOMEOSTAT_EVENTS` says how many events, and `MOVIELENS_FILE` names what `scripts/movielens` printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use homeostat_actors::ports::log::NewRecord;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::RowAccessor as _;
use serde_json::{Value, json};

/// Events of a user are in one topic: what comes over several has no order.
const TOPICS: [&str; 3] = [
    "business.user.interaction",
    "business.feedback.received",
    "business.recommendation.clicked",
];
/// So light that few preferences reach their bound, which would hide what counts twice.
const KINDS: [&str; 6] = ["view", "view", "scroll", "view", "like", "add_to_cart"];
const USERS: u64 = 40;
const ITEMS: u64 = 150;
const GENRES: u64 = 9;

/// Users who did something with items.
pub(crate) struct Sample {
    pub(crate) seed: u64,
    /// User and event, in order of time.
    pub(crate) events: Vec<(String, Value)>,
}

impl Sample {
    /// With so many events, if the environment does not say otherwise.
    pub(crate) fn new(events: usize) -> Self {
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        let seed = number("HOMEOSTAT_SEED").unwrap_or_else(|| fastrand::u64(..));
        let events =
            number("HOMEOSTAT_EVENTS").map_or(events, |count| usize::try_from(count).unwrap());
        eprintln!("HOMEOSTAT_SEED={seed} HOMEOSTAT_EVENTS={events}");
        let mut dice = fastrand::Rng::with_seed(seed);
        let ratings = match std::env::var_os("MOVIELENS_FILE") {
            Some(file) => movielens(Path::new(&file), events),
            None => generated(&mut dice, events),
        };
        let first = chrono::Utc::now() - chrono::Duration::days(6);
        // Every user last acted hours ago, so that nothing depends on when a list is asked for.
        let step = chrono::Duration::days(5) / i32::try_from(ratings.len()).unwrap();
        let mut at = first;
        let events = ratings.into_iter().map(|(user, item, rating)| {
            at += step;
            let time = at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
            let kind = KINDS[usize::try_from(item % 6).unwrap()];
            let mut event =
                json!({"user_id": user, "timestamp": time, "context": {"rating": rating}});
            let more = match user % 3 {
                0 => json!({"interaction_type": kind, "item_ids": [item, (item + 1) % ITEMS]}),
                1 => json!({"item_id": item.to_string(), "rating": rating}),
                _ => json!({"item_id": item}),
            };
            event
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            (user.to_string(), event)
        });
        let events = events.collect();
        Self { seed, events }
    }

    /// How many events each user has.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for (user, _) in &self.events {
            *counts.entry(user.clone()).or_default() += 1;
        }
        counts
    }

    /// These events as records, keyed by user.
    pub(crate) fn records(&self, range: std::ops::Range<usize>) -> Vec<NewRecord> {
        let record = |(user, event): &(String, Value)| NewRecord {
            topic: TOPICS[user.parse::<usize>().unwrap() % 3].to_owned(),
            key: Some(user.clone().into_bytes()),
            value: Some(event.to_string().into_bytes()),
            ..NewRecord::default()
        };
        self.events[range].iter().map(record).collect()
    }

    /// The items with their genres, as CSV.
    pub(crate) fn catalog() -> String {
        let mut text = "item_id,title,genres\n".to_owned();
        for item in 0..2_000.max(ITEMS) {
            let (genre, other) = (item % GENRES, item % 5);
            writeln!(text, "{item},Item {item},g{genre}|h{other}").unwrap();
        }
        text
    }
}

/// User, item and rating: each user likes the items around a place of their own, and few items are chosen by most.
fn generated(dice: &mut fastrand::Rng, events: usize) -> Vec<(u64, u64, u64)> {
    let tastes: Vec<u64> = (0..USERS).map(|_| dice.u64(0..ITEMS)).collect();
    let rating = |_| {
        let user = dice.u64(0..USERS);
        let near = dice.u64(0..30) * dice.u64(0..30) / 30;
        let item = if dice.u64(0..4) == 0 {
            dice.u64(0..12)
        } else {
            (tastes[usize::try_from(user).unwrap()] + near) % ITEMS
        };
        (user, item, dice.u64(2..12) / 2)
    };
    (0..events).map(rating).collect()
}

/// The first ratings of `MovieLens` in order of time.
fn movielens(file: &Path, events: usize) -> Vec<(u64, u64, u64)> {
    let reader = SerializedFileReader::try_from(file).unwrap();
    let mut ratings = Vec::new();
    for row in reader.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        let place = |name: &str| row.get_column_iter().position(|(other, _)| other == name);
        let number =
            |name: &str| u64::try_from(row.get_long(place(name).unwrap()).unwrap()).unwrap();
        ratings.push((
            number("timestamp"),
            number("user_id"),
            number("movie_id"),
            number("rating"),
        ));
    }
    ratings.sort_unstable();
    let first = ratings.into_iter().take(events);
    first
        .map(|(_, user, item, rating)| (user, item, rating))
        .collect()
}
