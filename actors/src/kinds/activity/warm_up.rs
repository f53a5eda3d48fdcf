//! After a start, the users who were active last are brought into the model, so that others have somebody to be similar to.
//!
//! One actor reads through the profiles of the store, page by page and with pauses, and keeps the names of the newest. Each shard
//! then takes its own, slice by slice between its events: it alone knows whether a user acted or was erased meanwhile, and leaves
//! such a user as he is. Nothing waits for any of this, and a store that is away is asked again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use homeostat_logic::activity::event::partition_of_user;
use homeostat_logic::activity::stored::{StoredProfile, last_active};
use homeostat_logic::ledger::record::Millis;
use parking_lot::Mutex;

use super::UserMeans;
use super::state::ActivityActor;
use crate::ports::user_store::{Entry, Key, StoreError, Stored, UserStore};
use crate::supervision::{Failure, Scope, Worker};

/// Profiles that are asked for at a time.
const PAGE: usize = 256;
/// Pause between two pages.
const PAGE_PAUSE: Duration = Duration::from_millis(2);
/// Users that a shard takes at a time; the model is locked for well under a millisecond.
const SLICE: usize = 32;
/// Pause between two slices of a shard.
const SLICE_PAUSE: Duration = Duration::from_millis(25);
/// How often a shard looks whether there is something to take.
const LOOK: Duration = Duration::from_millis(250);
/// Pause before the store is asked again.
const RETRY: Duration = Duration::from_secs(5);

/// Names of users who are to be brought in, by partition.
pub struct WarmUp {
    /// Users who are brought in at most; 0: none.
    max: usize,
    waiting: Vec<Mutex<Vec<String>>>,
    /// No user is added any more.
    is_read: AtomicBool,
}

impl WarmUp {
    /// For so many partitions and at most so many users.
    pub fn new(partitions: usize, max: usize) -> Self {
        let none = || Mutex::new(Vec::new());
        Self {
            max,
            waiting: std::iter::repeat_with(none).take(partitions).collect(),
            is_read: AtomicBool::new(max == 0),
        }
    }

    fn put(&self, users: Vec<String>) {
        let partitions = self.waiting.len();
        for user in users {
            let partition = usize::try_from(partition_of_user(&user, partitions));
            if let Some(waiting) = self.waiting.get(partition.unwrap_or_default()) {
                waiting.lock().push(user);
            }
        }
        self.is_read.store(true, Ordering::Release);
    }

    /// The next of a partition; `None`: no user is left, and none will come.
    fn take(&self, partition: usize) -> Option<Vec<String>> {
        let is_read = self.is_read.load(Ordering::Acquire);
        let mut waiting = self.waiting.get(partition)?.lock();
        let left = waiting.len().saturating_sub(SLICE);
        let slice = waiting.split_off(left);
        (!slice.is_empty() || !is_read).then_some(slice)
    }
}

/// The actor that reads through the store.
pub(super) struct Reader(pub(super) UserMeans);

impl Reader {
    fn read(&self, scope: &mut Scope<'_, Self>) {
        let UserMeans {
            model,
            store,
            warm_up,
            ..
        } = self.0.clone();
        let newest = async move {
            // Items are known by then; before, users could not be put in with all of theirs.
            model.caught_up().await;
            newest(&*store, warm_up.max).await
        };
        scope.spawn(newest, |worker, newest, scope| {
            match newest {
                Ok(users) => {
                    tracing::info!(users = users.len(), "users who were active last are found");
                    worker.0.warm_up.put(users);
                }
                Err(error) => {
                    tracing::debug!(%error, "users who were active last are looked for again");
                    scope.run_later(RETRY, |worker, scope| {
                        worker.read(scope);
                        Ok(())
                    });
                }
            }
            Ok(())
        });
    }
}

impl Worker for Reader {
    fn started(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        if !self.0.warm_up.is_read.load(Ordering::Acquire) {
            self.read(scope);
        }
        Ok(())
    }
}

/// The users who were active last, the newest at the end. Only the names of `max` are held.
async fn newest(store: &dyn UserStore, max: usize) -> Result<Vec<String>, StoreError> {
    let mut newest: BinaryHeap<Reverse<(Millis, String)>> = BinaryHeap::new();
    let mut page = None;
    loop {
        let found = store.profiles(page, PAGE).await?;
        for (user, stored) in found.users {
            let Some(at) = last_active(&stored.value) else {
                continue;
            };
            newest.push(Reverse((at, user)));
            if newest.len() > max {
                newest.pop();
            }
        }
        page = found.next;
        if page.is_none() {
            break;
        }
        tokio::time::sleep(PAGE_PAUSE).await;
    }
    let mut users = newest.into_vec();
    // A page of a cluster may have a user twice.
    users.sort_unstable_by(|Reverse(one), Reverse(other)| one.cmp(other));
    users.dedup();
    Ok(users.into_iter().map(|Reverse((_, user))| user).collect())
}

impl ActivityActor {
    /// From now on, takes users of this shard now and then, until none is left.
    pub(super) fn begin_warm_up(scope: &mut Scope<'_, Self>) {
        Self::warm_up(LOOK, scope);
    }

    fn warm_up(after: Duration, scope: &mut Scope<'_, Self>) {
        scope.run_later(after, |worker, scope| {
            worker.take_slice(scope);
            Ok(())
        });
    }

    fn take_slice(&mut self, scope: &mut Scope<'_, Self>) {
        // Where others have a part of the users, erasures reach the owner alone.
        if self.owned.is_none() && self.users.store.is_shared() {
            return Self::warm_up(LOOK, scope);
        }
        let Some(users) = self.users.warm_up.take(self.number) else {
            return;
        };
        if users.is_empty() {
            return Self::warm_up(LOOK, scope);
        }
        let keys = users.iter().map(|user| Key::new(Entry::Profile, user));
        let found = self.users.store.read(keys.collect());
        scope.spawn(found, |worker, found, scope| {
            match found {
                Ok(found) => worker.bring_in(users, found),
                Err(error) => {
                    tracing::debug!(%error, "some users who were active last are not brought in");
                }
            }
            Self::warm_up(SLICE_PAUSE, scope);
            Ok(())
        });
    }

    fn bring_in(&self, users: Vec<String>, found: Vec<Option<Stored>>) {
        let read = |stored: Option<Stored>| {
            let profile: StoredProfile = serde_json::from_str(&stored?.value).ok()?;
            profile.taste.filter(|_| !profile.erased)
        };
        let tastes = users.into_iter().zip(found.into_iter().map(read));
        let tastes: Vec<_> = tastes.collect();
        let mut shared = self.users.model.write();
        for (user, taste) in tastes {
            let model = shared.model_mut();
            let is_full = model.size().users >= model.settings().users_max;
            if is_full || self.shard.has(&user) || model.has_user(&user) {
                continue;
            }
            // One that cannot be read is named when the user acts.
            if let Some(Err(error)) = taste.map(|taste| model.import_user(&user, &taste)) {
                tracing::debug!(%error, "a user who was active lately is not brought in");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::ports::user_store::{Change, Profiles, StoreFuture};

    /// A store of profiles alone.
    struct Kept(Vec<(String, Stored)>);

    impl UserStore for Kept {
        fn kind(&self) -> &'static str {
            "test"
        }

        fn identity(&self) -> String {
            "test".to_owned()
        }

        fn is_shared(&self) -> bool {
            false
        }

        fn read(&self, _: Vec<Key>) -> StoreFuture<Vec<Option<Stored>>> {
            std::future::pending().boxed()
        }

        fn change(&self, _: Vec<Change>) -> StoreFuture<()> {
            std::future::pending().boxed()
        }

        fn profiles(&self, page: Option<String>, max: usize) -> StoreFuture<Profiles> {
            let from: usize = page.map_or(0, |page| page.parse().unwrap());
            let users: Vec<_> = self.0.iter().skip(from).take(max).cloned().collect();
            let next = from + users.len();
            let next = (next < self.0.len()).then(|| next.to_string());
            std::future::ready(Ok(Profiles { users, next })).boxed()
        }

        fn put_blob(&self, _: &'static str, _: Vec<u8>) -> StoreFuture<()> {
            std::future::pending().boxed()
        }

        fn blob(&self, _: &'static str) -> StoreFuture<Option<Vec<u8>>> {
            std::future::pending().boxed()
        }

        fn trouble(&self) -> Option<String> {
            None
        }
    }

    fn profile(user: usize, value: &str) -> (String, Stored) {
        (format!("u{user}"), Stored::read(value.to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn the_users_who_were_active_last_are_kept_and_no_others() {
        let mut all: Vec<_> = (0..1_000_usize)
            .map(|user| {
                // In an order that is not that of the ids.
                let minute = user * 7 % 1_000;
                let at = format!("2026-03-02T{:02}:{:02}:00.000Z", minute / 60, minute % 60);
                let value = format!(r#"{{"position":1,"updated_at":"{at}","interactions":3}}"#);
                profile(user, &value)
            })
            .collect();
        let others = [
            r#"{"position":9,"erased":true}"#,
            r#"{"position":9,"updated_at":"2026-03-03T00:00:00.000Z"}"#,
            "{",
        ];
        all.extend(
            (2_000..)
                .zip(others)
                .map(|(user, value)| profile(user, value)),
        );
        let mut expected: Vec<usize> = (0..1_000).collect();
        expected.sort_by_key(|user| user * 7 % 1_000);
        let expected: Vec<String> = expected.iter().map(|user| format!("u{user}")).collect();
        for max in [0, 1, 300, 1_000, 5_000] {
            let found = newest(&Kept(all.clone()), max).await.unwrap();
            let from = expected.len().saturating_sub(max);
            assert_eq!(found, expected[from..], "{max}");
        }
    }

    #[test]
    fn each_partition_takes_its_own_until_none_is_left() {
        let warm_up = WarmUp::new(3, 500);
        assert_eq!(warm_up.take(1), Some(Vec::new()), "they are still read");
        let users: Vec<String> = (0..500).map(|user| user.to_string()).collect();
        warm_up.put(users.clone());
        let mut taken = Vec::new();
        for partition in 0..3 {
            while let Some(slice) = warm_up.take(partition) {
                assert!((1..=SLICE).contains(&slice.len()));
                let own =
                    |user: &String| usize::try_from(partition_of_user(user, 3)) == Ok(partition);
                assert!(slice.iter().all(own));
                taken.extend(slice);
            }
        }
        taken.sort();
        let mut users = users;
        users.sort();
        assert_eq!(taken, users);
        assert_eq!(WarmUp::new(3, 0).take(0), None);
    }
}
