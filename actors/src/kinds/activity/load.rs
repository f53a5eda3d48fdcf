//! Users that are not in memory, from the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use homeostat_logic::activity::UserEvent;
use homeostat_logic::activity::stored::StoredUser;

use super::state::ActivityActor;
use crate::flight::Flight;
use crate::ports::user_store::{Entry, Key, StoreError, StoreFuture, Stored, UserStore};
use crate::throttle::Throttle;
use crate::work::Work;

/// Pause before the store is asked again; it doubles up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);

static WAITING: Throttle = Throttle::new();

/// Users as the store has them.
#[derive(Default)]
pub(super) struct Loaded(Vec<(String, Option<Stored>, Option<Stored>)>);

/// Reads streams and profiles of these users. `None`: the partition went away before.
pub(super) async fn load(
    store: Arc<dyn UserStore>,
    users: Vec<String>,
    flight: Arc<Flight>,
) -> Option<Loaded> {
    let keys = users.iter().flat_map(|user| {
        [
            Key::new(Entry::Stream, user.clone()),
            Key::new(Entry::Profile, user.clone()),
        ]
    });
    let keys: Vec<Key> = keys.collect();
    let read = || store.read(keys.clone());
    let mut found = until_answered(read, &flight).await?.into_iter();
    let loaded = users.into_iter().map(|user| {
        let (stream, profile) = (found.next().flatten(), found.next().flatten());
        (user, stream, profile)
    });
    Some(Loaded(loaded.collect()))
}

/// Asks the store until it answers, or refuses, which it never does for what is asked here. `None`: the partition went away before.
pub(super) async fn until_answered<T>(
    ask: impl Fn() -> StoreFuture<T>,
    flight: &Flight,
) -> Option<T> {
    let mut pause = RETRY_FIRST;
    while !flight.ended() {
        match ask().await {
            Ok(answer) => return Some(answer),
            Err(error @ (StoreError::Unavailable(_) | StoreError::Refused(_))) => {
                let reason = error.to_string();
                if let Some(more) = WAITING.pass() {
                    let partition = &flight.partition;
                    tracing::warn!(%partition, reason, more, "the events of users wait for the store");
                }
                flight.held_up(reason);
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
    None
}

impl ActivityActor {
    /// Users of these events that are not in memory.
    pub(super) fn lacking(&self, work: &Work<UserEvent>) -> Vec<String> {
        let model = self.users.model.read();
        let users: BTreeSet<&str> = work.values().map(|event| &*event.user).collect();
        let users = users.into_iter();
        users
            .filter(|user| self.shard.lacks(user, model.model()))
            .map(str::to_owned)
            .collect()
    }

    /// Puts loaded users in. Those that cannot be read are returned, with the reason.
    pub(super) fn put(
        &mut self,
        loaded: Loaded,
        work: &Work<UserEvent>,
    ) -> BTreeMap<String, String> {
        let now = work.batch().get(0).map_or(0, |record| record.timestamp);
        let mut unreadable = BTreeMap::new();
        let mut shared = self.users.model.write();
        for (user, stream, profile) in loaded.0 {
            let text = |stored: &Option<Stored>| stored.as_ref().map(|stored| stored.value.clone());
            let (stream, profile) = (text(&stream), text(&profile));
            let put = StoredUser::read(stream.as_deref(), profile.as_deref())
                .map_err(|error| error.to_string())
                .and_then(|stored| {
                    let put = self.shard.put(&user, stored, shared.model_mut(), now);
                    put.map_err(|error| error.to_string())
                });
            if let Err(error) = put {
                let why = format!("what the store holds of user {user} cannot be read: {error}");
                unreadable.insert(user, why);
            }
        }
        unreadable
    }
}
