//! Writing what batches change, in the order that a crash between any two steps needs.

use std::sync::Arc;

use homeostat_logic::activity::Origins;
use serde_json::json;

use super::load::{until_answered, until_done};
use crate::append::append_until_durable;
use crate::fail_point::{self, Point};
use crate::flight::Flight;
use crate::kinds::responder::UntilRevoked;
use crate::ports::log::{EventLog, NewRecord};
use crate::ports::user_store::{Change, Entry, Key, UserStore};
use crate::shard_keys::origins_key;
use crate::throttle::Throttle;

static NOT_PUBLISHED: Throttle = Throttle::new();
static REFUSED: Throttle = Throttle::new();

/// Where it is written.
pub(super) struct Writer {
    pub(super) log: Arc<dyn EventLog>,
    pub(super) store: Arc<dyn UserStore>,
    pub(super) flight: Arc<Flight>,
}

/// What batches changed, as it is written.
pub(super) struct Kept {
    pub(super) must: Vec<NewRecord>,
    pub(super) users: Vec<Change>,
    /// Which records came already; written when all else is.
    pub(super) origins: Option<Change>,
}

/// Writes it. `false`: the partition went away before, and nothing is to be settled.
pub(super) async fn write(writer: Writer, kept: Kept) -> bool {
    let Writer { log, store, flight } = writer;
    fail_point::pass(Point::BeforeLearned);
    let must = kept.must.into_iter().map(|record| ((), record)).collect();
    let patience = UntilRevoked(Arc::clone(&flight));
    for ((), error) in append_until_durable(&*log, must, &patience).await {
        // A delta or an event that the log will never take: users go on, items learn less.
        tracing::error!(%error, "what was learned from a batch of events is not shared");
    }
    fail_point::pass(Point::AfterLearned);
    if flight.ended() || !put_users(&*store, kept.users, &flight).await {
        return false;
    }
    fail_point::pass(Point::AfterUsers);
    match kept.origins {
        Some(origins) => put_origins(&*store, origins, &flight).await,
        None => true,
    }
}

/// Writes users. A change that the store refuses is given up, and the others are made: one user's key that is none of ours must
/// not hold up the partition. The message names the key. `false`: the partition went away before.
pub(super) async fn put_users(
    store: &dyn UserStore,
    changes: Vec<Change>,
    flight: &Flight,
) -> bool {
    if changes.is_empty() {
        return true;
    }
    let written = until_answered(|| store.change(changes.clone()), flight).await;
    if let Some(Err(why)) = &written
        && let Some(more) = REFUSED.pass()
    {
        let partition = &flight.partition;
        tracing::error!(%partition, why, more, "what a user did is not kept");
    }
    written.is_some()
}

/// Writes which records came already. Without it events could count twice after a crash, so that a refusal holds the partition.
/// `false`: the partition went away before.
pub(super) async fn put_origins(store: &dyn UserStore, origins: Change, flight: &Flight) -> bool {
    let change = || store.change(vec![origins.clone()]);
    until_done(change, flight).await.is_some()
}

/// Publishes records, each tried once.
pub(super) async fn publish(log: Arc<dyn EventLog>, records: Vec<NewRecord>) {
    let topics: Vec<String> = records.iter().map(|record| record.topic.clone()).collect();
    for (topic, answer) in topics.iter().zip(log.append(records).await) {
        if let Err(error) = answer
            && let Some(more) = NOT_PUBLISHED.pass()
        {
            tracing::warn!(topic, %error, more, "an event about a user was not published");
        }
    }
}

/// The mark by which it is noticed that the store has lost what was written: it is there from when a shard is taken over, and
/// nothing removes it.
pub(super) fn mark_key(shard: u32) -> Key {
    Key::new(Entry::Shard, format!("mark-{shard}"))
}

/// What is kept there.
pub(super) fn mark_change(shard: u32) -> Change {
    Change::Put {
        key: mark_key(shard),
        position: 0,
        value: r#"{"position":0}"#.to_owned(),
    }
}

/// What is kept of the records that came already.
pub(super) fn origins_change(shard: u32, position: i64, origins: &Origins) -> Change {
    let value = json!({ "origins": origins.to_json() });
    // The position comes first, which a map would not keep.
    let value = value
        .to_string()
        .replacen('{', &format!("{{\"position\":{position},"), 1);
    Change::Put {
        key: origins_key(shard),
        position,
        value,
    }
}
