//! Users that are not in memory, from the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use homeostat_logic::activity::UserEvent;
use homeostat_logic::activity::stored::StoredUser;

use super::state::ActivityActor;
use crate::flight::Flight;
use crate::ports::user_store::{Entry, Key, Stored, UserStore};
pub(super) use crate::until_answered::{until_answered, until_done};
use crate::work::Work;

/// Users as the store has them.
#[derive(Default)]
pub(super) struct Loaded {
    users: Vec<(String, Option<Stored>, Option<Stored>)>,
    /// Those that the store refuses to read, with the reason.
    refused: BTreeMap<String, String>,
}

#[cfg(test)]
impl Loaded {
    /// Who was read, and who was refused.
    pub(super) fn names(&self) -> (Vec<&str>, Vec<&str>) {
        let read = self.users.iter().map(|(user, ..)| &**user);
        let refused = self.refused.keys().map(|user| &**user);
        (read.collect(), refused.collect())
    }
}

/// Reads streams and profiles of these users. `None`: the partition went away before.
pub(super) async fn load(
    store: Arc<dyn UserStore>,
    users: Vec<String>,
    flight: Arc<Flight>,
) -> Option<Loaded> {
    let mut loaded = Loaded::default();
    match read(&*store, &users, &flight).await? {
        Ok(found) => loaded.users = found,
        // It does not say which of them it means.
        Err(_) => {
            for user in users {
                match read(&*store, std::slice::from_ref(&user), &flight).await? {
                    Ok(found) => loaded.users.extend(found),
                    Err(why) => drop(loaded.refused.insert(user, why)),
                }
            }
        }
    }
    Some(loaded)
}

type Found = Vec<(String, Option<Stored>, Option<Stored>)>;

async fn read(
    store: &dyn UserStore,
    users: &[String],
    flight: &Flight,
) -> Option<Result<Found, String>> {
    let keys = users.iter().flat_map(|user| {
        [
            Key::new(Entry::Stream, user.clone()),
            Key::new(Entry::Profile, user.clone()),
        ]
    });
    let keys: Vec<Key> = keys.collect();
    let found = until_answered(|| store.read(keys.clone()), flight).await?;
    Some(found.map(|found| {
        let mut found = found.into_iter();
        let loaded = users.iter().map(|user| {
            let (stream, profile) = (found.next().flatten(), found.next().flatten());
            (user.clone(), stream, profile)
        });
        loaded.collect()
    }))
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
        let mut unreadable = loaded.refused;
        let mut shared = self.users.model.write();
        for (user, stream, profile) in loaded.users {
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
