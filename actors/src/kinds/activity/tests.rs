//! What a store's answers lead to: tried again while it is away, given up for one user where it refuses, and waited for where the
//! partition cannot do without.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use parking_lot::Mutex;

use super::load::{load, until_answered};
use super::unkept::unkept_users_max;
use super::write::{mark_change, put_origins, put_users};
use crate::flight::Flight;
use crate::flight::tests::{deliver, flight};
use crate::ports::user_store::{
    Change, Entry, Key, Profiles, StoreError, StoreFuture, Stored, UserStore,
};
use crate::shard_keys::origins_key;

/// A store with prepared answers.
#[derive(Default)]
struct Fake {
    /// Answers to come; without one, a call succeeds.
    answers: Mutex<VecDeque<StoreError>>,
    /// Users that it refuses to read.
    unreadable: Vec<&'static str>,
    kept: Mutex<BTreeMap<String, String>>,
    calls: Mutex<usize>,
}

impl Fake {
    fn answering(answers: &[StoreError]) -> Self {
        Self {
            answers: Mutex::new(answers.iter().cloned().collect()),
            ..Self::default()
        }
    }

    fn next<T: Send + 'static>(
        &self,
        then: impl FnOnce() -> Result<T, StoreError>,
    ) -> StoreFuture<T> {
        *self.calls.lock() += 1;
        let error = self.answers.lock().pop_front();
        std::future::ready(error.map_or_else(then, Err)).boxed()
    }
}

impl UserStore for Fake {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn identity(&self) -> String {
        "fake".to_owned()
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn read(&self, keys: Vec<Key>) -> StoreFuture<Vec<Option<Stored>>> {
        let refused = keys.iter().any(|key| self.unreadable.contains(&&*key.user));
        self.next(|| {
            if refused {
                return Err(refused_error());
            }
            Ok(keys.iter().map(|_| None).collect())
        })
    }

    fn change(&self, changes: Vec<Change>) -> StoreFuture<()> {
        self.next(|| {
            for change in changes {
                self.kept
                    .lock()
                    .insert(change.key().to_string(), String::new());
            }
            Ok(())
        })
    }

    fn profiles(&self, _: Option<String>, _: usize) -> StoreFuture<Profiles> {
        self.next(|| Ok(Profiles::default()))
    }

    fn put_blob(&self, _: &'static str, _: Vec<u8>) -> StoreFuture<()> {
        self.next(|| Ok(()))
    }

    fn blob(&self, _: &'static str) -> StoreFuture<Option<Vec<u8>>> {
        self.next(|| Ok(None))
    }

    fn trouble(&self) -> Option<String> {
        None
    }
}

fn away() -> StoreError {
    StoreError::Unavailable("away".to_owned())
}

fn refused_error() -> StoreError {
    StoreError::Refused("user_profile:2 holds another program's data".to_owned())
}

/// A partition with a record in flight.
fn owned() -> Arc<Flight> {
    let flight = Arc::new(flight());
    deliver(&flight, 4..5);
    flight
}

fn obstacle(flight: &Flight) -> String {
    let standstill = flight.standstill(std::time::Instant::now()).unwrap();
    standstill.obstacle.unwrap_or_default()
}

fn put(user: &str) -> Change {
    Change::Put {
        key: Key::new(Entry::Profile, user),
        position: 0,
        value: r#"{"position":0}"#.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_asked_until_it_answers_and_a_refusal_is_an_answer() {
    for (answers, calls, expected) in [
        (vec![], 1, Ok(())),
        (vec![away(), away(), away()], 4, Ok(())),
        (vec![away(), refused_error()], 2, Err(())),
    ] {
        let (store, flight) = (Fake::answering(&answers), owned());
        let answer = until_answered(|| store.change(vec![put("1")]), &flight).await;
        assert_eq!(answer.unwrap().map_err(drop), expected, "{answers:?}");
        assert_eq!(*store.calls.lock(), calls);
        assert_eq!(obstacle(&flight).contains("away"), calls > 1);
    }
    // Another instance has the partition by then.
    let (store, flight) = (Fake::answering(&vec![away(); 1_000]), owned());
    let asked = until_answered(|| store.change(vec![put("1")]), &flight);
    let ended = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        flight.end();
    };
    assert_eq!(tokio::join!(asked, ended).0, None);
}

#[tokio::test(start_paused = true)]
async fn a_refused_change_of_a_user_is_given_up_and_holds_up_nothing() {
    let (store, flight) = (Fake::answering(&[away(), refused_error()]), owned());
    assert!(put_users(&store, vec![put("1"), put("2")], &flight).await);
    assert_eq!(*store.calls.lock(), 2);
    assert!(put_users(&store, Vec::new(), &flight).await);
    assert_eq!(*store.calls.lock(), 2, "nothing to write");
    flight.end();
    assert!(!put_users(&store, vec![put("1")], &flight).await);
}

#[tokio::test(start_paused = true)]
async fn what_the_partition_cannot_do_without_is_tried_until_a_person_has_mended_the_store() {
    let answers = [refused_error(), away(), refused_error(), refused_error()];
    let (store, flight) = (Fake::answering(&answers), owned());
    assert!(put_origins(&store, mark_change(3), &flight).await);
    assert_eq!(*store.calls.lock(), 5);
    assert!(obstacle(&flight).contains("another program's data"));
    assert!(store.kept.lock().contains_key("homeostat_shard:mark-3"));
    assert_ne!(origins_key(3).to_string(), "homeostat_shard:mark-3");
}

#[test]
fn no_more_users_are_unwritten_than_the_model_keeps_at_its_bound() {
    for (users_max, partitions, expected) in [
        (1_000_000, 12, 512),
        (20_000, 12, 208),
        (20_000, 1_024, 2),
        (8, 12, 1),
    ] {
        assert_eq!(unkept_users_max(users_max, partitions), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_who_cannot_be_read_keeps_no_other_from_being_read() {
    let store = Fake {
        unreadable: vec!["2"],
        ..Fake::answering(&[away()])
    };
    let users = ["1", "2", "3"].map(str::to_owned).to_vec();
    let loaded = load(Arc::new(store), users, owned()).await.unwrap();
    assert_eq!(loaded.names(), (vec!["1", "3"], vec!["2"]));
}
